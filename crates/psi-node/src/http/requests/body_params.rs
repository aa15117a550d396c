//! Which parameters of a request are in its body alone, so that a refusal names the right place.

use crate::http::routes::properties::WRITE_PARAMS;

/// Which of [`WRITE_PARAMS`] only the body names.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::http) struct BodyParams(pub(super) [bool; WRITE_PARAMS.len()]);

impl BodyParams {
    pub(in crate::http) fn has(self, name: &str) -> bool {
        WRITE_PARAMS.iter().zip(self.0).any(|(known, named)| named && known.name == name)
    }
}
