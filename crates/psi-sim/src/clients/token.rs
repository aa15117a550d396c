//! What a client carries from one node to another.

use psi_replica::{Origin, Token, Version};

/// A token, and what it stands for.
#[derive(Debug)]
pub(crate) struct CarriedToken {
    pub(super) token: Token,
    pub(super) holds: Vec<(Origin, Version)>,
}
