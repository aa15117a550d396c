//! Answers that show the parameters of a field.

use psi_engine::Parameters;
use psi_state::{CurrentSpec, Setup, Shape, Spec};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::times::seconds;

/// All parameters by name, the fifteen of the original service first. Counts are integers.
#[derive(Debug)]
pub(super) struct ParametersByName(pub(super) Parameters);

impl Serialize for ParametersByName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (definition, (name, value)) in psi_engine::DEFINITIONS.iter().zip(self.0.iter()) {
            if definition.whole {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a whole number of at most 4096"
                )]
                map.serialize_entry(name, &(value as u32))?;
            } else {
                map.serialize_entry(name, &value)?;
            }
        }
        map.end()
    }
}

/// To `GET /params`.
#[derive(Debug, Serialize)]
pub(in crate::http) struct ParamsAnswer {
    #[serde(flatten)]
    params: ParametersByName,
    timestamp: f64,
    field: String,
    /// Text: most JSON readers round integers of this size.
    epoch: String,
    engine: String,
    width: usize,
}

impl ParamsAnswer {
    pub(in crate::http) fn new(current: CurrentSpec, now_ms: u64) -> Self {
        let CurrentSpec { field, epoch, spec: Spec { setup, dropped: _, clock: _ } } = current;
        let Setup { shape: Shape { engine, width, scale: _, seed: _ }, parameters, guardian: _ } = setup;
        Self {
            params: ParametersByName(parameters),
            timestamp: seconds(now_ms),
            field: field.to_string(),
            epoch: epoch.to_string(),
            engine,
            width,
        }
    }
}

/// To `POST /init`.
#[derive(Debug, Serialize)]
pub(in crate::http) struct InitAnswer {
    status: &'static str,
    params: ParametersByName,
    timestamp: f64,
    field: String,
    /// Text: most JSON readers round integers of this size.
    epoch: String,
    node: String,
    token: String,
}

impl InitAnswer {
    pub(in crate::http) fn new(current: CurrentSpec, node: &str, token: String) -> Self {
        let CurrentSpec { field, epoch, spec: Spec { setup, dropped: _, clock } } = current;
        let Setup { shape: _, parameters, guardian: _ } = setup;
        Self {
            status: "initialized",
            timestamp: seconds(clock.wall_ms),
            params: ParametersByName(parameters),
            field: field.to_string(),
            epoch: epoch.to_string(),
            node: node.to_owned(),
            token,
        }
    }
}
