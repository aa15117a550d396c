//! What a replica is missing of what a client has seen or written.

use std::fmt;

use super::token::{NameHash, TOKEN_ORIGINS_MAX};
use crate::entry::origin::{Origin, Version};

/// An origin of which a replica holds less than a token wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenGap {
    /// Its name; `None` if the replica has not heard of it.
    pub origin: Option<Origin>,
    /// What stands for it in the token.
    pub hash: NameHash,
    /// The version that the client has seen or written.
    pub wanted: Version,
    /// The version that the replica holds.
    pub held: Version,
}

impl fmt::Display for TokenGap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{origin}")?,
            None => write!(f, "an origin unknown here (hash {})", self.hash)?,
        }
        write!(f, " up to version {} (held: {})", self.wanted, self.held)
    }
}

/// What a replica is missing of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenGaps {
    /// Origins that the session token lists.
    pub listed: Vec<TokenGap>,
    /// Whether it can't be told that all which the token leaves out is held.
    pub left_out: bool,
}

impl TokenGaps {
    /// Whether the token is reached.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty() && !self.left_out
    }
}

/// Names the first few.
impl fmt::Display for TokenGaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        let mut parts: Vec<String> = self.listed.iter().take(SHOWN).map(ToString::to_string).collect();
        if self.listed.len() > SHOWN {
            parts.push(format!("{} more origins", self.listed.len() - SHOWN));
        }
        if self.left_out {
            parts.push(format!("origins beyond the {TOKEN_ORIGINS_MAX} that the token lists"));
        }
        f.write_str(&parts.join(", "))
    }
}
