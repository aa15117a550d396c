//! What a node signs of its ledger: how many records there are, and what they hash to.
//!
//! On disk, in entries and in exports a signed head is text: a [C2SP checkpoint](https://c2sp.org/tlog-checkpoint) in a
//! [signed note](https://c2sp.org/signed-note), which tools of others read and witnesses can sign too.
//!
//! ```text
//! psi-field/ledger/prod/node-1/1764468265123456
//! 42
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//! psi-field clock 1764468300123.4
//!
//! — psi-field/ledger/prod/node-1/1764468265123456 Az3grlgtzPIC…
//! ```
//!
//! The crates `signed_note` and `tlog_tiles` have the format too, and tests compare with them. They are not used here:
//! what is released of them needs an older generation of `sha2`, `base64`, `rand_core` and `ed25519-dalek` beside the
//! *ring* that node keys are of. And a note must be strictly ours: one signature, one way to write it.

mod key_id;
mod note;
mod refusal;
mod replacement;

pub use key_id::verifier_key;
pub use note::{Head, SignedHead, UnverifiedHead};
pub use refusal::{HeadRefusal, NOTE_BYTES_MAX};
pub use replacement::{Continuation, Replacement, UnprovenCause};
