//! The facts that nodes publish by gossip: a handful of keys, ASCII and small in total.

use std::collections::{BTreeMap, BTreeSet};

use chitchat::{Chitchat, ChitchatId, NodeState};
use data_encoding::HEXLOWER;
use psi_replica::{Digest, NodeId};

use super::members::Member;
use crate::{calls::readiness::is_writable, node::context::NodeContext, settings::Addresses};

const GRPC: &str = "grpc";
const HTTP: &str = "http";
const READY: &str = "ready";
/// The incarnation that its replica has minted, in decimal; absent until then.
const RUN: &str = "run";
/// Set once, by a node that leaves.
const LEAVING: &str = "leaving";
/// Frontier hash and digest, 128 hexadecimal digits.
const AGREE: &str = "agree";

/// The facts that a node starts with.
pub(super) fn of_addresses(addresses: Addresses) -> Vec<(String, String)> {
    vec![(GRPC.to_owned(), addresses.grpc.to_string()), (HTTP.to_owned(), addresses.http.to_string())]
}

/// The facts of this node.
pub(super) fn of_node(context: &NodeContext, leaving: bool) -> Vec<(&'static str, String)> {
    let leaving = leaving.then(|| (LEAVING, "1".to_owned()));
    context.read(|replica| {
        let agree = format!("{}{}", replica.frontier().hash(), replica.digest());
        let ready = if is_writable(replica) { "1" } else { "0" };
        let run = replica.origin().map(|own| (RUN, own.incarnation.to_string()));
        [(READY, ready.to_owned()), (AGREE, agree)].into_iter().chain(run).chain(leaving).collect()
    })
}

pub(super) fn publish(
    chitchat: &mut Chitchat,
    facts: &[(&'static str, String)],
    published: &mut BTreeMap<&'static str, String>,
) {
    for (key, value) in facts {
        if published.get(key) != Some(value) {
            chitchat.self_node_state().set(*key, value);
            published.insert(key, value.clone());
        }
    }
}

/// Every run of every node that gossip knows.
pub(super) fn read(chitchat: &Chitchat) -> Vec<Member> {
    let live: BTreeSet<ChitchatId> = chitchat.live_nodes().cloned().collect();
    let known = chitchat.node_states().iter();
    known.filter_map(|(id, state)| member(id, state, live.contains(id))).collect()
}

/// A member, unless its name is one that no node of this program has.
fn member(id: &ChitchatId, state: &NodeState, live: bool) -> Option<Member> {
    let address = |key| state.get(key).and_then(|value| value.parse().ok());
    let left = state.get(LEAVING) == Some("1");
    Some(Member {
        node: NodeId::new(&id.node_id).ok()?,
        generation: id.generation_id,
        live: live && !left,
        left,
        gossip: id.gossip_advertise_addr,
        grpc: address(GRPC),
        http: address(HTTP),
        ready: state.get(READY) == Some("1"),
        incarnation: state.get(RUN).and_then(|run| run.parse().ok()),
        agreement: state.get(AGREE).and_then(parse_agreement),
    })
}

fn parse_agreement(value: &str) -> Option<(Digest, Digest)> {
    let bytes = HEXLOWER.decode(value.as_bytes()).ok().filter(|bytes| bytes.len() == 64)?;
    Some((Digest::from_bytes(&bytes[..32])?, Digest::from_bytes(&bytes[32..])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agreement_is_read_back_as_it_was_published() {
        let digest = |byte| Digest::from_bytes(&[byte; 32]).unwrap();
        let text = format!("{}{}", digest(1), digest(255));
        assert_eq!(parse_agreement(&text), Some((digest(1), digest(255))));
        for damaged in ["", "0", "zz", &text[1..], &format!("{text}00"), &"é".repeat(64)] {
            assert_eq!(parse_agreement(damaged), None, "{damaged}");
        }
    }
}
