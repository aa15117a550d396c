//! How often, how long and in which order rows are measured.

mod case;
mod label;
pub(crate) mod meter;
mod plan;
mod progress;
mod sample;

pub use label::Label;
pub use plan::Plan;
pub use progress::Progress;

pub(crate) use case::{Case, interleaved};
pub(crate) use sample::{Sample, Turn};
