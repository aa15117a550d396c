//! The keys of a key file: one a line. The first seals and signs, all are accepted, and that is how keys are rotated.

use std::collections::BTreeMap;

use super::{ClusterKey, KeyId, KeyTextError};

/// The keys that a node has: 1 to [`KeyRing::KEYS_MAX`], each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRing(Vec<(KeyId, ClusterKey)>);

/// Why the text of a key file is refused. It names lines, and never holds anything of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// No line holds a key.
    #[error("the key file holds no key; copy it from another node, or make one for a new cluster with `psi-field key`")]
    Empty,
    /// It is in the wrong encoding.
    #[error(
        "the key file is UTF-16, as PowerShell's `>` writes it; \
         make it with `psi-field key | Out-File -Encoding ascii cluster.key`"
    )]
    Utf16,
    /// A line that is no key.
    #[error("line {line} of the key file is no key: {source}; mend it, or copy the file from another node")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        source: KeyTextError,
    },
    /// One key stands twice.
    #[error("line {line} of the key file repeats the key of line {first}; remove one")]
    Repeated {
        /// The second line, from 1.
        line: usize,
        /// The first one.
        first: usize,
    },
    /// More keys than a rotation needs.
    #[error(
        "line {line} of the key file holds one key more than the {} that are allowed; \
         remove those that no node seals by any more",
        KeyRing::KEYS_MAX
    )]
    TooMany {
        /// The line of the first that is too many, from 1.
        line: usize,
    },
}

impl KeyRing {
    /// Most keys of a ring.
    pub const KEYS_MAX: usize = 8;

    /// The keys in the bytes of a key file. Empty lines and lines that start with `#` are skipped.
    ///
    /// # Errors
    /// [`KeyFileError`], of the first line that is refused.
    pub fn parse(file: &[u8]) -> Result<Self, KeyFileError> {
        if file.starts_with(&[0xff, 0xfe]) || file.starts_with(&[0xfe, 0xff]) {
            return Err(KeyFileError::Utf16);
        }
        let file = file.strip_prefix("\u{feff}".as_bytes()).unwrap_or(file);
        let lines = file.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).zip(1..);
        let mut keys = Vec::new();
        let mut lines_of = BTreeMap::new();
        for (text, line) in lines.filter(|(text, _)| !text.is_empty() && !text.starts_with(b"#")) {
            let key = parse_line(text).map_err(|source| KeyFileError::Line { line, source })?;
            if let Some(first) = lines_of.insert(key.id(), line) {
                return Err(KeyFileError::Repeated { line, first });
            }
            if keys.len() == Self::KEYS_MAX {
                return Err(KeyFileError::TooMany { line });
            }
            keys.push((key.id(), key));
        }
        if keys.is_empty() { Err(KeyFileError::Empty) } else { Ok(Self(keys)) }
    }

    /// The key that seals and signs.
    ///
    /// # Panics
    /// Never: a ring has a key.
    #[must_use]
    pub fn first(&self) -> &ClusterKey {
        &self.0.first().expect("a ring has a key").1
    }

    /// All keys, in the order of the file.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &ClusterKey> {
        self.0.iter().map(|(_, key)| key)
    }

    /// The key of this id, if the ring has it.
    #[must_use]
    pub fn find(&self, id: KeyId) -> Option<&ClusterKey> {
        self.0.iter().find(|(own, _)| *own == id).map(|(_, key)| key)
    }

    /// Which keys they are, in the order of the file.
    #[must_use]
    pub fn ids(&self) -> Vec<KeyId> {
        self.0.iter().map(|(id, _)| *id).collect()
    }
}

/// A ring of one key.
impl From<ClusterKey> for KeyRing {
    fn from(key: ClusterKey) -> Self {
        Self(vec![(key.id(), key)])
    }
}

/// Bytes that are no UTF-8 are characters that no key has.
fn parse_line(text: &[u8]) -> Result<ClusterKey, KeyTextError> {
    std::str::from_utf8(text).map_err(|_| KeyTextError::Character)?.parse()
}
