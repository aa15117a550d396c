//! Who is in the cluster, and what its live members say of what they hold.

use std::collections::BTreeMap;

use psi_api::v1::{LinkTraffic, Member, MemberState};
use serde::Serialize;

use super::runs::{EndedRuns, Run};
use crate::answer::Agreement;

#[derive(Serialize)]
pub(super) struct Answer {
    pub(super) cluster: String,
    /// The node that listed the members.
    pub(super) asked: String,
    pub(super) verdict: Verdict,
    /// Whether at most half of the members that did not leave are live.
    pub(super) minority: bool,
    pub(super) members: Vec<Row>,
    /// Runs that have not ended.
    pub(super) runs: Vec<Run>,
    pub(super) ended: EndedRuns,
}

#[derive(Clone, Serialize)]
pub(super) struct Row {
    pub(super) node: String,
    pub(super) state: &'static str,
    pub(super) ready: bool,
    pub(super) linked: bool,
    pub(super) lag_versions: u64,
    pub(super) lag_ms: u64,
    pub(super) clock_offset_ms: i64,
    pub(super) traffic: Traffic,
    pub(super) grpc_address: String,
    pub(super) http_address: String,
    pub(super) gossip_address: String,
    /// Empty where the member has not said.
    pub(super) version: String,
    /// The greatest that it speaks; 0 where it has not said.
    pub(super) protocol: u32,
    /// gRPC addresses of other live runs of its name.
    pub(super) namesakes: Vec<String>,
    /// By which it signs; empty where the cluster has no key.
    pub(super) node_key: String,
    /// What the member itself says now; of one that was not asked or did not answer, what it published last.
    #[serde(flatten)]
    pub(super) agreement: Agreement,
    /// Whether the member was asked and answered.
    pub(super) reached: bool,
}

/// What crossed the links between the node asked and a member.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Traffic {
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) entries_sent: u64,
    pub(super) entries_received: u64,
    pub(super) deltas_cut: u64,
    pub(super) deltas_refused: u64,
    pub(super) resent: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Agree,
    CatchingUp,
    Diverged,
    Unknown,
}

impl Answer {
    /// Whether at least `live` members are live, and all live ones are ready and agree.
    pub(super) fn is_settled(&self, live_min: usize) -> bool {
        let live = self.members.iter().filter(|row| row.is_live());
        let all_ready = live.clone().all(|row| row.ready);
        self.verdict == Verdict::Agree && all_ready && live.count() >= live_min
    }
}

impl From<Member> for Row {
    fn from(from: Member) -> Self {
        let state = match from.state() {
            MemberState::Live => "live",
            MemberState::Dead => "dead",
            MemberState::Left => "left",
            MemberState::Unspecified => "unknown",
        };
        let Member {
            node,
            state: _,
            grpc_address,
            http_address,
            gossip_address,
            agreement,
            linked,
            lag_versions,
            clock_offset_ms,
            ready,
            lag_ms,
            traffic,
            version,
            protocol,
            namesakes,
            node_key,
        } = from;
        Self {
            node,
            state,
            version,
            protocol,
            namesakes,
            node_key,
            grpc_address,
            http_address,
            gossip_address,
            agreement: agreement.map(Into::into).unwrap_or_default(),
            reached: false,
            linked,
            lag_versions,
            clock_offset_ms,
            ready,
            lag_ms,
            traffic: traffic.map(Traffic::from).unwrap_or_default(),
        }
    }
}

impl From<LinkTraffic> for Traffic {
    fn from(from: LinkTraffic) -> Self {
        let LinkTraffic {
            bytes_sent,
            bytes_received,
            entries_sent,
            entries_received,
            deltas_cut,
            deltas_refused,
            resent,
        } = from;
        Self { bytes_sent, bytes_received, entries_sent, entries_received, deltas_cut, deltas_refused, resent }
    }
}

impl Row {
    pub(super) fn is_live(&self) -> bool {
        self.state == "live"
    }
}

pub(super) fn verdict(rows: &[Row]) -> Verdict {
    let live: Vec<&Row> = rows.iter().filter(|row| row.is_live()).collect();
    let reached: Vec<&Agreement> = live.iter().filter(|row| row.reached).map(|row| &row.agreement).collect();
    let mut digests = BTreeMap::new();
    for one in &reached {
        if *digests.entry(&one.frontier_hash).or_insert(&one.digest) != &one.digest {
            return Verdict::Diverged;
        }
    }
    if digests.len() > 1 {
        Verdict::CatchingUp
    } else if reached.len() < live.len() || live.is_empty() {
        Verdict::Unknown
    } else {
        Verdict::Agree
    }
}

/// Live members, and dead ones.
pub(super) fn living(rows: &[Row]) -> (usize, usize) {
    let of = |state| rows.iter().filter(|row| row.state == state).count();
    (of("live"), of("dead"))
}

pub(super) fn is_minority(rows: &[Row]) -> bool {
    let (live, dead) = living(rows);
    dead > 0 && live <= dead
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn row(state: MemberState, said: Option<(&str, &str)>) -> Row {
        let mut row = Row::from(Member { state: state.into(), ..Member::default() });
        if let Some((frontier_hash, digest)) = said {
            row.reached = true;
            row.agreement = Agreement { frontier_hash: frontier_hash.to_owned(), digest: digest.to_owned() };
        }
        row
    }

    #[test]
    fn the_verdict_is_on_what_live_members_say_themselves() {
        let live = |said| row(MemberState::Live, said);
        let dead = row(MemberState::Dead, None);
        for (rows, want) in [
            (vec![live(Some(("f", "d"))), live(Some(("f", "d"))), dead], Verdict::Agree),
            (vec![live(Some(("f", "d"))), live(Some(("g", "e")))], Verdict::CatchingUp),
            (vec![live(Some(("f", "d"))), live(Some(("f", "e")))], Verdict::Diverged),
            (vec![live(Some(("f", "d"))), live(Some(("g", "x"))), live(Some(("f", "e")))], Verdict::Diverged),
            (vec![live(Some(("f", "d"))), live(None)], Verdict::Unknown),
            (vec![], Verdict::Unknown),
        ] {
            assert_eq!(verdict(&rows), want);
        }
    }
}
