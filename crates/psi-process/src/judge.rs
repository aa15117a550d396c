//! Gates: what they say, given what is known. A gate that can't be judged holds, and its reason has words and numbers.

mod document;
mod envelope;
mod facts;
mod gates;
mod json;
mod statement;

pub use document::Document;
pub use envelope::{EnvelopeError, PAYLOAD_TYPE, SIGNATURES_MAX, SignedStatement};
pub use facts::{EvidenceFacts, ExternalJudgement, Facts, FieldFacts, ProcessFacts};
pub use gates::{COUNT, DRIFT_SEVERITY, SIGNERS, judge, judge_phase, missing_evidence};
pub use json::{DOCUMENT_BYTES_MAX, DocumentError};
pub use statement::{STATEMENT_TYPE, Statement, StatementSubject};
