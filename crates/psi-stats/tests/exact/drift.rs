//! Drift: what is counted, what a comparison finds, and what is told of a stream.

mod histograms;
mod monitor;
mod shifts;
