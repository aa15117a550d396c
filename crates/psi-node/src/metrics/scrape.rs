//! A scrape: gauges are set from the replica and from gossip, and everything is written as text.

use std::{collections::BTreeSet, sync::PoisonError};

use prometheus::{Encoder, TextEncoder};
use psi_replica::NodeId;
use psi_state::{FieldView, Replica};

use super::{
    Metrics,
    values::{count, seconds, signed_seconds},
};
use crate::{
    calls::readiness::is_writable,
    cluster::members::Member,
    governance::{
        process::{emergency::emergency, voter_change::registers_behind},
        rollout::{self, facts::hold_of},
    },
    node::{connections::table::ConnectionCensus, context::NodeContext, identity::Identity},
};

/// Everything in the text format of Prometheus.
pub(crate) fn render(context: &NodeContext) -> String {
    let metrics = &context.metrics;
    let mut died = metrics.died.lock().unwrap_or_else(PoisonError::into_inner);
    let (ready, names) = context.read(|replica| {
        read_replica(metrics, replica);
        (is_writable(replica), replica.field_names().collect::<Vec<_>>())
    });
    metrics.node.ready.set(ready.into());
    // A node that has not caught up would show a drift that is not there.
    let shown = metrics.fields.choose(&names).filter(|_| ready);
    // One field at a time: a scrape of many wide fields must not hold up steps.
    let views: Vec<FieldView> = shown.filter_map(|name| context.read(|replica| replica.view(name))).collect();
    metrics.fields.show(&views);
    let hybrid = context.read(|replica| replica.time().hybrid);
    metrics.drift.show(&views, &names, hybrid.0 / 1000);
    metrics.processes.set_emergency(emergency(context).on);
    rollout::refresh::refresh(context);
    metrics.rollouts.show(&context.models.all(), |known| hold_of(context, known));
    metrics.processes.set_behind(context.read(registers_behind).len() as u64);
    read_members(metrics, &context.members.borrow(), &mut died);
    read_connections(metrics, &context.connections.census());
    read_certificates(metrics, &context.identity);
    let agree = context.compare(&context.members.borrow()).iter().all(|(_, agrees)| *agrees);
    metrics.node.agree.set(agree.into());
    let mut text = Vec::new();
    let encoded = TextEncoder::new().encode(&metrics.registry.gather(), &mut text);
    encoded.map(|()| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
}

fn read_replica(metrics: &Metrics, replica: &Replica) {
    let (entries, bytes) = replica.size();
    metrics.node.entries.set(count(entries));
    metrics.node.entry_bytes.set(count(bytes));
    metrics.ends.show(&replica.end_status());
    let time = replica.time();
    metrics.node.clock_offset.set(signed_seconds(time.offset_ms));
    metrics.node.clock_lead.set(signed_seconds(time.lead_ms));
    metrics.node.hybrid_time.set(seconds(time.hybrid.0));
    metrics.peers.observe(replica);
    metrics.node.links.set(count(metrics.peers.read_lags(replica)));
}

fn read_connections(metrics: &Metrics, connections: &ConnectionCensus) {
    for (state, number) in [("quiet", connections.quiet), ("busy", connections.busy)] {
        metrics.node.connections.with_label_values(&[state]).set(count(number));
    }
    for (counter, number) in
        [(&metrics.node.evicted, connections.evicted), (&metrics.node.turned_away, connections.turned_away)]
    {
        counter.inc_by(number.saturating_sub(counter.get()));
    }
}

/// A node without a key shows no certificate.
fn read_certificates(metrics: &Metrics, identity: &Identity) {
    for (reason, number) in identity.certificates_refused() {
        let counter = metrics.node.certificates_refused.with_label_values(&[reason]);
        counter.inc_by(number.saturating_sub(counter.get()));
    }
    let Some((source, validity)) = identity.credentials().and_then(|credentials| credentials.validity()) else {
        return;
    };
    for (gauge, second) in
        [(&metrics.node.not_after, validity.not_after_s), (&metrics.node.not_before, validity.not_before_s)]
    {
        gauge.with_label_values(&[source]).set(count(second));
    }
}

fn read_members(metrics: &Metrics, members: &[Member], died: &mut BTreeSet<NodeId>) {
    let live = members.iter().filter(|member| member.live).count();
    let left = members.iter().filter(|member| member.left).count();
    let waiting = members.iter().map(|member| member.namesakes.len()).sum();
    for (state, number) in [("live", live), ("left", left), ("dead", members.len() - live - left), ("waiting", waiting)]
    {
        metrics.node.members.with_label_values(&[state]).set(count(number));
    }
    metrics.node.namesakes.reset();
    for member in members.iter().filter(|member| !member.namesakes.is_empty()) {
        metrics.node.namesakes.with_label_values(&[member.node.as_str()]).set(count(member.namesakes.len()));
    }
    metrics.node.dead.reset();
    died.retain(|name| members.iter().any(|member| member.node == *name));
    for member in members {
        let is_dead = !member.live && !member.left;
        if is_dead {
            died.insert(member.node.clone());
        }
        if died.contains(&member.node) {
            metrics.node.dead.with_label_values(&[member.node.as_str()]).set(is_dead.into());
        }
    }
}
