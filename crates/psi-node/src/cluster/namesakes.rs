//! What is said of nodes whose name several machines have.

use std::collections::BTreeMap;

use psi_replica::NodeId;
use tokio::time::Instant;
use tracing::warn;

use super::{claimants::REMINDER, members::Member};

/// When each name was last said to be that of several machines.
#[derive(Debug, Default)]
pub(super) struct NamesakeLog(BTreeMap<NodeId, Instant>);

impl NamesakeLog {
    /// Logs each such name, once a minute.
    pub(super) fn record(&mut self, members: &[Member], now: Instant) {
        self.due(members, now).for_each(|member| {
            let waiting: Vec<String> = member.namesakes.iter().map(ToString::to_string).collect();
            let holder = member.grpc.map_or_else(String::new, |address| address.to_string());
            warn!(
                node = %member.node, %holder, waiting = waiting.join(", "),
                "two runs of one node: several machines have the same name; give each a name of its own (node.id)"
            );
        });
    }

    /// Those that are to be logged now.
    fn due<'a>(&mut self, members: &'a [Member], now: Instant) -> impl Iterator<Item = &'a Member> {
        let shared: Vec<&Member> = members.iter().filter(|member| !member.namesakes.is_empty()).collect();
        self.0.retain(|node, _| shared.iter().any(|member| member.node == *node));
        let is_due = |member: &&Member| {
            let before = self.0.get(&member.node);
            let due = before.is_none_or(|before| now.duration_since(*before) >= REMINDER);
            if due {
                self.0.insert(member.node.clone(), now);
            }
            due
        };
        let due: Vec<&Member> = shared.into_iter().filter(is_due).collect();
        due.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, time::Duration};

    use super::*;
    use crate::settings::Addresses;

    #[test]
    fn a_name_of_several_machines_is_said_once_a_minute_while_it_lasts() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let node = NodeId::new("n").expect("a name");
        let own = Member::own(&node, Addresses { grpc: address, http: address, gossip: address });
        let shared = [Member { namesakes: vec![address], ..own.clone() }];
        let (mut log, begin) = (NamesakeLog::default(), Instant::now());
        let mut said = |members: &[Member], seconds| log.due(members, begin + Duration::from_secs(seconds)).count();
        let got = [(&shared[..], 0), (&shared, 59), (&shared, 60), (&[own], 61), (&shared, 62)]
            .map(|(members, seconds)| said(members, seconds));
        assert_eq!(got, [1, 0, 1, 0, 1]);
    }
}
