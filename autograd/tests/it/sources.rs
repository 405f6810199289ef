//! What the sources say: the public operations, and which of them can be refused.
//!
//! Read from the files, so that an operation that somebody adds cannot be forgotten by a check.

use std::fs;
use std::path::Path;

/// A public function of the files under `src/ops`.
pub struct Function {
    pub name: String,
    /// The first line of its documentation.
    pub says: String,
    /// Whether its documentation says when it panics.
    pub can_panic: bool,
}

/// Every public function of the operations' files, in the order of their names.
pub fn functions() -> Vec<Function> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops");
    let mut found = Vec::new();
    for file in fs::read_dir(folder).expect("the sources of the operations") {
        let text = fs::read_to_string(file.expect("a file").path()).expect("a source file");
        let mut doc: Vec<&str> = Vec::new();
        // What macros stamp: names stand in lists behind the documentation.
        for line in text.lines().map(str::trim) {
            if let Some(words) = line.strip_prefix("///") {
                doc.push(words.trim());
            } else if let Some(rest) = line.strip_prefix("pub fn ") {
                let name: String = rest.chars().take_while(|&c| c.is_alphanumeric() || c == '_').collect();
                // `$name` of a macro has no letters here.
                if !name.is_empty() {
                    let says = doc.first().copied().unwrap_or_default().to_string();
                    found.push(Function { name, says, can_panic: doc.contains(&"# Panics") });
                }
                doc.clear();
            } else if !line.starts_with("#[") {
                doc.clear();
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

#[test]
fn the_sources_are_found_and_documented() {
    let all = functions();
    assert!(all.len() > 120, "{} functions", all.len());
    let silent: Vec<&str> = all.iter().filter(|f| f.says.is_empty()).map(|f| f.name.as_str()).collect();
    assert!(silent.is_empty(), "without documentation: {silent:?}");
}
