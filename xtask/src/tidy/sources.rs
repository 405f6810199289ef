//! Rules on single source files.

use std::path::Path;

use super::lexer::{self, Line};
use super::{Finding, KERNELS};

/// Longer files are where readers get lost; most are far shorter.
const LONGEST: usize = 600;

/// The files of `kernels` that may hold `unsafe`, each for one idea.
const UNSAFE_FILES: &[&str] = &[
    "kernels/src/gemm/amx/split.rs",
    "kernels/src/gemm/amx/tiles.rs",
    "kernels/src/gemm/micro.rs",
    "kernels/src/gemm/tile.rs",
    "kernels/src/gemm/transpose.rs",
    "kernels/src/gemm/yardstick.rs",
    "kernels/src/lanes/mod.rs",
    "kernels/src/pages.rs",
    "kernels/src/par/cores.rs",
    "kernels/src/par/team.rs",
    "kernels/src/system.rs",
    "kernels/src/yardstick/tiles.rs",
];

/// Library files that speak to a person, and therefore print: progress and the summary of an example.
const PRINTING_FILES: &[&str] = &["data/src/example.rs"];

/// How far above its `unsafe` a reason may start.
const REACH: usize = 8;

/// Checks one `.rs` file; `file` is relative to the root.
pub fn check(file: &Path, source: &str) -> Vec<Finding> {
    let lines = lexer::lines(source);
    let mut findings = Vec::new();
    if lines.len() > LONGEST {
        let message = format!("{} lines; at most {LONGEST} are allowed", lines.len());
        findings.push(Finding::new(file, LONGEST + 1, message));
    }
    if !source.starts_with("//!") {
        let message = "wanted: a //! header that says what the file does and why it is here";
        findings.push(Finding::new(file, 1, message));
    }
    let place = Place::of(file);
    if place.is_root
        && place.folder != KERNELS
        && !lines.iter().any(|line| line.code.contains("#![forbid(unsafe_code)]"))
    {
        findings.push(Finding::new(file, 1, "wanted: #![forbid(unsafe_code)]"));
    }
    for (at, line) in lines.iter().enumerate() {
        for message in check_line(file, &place, &lines, at, line) {
            findings.push(Finding::new(file, at + 1, message));
        }
    }
    findings
}

/// What a path says about the code in it.
struct Place {
    folder: String,
    is_root: bool,
    /// Code that a user's program links: in `src`, not for tests only.
    is_library: bool,
}

impl Place {
    fn of(file: &Path) -> Self {
        let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
        let name = parts.last().map(AsRef::as_ref).unwrap_or_default();
        let in_src = parts.get(1).is_some_and(|part| part == "src");
        let is_test = name == "tests.rs" || name.ends_with("_tests.rs") || parts.iter().any(|part| part == "tests");
        Self {
            folder: parts.first().map(ToString::to_string).unwrap_or_default(),
            is_root: parts.len() == 3 && in_src && ["lib.rs", "main.rs"].contains(&name),
            is_library: in_src && !is_test,
        }
    }
}

fn check_line(file: &Path, place: &Place, lines: &[Line], at: usize, line: &Line) -> Vec<String> {
    let mut messages = Vec::new();
    for mark in ["TODO", "FIXME", "XXX"] {
        if has_word(&line.comment, mark) || has_word(&line.code, mark) {
            messages.push(format!("{mark}: finish it, or state the condition under which it is to be done"));
        }
    }
    for name in ["dbg!", "todo!", "unimplemented!"] {
        if has_word(&line.code, name) {
            messages.push(format!("{name} is for work in progress"));
        }
    }
    if has_word(&line.code, "unsafe") {
        messages.extend(check_unsafe(file, place, lines, at, UNSAFE_FILES));
    }
    if place.folder == KERNELS && has_word(&line.code, "Tensor") {
        messages.push("kernels knows nothing of tensors: slices in, slices out".into());
    }
    if !place.is_library || line.test {
        return messages;
    }
    if line.code.contains(".unwrap()") {
        messages.push("unwrap(): return the error, or say with expect() why it cannot fail".into());
    }
    let may_print = place.folder == "xtask" || PRINTING_FILES.iter().any(|allowed| file == Path::new(allowed));
    for name in ["println!", "eprintln!", "print!", "eprint!", "process::exit"] {
        if !may_print && has_word(&line.code, name) {
            messages.push(format!("{name}: the library never prints or exits"));
        }
    }
    messages
}

