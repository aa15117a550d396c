//! What is measured together: one file for each group, and one row in each list here.

mod calls;
mod capacity;
mod engines;
pub(crate) mod http;
mod local;
mod moments;
mod processes;
mod propagation;
mod snapshot;
mod wire_bytes;

use clap::ValueEnum;

use crate::{
    error::BenchError,
    report::GroupReport,
    rounds::{Plan, Progress},
};

/// What is measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Group {
    /// A step over gRPC, against an empty call: unary, streamed, in batches
    Calls,
    /// `POST /step`, against handlers that do nothing, or only parse and answer
    Http,
    /// Engines and replica in this process, without a wire
    Engines,
    /// Exact moments, against a loop of doubles
    Moments,
    /// How long after its answer a step shows at the other nodes
    Propagation,
    /// How long a phase transition takes, against one write by a majority
    Processes,
    /// What a step costs on the wire between nodes
    Bytes,
    /// What a node costs by what it holds: many fields, many origins, many steps
    Capacity,
    /// What it takes to write and to read what a node holds
    Snapshot,
}

impl Group {
    /// Its name in arguments and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Calls => calls::GROUP,
            Self::Http => http::GROUP,
            Self::Engines => engines::GROUP,
            Self::Moments => moments::GROUP,
            Self::Propagation => propagation::GROUP,
            Self::Processes => processes::GROUP,
            Self::Bytes => wire_bytes::GROUP,
            Self::Capacity => capacity::GROUP,
            Self::Snapshot => snapshot::GROUP,
        }
    }

    pub(crate) async fn measure(self, plan: &Plan, progress: &Progress) -> Result<GroupReport, BenchError> {
        match self {
            Self::Calls => calls::measure(plan, progress).await,
            Self::Http => http::measure(plan, progress).await,
            Self::Engines => engines::measure(plan, progress).await,
            Self::Moments => moments::measure(plan, progress).await,
            Self::Propagation => propagation::measure(plan, progress).await,
            Self::Processes => processes::measure(plan, progress).await,
            Self::Bytes => wire_bytes::measure(plan, progress).await,
            Self::Capacity => capacity::measure(plan, progress).await,
            Self::Snapshot => snapshot::measure(plan, progress).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_call_a_group_what_arguments_call_it() {
        for group in Group::value_variants() {
            let argument = group.to_possible_value().unwrap();
            assert_eq!(argument.get_name(), group.name());
        }
    }
}
