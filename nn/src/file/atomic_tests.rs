//! Replacing a file on a system that refuses: every call once, every byte once.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use etude_autograd::Tensor;

use super::atomic::{Disk, System, previous, replace, replace_on};
use super::write::Image;
use crate::error::Error;
use crate::module::Value;

/// A disk that fails at one call or behind one byte, and notes every call.
struct Faulty<'a> {
    /// The call to refuse, counted from 0.
    refuse: usize,
    /// Bytes until writing fails.
    room: &'a Cell<usize>,
    kind: ErrorKind,
    calls: RefCell<Vec<&'static str>>,
}

impl<'a> Faulty<'a> {
    fn new(refuse: usize, room: &'a Cell<usize>, kind: ErrorKind) -> Self {
        Faulty { refuse, room, kind, calls: RefCell::new(Vec::new()) }
    }

    fn call(&self, name: &'static str) -> io::Result<()> {
        self.calls.borrow_mut().push(name);
        if self.calls.borrow().len() > self.refuse { Err(self.kind.into()) } else { Ok(()) }
    }
}

struct FaultyFile<'a> {
    file: File,
    room: &'a Cell<usize>,
    kind: ErrorKind,
}

impl Write for FaultyFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room.get() == 0 {
            return Err(self.kind.into());
        }
        // As an operating system does, as much as there is room for; short writes on the way are legal, too.
        let n = self.file.write(&bytes[..bytes.len().min(self.room.get()).min(100)])?;
        self.room.set(self.room.get() - n);
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl<'a> Disk for Faulty<'a> {
    type File = FaultyFile<'a>;

    fn create(&self, path: &Path) -> io::Result<FaultyFile<'a>> {
        self.call("create")?;
        Ok(FaultyFile { file: System.create(path)?, room: self.room, kind: self.kind })
    }
    fn sync(&self, file: &FaultyFile<'a>) -> io::Result<()> {
        self.call("sync")?;
        System.sync(&file.file)
    }
    fn link(&self, file: &Path, name: &Path) -> io::Result<()> {
        self.call("link")?;
        System.link(file, name)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call("rename")?;
        System.rename(from, to)
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.call("sync folder")?;
        System.sync_folder(folder)
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("readable");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The contents of a checkpoint with this number in it.
fn tensors(x: f32) -> Vec<(String, Value)> {
    vec![
        ("w".into(), Value::Float(Tensor::full([5, 7], x))),
        ("n".into(), Value::Int(Tensor::full([3], x as i64))),
        ("bias".into(), Value::Float(Tensor::full([11], -x))),
    ]
}

/// The number in a file that [`tensors`] filled, which must be whole.
fn number(path: &Path) -> f32 {
    let contents = super::read(path).expect("a whole file");
    assert_eq!(contents.tensors.len(), 3);
    contents.float("w").expect("there").to_vec()[0]
}

const KINDS: [ErrorKind; 5] = [
    ErrorKind::StorageFull,
    ErrorKind::Other, // what EIO becomes
    ErrorKind::PermissionDenied,
    ErrorKind::ReadOnlyFilesystem,
    ErrorKind::CrossesDevices,
];

#[test]
fn a_disk_that_fails_behind_any_byte_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    let (old, new) = (tensors(1.0), tensors(2.0));
    let strings = BTreeMap::from([("etude.step".to_string(), "7".to_string())]);
    let image = Image::new(&new, &strings).expect("valid");
    super::write(&path, &old, &strings).expect("writable");
    let length = fs::metadata(&path).expect("there").len() as usize;
    for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
        for bytes in 0..length {
            let room = Cell::new(bytes);
            let disk = Faulty::new(usize::MAX, &room, kind);
            let error = replace_on(&disk, &path, true, |out| image.write(out)).expect_err("the disk fails");
            assert_eq!(error.kind(), kind);
            assert_eq!(number(&path), 1.0, "after {bytes} bytes");
            assert_eq!(names(folder.path()), ["run.safetensors"], "after {bytes} bytes");
            assert_eq!(*disk.calls.borrow(), ["create"], "nothing is renamed after {bytes} bytes");
        }
    }
    let room = Cell::new(length);
    replace_on(&Faulty::new(usize::MAX, &room, ErrorKind::Other), &path, true, |out| image.write(out)).expect("enough");
    assert_eq!((number(&path), room.get()), (2.0, 0));
}

#[test]
fn a_disk_that_refuses_any_call_leaves_a_whole_file() {
    for keep in [false, true] {
        for kind in KINDS {
            for refuse in 0.. {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let path = folder.path().join("run.safetensors");
                for x in [1.0, 2.0] {
                    super::write_keeping(&path, keep, &tensors(x), &BTreeMap::new()).expect("writable");
                }
                let new = tensors(3.0);
                let image = Image::new(&new, &BTreeMap::new()).expect("valid");
                let room = Cell::new(usize::MAX);
                let disk = Faulty::new(refuse, &room, kind);
                let result = replace_on(&disk, &path, keep, |out| image.write(out));
                let calls = disk.calls.into_inner();
                // The order is what makes it safe against a power failure: bytes, then the name, then the folder.
                let whole: &[&str] = match keep {
                    false => &["create", "sync", "rename", "sync folder"],
                    true => &["create", "sync", "link", "rename", "rename", "sync folder"],
                };
                assert_eq!(calls, whole[..calls.len()]);
                let renamed = calls.iter().position(|call| *call == "rename").is_some_and(|at| at < refuse);
                assert_eq!(number(&path), if renamed { 3.0 } else { 2.0 }, "{kind} at call {refuse}");
                let mut expected = vec!["run.safetensors"];
                if keep {
                    expected.push("run.safetensors.previous");
                    assert!([1.0, 2.0].contains(&number(&previous(&path))));
                }
                assert_eq!(names(folder.path()), expected, "{kind} at call {refuse}");
                if result.is_ok() {
                    assert_eq!((refuse, calls.len()), (whole.len(), whole.len()));
                    break;
                }
                assert_eq!(result.expect_err("refused").kind(), kind);
            }
        }
    }
}

