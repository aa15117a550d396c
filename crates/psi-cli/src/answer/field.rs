//! A field's description.

use psi_api::v1;
use serde::Serialize;

use super::guardian;

/// A field's description.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// Null where it has none.
    pub(crate) label: Option<String>,
    pub(crate) engine: String,
    /// Null for a mode of a later version.
    pub(crate) guardian: Option<&'static str>,
    pub(crate) width: u32,
    pub(crate) scale_exponent: i32,
    pub(crate) seed: u64,
    /// As text: 64-bit integers lose digits in jq and JavaScript.
    pub(crate) epoch: String,
    pub(crate) parameters: serde_json::Map<String, serde_json::Value>,
}

impl From<v1::Field> for Field {
    fn from(from: v1::Field) -> Self {
        let mode = guardian::mode(from.guardian());
        let v1::Field { name, epoch, engine, width, scale_exponent, seed, parameters, token: _, guardian: _, label } =
            from;
        Self {
            guardian: mode,
            label: Some(label).filter(|label| !label.is_empty()),
            parameters: parameters.into_iter().map(|one| (one.name, one.value.into())).collect(),
            epoch: epoch.to_string(),
            name,
            engine,
            width,
            scale_exponent,
            seed,
        }
    }
}
