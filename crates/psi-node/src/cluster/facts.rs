//! The facts that nodes publish by gossip: a handful of keys, ASCII and small in total.

use std::collections::{BTreeMap, BTreeSet};

use chitchat::{Chitchat, ChitchatId, NodeState};
use data_encoding::HEXLOWER;
use psi_replica::{Digest, NodeId, PROTOCOL};

use super::{
    claim::NameClaim,
    members::{ClaimStage, Member},
};
use crate::{calls::readiness::is_writable, node::context::NodeContext, settings::Addresses};

const GRPC: &str = "grpc";
const HTTP: &str = "http";
/// The version that it was built from, and the greatest protocol version that it speaks, in decimal.
const VERSION: &str = "version";
const SPEAKS: &str = "protocol";
const READY: &str = "ready";
/// The incarnation that its replica has minted, in decimal; absent until then.
const RUN: &str = "run";
/// How far it has come with its name: one of the next three. A program that does not publish it has its name.
const CLAIM: &str = "claim";
const OPEN: &str = "open";
const WAITS: &str = "waits";
const HELD: &str = "held";
/// Set once, by a node that leaves.
const LEAVING: &str = "leaving";
/// Frontier hash and digest, 128 hexadecimal digits.
const AGREE: &str = "agree";
/// That the node signs by a key, by the word of the cluster key.
const VOUCHER: &str = "voucher";

/// The keys of all facts of this version.
pub(super) const KEYS: [&str; 10] = [GRPC, HTTP, VERSION, SPEAKS, READY, RUN, CLAIM, LEAVING, AGREE, VOUCHER];

/// The facts that a node starts with.
pub(super) fn at_start(addresses: Addresses, claim: NameClaim) -> Vec<(String, String)> {
    let facts = [
        (GRPC, addresses.grpc.to_string()),
        (HTTP, addresses.http.to_string()),
        (VERSION, crate::VERSION.to_owned()),
        (SPEAKS, PROTOCOL.to_string()),
        (CLAIM, claim_text(claim).to_owned()),
    ];
    facts.map(|(key, value)| (key.to_owned(), value)).into()
}

fn claim_text(claim: NameClaim) -> &'static str {
    match claim {
        NameClaim::Open => OPEN,
        NameClaim::Waits { .. } => WAITS,
        NameClaim::Held => HELD,
    }
}

/// The facts of this node.
pub(super) fn of_node(context: &NodeContext, leaving: bool) -> Vec<(&'static str, String)> {
    let leaving = leaving.then(|| (LEAVING, "1".to_owned()));
    let voucher = context.identity.own_voucher().map(|voucher| (VOUCHER, voucher));
    context.read(|replica| {
        let agree = format!("{}{}", replica.frontier().hash(), replica.digest());
        let ready = if is_writable(replica) { "1" } else { "0" };
        let run = replica.origin().map(|own| (RUN, own.incarnation.to_string()));
        let claim = claim_text(context.claim.now()).to_owned();
        [(READY, ready.to_owned()), (AGREE, agree), (CLAIM, claim)]
            .into_iter()
            .chain(run)
            .chain(leaving)
            .chain(voucher)
            .collect()
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
        version: state.get(VERSION).map(short_word).unwrap_or_default(),
        protocol: state.get(SPEAKS).and_then(|version| version.parse().ok()),
        claim: match state.get(CLAIM) {
            Some(OPEN) => ClaimStage::Open,
            Some(WAITS) => ClaimStage::Waits,
            _ => ClaimStage::Held,
        },
        namesakes: Vec::new(),
        voucher: state.get(VOUCHER).map(str::to_owned),
    })
}

/// What a stranger published is shown to people.
fn short_word(text: &str) -> String {
    const LETTERS_MAX: usize = 32;
    text.chars().filter(char::is_ascii_graphic).take(LETTERS_MAX).collect()
}

fn parse_agreement(value: &str) -> Option<(Digest, Digest)> {
    let bytes = HEXLOWER.decode(value.as_bytes()).ok().filter(|bytes| bytes.len() == 64)?;
    Some((Digest::from_bytes(&bytes[..32])?, Digest::from_bytes(&bytes[32..])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_one_short_word() {
        assert_eq!(short_word("0.1.0-rc.1+5"), "0.1.0-rc.1+5");
        assert_eq!(short_word("1\n\u{1b}[2J é"), "1[2J");
        assert_eq!(short_word(&"9".repeat(99)).len(), 32);
    }

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
