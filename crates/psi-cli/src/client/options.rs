//! Options that commands share: the session token that a node must have reached, how long that may take, how far a
//! write must get, and the name by which a repeated request is known.

use std::time::Duration;

use clap::{Args, ValueEnum, builder::NonEmptyStringValueParser};
use psi_api::v1::ReplicationLevel;

use super::nodes::Nodes;

/// For reads and writes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Sessions")]
pub(crate) struct ReadOptions {
    /// Session token: the `token` of an earlier answer, of any node. The node answers once it holds all that it covers
    #[arg(long, value_name = "SESSION_TOKEN", value_parser = NonEmptyStringValueParser::new())]
    after: Option<String>,

    /// How long the node waits for the session token and for --replicate-to, milliseconds, up to 60000; 2000 if not
    /// given
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=60_000))]
    deadline_ms: Option<u32>,
}

impl ReadOptions {
    /// Empty if none is asked for.
    pub(crate) fn session_token(&self) -> String {
        self.after.clone().unwrap_or_default()
    }

    pub(crate) fn deadline_ms(&self) -> u32 {
        self.deadline_ms.unwrap_or_default()
    }

    /// The nodes, with a timeout that is long enough for the deadline.
    pub(crate) fn patient(&self, nodes: &Nodes) -> Nodes {
        /// For the way there and back.
        const ON_THE_WAY: Duration = Duration::from_secs(1);
        let deadline = Duration::from_millis(self.deadline_ms().into()) + ON_THE_WAY;
        Nodes { timeout: nodes.timeout.max(deadline), ..nodes.clone() }
    }
}

/// For writes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Sessions")]
pub(crate) struct WriteOptions {
    #[command(flatten)]
    pub(crate) read: ReadOptions,

    /// How far the write must get before it is answered. The answer shows the level that it reached in time
    #[arg(long, value_name = "LEVEL")]
    replicate_to: Option<Level>,

    /// Name of this request, at most 128 printable ASCII characters. A node that gets it again within 5 minutes repeats
    /// its answer and counts nothing again
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    request_id: Option<String>,
}

/// How many nodes are to hold a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    /// The node that accepts it
    Local,
    /// One other node
    One,
    /// More than half of all known nodes; crashed nodes count, nodes that were stopped do not
    Majority,
    /// All known nodes
    All,
}

impl WriteOptions {
    /// Empty if the request has no name.
    pub(crate) fn request_id(&self) -> String {
        self.request_id.clone().unwrap_or_default()
    }

    pub(crate) fn level(&self) -> i32 {
        let level = match self.replicate_to {
            None => ReplicationLevel::Unspecified,
            Some(Level::Local) => ReplicationLevel::Local,
            Some(Level::One) => ReplicationLevel::One,
            Some(Level::Majority) => ReplicationLevel::Majority,
            Some(Level::All) => ReplicationLevel::All,
        };
        level.into()
    }
}
