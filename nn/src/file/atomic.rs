//! Replacing a file all at once: whoever looks, and whenever the program or the machine stops, finds the old contents or
//! the new ones, complete.
//!
//! The new file is written beside the old one, forced to the disk, renamed over it, and the folder is forced too. A
//! symbolic link is followed, so that it goes on pointing to the file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;

/// A file that disappears unless it is kept.
struct Temporary {
    path: PathBuf,
    kept: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing better can be done if even this fails; the caller gets the first error.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Lets `write` produce the new contents of `path`.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    let is_link = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
    let target = if is_link { fs::canonicalize(path).map_err(Error::io(path, "cannot save"))? } else { path.into() };
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let Some(name) = target.file_name() else {
        return Err(Error::io(path, "cannot save")(io::Error::other("not the name of a file")));
    };
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let unique = format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(unique);
    let temporary = folder.join(hidden);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&temporary)
        .map_err(Error::io(&temporary, "cannot create a temporary file"))?;
    let mut temporary = Temporary { path: temporary, kept: false };
    fill(file, write).map_err(Error::io(path, "cannot save"))?;
    fs::rename(&temporary.path, &target).map_err(Error::io(path, "cannot save"))?;
    temporary.kept = true;
    sync_folder(&folder).map_err(Error::io(&folder, "cannot force to the disk"))
}

fn fill(file: File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 18, file);
    write(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// Without this a power failure can undo the rename.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that is full after `left` bytes.
    struct Full<'a> {
        out: &'a mut dyn Write,
        left: usize,
    }
    impl Write for Full<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.left == 0 {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            let n = self.out.write(&bytes[..bytes.len().min(self.left)])?;
            self.left -= n;
            Ok(n)
        }
        fn flush(&mut self) -> io::Result<()> {
            self.out.flush()
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("readable");
        entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_full_disk_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("file");
        replace(&path, |out| out.write_all(b"old")).expect("writable");
        for left in 0..8 {
            let error = replace(&path, |out| Full { out, left }.write_all(b"new text")).expect_err("the disk is full");
            assert!(matches!(&error, Error::Io { path: named, .. } if *named == path), "{error}");
            assert_eq!(fs::read(&path).expect("still there"), b"old");
            assert_eq!(names(folder.path()), ["file"]);
        }
        replace(&path, |out| Full { out, left: 8 }.write_all(b"new text")).expect("just enough");
        assert_eq!(fs::read(&path).expect("there"), b"new text");
    }

    #[test]
    fn a_folder_in_the_way_stays_and_so_does_nothing_else() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("taken");
        fs::create_dir(&path).expect("writable");
        replace(&path, |out| out.write_all(b"new")).expect_err("a folder cannot be replaced by a file");
        assert_eq!(names(folder.path()), ["taken"]);
    }

    #[test]
    fn two_at_once_leave_one_of_them() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("file");
        let texts = ["a".repeat(100_000), "b".repeat(100_000)];
        std::thread::scope(|scope| {
            for text in &texts {
                scope.spawn(|| {
                    (0..10).for_each(|_| replace(&path, |out| out.write_all(text.as_bytes())).expect("writable"))
                });
            }
        });
        assert!(texts.contains(&fs::read_to_string(&path).expect("there")));
        assert_eq!(names(folder.path()), ["file"]);
    }
}
