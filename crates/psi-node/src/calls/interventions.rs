//! Interventions by hand, and red flags that are taken down without one.

use std::hash::{BuildHasher, RandomState};

use psi_api::Cause;
use psi_engine::Action;
use psi_ledger::record::Kind;
use psi_replica::FieldName;
use psi_state::{FieldView, Replica};

use super::{
    admission::Admission,
    answer::{InterventionReceipt, WriteAnswer},
    ops::{Ops, of_another_kind},
};
use crate::sessions::options::CallOptions;

impl Ops {
    /// The field that an operator intervenes in; empty means `default`.
    fn named_field(&self, name: &str) -> Result<FieldName, Cause> {
        self.record_object(name);
        let field = self.field_name(name)?;
        self.record_object(field.as_str());
        Ok(field)
    }

    /// Intervenes by hand.
    pub(crate) async fn intervene(
        &self,
        field: &str,
        action: Action,
        options: CallOptions,
    ) -> Result<InterventionReceipt, Cause> {
        self.record_kind(Kind::Intervention);
        self.audit.iter().for_each(|audit| audit.record_action(action.as_str()));
        let field = self.record_refusal(self.named_field(field))?;
        let content = |hasher: &_| content_of_intervention(hasher, &field, action);
        let pending = match self.admit(&options, content).await? {
            Admission::Answered(pending) => pending,
            Admission::First(ticket) => {
                let write = |replica: &mut Replica, now| {
                    Ok((replica.intervene(now, &field, action)?, replica.token().to_string()))
                };
                let written = self.when_free(&options, || std::future::ready(self.context.write(write))).await;
                let (intervention, token) = self.record_refusal(written.map_err(Cause::from))?;
                self.context.metrics.record_intervention(action);
                tracing::info!(%field, %action, noise = intervention.noise, "intervention");
                let receipt = InterventionReceipt { intervention, token, replicated: None };
                self.pending_write(&options, ticket, WriteAnswer::Intervention(receipt))
            }
        };
        match pending.settle(&self.context).await {
            WriteAnswer::Intervention(receipt) => Ok(receipt),
            WriteAnswer::Steps(_) => Err(self.record_cause(of_another_kind())),
        }
    }

    /// Takes the red flag of a field down without an intervention.
    pub(crate) async fn acknowledge(&self, field: &str, options: &CallOptions) -> Result<(FieldView, String), Cause> {
        self.record_kind(Kind::ThreatAcknowledgement);
        let name = self.record_refusal(self.named_field(field))?;
        self.record_refusal(self.reach(options).await)?;
        let write = |replica: &mut Replica, now| replica.acknowledge(now, &name);
        let written = self.when_free(options, || std::future::ready(self.context.write(write))).await;
        self.record_refusal(written.map_err(Cause::from))?;
        tracing::info!(field = %name, "red flag acknowledged");
        self.record_refusal(self.state(field))
    }
}

/// A hash of the intervention that a call asks for.
fn content_of_intervention(hasher: &RandomState, field: &FieldName, action: Action) -> u64 {
    hasher.hash_one(("intervention", field, action.as_str()))
}
