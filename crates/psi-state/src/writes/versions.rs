//! Versions of a model: fields named `model@version`.

use std::ops::Bound;

use psi_replica::FieldName;
use psi_rollout::{LiveVersions, ModelName, ModelVersion, VersionName};

use super::error::WriteError;
use crate::{field::Field, replica::Replica, state::State};

impl State {
    /// The versions of a model that exist, in the order of their names.
    fn versions<'a>(&'a self, model: &'a ModelName) -> impl Iterator<Item = (VersionName, &'a FieldName, &'a Field)> {
        let first = format!("{model}@");
        let fields = self.fields.range::<str, _>((Bound::Included(first.as_str()), Bound::Unbounded));
        let of_model = fields.map_while(move |(name, field)| {
            let version = name.as_str().strip_prefix(&first)?;
            Some((version.parse(), name, field))
        });
        of_model.filter_map(|(version, name, field)| Some((version.ok()?, name, field.current().map(|_| field)?)))
    }

    /// Refuses the first step of a version where as many others of its model take steps as may.
    pub(super) fn check_version(&self, name: &FieldName, field: &Field) -> Result<(), WriteError> {
        if field.count() > 0 || !name.as_str().contains('@') {
            return Ok(());
        }
        let named: ModelVersion = name.as_str().parse()?;
        let mut live = LiveVersions::default();
        for (version, ..) in self.versions(named.model()).filter(|(_, _, field)| field.count() > 0) {
            // Nodes that did not know of each other may have let in more; the first four are enough to refuse another.
            if live.add(&version).is_err() {
                break;
            }
        }
        Ok(live.add(named.version())?)
    }
}

impl Replica {
    /// The fields of the versions of a model that exist, in the order of their versions' names.
    #[must_use]
    pub fn versions(&self, model: &ModelName) -> Vec<(VersionName, FieldName)> {
        self.state().versions(model).map(|(version, name, _)| (version, name.clone())).collect()
    }
}
