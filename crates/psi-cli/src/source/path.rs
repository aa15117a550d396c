//! What can be said of a file before it is read.

use std::{fs, path::Path};

use super::error::SourceError;

/// That there is a file that can be read twice.
///
/// # Errors
/// If not.
pub(crate) fn check_file(path: &Path) -> Result<(), SourceError> {
    let name = path.display().to_string();
    match fs::metadata(path).map(|metadata| metadata.is_file()) {
        Err(error) => Err(SourceError::Open { path: name, error }),
        Ok(true) => Ok(()),
        Ok(false) => {
            let why = "is not a file; what is replayed is read twice, so write it to a file first".to_owned();
            Err(SourceError::Content { name, why })
        }
    }
}

/// What the name ends in, in small letters, without `gz`: `csv` of `A.CSV.gz`. Empty where that says nothing.
pub(crate) fn extension(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    plain.rsplit_once('.').map(|(_, extension)| extension.to_owned()).unwrap_or_default()
}
