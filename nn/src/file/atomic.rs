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
