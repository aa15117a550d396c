//! Reads: the state of a field, its steps as they come, and what fields there are.

pub(crate) mod page;
pub(crate) mod versions;
mod watch;

use std::sync::Arc;

use psi_api::Cause;
use psi_state::FieldView;
use tokio::sync::broadcast::Receiver;

use super::{
    answer::FieldSummary,
    ops::{Ops, unknown_field},
    readiness::readable,
    watchers::WatchedStep,
};
use crate::sessions::options::CallOptions;

impl Ops {
    /// [`Ops::state`], once the token of the options is reached.
    pub(crate) async fn state_after(&self, field: &str, options: &CallOptions) -> Result<(FieldView, String), Cause> {
        self.record_refusal(self.reach(options).await)?;
        self.record_refusal(self.state(field))
    }

    /// The field as all nodes' entries make it, and a token for it.
    pub(crate) fn state(&self, field: &str) -> Result<(FieldView, String), Cause> {
        let field = self.field_name(field)?;
        self.context.read(|replica| {
            readable(replica)?;
            let view = replica.view(&field).ok_or_else(|| unknown_field(replica, &field))?;
            Ok((view, replica.token().to_string()))
        })
    }

    /// The field, and the steps of it that this node accepts from now on.
    pub(crate) fn watch_steps(&self, field: &str) -> Result<(FieldSummary, Receiver<Arc<WatchedStep>>), Cause> {
        let name = self.field_name(field)?;
        let (view, _) = self.state(field)?;
        let accepted = self.context.watchers.watch(&name, view.spec.spec.setup.shape.width);
        // Once more: it may have been reset just before the watch began.
        let (view, _) = self.state(field)?;
        Ok((view.into(), accepted))
    }
}
