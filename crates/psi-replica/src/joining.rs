//! How far a replica has come in joining, and whether it serves.

pub(crate) mod join_state;
pub(crate) mod readiness;
