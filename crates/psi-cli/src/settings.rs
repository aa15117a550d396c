//! The settings of a node, and who gave each: one TOML file, overridden by `PSI_…` variables, overridden by flags.
//!
//! The table in `definition.rs` has one row for each setting; reading, checking, help, `--print-config` and the reference
//! all follow it. Every value is checked, also one that is overridden, and one run reports all that are wrong. Nothing
//! here does I/O.

pub(crate) mod address;
mod all;
mod definition;
mod kind;
mod load;
mod machine;
mod place;
mod problem;
mod show;
mod sources;

#[cfg(test)]
mod tests;

pub(crate) use definition::DEFINITIONS;
pub(crate) use kind::NONE;
pub(crate) use load::{Inputs, LoadedSettings, load};
pub(crate) use problem::Problem;
pub(crate) use show::{given, to_json, to_toml};
pub(crate) use sources::flags::SettingFlags;
#[cfg(test)]
pub(crate) use sources::variables::VARIABLES_OF_COMMANDS;
pub(crate) use sources::variables::{
    CLUSTER, CONFIG, KEY_FILE, NODES, PROBE_DEADLINE_MS, PROBE_EVERY_MS, PROBE_FIELD, PROBE_LISTEN, TLS_CA, TLS_NAME,
    TOKEN, TOKEN_FILE, unknown,
};
