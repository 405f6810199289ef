//! Replacing a file all at once: whoever looks, and whenever the program or the machine stops, finds the old contents or
//! the new ones, complete.
//!
//! The new file is written beside the old one, forced to the disk, renamed over it, and the folder is forced too. A
//! symbolic link is followed, so that it goes on pointing to the file.
//!
//! A program that is killed leaves its temporary file behind. Every writer holds a lock on its own while it lives, so the
//! next save to the same path, and a run that resumes from it, can tell the abandoned ones and removes them.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;

/// What replacing a file asks of the operating system; the tests have one that refuses.
pub(super) trait Disk {
    type File: Write;

    /// A new file, locked where the file system has locks.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    /// Forces a file's bytes to the disk.
    fn sync(&self, file: &Self::File) -> io::Result<()>;
    /// A second name for a file, which must be free: an error of the kind `AlreadyExists` leaves both as they are.
    fn link(&self, file: &Path, name: &Path) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Forces the names in a folder to the disk: without this a power failure can undo a rename.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

pub(super) struct System;

impl Disk for System {
    type File = File;

    fn create(&self, path: &Path) -> io::Result<File> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        // Where there are no locks nothing counts as abandoned; where they do not reach other machines, two of them must not
        // save to one path.
        let _ = file.lock();
        // Between its creation and the lock the file looks abandoned, and a sweep may have taken it.
        if path.exists() { Ok(file) } else { Err(ErrorKind::AlreadyExists.into()) }
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn link(&self, file: &Path, name: &Path) -> io::Result<()> {
        fs::hard_link(file, name).or_else(|error| {
            if error.kind() == ErrorKind::AlreadyExists {
                return Err(error);
            }
            // A file system without links. Never into a file that is there: it may be `file` itself under another name.
            let mut copy = OpenOptions::new().write(true).create_new(true).open(name)?;
            io::copy(&mut File::open(file)?, &mut copy)?;
            copy.sync_all()
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        sync_folder(folder)
    }
}

/// Forces the names in a folder to the disk; nothing where folders are no files.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    let here = Path::new(".");
    if cfg!(unix) { File::open(if folder == Path::new("") { here } else { folder })?.sync_all() } else { Ok(()) }
}

/// The name of a temporary file that disappears unless it is renamed.
struct Temporary {
    path: PathBuf,
    kept: bool,
}

impl Temporary {
    /// The next name beside `target` that this process has not used.
    fn beside(target: &Target) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mut hidden = OsString::from(".");
        hidden.push(&target.name);
        hidden.push(format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        Temporary { path: target.folder.join(hidden), kept: false }
    }

