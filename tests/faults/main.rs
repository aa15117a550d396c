//! Real faults on real sockets: node processes that are killed, stopped and cut off while clients step.
//!
//! Compiled as a test of `psi-field`, so that it always runs the program as it is now. Needs `/proc`, so Linux.
#![cfg(target_os = "linux")]

mod capacity;
mod deaths;
mod disks;
mod ends;
mod floods;
mod gossip;
mod joins;
mod links;
mod names;
mod stops;
mod strangers;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_psi-field");