#[test]
fn an_error_names_the_path_that_was_asked_for() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let taken = folder.path().join("taken");
    fs::create_dir(&taken).expect("writable");
    for path in [taken.clone(), folder.path().join("no/such/folder/file"), Path::new("/").to_path_buf()] {
        let error = replace(&path, false, |out| out.write_all(b"new")).expect_err("not writable");
        assert!(matches!(&error, Error::Io { path: named, .. } if *named == path), "{error}");
    }
    assert_eq!(names(folder.path()), ["taken"], "the folder in the way stays, and so does nothing else");
}

#[test]
fn what_killed_programs_left_is_removed_and_what_living_ones_write_is_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("file");
    let abandoned = folder.path().join(".file.123456-7.tmp");
    let others = ["ours.txt", ".file.tmp", ".file.1-2.tmp2", ".file.1.tmp", ".other.1-2.tmp", ".file.a-2.tmp"];
    fs::write(&abandoned, b"half").expect("writable");
    others.iter().for_each(|name| fs::write(folder.path().join(name), b"").expect("writable"));
    let living = folder.path().join(".file.123456-8.tmp");
    let writer = System.create(&living).expect("writable");
    replace(&path, false, |out| out.write_all(b"new")).expect("writable");
    assert!(!abandoned.exists() && living.exists());
    drop(writer);
    replace(&path, false, |out| out.write_all(b"new")).expect("writable");
    assert!(!living.exists());
    assert!(others.iter().all(|name| folder.path().join(name).exists()), "{:?}", names(folder.path()));
}

#[test]
fn an_old_file_that_cannot_be_written_or_is_being_read_is_replaced() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("file");
    fs::write(&path, b"old").expect("writable");
    let mut permissions = fs::metadata(&path).expect("there").permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).expect("ours");
    let mut reader = OpenOptions::new().read(true).open(&path).expect("readable");
    replace(&path, true, |out| out.write_all(b"new text")).expect("the folder is writable");
    assert_eq!(fs::read(&path).expect("there"), b"new text");
    assert_eq!(fs::read(previous(&path)).expect("there"), b"old");
    let mut read = String::new();
    io::Read::read_to_string(&mut reader, &mut read).expect("still open");
    assert_eq!(read, "old", "who reads goes on reading the old file");
}

#[test]
fn two_at_once_leave_one_of_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("file");
    let texts = ["a".repeat(100_000), "b".repeat(100_000)];
    std::thread::scope(|scope| {
        for text in &texts {
            scope.spawn(|| {
                (0..10).for_each(|_| replace(&path, true, |out| out.write_all(text.as_bytes())).expect("writable"))
            });
        }
    });
    for file in [path.clone(), previous(&path)] {
        assert!(texts.contains(&fs::read_to_string(&file).expect("there")));
    }
    assert_eq!(names(folder.path()), ["file", "file.previous"]);
}

#[test]
fn a_second_name_that_is_taken_is_left_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, name) = (folder.path().join("file"), folder.path().join("name"));
    fs::write(&path, b"the last good one").expect("writable");
    fs::hard_link(&path, &name).expect("links");
    assert_eq!(System.link(&path, &name).expect_err("taken").kind(), ErrorKind::AlreadyExists);
    for file in [&path, &name] {
        assert_eq!(fs::read(file).expect("there"), b"the last good one");
    }
}

#[test]
fn what_is_kept_already_under_the_other_name_is_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("file");
    fs::write(&path, b"old").expect("writable");
    // As another process leaves it that comes between: renaming one name of a file to another does nothing.
    fs::hard_link(&path, previous(&path)).expect("links");
    replace(&path, true, |out| out.write_all(b"new")).expect("writable");
    assert_eq!(fs::read(&path).expect("there"), b"new");
    assert_eq!(fs::read(previous(&path)).expect("there"), b"old");
    assert_eq!(names(folder.path()), ["file", "file.previous"]);
}

#[cfg(unix)]
#[test]
fn a_link_is_followed_even_to_what_is_not_there() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("real")).expect("writable");
    fs::create_dir(at("links")).expect("writable");
    symlink("../real/file", at("links/second")).expect("links");
    symlink("links/second", at("first")).expect("links");
    for text in ["one", "two", "three"] {
        replace(&at("first"), true, |out| out.write_all(text.as_bytes())).expect("writable");
    }
    assert_eq!(fs::read(at("first")).expect("there"), b"three");
    assert_eq!(fs::read(previous(&at("first"))).expect("there"), b"two");
    assert_eq!(names(&at("real")), ["file", "file.previous"]);
    assert_eq!(names(folder.path()), ["first", "links", "real"]);
    fs::remove_file(at("real/file")).expect("ours");
    replace(&at("first"), true, |out| out.write_all(b"four")).expect("a dangling link is followed, too");
    assert_eq!(fs::read(at("real/file")).expect("there"), b"four");
    symlink("circle", at("circle")).expect("links");
    assert!(replace(&at("circle"), true, |_| Ok(())).expect_err("no end").to_string().contains("symbolic links"));
}
