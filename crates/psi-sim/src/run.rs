//! Runs: one seed, judged, and sweeps over many.

mod agreement;
mod liveness;
mod outcome;
pub(crate) mod rounds;
mod seed;
mod sweep;

pub use self::{
    outcome::{Failure, Options, Report},
    rounds::{ROUND_MS, Rounds},
    seed::run,
    sweep::{MARKED_SEEDS, Sweep, Totals},
};
