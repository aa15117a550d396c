//! Series of the node itself: calls, steps, members, what the replica holds.

use psi_engine::guardian::Threat;
use psi_replica::PROTOCOL;

use super::family::families;
use crate::{VERSION, settings::Settings};

/// How calls that step end.
pub(super) const OK: &str = "ok";
pub(super) const REFUSED: &str = "refused";
pub(super) const FAILED: &str = "failed";

families! {
    /// Counters and histograms are kept as things happen, gauges are set at the scrape.
    pub(super) struct NodeMetrics {
        build: IntGaugeVec = "psi_build_info" ["version", "commit", "protocol"]
            "Always 1; labels are the version, the commit it was built from, and the greatest protocol version it speaks";
        info: IntGaugeVec = "psi_node_info" ["node", "cluster"] "Always 1; the node and its cluster are labels";
        ready: IntGauge = "psi_node_ready" [] "1 if the node has caught up and accepts steps";
        steps: IntCounter = "psi_node_steps_total" [] "Steps that this node accepted since it started";
        step_calls: IntCounterVec = "psi_node_step_calls_total" ["outcome"]
            "Calls that step, by outcome: ok, refused for what the caller sent, or failed for another reason";
        step_seconds: Histogram = "psi_node_step_duration_seconds" []
            "Time to check, score and absorb a step or batch, without the wire";
        errors: IntCounterVec = "psi_node_errors_total" ["reason"] "Refused calls, by reason";
        repeats: IntCounter = "psi_node_requests_repeated_total" []
            "Requests that were recognised by their request_id and not counted again";
        interventions: IntCounterVec = "psi_node_interventions_total" ["action"]
            "Interventions by hand that this node accepted, by action";
        guardian_interventions: IntCounterVec = "psi_node_guardian_interventions_total" ["action", "threat"]
            "Interventions by the guardian after steps on this node, by action and the threat that it answered";
        steps_dropped: IntCounter = "psi_node_steps_dropped_total" []
            "Steps of this node that a reset or drop of their field on another node overtook";
        clock_offset: Gauge = "psi_node_clock_offset_seconds" [] "Members' median clock minus this node's";
        clock_lead: Gauge = "psi_node_clock_lead_seconds" [] "Hybrid time, which stamps steps, minus wall time";
        hybrid_time: Gauge = "psi_node_hybrid_time_seconds" [] "Hybrid time, seconds since the Unix epoch";
        http_seconds: HistogramVec = "psi_http_request_duration_seconds" ["path", "code"]
            "Time to answer an HTTP request";
        not_after: IntGaugeVec = "psi_certificate_not_after_timestamp_seconds" ["source"]
            "When the certificate that this node shows expires, by source: derived from the cluster key, or own (tls.cert)";
        not_before: IntGaugeVec = "psi_certificate_not_before_timestamp_seconds" ["source"]
            "Since when the certificate that this node shows is valid, by source";
        certificates_refused: IntCounterVec = "psi_node_certificates_refused_total" ["reason"]
            "Connections that this node refused for the certificate at the other end, by reason";
        connections: IntGaugeVec = "psi_node_connections" ["state"]
            "Open connections of clients and peers: those with a call that is being answered are busy, others quiet";
        evicted: IntCounter = "psi_node_connections_evicted_total" []
            "Quiet connections that were closed for new ones, since there were limits.connections_max";
        turned_away: IntCounter = "psi_node_connections_turned_away_total" []
            "Connections that were closed at once, since limits.connections_max were busy";
        members: IntGaugeVec = "psi_cluster_members" ["state"] "Members that gossip knows, by state";
        dead: IntGaugeVec = "psi_cluster_member_dead" ["node"]
            "1 for a crashed member, 0 for one that was taken for dead and is not any more";
        namesakes: IntGaugeVec = "psi_cluster_namesakes" ["node"]
            "Runs that wait since another run of the node answers: several machines have one name";
        links: IntGauge = "psi_replica_links" [] "Replication links that stand";
        entries: IntGauge = "psi_replica_entries" [] "Entries held";
        entry_bytes: IntGauge = "psi_replica_entry_bytes" [] "Bytes of the values of all entries held";
        entry_bytes_max: IntGauge = "psi_replica_entry_bytes_max" []
            "limits.state_bytes_max: at so many bytes of entries the node makes no field and takes no step in";
        link_refusals: IntCounterVec = "psi_replica_refused_total" ["reason"] "Refused links and deltas, by reason";
        agree: IntGauge = "psi_replica_agree" []
            "0 if a live member with the same frontier has published another digest, else 1";
        gossip_restarts: IntCounter = "psi_gossip_restarts_total" []
            "Times that the gossip loop ended and was started again";
        gossip_drops: IntCounterVec = "psi_gossip_dropped_total" ["reason"]
            "Gossip datagrams that were dropped, or cut to what there is room for, by reason";
    }
}

impl NodeMetrics {
    /// Sets what never changes, and creates series that a rate needs before the first event.
    pub(super) fn prepare(&self, settings: &Settings) {
        let protocol = PROTOCOL.to_string();
        self.build.with_label_values(&[VERSION, settings.commit, protocol.as_str()]).set(1);
        self.info.with_label_values(&[settings.node.as_str(), settings.cluster.as_str()]).set(1);
        self.entry_bytes_max.set(i64::try_from(settings.capacity.bytes_max).unwrap_or(i64::MAX));
        for outcome in [OK, REFUSED, FAILED] {
            self.step_calls.with_label_values(&[outcome]);
        }
        for threat in Threat::ALL {
            self.guardian_interventions.with_label_values(&[threat.action().as_str(), threat.as_str()]);
        }
    }
}
