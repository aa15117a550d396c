//! Events of a replica in one line, for traces and transcripts.

use std::fmt;

use psi_replica::Origin;
use psi_state::{Event, StateEvent};

use super::frames::short_origin;

/// An event in a few words.
pub(crate) struct EventText<'e>(pub(crate) &'e Event);

impl fmt::Display for EventText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |origin: &Origin| short_origin(origin.node.as_str(), origin.incarnation);
        match self.0 {
            Event::Ready { origin } => write!(f, "is ready as {}", short(origin)),
            Event::Opened { peer } => write!(f, "met {peer}"),
            Event::Applied { peer, origin, version, entries } => {
                write!(f, "applied {entries} entries of {} from {peer}: now at {version}", short(origin))
            }
            Event::Refused(refused) => {
                let reason = refused.refusal.reason();
                write!(f, "refused a delta of {} from {}: {reason}", short(&refused.origin), refused.peer)
            }
            Event::RefusedByPeer { peer, origin, reason, .. } => {
                write!(f, "hears that {peer} refused a delta of {}: {reason}", short(origin))
            }
            Event::Diverged { peer } => write!(f, "DIVERGED from {peer}"),
            Event::Superseded { by } => write!(f, "is superseded by {}", short(by)),
            Event::State(StateEvent::StepsDropped { field, steps, .. }) => {
                write!(f, "dropped {steps} step{} of {field}", if *steps == 1 { "" } else { "s" })
            }
            other => write!(f, "{other:?}"),
        }
    }
}
