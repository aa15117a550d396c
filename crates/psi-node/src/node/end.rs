//! Why a node can't go on.

use std::{fmt, net::SocketAddr};

/// Why a node can't go on; it is to be shut down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeEnd {
    /// It is to be started again, see [`crate::Node::restart`]: it gave its name way to another run, or that one has gone.
    StartAgain {
        /// Where to ask first whether another run answers.
        ask: Vec<SocketAddr>,
    },
    /// Something failed, in words for people.
    Failed(String),
}

impl fmt::Display for NodeEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartAgain { ask } if ask.is_empty() => {
                f.write_str("its name is free now; it is to be started again")
            }
            Self::StartAgain { .. } => {
                f.write_str("another run has its name; it is to be started again, to wait for it")
            }
            Self::Failed(why) => f.write_str(why),
        }
    }
}
