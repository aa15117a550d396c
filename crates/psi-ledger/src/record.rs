//! A record: what happened, who did it, and what it rests on. Its bytes are a leaf of the tree.

use prost::Message;
use psi_replica::Clock;

use crate::{canonical, proto};

mod actor;
mod content;
mod kind;
mod limits;
mod refusal;

pub use actor::Actor;
pub use content::{Body, Content, Evidence};
pub use kind::Kind;
pub use limits::{BODY_BYTES_MAX, EVIDENCE_MAX, EVIDENCE_NAME_BYTES_MAX, INLINE_BODY_BYTES_MAX, RECORD_BYTES_MAX};
pub use refusal::RecordRefusal;

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When, by the clock of the run.
    pub clock: Clock,
    /// What it is about.
    pub kind: Kind,
    /// Who acted.
    pub actor: Actor,
    /// What happened, in the form that the kind has.
    pub body: Body,
    /// What it rests on, at most [`EVIDENCE_MAX`] pieces.
    pub evidence: Vec<Evidence>,
}

impl Record {
    /// Its bytes: the leaf. One record has one encoding.
    ///
    /// # Errors
    /// It breaks a limit.
    pub fn encode(&self) -> Result<Vec<u8>, RecordRefusal> {
        let Self { clock, kind, actor, body, evidence } = self;
        if evidence.len() > EVIDENCE_MAX {
            return Err(RecordRefusal::EvidenceCount(evidence.len()));
        }
        body.check()?;
        let (body, long_body) = match body {
            Body::Inline(bytes) => (bytes.clone(), None),
            Body::Long(content) => (Vec::new(), Some(content.message())),
        };
        let message = proto::Record {
            wall_ms: clock.wall_ms,
            counter: clock.counter,
            kind: kind.number()?,
            actor: actor.message()?,
            body,
            long_body,
            evidence: evidence.iter().map(Evidence::message).collect(),
        };
        Ok(message.encode_to_vec())
    }

    /// Reads a record. The kinds of later versions are kept as they are.
    ///
    /// # Errors
    /// The bytes are no record, or no record that [`Record::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordRefusal> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(RecordRefusal::Length(bytes.len()));
        }
        let message: proto::Record = canonical::decode(bytes).ok_or(RecordRefusal::Malformed)?;
        let body = match message.long_body {
            None => Body::Inline(message.body),
            Some(content) if message.body.is_empty() => Body::Long(Content::read(&content)?),
            Some(_) => return Err(RecordRefusal::TwoBodies),
        };
        let record = Self {
            clock: Clock { wall_ms: message.wall_ms, counter: message.counter },
            kind: Kind::read(message.kind)?,
            actor: Actor::read(message.actor)?,
            body,
            evidence: message.evidence.into_iter().map(Evidence::read).collect::<Result<_, _>>()?,
        };
        record.encode().map(|_| record)
    }
}
