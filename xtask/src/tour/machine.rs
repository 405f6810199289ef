//! One line that says on what machine the figures arose.

use super::Visit;

/// Processor, cores, and what the examples say of the instruction set and the threads that they used.
pub fn line(visits: &[Visit]) -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut parts = vec![
        processor(&cpuinfo).unwrap_or_else(|| std::env::consts::ARCH.to_string()),
        format!("{cores} {}", if cores == 1 { "core" } else { "cores" }),
    ];
    let report = visits.iter().find_map(Visit::report);
    if let Some(isa) = report.and_then(|report| report.isa.as_ref()) {
        parts.push(format!("instruction set {isa}"));
    }
    if let Some(threads) = report.and_then(|report| report.threads) {
        parts.push(format!("{threads} {}", if threads == 1 { "thread" } else { "threads" }));
    }
    parts.push(std::env::consts::OS.to_string());
    parts.join(" · ")
}

/// The model name that Linux gives; other systems have no such file.
pub fn processor(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tour::fake;

    #[test]
    fn the_line_names_what_is_known() {
        assert_eq!(processor("processor\t: 0\nmodel name\t: A CPU @ 2 GHz\n").as_deref(), Some("A CPU @ 2 GHz"));
        assert_eq!(processor(""), None);
        let line = line(&[fake::failed("x"), fake::done(0.5)]);
        assert!(line.contains("instruction set avx512 · 2 threads"), "{line}");
    }
}
