//! Reads all settings from where they are given, and checks them.

use std::collections::BTreeMap;

use super::{
    all::AllSettings,
    definition::DEFINITIONS,
    machine,
    place::{Place, RawSetting},
    problem::Problem,
    sources::{file, flags::SettingFlags, variables},
};

/// The settings, and who gave each of them.
#[derive(Clone, Debug)]
pub(crate) struct LoadedSettings {
    pub(crate) effective: AllSettings,
    /// By key; a key that is missing has its default.
    places: BTreeMap<&'static str, Place>,
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
pub(crate) fn load(inputs: Inputs<'_>) -> Result<LoadedSettings, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut given = Vec::new();
    if let Some((name, text)) = inputs.file {
        file::read(name, text, &mut given, &mut problems);
    }
    variables::read(inputs.variables, &mut given, &mut problems);
    given.extend(inputs.flags.given());

    let mut loaded = LoadedSettings { effective: AllSettings::default(), places: BTreeMap::new() };
    for one in given {
        if let Err(problem) = loaded.take(one) {
            problems.push(problem);
        }
    }
    loaded.name_node(inputs.machine);
    problems.extend(loaded.same_port());
    if problems.is_empty() { Ok(loaded) } else { Err(problems) }
}

impl LoadedSettings {
    pub(crate) fn place(&self, key: &str) -> &Place {
        self.places.get(key).unwrap_or(&Place::Default)
    }

    fn take(&mut self, given: RawSetting) -> Result<(), Problem> {
        let RawSetting { key, value, place } = given;
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
