//! What the machine and the checkout are called, for the page.

use etude_kernels::yardstick::has_tiles;

use super::page::Machine;
use crate::tour::machine::processor;
use crate::workspace;

/// This machine and this checkout, now.
pub fn here() -> Machine {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let changed =
        answer("git", &["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty());
    let commit = answer("git", &["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".into());
    Machine {
        processor: processor(&cpuinfo).unwrap_or_else(|| std::env::consts::ARCH.to_string()),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        features: features(),
        system: std::env::consts::OS.to_string(),
        compiler: answer("rustc", &["--version"]).unwrap_or_else(|| "rustc, version unknown".into()),
        days: now.as_secs() / 86_400,
        commit: if changed { format!("{commit} with local changes") } else { commit },
    }
}

/// What a program prints, if it can be had.
fn answer(program: &str, args: &[&str]) -> Option<String> {
    let output = std::process::Command::new(program).args(args).current_dir(workspace::root()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

/// The processor's features that matter to kernels, as the program detects them.
fn features() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    let mut found: Vec<&'static str> = {
        macro_rules! found {
            ($($name:tt),*) => { [$(($name, std::arch::is_x86_feature_detected!($name))),*] };
        }
        let all = found!(
            "avx",
            "avx2",
            "fma",
            "f16c",
            "avx512f",
            "avx512bw",
            "avx512dq",
            "avx512vl",
            "avx512vnni",
            "avx512bf16",
            "avx512fp16"
        );
        all.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect()
    };
    #[cfg(target_arch = "aarch64")]
    let mut found = {
        let all = [
            ("neon", std::arch::is_aarch64_feature_detected!("neon")),
            ("fp16", std::arch::is_aarch64_feature_detected!("fp16")),
            ("bf16", std::arch::is_aarch64_feature_detected!("bf16")),
        ];
        all.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect::<Vec<_>>()
    };
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let mut found = Vec::new();
    if has_tiles() {
        found.push("amx-bf16");
    }
    found
}
