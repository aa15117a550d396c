//! The real side of each of the oracle's components, one file each.

mod drift;
mod guardian;
mod interventions;
mod label;
mod learned;
mod moments;
mod names;
mod recent;
mod specs;
mod tombstones;
mod windows;
