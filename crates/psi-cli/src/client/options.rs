//! What a command may ask of a node beside its own matter: to have reached a token, in what time, how far a write is to
//! get, and by what name a repetition is known.

use std::time::Duration;

use clap::{Args, ValueEnum, builder::NonEmptyStringValueParser};
use psi_api::v1::ReplicationLevel;

use super::nodes::Nodes;

/// For reads and writes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Sessions")]
pub(crate) struct ReadOptions {
    /// Answer only where all is held that this token, of an earlier answer of any node, tells of
    #[arg(long, value_name = "TOKEN", value_parser = NonEmptyStringValueParser::new())]
    after: Option<String>,

    /// Most milliseconds that the node waits for the token and for --replicate-to, up to 60000; 2000 if not given
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=60_000))]
    deadline_ms: Option<u32>,
}

impl ReadOptions {
    /// Empty if none is asked for.
    pub(crate) fn token(&self) -> String {
        self.after.clone().unwrap_or_default()
    }

    pub(crate) fn deadline_ms(&self) -> u32 {
        self.deadline_ms.unwrap_or_default()
    }

    /// The nodes, asked with enough patience for the deadline.
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

    /// How far the write is to get before it is answered; what was reached in time is shown
    #[arg(long, value_name = "LEVEL")]
    replicate_to: Option<Level>,

    /// Name of this request, at most 128 printable ASCII characters: sent again to the same node within 5 minutes, it is answered again
    /// and not counted again
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    request_id: Option<String>,
}

/// How many nodes are to hold a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    /// The node that takes it
    Local,
    /// One other node
    One,
    /// More than half of all known nodes: those that died lately included, those that were stopped left out
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
