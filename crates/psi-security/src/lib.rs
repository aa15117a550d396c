//! The cryptography of ψ-field: who may read gossip, who may call, and which node is at the other end.
//!
//! All of it follows from one secret, the [cluster key](key). It [seals gossip](seal), signs [access tokens](token),
//! and is the authority of [certificates](certificate). A [node key](node_key) is what one node signs by.
//!
//! Pure: time is an argument, and so is randomness but for the keys of certificates, which the system's generator
//! makes. No files, no sockets, no async. The node reads the key file, keeps the clock, counts refusals and serves.

pub mod certificate;
pub mod key;
pub mod node_key;
pub mod seal;
pub mod token;

mod text;
