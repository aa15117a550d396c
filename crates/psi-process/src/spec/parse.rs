//! How specs are read: from TOML that people write, and from the canonical form that is kept.

use super::{
    definition::Spec,
    error::SpecError,
    limits::{CANONICAL_BYTES_MAX, SPEC_BYTES_MAX},
    line,
    raw::RawSpec,
};

impl Spec {
    /// Reads a spec in TOML.
    ///
    /// # Errors
    /// [`SpecError`], with the line. No input panics.
    pub fn parse(toml: &str) -> Result<Self, SpecError> {
        if toml.len() > SPEC_BYTES_MAX {
            return Err(SpecError::Length(toml.len()));
        }
        let raw: RawSpec = toml::from_str(toml).map_err(|error| SpecError::Toml {
            line: error.span().map(|span| line::of_offset(toml, span.start)),
            cause: error.message().to_owned(),
        })?;
        raw.check().map_err(|(path, fault)| SpecError::Fault { line: line::of_path(toml, &path), fault })
    }

    /// Reads the canonical form of a spec, and nothing else.
    ///
    /// # Errors
    /// [`SpecError::NotCanonical`], or a fault of the spec.
    pub fn from_canonical(bytes: &[u8]) -> Result<Self, SpecError> {
        if bytes.len() > CANONICAL_BYTES_MAX {
            return Err(SpecError::Length(bytes.len()));
        }
        let raw: RawSpec = serde_json::from_slice(bytes).map_err(|_| SpecError::NotCanonical)?;
        let spec = raw.check().map_err(|(_, fault)| SpecError::Fault { line: None, fault })?;
        if spec.canonical == bytes { Ok(spec) } else { Err(SpecError::NotCanonical) }
    }
}
