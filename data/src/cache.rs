//! Where data sets lie that were fetched: in `etude` in the user's cache folder, so that they survive `cargo clean`.
//!
//! This file stands alone: `cargo xtask`, which links none of the library, compiles it as well.

use std::ffi::OsString;
use std::path::PathBuf;

/// The folder of one thing, such as `mnist`, whether or not it is there: `$XDG_CACHE_HOME/etude/NAME`, or `.cache` in `$HOME`
/// where that is not set. `None` if neither names a folder from the root, as the XDG base directory specification asks.
pub fn folder(name: &str) -> Option<PathBuf> {
    within(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")).map(|base| base.join(name))
}

fn within(cache: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let from_root = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let base = cache.and_then(from_root).or_else(|| Some(home.and_then(from_root)?.join(".cache")));
    Some(base?.join("etude"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_cache_of_the_user_goes_before_that_of_the_home_and_a_relative_path_counts_for_nothing() {
        let at = |cache: Option<&str>, home: Option<&str>| within(cache.map(OsString::from), home.map(OsString::from));
        let is = |found: Option<PathBuf>, want: &str| assert_eq!(found.as_deref(), Some(Path::new(want)));
        is(at(Some("/c"), Some("/h")), "/c/etude");
        is(at(None, Some("/h")), "/h/.cache/etude");
        is(at(Some(""), Some("/h")), "/h/.cache/etude");
        is(at(Some("c"), Some("/h")), "/h/.cache/etude");
        assert_eq!(at(None, None), None);
        assert_eq!(at(Some("c"), Some("h")), None);
    }
}
