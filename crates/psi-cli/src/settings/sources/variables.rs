//! Reads `PSI_…` variables.

use crate::output::suggest::did_you_mean;
use crate::settings::{
    definition::{DEFINITIONS, Definition},
    place::{Place, RawSetting},
    problem::Problem,
};

const PREFIX: &str = "PSI_";

/// Variables of this program that are no settings of a node: the settings file, the nodes that clients ask, and what
/// they show to them.
pub(crate) const CONFIG: &str = "PSI_CONFIG";
pub(crate) const NODES: &str = "PSI_NODES";
pub(crate) const TOKEN: &str = "PSI_TOKEN";
pub(crate) const TOKEN_FILE: &str = "PSI_TOKEN_FILE";
/// Settings that clients take, too.
pub(crate) const KEY_FILE: &str = "PSI_SECURITY_KEY_FILE";
pub(crate) const CLUSTER: &str = "PSI_CLUSTER_NAME";
pub(crate) const TLS_CA: &str = "PSI_TLS_CA";
pub(crate) const TLS_NAME: &str = "PSI_TLS_NAME";

/// Variables of `psi-field probe`.
pub(crate) const PROBE_FIELD: &str = "PSI_PROBE_FIELD";
pub(crate) const PROBE_EVERY_MS: &str = "PSI_PROBE_EVERY_MS";
pub(crate) const PROBE_DEADLINE_MS: &str = "PSI_PROBE_DEADLINE_MS";
pub(crate) const PROBE_LISTEN: &str = "PSI_PROBE_LISTEN";

/// Known, and not a node's: containers may share them with it.
pub(crate) const VARIABLES_OF_COMMANDS: [&str; 8] =
    [CONFIG, NODES, TOKEN, TOKEN_FILE, PROBE_FIELD, PROBE_EVERY_MS, PROBE_DEADLINE_MS, PROBE_LISTEN];

/// Every variable that has a meaning.
fn names() -> Vec<String> {
    let settings = DEFINITIONS.iter().map(Definition::variable);
    settings.chain(VARIABLES_OF_COMMANDS.map(str::to_owned)).collect()
}

/// Those of our prefix that have no meaning.
pub(crate) fn unknown(names: impl Iterator<Item = String>) -> Vec<Problem> {
    let mut problems = Vec::new();
    read(names.map(|name| (name, String::new())).collect(), &mut Vec::new(), &mut problems);
    problems
}

/// Appends what `variables` give. Those without our prefix are others', and those that a container platform makes for
/// its services are nobody's.
pub(in crate::settings) fn read(
    mut variables: Vec<(String, String)>,
    given: &mut Vec<RawSetting>,
    problems: &mut Vec<Problem>,
) {
    variables.retain(|(name, _)| name.starts_with(PREFIX) && !VARIABLES_OF_COMMANDS.contains(&name.as_str()));
    variables.sort();
    for (name, text) in variables {
        match DEFINITIONS.iter().find(|definition| definition.variable() == name) {
            Some(definition) => given.push(RawSetting {
                key: definition.key.to_owned(),
                value: definition.kind.value_of(&text),
                place: Place::Variable(name),
            }),
            None if is_service_link(&name) => {}
            None => {
                let guess = did_you_mean(&name, names().iter().map(String::as_str));
                problems.push(Problem::UnknownVariable { name, guess });
            }
        }
    }
}

/// Kubernetes and Docker set variables named after services in containers, so a service `psi-field` makes
/// `PSI_FIELD_SERVICE_HOST`, `PSI_FIELD_SERVICE_PORT_HTTP`, `PSI_FIELD_PORT`, `PSI_FIELD_PORT_8000_TCP_ADDR`.
fn is_service_link(name: &str) -> bool {
    let of_port = |rest: &str| {
        let number = rest.split('_').next().unwrap_or_default();
        rest.is_empty() || number.parse::<u16>().is_ok()
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || name.split_once("_PORT").is_some_and(|(_, rest)| of_port(rest.trim_start_matches('_')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_container_platforms_are_distinguished_from_typos() {
        for name in [
            "PSI_FIELD_SERVICE_HOST",
            "PSI_FIELD_SERVICE_PORT",
            "PSI_FIELD_SERVICE_PORT_HTTP",
            "PSI_FIELD_PORT",
            "PSI_FIELD_PORT_8000_TCP",
            "PSI_FIELD_PORT_8000_TCP_ADDR",
        ] {
            assert!(is_service_link(name), "{name}");
        }
        for name in ["PSI_GRPC_LISTN", "PSI_HTTP_PORTAL", "PSI_SERVICE"] {
            assert!(!is_service_link(name), "{name}");
        }
    }

    #[test]
    fn no_setting_has_a_variable_that_is_another() {
        let names = names();
        for (index, name) in names.iter().enumerate() {
            assert!(!names[..index].contains(name) && !is_service_link(name), "{name}");
        }
    }
}
