//! Turns: which of the live nodes is to do some work. Advice, not a lock: nodes that see other members answer otherwise.

use psi_api::{Cause, v1};

use super::leases::check_name;
use crate::{calls::ops::Ops, node::context::NodeContext};

/// How much later the next node acts, if those before it did not.
const DELAY_MS: u64 = 1_000;
/// What places are hashes of.
const TURN_CONTEXT: &[u8] = b"psi-field v1 turn: ";

impl Ops {
    /// Whose turn it is, by the members that this node sees.
    pub(crate) fn turn(&self, name: &str) -> Result<v1::Turn, Cause> {
        self.record_refusal(check_name(name))?;
        let own = self.context.settings.node.to_string();
        let ranks = (0..).zip(nodes_in_turn(&self.context, name));
        let ranks = ranks.map(|(rank, node)| v1::TurnRank { node, delay_ms: rank * DELAY_MS }).collect();
        Ok(v1::Turn { name: name.to_owned(), ranks, node: own })
    }
}

/// The nodes that this one sees, in the order in which they are to do some work.
pub(crate) fn nodes_in_turn(context: &NodeContext, name: &str) -> Vec<String> {
    let members = context.members.borrow();
    let live = members.iter().filter(|member| member.live).map(|member| member.node.to_string());
    let mut nodes: Vec<String> = live.chain([context.settings.node.to_string()]).collect();
    nodes.sort_unstable();
    nodes.dedup();
    in_turn(name, nodes)
}

/// The nodes by a hash of the work and the node: each work has an order of its own, and a node that goes changes nothing in
/// the order of the others.
fn in_turn(name: &str, mut nodes: Vec<String>) -> Vec<String> {
    nodes.sort_by_cached_key(|node| {
        let mut hasher = blake3::Hasher::new();
        hasher.update(TURN_CONTEXT).update(name.as_bytes()).update(b"\n").update(node.as_bytes());
        *hasher.finalize().as_bytes()
    });
    nodes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn nodes(count: u64) -> Vec<String> {
        (0..count).map(|number| format!("n{number}")).collect()
    }

    #[test]
    fn a_node_that_goes_leaves_the_order_of_the_others() {
        for work in ["backup", "report", "x"] {
            let all = in_turn(work, nodes(7));
            for gone in &all {
                let rest: Vec<_> = all.iter().filter(|node| *node != gone).cloned().collect();
                let mut without = nodes(7);
                without.retain(|node| node != gone);
                assert_eq!(in_turn(work, without), rest);
            }
        }
    }

    #[test]
    fn work_is_spread_over_the_nodes() {
        let mut firsts: BTreeMap<String, u32> = BTreeMap::new();
        for work in 0..3_000 {
            *firsts.entry(in_turn(&format!("work {work}"), nodes(3)).remove(0)).or_default() += 1;
        }
        assert!(firsts.len() == 3 && firsts.values().all(|count| (900..1_100).contains(count)), "{firsts:?}");
    }
}
