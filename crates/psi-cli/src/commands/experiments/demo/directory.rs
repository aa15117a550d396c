//! A directory that goes with the demo.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::output::Failure;

/// Removed with all that is in it when dropped.
pub(super) struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    /// Makes one that was not there, which nobody else may read: keys of nodes lie in it.
    ///
    /// # Errors
    /// The directory for temporary files can't be written.
    pub(super) fn create() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("psi-field-demo-{}", std::process::id()));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let made = builder.create(&path);
        made.map_err(|error| Failure::failed(format!("can't make {}: {error}", path.display())))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
