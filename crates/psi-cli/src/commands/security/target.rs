//! Where what is made goes: to standard output, or to a file that may be there already.

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;

use crate::output::{Failure, Output};

/// Owner and group may read what is secret.
#[cfg(unix)]
const MODE: u32 = 0o640;

/// Where what is made goes.
#[derive(Clone, Debug, Args)]
pub(super) struct Target {
    /// Write it to this file, which owner and group can read
    #[arg(long, value_name = "FILE")]
    pub(super) write: Option<PathBuf>,
}

/// What happens to a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OldFile {
    /// It stays, and all is well: what is in it can't be made again.
    Stays,
    /// It gets the present content, if it has other: that can be made at any time.
    Updated,
    /// It stays, and the command fails: the caller has asked for a new one.
    Refused,
    /// It is replaced.
    Replaced,
}

/// What became of a file.
#[derive(Serialize)]
struct FileReport {
    file: String,
    /// This command wrote it.
    made: bool,
    #[serde(skip)]
    said: &'static str,
}

impl Target {
    /// Prints what is made, or writes its text to the file. It is not made where the file exists and stays.
    ///
    /// # Errors
    /// If it can't be made or written.
    pub(super) fn put<T: Serialize>(
        &self,
        output: Output,
        old: OldFile,
        make: impl FnOnce() -> Result<T, Failure>,
        text: impl Fn(&T) -> String,
    ) -> Result<(), Failure> {
        let Some(path) = &self.write else { return output.print(&make()?, text) };
        let exists = path.try_exists().unwrap_or(false);
        let (made, said) = match old {
            OldFile::Stays if exists => (false, STAYS),
            OldFile::Refused if exists => return Err(refused(path)),
            _ => write(path, &(text(&make()?) + "\n"), old)?,
        };
        let report = FileReport { file: path.display().to_string(), made, said };
        output.print(&report, |report| format!("{}: {}", report.file, report.said))
    }
}

const STAYS: &str = "exists, and stays as it is";

/// Writes a file, or does with the old one as `old` says. Whether it was written, and what happened.
fn write(path: &Path, text: &str, old: OldFile) -> Result<(bool, &'static str), Failure> {
    let failed = |error: io::Error| Failure::failed(format!("can't write {}: {error}", path.display()));
    // Through links: what is replaced is the file at their end.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let replaces = match (fs::read(path), old) {
        (Err(error), _) if error.kind() == ErrorKind::NotFound => false,
        (Ok(content), OldFile::Updated) if content == text.as_bytes() => {
            return Ok((false, "is up to date, and stays as it is"));
        }
        (Err(error), OldFile::Updated) => {
            return Err(Failure::failed(format!("can't read {}: {error}", path.display())));
        }
        (_, OldFile::Updated | OldFile::Replaced) => true,
        (_, OldFile::Stays | OldFile::Refused) => false,
    };
    // Written aside and then put in place, so that nobody reads half of it.
    let aside = path.with_extension(format!("{}.new", std::process::id()));
    let put = write_aside(&aside, text).and_then(|()| {
        if replaces {
            keep_access(path, &aside)?;
            fs::rename(&aside, path)
        } else {
            fs::hard_link(&aside, path)
        }
    });
    let _ = fs::remove_file(&aside);
    match put {
        Ok(()) => Ok((true, if replaces { "replaced" } else { "written" })),
        // Another process was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && !replaces => match old {
            OldFile::Refused => Err(refused(path)),
            _ => Ok((false, STAYS)),
        },
        Err(error) => Err(failed(error)),
    }
}

fn write_aside(aside: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, MODE);
    let mut file = options.open(aside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Gives a file the mode, owner and group of the one that it replaces: others may read it by them.
#[cfg(unix)]
fn keep_access(old: &Path, new: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let (wanted, got) = (fs::metadata(old)?, fs::metadata(new)?);
    if (wanted.uid(), wanted.gid()) != (got.uid(), got.gid()) {
        chown(new, Some(wanted.uid()), Some(wanted.gid())).map_err(|error| {
            let (uid, gid) = (wanted.uid(), wanted.gid());
            io::Error::new(error.kind(), format!("its owner and group {uid}:{gid} can't be kept: {error}"))
        })?;
    }
    fs::set_permissions(new, wanted.permissions())
}

#[cfg(not(unix))]
fn keep_access(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}

fn refused(path: &Path) -> Failure {
    let path = path.display();
    Failure::failed(format!(
        "{path} exists, and stays as it is; replace it with --force, remove it, or name another file"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(path: &Path, text: &str, old: OldFile) -> Result<(bool, &'static str), String> {
        write(path, text, old).map_err(|failure| failure.message)
    }

    #[test]
    fn an_old_file_is_kept_updated_refused_or_replaced_as_its_command_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pem");
        let content = || fs::read_to_string(&path).unwrap();
        for (old, text, want, holds) in [
            (OldFile::Updated, "a", Ok((true, "written")), "a"),
            (OldFile::Updated, "a", Ok((false, "is up to date, and stays as it is")), "a"),
            (OldFile::Updated, "b", Ok((true, "replaced")), "b"),
            (OldFile::Stays, "c", Ok((false, STAYS)), "b"),
            (OldFile::Refused, "c", Err(()), "b"),
            (OldFile::Replaced, "c", Ok((true, "replaced")), "c"),
        ] {
            assert_eq!(
                put(&path, text, old).map_err(|message| assert!(message.contains("--force"), "{message}")),
                want
            );
            assert_eq!(content(), holds, "{old:?} {text}");
        }
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing is left aside: {left:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_is_replaced_keeps_its_mode_and_its_links() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("a.pem"), folder.path().join("link.pem"));
        put(&path, "a", OldFile::Updated).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        symlink(&path, &link).unwrap();
        put(&link, "b", OldFile::Replaced).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o604);
        assert_eq!(fs::read_to_string(&path).unwrap(), "b");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
