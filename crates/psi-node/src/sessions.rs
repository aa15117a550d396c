//! What ties calls of one client together: tokens, deadlines, repeated requests, and how far its writes got.

pub(crate) mod issuers;
pub(crate) mod level;
pub(crate) mod options;
pub(crate) mod replication;
pub(crate) mod requests;
