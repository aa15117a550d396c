//! Which parameters of a request stand in its body alone, so that a refusal can say where the problem is.

use crate::http::routes::properties::OF_A_WRITE;

/// Which of [`OF_A_WRITE`] only the body names.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::http) struct InBody(pub(super) [bool; OF_A_WRITE.len()]);

impl InBody {
    pub(in crate::http) fn has(self, name: &str) -> bool {
        OF_A_WRITE.iter().zip(self.0).any(|(known, named)| named && known.name == name)
    }
}
