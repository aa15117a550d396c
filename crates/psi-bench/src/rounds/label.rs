//! Names of rows.

use serde::Serialize;

/// Which row it is; no two of a group have the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Label {
    /// What is measured.
    pub name: String,
    /// Nodes that run; null where there are none.
    pub nodes: Option<u32>,
    /// Callers at once; null where there are none.
    pub callers: Option<u32>,
    /// Fields that the node holds; null where the row does not vary them.
    pub fields: Option<u32>,
    /// Origins that the node knows; null where the row does not vary them.
    pub origins: Option<u32>,
}

impl Label {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), nodes: None, callers: None, fields: None, origins: None }
    }

    pub(crate) fn nodes(self, nodes: u32) -> Self {
        Self { nodes: Some(nodes), ..self }
    }

    pub(crate) fn callers(self, callers: u32) -> Self {
        Self { callers: Some(callers), ..self }
    }

    pub(crate) fn fields(self, fields: u32) -> Self {
        Self { fields: Some(fields), ..self }
    }

    pub(crate) fn origins(self, origins: u32) -> Self {
        Self { origins: Some(origins), ..self }
    }
}
