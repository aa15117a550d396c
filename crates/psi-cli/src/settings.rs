//! What a node is told, and by whom: one TOML file, overridden by `PSI_…` variables, overridden by flags.
//!
//! [`DEFINITIONS`] has one row for each setting; reading, checking, help and `--print-config` all follow it. Every value
//! is checked, also one that is overridden, and one run reports all that are wrong. Nothing here does I/O.

mod definition;
mod file;
mod flags;
mod kind;
mod machine;
mod show;
mod variables;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use toml::Value;

pub(crate) use definition::{DEFINITIONS, Definition};
pub(crate) use flags::SettingFlags;
pub(crate) use kind::Kind;
pub(crate) use show::{to_json, to_toml};
pub(crate) use variables::{CONFIG, NODES, PROBE_DEADLINE_MS, PROBE_EVERY_MS, PROBE_FIELD, PROBE_LISTEN, unknown};

use crate::{logs::LogSettings, suggest::did_you_mean};

/// Everything that `psi-field node` can be told, all of it valid.
#[derive(Clone, Debug)]
pub(crate) struct Effective {
    pub(crate) node: psi_node::Settings,
    pub(crate) log: LogSettings,
}

/// The settings, and who gave each of them.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) effective: Effective,
    /// By key; a key that is missing has its default.
    places: BTreeMap<&'static str, Place>,
}

/// Who gave a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Default,
    File { name: String, line: usize },
    Variable(String),
    Flag(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { name, line } => write!(f, "{name}, line {line}"),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(key) => write!(f, "--{}", definition::flag_name(key)),
        }
    }
}

/// One setting that is wrong; nothing is started then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{place}: no setting is called `{key}`{}", did_you_mean(key, DEFINITIONS.iter().map(|one| one.key)))]
    UnknownKey { key: String, place: Place },
    #[error("{place}: `{section}` is a section, not a setting; write `[{section}]` and its settings below")]
    Section { section: String, place: Place },
    #[error("no setting has the variable {name}{}", did_you_mean(name, variables::names().iter().map(String::as_str)))]
    UnknownVariable { name: String },
    #[error("{place}: {key} = {value}: {why}")]
    Value { key: &'static str, value: String, place: Place, why: String },
    #[error("{key} = {value} ({place}) is also {other_key} ({other_place}); give each service a port of its own")]
    SamePort { key: &'static str, value: String, place: Place, other_key: &'static str, other_place: Place },
    #[error("{name}, line {line}: {what}")]
    Syntax { name: String, line: usize, what: String },
    #[error("{0}")]
    File(String),
}

/// A value before it is checked.
struct Given {
    key: String,
    value: Value,
    place: Place,
}

/// What there is to read settings from.
pub(crate) struct Inputs<'a> {
    /// Name and text of the settings file.
    pub(crate) file: Option<(&'a str, &'a str)>,
    /// The variables of this process.
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) flags: &'a SettingFlags,
    /// This machine's name, as the system gives it.
    pub(crate) machine: &'a str,
}

/// Reads and checks all settings.
///
/// # Errors
/// Everything that is wrong, in the order file, variables, flags.
pub(crate) fn load(inputs: Inputs<'_>) -> Result<Loaded, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut given = Vec::new();
    if let Some((name, text)) = inputs.file {
        file::read(name, text, &mut given, &mut problems);
    }
    variables::read(inputs.variables, &mut given, &mut problems);
    given.extend(inputs.flags.given());

    let mut loaded = Loaded { effective: Effective::default(), places: BTreeMap::new() };
    for one in given {
        if let Err(problem) = loaded.take(one) {
            problems.push(problem);
        }
    }
    loaded.name_node(inputs.machine);
    problems.extend(loaded.same_port());
    if problems.is_empty() { Ok(loaded) } else { Err(problems) }
}

impl Effective {
    /// The defaults, for a node whose name is still to be chosen.
    fn default() -> Self {
        Self { node: psi_node::Settings::new(machine::node_id("", 0)), log: LogSettings::default() }
    }
}

impl Loaded {
    pub(crate) fn place(&self, key: &str) -> &Place {
        self.places.get(key).unwrap_or(&Place::Default)
    }

    fn take(&mut self, given: Given) -> Result<(), Problem> {
        let Given { key, value, place } = given;
        let Some(definition) = DEFINITIONS.iter().find(|one| one.key == key) else {
            let is_section = DEFINITIONS.iter().any(|one| one.section() == key);
            return Err(if is_section {
                Problem::Section { section: key, place }
            } else {
                Problem::UnknownKey { key, place }
            });
        };
        match definition.kind.put(&mut self.effective, &value) {
            Ok(()) => {
                self.places.insert(definition.key, place);
                Ok(())
            }
            Err(why) => Err(Problem::Value { key: definition.key, value: value.to_string(), place, why }),
        }
    }

    fn name_node(&mut self, machine: &str) {
        if *self.place("node.id") == Place::Default {
            let port = self.effective.node.grpc.listen.port();
            self.effective.node.node = machine::node_id(machine, port);
        }
    }

    /// gRPC and HTTP are both TCP; gossip is UDP and can share their port.
    fn same_port(&self) -> Option<Problem> {
        let psi_node::Settings { grpc, http, .. } = &self.effective.node;
        (grpc.listen == http.listen && grpc.listen.port() != 0).then(|| Problem::SamePort {
            key: "http.listen",
            value: http.listen.to_string(),
            place: self.place("http.listen").clone(),
            other_key: "grpc.listen",
            other_place: self.place("grpc.listen").clone(),
        })
    }
}