    fn rename(mut self, disk: &impl Disk, to: &Path) -> io::Result<()> {
        disk.rename(&self.path, to)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing better can be done if even this fails; the caller gets the first error.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The file to replace, links followed.
struct Target {
    folder: PathBuf,
    name: OsString,
}

impl Target {
    fn of(path: &Path) -> io::Result<Self> {
        let file = resolve(path)?;
        let folder = match file.parent() {
            Some(folder) if folder != Path::new("") => folder.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let name = file.file_name().ok_or_else(|| io::Error::other("not the name of a file"))?;
        Ok(Target { folder, name: name.into() })
    }

    fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Removes what killed programs left behind. Nothing is reported: the save itself will say what is wrong.
    fn sweep(&self) {
        let (Some(name), Ok(entries)) = (self.name.to_str(), fs::read_dir(&self.folder)) else { return };
        for entry in entries.flatten() {
            if !entry.file_name().to_str().is_some_and(|found| is_temporary(found, name)) {
                continue;
            }
            let Ok(file) = OpenOptions::new().write(true).open(entry.path()) else { continue };
            if file.try_lock().is_ok() {
                let _ = fs::remove_file(entry.path());
            }
            // The lock ends only here: a writer that waits for it sees that its file is gone.
            drop(file);
        }
    }
}

/// Whether a file is called as [`Temporary::beside`] calls those of `target`.
fn is_temporary(found: &str, target: &str) -> bool {
    let middle = found.strip_prefix('.').and_then(|rest| rest.strip_prefix(target));
    let middle = middle.and_then(|rest| rest.strip_prefix('.')).and_then(|rest| rest.strip_suffix(".tmp"));
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    middle.and_then(|text| text.split_once('-')).is_some_and(|(process, count)| number(process) && number(count))
}

/// The file that a path leads to through symbolic links; it need not exist.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    /// As many as Linux follows: path_resolution(7).
    const LINKS: usize = 40;
    let mut file = path.to_path_buf();
    for _ in 0..LINKS {
        // An error is one of what is no link; whoever opens it will say what is wrong.
        let Ok(to) = fs::read_link(&file) else { return Ok(file) };
        file.pop();
        file.push(to);
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Removes what killed saves to `path` left beside it: a run that was killed in its last save makes no other, which would.
pub(crate) fn sweep(path: &Path) {
    if let Ok(target) = Target::of(path) {
        target.sweep();
    }
}

/// Where [`replace`] keeps what was there before: beside the file itself, where `path` is a symbolic link.
pub(crate) fn previous(path: &Path) -> PathBuf {
    let mut name = resolve(path).unwrap_or_else(|_| path.into()).into_os_string();
    name.push(".previous");
    name.into()
}

/// Lets `write` produce the new contents of `path`; with `keep`, [`previous`] then holds the old ones.
pub(crate) fn replace(
    path: &Path,
    keep: bool,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    replace_on(&System, path, keep, write).map_err(Error::io(path, "cannot save"))
}

pub(super) fn replace_on<D: Disk>(
    disk: &D,
    path: &Path,
    keep: bool,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let target = Target::of(path)?;
    target.sweep();
    let (temporary, file) = under_free_name(&target, |name| disk.create(name))?;
    let mut out = BufWriter::with_capacity(1 << 18, file);
    write(&mut out)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    disk.sync(&file)?;
    let before = if keep { hold(disk, &target)? } else { None };
    temporary.rename(disk, &target.path())?;
    // The lock ends here, when the file is no temporary one any more.
    drop(file);
    if let Some(before) = before {
        // Only now: until the new file is in place, the one before the last may be the only good one.
        // It is gone if another process took it for abandoned and swept it. Between two names of one file a rename does
        // nothing (POSIX): then `before` still has its name, and loses it at the end.
        disk.rename(&before.path, &previous(&target.path())).or_else(unless(ErrorKind::NotFound))?;
    }
    disk.sync_folder(&target.folder)
}

/// A second, hidden name for what the target holds, if there is anything.
fn hold<D: Disk>(disk: &D, target: &Target) -> io::Result<Option<Temporary>> {
    if !target.path().exists() {
        return Ok(None);
    }
    under_free_name(target, |name| disk.link(&target.path(), name)).map(|(held, ())| Some(held))
}

/// Forgives one kind of error.
fn unless(kind: ErrorKind) -> impl FnOnce(io::Error) -> io::Result<()> {
    move |error| if error.kind() == kind { Ok(()) } else { Err(error) }
}

/// What `make` makes under the name of a temporary file that is free.
fn under_free_name<T>(target: &Target, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(Temporary, T)> {
    /// Names of a process in another container with the same id, or taken by a sweep.
    const ATTEMPTS: usize = 100;
    let mut refused = None;
    for _ in 0..ATTEMPTS {
        let mut temporary = Temporary::beside(target);
        match make(&temporary.path) {
            Ok(made) => return Ok((temporary, made)),
            Err(error) => {
                let again = error.kind() == ErrorKind::AlreadyExists;
                // What was there is not ours to remove.
                temporary.kept = again;
                refused = Some(error);
                if !again {
                    break;
                }
            }
        }
    }
    Err(refused.expect("there was an attempt"))
}
