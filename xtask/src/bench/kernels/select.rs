//! Which kernels a command line means.

use anyhow::{Result, bail};

/// What selection needs to know of something that can be measured.
pub trait Named {
    /// The kernel's name.
    fn kernel(&self) -> &str;
    /// The group of kernels that it belongs to.
    fn group(&self) -> &str;
    /// Whether `--quick` keeps it.
    fn is_quick(&self) -> bool;
}

/// Those whose kernel contains one of the parts, or whose group is one of them; all if there are none.
///
/// # Errors
/// If a part fits nothing; the message lists the names.
pub fn select<N: Named>(all: Vec<N>, parts: &[String], quick: bool) -> Result<Vec<N>> {
    let fits = |named: &N, part: &String| named.kernel().contains(part.as_str()) || named.group() == part;
    for part in parts {
        if !all.iter().any(|named| fits(named, part)) {
            let mut names: Vec<&str> = all.iter().map(N::kernel).collect();
            names.dedup();
            bail!("no kernel is called like \"{part}\"; there are {}", names.join(", "));
        }
    }
    let wanted = |named: &N| parts.is_empty() || parts.iter().any(|part| fits(named, part));
    Ok(all.into_iter().filter(|named| wanted(named) && (!quick || named.is_quick())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Item(&'static str, &'static str, bool);

    impl Named for Item {
        fn kernel(&self) -> &str {
            self.0
        }
        fn group(&self) -> &str {
            self.1
        }
        fn is_quick(&self) -> bool {
            self.2
        }
    }

    fn selected(parts: &[&str], quick: bool) -> Result<Vec<&'static str>> {
        let all = vec![
            Item("gemm", "gemm", true),
            Item("gemm_nt", "gemm", false),
            Item("softmax", "rows", true),
            Item("exp", "elementwise", true),
        ];
        let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
        Ok(select(all, &parts, quick)?.iter().map(|item| item.0).collect())
    }

    #[test]
    fn parts_of_names_and_whole_groups_select() {
        assert_eq!(selected(&[], false).expect("all").len(), 4);
        assert_eq!(selected(&["gemm"], false).expect("found"), ["gemm", "gemm_nt"]);
        assert_eq!(selected(&["gemm", "soft"], true).expect("found"), ["gemm", "softmax"]);
        assert_eq!(selected(&["elementwise"], false).expect("found"), ["exp"]);
    }

    #[test]
    fn a_part_that_fits_nothing_is_an_error() {
        let message = selected(&["gemm", "steps"], false).expect_err("no such kernel").to_string();
        assert!(message.contains("\"steps\"") && message.contains("gemm_nt"), "{message}");
    }
}
