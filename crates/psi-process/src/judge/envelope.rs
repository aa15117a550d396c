//! Signed statements: in-toto in a DSSE envelope.
//!
//! The envelope, its encoding before signing and the count of distinct keys are those of crate `dsse`; signatures are
//! verified by *ring*, through psi-security. A payload is read only after enough keys have signed it.

use std::collections::BTreeSet;

use dsse::{Envelope, Verifier};
use psi_security::node_key::NodeSignature;

use super::{document::Document, json::DocumentError, statement::Statement};
use crate::{spec::TrustedKey, text::shown, value::Value};

/// The type of a payload that is an in-toto statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// Most signatures of an envelope that is judged.
pub const SIGNATURES_MAX: usize = 64;
/// Longest envelope, in bytes. Each signature is checked with each key over the whole of it, which adds up.
const ENVELOPE_BYTES_MAX: usize = 131_072;

/// A statement that enough trusted keys have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedStatement {
    /// What it is about.
    pub statement: Statement,
    /// The values of its predicate, by name.
    pub values: std::collections::BTreeMap<String, Value>,
    /// How many distinct trusted keys have signed it.
    pub signers: u32,
}

/// Why an envelope does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Too long to be looked at.
    #[error("it has {0} bytes, and an envelope has at most {ENVELOPE_BYTES_MAX}; sign a summary")]
    Length(usize),
    /// No envelope.
    #[error("it is no DSSE envelope: {}", shown(.0, 200))]
    Malformed(String),
    /// More signatures than anyone needs.
    #[error("it has {0} signatures, and at most {SIGNATURES_MAX} are looked at; leave some out")]
    SignatureCount(usize),
    /// Too few.
    #[error("{found} distinct trusted keys have signed it, and {needed} are needed; let more of them sign")]
    Signatures {
        /// How many have.
        found: usize,
        /// How many must.
        needed: u32,
    },
    /// Signed, and something else than a statement.
    #[error("its payload is of type `{}`, and {PAYLOAD_TYPE} is needed", shown(.0, 80))]
    PayloadType(String),
    /// Signed as a statement, and none.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// Signed, and JSON of another form.
    #[error("its payload is a document, and no in-toto statement")]
    NoStatement,
}

/// A trusted key as crate `dsse` takes it.
struct KeyVerifier<'a>(&'a TrustedKey);

impl Verifier for KeyVerifier<'_> {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let signature = <[u8; 64]>::try_from(signature).map(NodeSignature::from_bytes);
        signature.is_ok_and(|signature| self.0.public_key().has_signed(message, &signature))
    }

    fn key_id(&self) -> Option<String> {
        Some(self.0.to_string())
    }

    fn key_identity(&self) -> Option<Vec<u8>> {
        Some(self.0.public_key().as_bytes().to_vec())
    }
}

impl SignedStatement {
    /// Verifies an envelope, and reads the statement in it.
    ///
    /// Each of `keys` counts once, however often it signed. Key ids in the envelope are hints that nothing rests on.
    ///
    /// # Errors
    /// [`EnvelopeError`]. No bytes panic.
    pub fn verify(bytes: &[u8], keys: &BTreeSet<TrustedKey>, signers: u32) -> Result<Self, EnvelopeError> {
        if bytes.len() > ENVELOPE_BYTES_MAX {
            return Err(EnvelopeError::Length(bytes.len()));
        }
        let envelope = Envelope::from_json(bytes).map_err(|error| EnvelopeError::Malformed(error.to_string()))?;
        if envelope.signatures.len() > SIGNATURES_MAX {
            return Err(EnvelopeError::SignatureCount(envelope.signatures.len()));
        }
        let payload = verified(&envelope, keys, signers)?;
        if payload.payload_type != PAYLOAD_TYPE {
            return Err(EnvelopeError::PayloadType(payload.payload_type));
        }
        let Document { values, statement } = Document::parse(&payload.payload)?;
        let statement = statement.ok_or(EnvelopeError::NoStatement)?;
        let signers = u32::try_from(payload.accepted_keys.len()).unwrap_or(u32::MAX);
        Ok(Self { statement, values, signers })
    }
}

fn verified(
    envelope: &Envelope,
    keys: &BTreeSet<TrustedKey>,
    signers: u32,
) -> Result<dsse::VerifiedPayload, EnvelopeError> {
    let verifiers: Vec<_> = keys.iter().map(KeyVerifier).collect();
    let verifiers: Vec<_> = verifiers.iter().map(|verifier| verifier as &dyn Verifier).collect();
    let threshold = usize::try_from(signers).unwrap_or(usize::MAX).max(1);
    dsse::verify(envelope, &verifiers, threshold).map_err(|error| match error {
        dsse::Error::NoValidSignature { .. } | dsse::Error::NoSignatures => {
            EnvelopeError::Signatures { found: 0, needed: signers }
        }
        dsse::Error::ThresholdNotMet { accepted, .. } => EnvelopeError::Signatures { found: accepted, needed: signers },
        other => EnvelopeError::Malformed(other.to_string()),
    })
}
