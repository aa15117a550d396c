//! Claims about the crate's public face, checked against exact rationals that share no code with it.
//!
//! The oracle keeps every input, knows nothing of Σx and Σx², and rounds by comparing rationals.

mod drift;
mod encoding;
mod inputs;
mod laws;
mod nist;
mod oracle;
mod quantizing;
mod readouts;
mod windows;
mod z_scores;