fn check_unsafe(file: &Path, place: &Place, lines: &[Line], at: usize, listed: &[&str]) -> Option<String> {
    let code = &lines[at].code;
    // Lint names and attributes speak of unsafe code, they are none.
    if code.contains("#![") || code.contains("#[") {
        return None;
    }
    if place.folder != KERNELS {
        return Some("unsafe belongs into kernels".into());
    }
    if !listed.iter().any(|allowed| file == Path::new(allowed)) {
        return Some("unsafe outside the files that xtask's tidy rules list".into());
    }
    let reason = |line: &Line| line.comment.contains("SAFETY:") || line.comment.contains("# Safety");
    let explained = lines[at.saturating_sub(REACH)..=at].iter().any(reason);
    (!explained).then(|| "unsafe without a SAFETY: comment that names the checked condition".into())
}

/// Whether `word` occurs and is not part of a longer name.
fn has_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !(before.is_some_and(part) || word.ends_with(part) && after.is_some_and(part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "//! What and why.\n";

    fn found(file: &str, body: &str) -> Vec<String> {
        let source = format!("{HEADER}{body}");
        check(Path::new(file), &source).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_planted_violation_is_found_at_its_line() {
        let mark = ["TO", "DO"].concat();
        let cases = [
            ("gan/src/a.rs", format!("// {mark}: later"), "gan/src/a.rs:2: TODO"),
            ("gan/tests/it/a.rs", "\nfn a() { dbg!(1); }".into(), "gan/tests/it/a.rs:3: dbg!"),
            ("gan/examples/a.rs", "fn a() { todo!() }".into(), "gan/examples/a.rs:2: todo!"),
            ("gan/src/a.rs", "unsafe { f() }".into(), "gan/src/a.rs:2: unsafe belongs"),
            ("kernels/src/unlisted.rs", "unsafe fn f() {}".into(), "kernels/src/unlisted.rs:2: unsafe outside"),
            ("kernels/src/a.rs", "fn f(x: Tensor) {}".into(), "kernels/src/a.rs:2: kernels knows"),
            ("gan/src/a.rs", "let a = b.unwrap();".into(), "gan/src/a.rs:2: unwrap()"),
            ("gan/src/a.rs", "println!(\"x\");".into(), "gan/src/a.rs:2: println!"),
            ("nn/src/a.rs", "std::process::exit(1);".into(), "nn/src/a.rs:2: process::exit"),
            ("gan/src/lib.rs", "mod a;".into(), "gan/src/lib.rs:1: wanted: #![forbid(unsafe_code)]"),
            ("gan/src/a.rs", "\n".repeat(LONGEST), "gan/src/a.rs:601: 601 lines"),
        ];
        for (file, body, expected) in cases {
            let found = found(file, &body);
            assert_eq!(found.len(), 1, "{file} {body}: {found:?}");
            assert!(found[0].starts_with(expected), "{} is not {expected}", found[0]);
        }
        let bare = check(Path::new("gan/src/a.rs"), "fn a() {}\n");
        assert!(bare[0].message.contains("//! header"), "{}", bare[0]);
    }

    #[test]
    fn what_only_looks_like_a_violation_is_none() {
        let cases = [
            ("gan/src/lib.rs", "#![forbid(unsafe_code)]"),
            ("kernels/src/lib.rs", "mod a;"),
            ("gan/src/a.rs", "/// `unsafe`, `x.unwrap()` and println!(…) in a comment"),
            ("gan/src/a.rs", "let a = \"unsafe dbg!(x).unwrap() TODO\";"),
            ("gan/src/a.rs", "#[cfg(test)]\nmod tests {\n    fn a() { b.unwrap(); println!(); }\n}"),
            ("gan/tests/it/a.rs", "fn a() { b.unwrap(); }"),
            ("gan/src/a/tests.rs", "fn a() { b.unwrap(); }"),
            ("gan/examples/a.rs", "fn a() { println!(); }"),
            ("gan/src/a.rs", "a.unwrap_or(b); TODOS; nodbg!(); blueprint!();"),
            ("kernels/src/a.rs", "// as a Tensor would\nstruct TensorLike;"),
        ];
        for (file, body) in cases {
            assert_eq!(found(file, body), [""; 0], "{file} {body}");
        }
    }

    #[test]
    fn a_listed_file_still_owes_a_reason() {
        let check = |source: &str| {
            let file = Path::new("kernels/src/a.rs");
            let lines = lexer::lines(source);
            let at = lines.len() - 1;
            check_unsafe(file, &Place::of(file), &lines, at, &["kernels/src/a.rs"])
        };
        assert_eq!(check("// SAFETY: the length was checked at the door\nunsafe { f() }"), None);
        assert_eq!(check("/// # Safety\n/// The caller checks n.\npub unsafe fn f() {}"), None);
        assert!(check("unsafe { f() }").is_some());
        let far = format!("// SAFETY: far above\n{}unsafe {{ f() }}", "\n".repeat(REACH + 1));
        assert!(check(&far).is_some());
    }
}
