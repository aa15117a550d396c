//! A field's description.

use jiff::Timestamp;
use psi_api::v1;
use serde::Serialize;

use super::guardian;
use crate::output::numbers::{self, ago};

/// A field's description.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// Null where it has none.
    pub(crate) label: Option<String>,
    /// Of its columns; null where they have none.
    pub(crate) names: Option<Vec<String>>,
    pub(crate) engine: String,
    /// Null for a mode of a later version.
    pub(crate) guardian: Option<&'static str>,
    pub(crate) width: u32,
    pub(crate) scale_exponent: i32,
    pub(crate) seed: u64,
    /// As text: 64-bit integers lose digits in jq and JavaScript.
    pub(crate) epoch: String,
    pub(crate) parameters: serde_json::Map<String, serde_json::Value>,
    /// Of all nodes, in this epoch.
    pub(crate) steps: u64,
    /// When the latest was taken; null before the first.
    pub(crate) last_step: Option<String>,
    /// The same, for people.
    #[serde(skip)]
    last_step_ms: Option<i64>,
}

impl Field {
    /// How long ago the latest step was taken, by this machine's clock.
    pub(crate) fn age(&self) -> Option<String> {
        let ms = Timestamp::now().as_millisecond().saturating_sub(self.last_step_ms?);
        Some(ago(u64::try_from(ms).unwrap_or(0)))
    }
}

impl From<v1::Field> for Field {
    fn from(from: v1::Field) -> Self {
        let mode = guardian::mode(from.guardian());
        let v1::Field {
            name,
            epoch,
            engine,
            width,
            scale_exponent,
            seed,
            parameters,
            token: _,
            guardian: _,
            label,
            names,
            steps,
            last_step,
        } = from;
        Self {
            guardian: mode,
            label: Some(label).filter(|label| !label.is_empty()),
            names: Some(names).filter(|names| !names.is_empty()),
            parameters: parameters.into_iter().map(|one| (one.name, one.value.into())).collect(),
            epoch: epoch.to_string(),
            last_step: last_step.map(|time| numbers::time(time.seconds, time.nanos)),
            last_step_ms: last_step.map(|time| time.seconds * 1000 + i64::from(time.nanos) / 1_000_000),
            steps,
            name,
            engine,
            width,
            scale_exponent,
            seed,
        }
    }
}
