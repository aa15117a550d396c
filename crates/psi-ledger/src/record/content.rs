//! What records hold, and what they name and others keep: bodies and evidence.

use super::{
    limits::{BODY_BYTES_MAX, EVIDENCE_NAME_BYTES_MAX, INLINE_BODY_BYTES_MAX},
    refusal::RecordRefusal,
};
use crate::{hash::ContentHash, proto};

/// What a record says, in the form that its kind has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Up to [`INLINE_BODY_BYTES_MAX`] bytes.
    Inline(Vec<u8>),
    /// Longer ones, by hash.
    Long(Content),
}

/// Some bytes, by their hash and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// SHA-256.
    pub sha256: ContentHash,
    /// How many bytes there are.
    pub size: u64,
}

/// A file that a record rests on, and does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    name: String,
    content: Content,
}

impl Body {
    /// The body of these bytes. If it is long, the bytes must be kept beside the record.
    ///
    /// # Errors
    /// There are more than [`BODY_BYTES_MAX`].
    pub fn of(bytes: Vec<u8>) -> Result<Self, RecordRefusal> {
        let is_short = bytes.len() <= INLINE_BODY_BYTES_MAX;
        let body = if is_short { Self::Inline(bytes) } else { Self::Long(Content::of(&bytes)) };
        body.check().map(|()| body)
    }

    /// Whether a record may have it. Each body has one place: in the record if it fits, else beside it.
    pub(super) fn check(&self) -> Result<(), RecordRefusal> {
        match self {
            Self::Inline(bytes) if bytes.len() > INLINE_BODY_BYTES_MAX => Err(RecordRefusal::InlineBody(bytes.len())),
            Self::Long(Content { size, .. }) if *size <= INLINE_BODY_BYTES_MAX as u64 || *size > BODY_BYTES_MAX => {
                Err(RecordRefusal::LongBody(*size))
            }
            Self::Inline(_) | Self::Long(_) => Ok(()),
        }
    }
}

impl Content {
    /// What these bytes are named by.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { sha256: ContentHash::of(bytes), size: bytes.len() as u64 }
    }

    pub(super) fn message(&self) -> proto::Content {
        proto::Content { sha256: self.sha256.as_bytes().to_vec(), size: self.size }
    }

    pub(super) fn read(message: &proto::Content) -> Result<Self, RecordRefusal> {
        let sha256 = ContentHash::from_slice(&message.sha256).ok_or(RecordRefusal::Hash(message.sha256.len()))?;
        Ok(Self { sha256, size: message.size })
    }
}

impl Evidence {
    /// A piece of evidence.
    ///
    /// # Errors
    /// Its name is empty, longer than [`EVIDENCE_NAME_BYTES_MAX`] bytes, or has control characters.
    pub fn new(name: &str, content: Content) -> Result<Self, RecordRefusal> {
        let is_name = (1..=EVIDENCE_NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
        if is_name { Ok(Self { name: name.to_owned(), content }) } else { Err(RecordRefusal::EvidenceName(cut(name))) }
    }

    /// What people call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is.
    #[must_use]
    pub fn content(&self) -> Content {
        self.content
    }

    /// Its message.
    #[must_use]
    pub fn message(&self) -> proto::Evidence {
        proto::Evidence { name: self.name.clone(), content: Some(self.content.message()) }
    }

    /// Reads what [`Evidence::message`] makes.
    ///
    /// # Errors
    /// It has no such name, or no such hash.
    pub fn read(message: proto::Evidence) -> Result<Self, RecordRefusal> {
        Self::new(&message.name, Content::read(&message.content.ok_or(RecordRefusal::Hash(0))?)?)
    }
}

/// The beginning of a name that is too long.
fn cut(name: &str) -> String {
    name.chars().take(EVIDENCE_NAME_BYTES_MAX).collect()
}
