//! The components of the oracle, one file and one row each.
//!
//! To add one: a file here that implements [`super::component::Component`], its `mod` line, its row, and its real side
//! in `compare/`. All else follows from the row: the kind of write, what is kept, what is expected of a view, the
//! comparison, the clients that write it, and the markers that a sweep must meet.

pub mod drift;
pub mod guardian;
pub mod interventions;
pub mod label;
pub mod learned;
pub mod moments;
pub mod names;
pub mod recent;
pub mod specs;
pub mod tombstones;
pub mod windows;

pub use learned::{episodic, latents, tally, transitions, working};

/// Hands the rows to a macro: of each component the name of its file and its type, by scope. Within a scope they are
/// compared in this order.
macro_rules! components {
    ($make:ident) => {
        $make! {
            cluster {}
            field {
                label: Label,
                names: ColumnNames,
            }
            epoch {
                specs: Specs,
                moments: Moments,
                windows: Windows,
                recent: RecentStep,
                interventions: Interventions,
                guardian: Guardian,
                drift: Drift,
                tally: Tally,
                transitions: Transitions,
                latents: Latents,
                working: WorkingMemory,
                episodic: EpisodicMemory,
                tombstones: Tombstones,
            }
        }
    };
}

pub(crate) use components;
