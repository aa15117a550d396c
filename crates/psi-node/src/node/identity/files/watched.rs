//! Files that together say one thing, looked at again and again. It goes by content: a mounted secret is replaced by
//! another link to it.

use std::{path::PathBuf, sync::Arc};

use crate::node::{identity::error::IdentityError, log_limit::CauseLimit};

/// A file that a setting names.
#[derive(Clone, Debug)]
pub(super) struct NamedFile {
    pub(super) setting: &'static str,
    pub(super) path: PathBuf,
}

/// What files hold, in the order in which they were named.
pub(super) type Contents = Vec<Vec<u8>>;

/// Files that together say one thing.
#[derive(Clone)]
pub(super) struct WatchedFiles {
    files: Vec<NamedFile>,
    accepted: Option<Contents>,
    /// What they held at the last look, where that is something else.
    pending: Option<Contents>,
    /// Of warnings that they can't be used.
    pub(super) limit: Arc<CauseLimit>,
}

impl WatchedFiles {
    pub(super) fn new(files: Vec<NamedFile>) -> Self {
        Self { files, accepted: None, pending: None, limit: Arc::default() }
    }

    /// What they say now.
    ///
    /// # Errors
    /// One can't be read, or `parse` refuses them.
    pub(super) fn take<T>(
        &mut self,
        parse: impl FnOnce(&[NamedFile], &Contents) -> Result<T, IdentityError>,
    ) -> Result<T, IdentityError> {
        let contents = self.read()?;
        let value = parse(&self.files, &contents)?;
        self.accepted = Some(contents);
        Ok(value)
    }

    /// What they say, if that is something else than before, and was the same at the last look. Nobody replaces several
    /// files at one moment, and some are written in place.
    ///
    /// # Errors
    /// One can't be read, or `parse` refuses them: what was accepted before counts on.
    pub(super) fn take_changed<T>(
        &mut self,
        parse: impl FnOnce(&[NamedFile], &Contents) -> Result<T, IdentityError>,
    ) -> Result<Option<T>, IdentityError> {
        let contents = self.read()?;
        if self.accepted.as_ref() == Some(&contents) {
            self.pending = None;
            return Ok(None);
        }
        if self.pending.as_ref() != Some(&contents) {
            self.pending = Some(contents);
            return Ok(None);
        }
        let value = parse(&self.files, &contents)?;
        self.accepted = self.pending.take();
        Ok(Some(value))
    }

    /// Whether they could never be used yet.
    pub(super) fn is_new(&self) -> bool {
        self.accepted.is_none()
    }

    fn read(&self) -> Result<Contents, IdentityError> {
        let read = |file: &NamedFile| {
            std::fs::read(&file.path).map_err(|source| IdentityError::Unreadable {
                setting: file.setting,
                path: file.path.clone(),
                source,
            })
        };
        self.files.iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(_: &[NamedFile], contents: &Contents) -> Result<String, IdentityError> {
        Ok(contents.iter().map(|content| String::from_utf8_lossy(content)).collect())
    }

    #[test]
    fn a_change_counts_once_it_is_the_same_at_two_looks() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, content: &str| std::fs::write(path(name), content).expect("written");
        write("a", "1");
        write("b", "1");
        let files = ["a", "b"].map(|name| NamedFile { setting: "x", path: path(name) });
        let mut files = WatchedFiles::new(files.into());
        assert_eq!(files.take(text).expect("read"), "11");
        assert_eq!(files.take_changed(text).expect("read"), None);
        write("a", "2");
        assert_eq!(files.take_changed(text).expect("read"), None, "the other may be about to be replaced");
        write("b", "2");
        assert_eq!(files.take_changed(text).expect("read"), None);
        assert_eq!(files.take_changed(text).expect("read").as_deref(), Some("22"));
        assert_eq!(files.take_changed(text).expect("read"), None);
        // What is taken back at once never counts.
        write("a", "3");
        assert_eq!(files.take_changed(text).expect("read"), None);
        write("a", "2");
        for _ in 0..3 {
            assert_eq!(files.take_changed(text).expect("read"), None);
        }
    }

    #[test]
    fn a_refusal_is_repeated_until_the_file_is_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        std::fs::write(&path, "bad").expect("written");
        let mut files = WatchedFiles::new(vec![NamedFile { setting: "x", path: path.clone() }]);
        let refuse = |_: &[NamedFile], _: &Contents| -> Result<(), _> { Err(IdentityError::CertificateWithoutKey) };
        assert!(files.take_changed(refuse).is_ok());
        for _ in 0..2 {
            assert!(files.take_changed(refuse).is_err());
        }
        std::fs::remove_file(&path).expect("removed");
        let error = files.take_changed(text).expect_err("it is gone").to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
}
