//! Links that are cut, slow and lossy.

use std::time::Duration;

use anyhow::Result;
use psi_api::v1::MemberState;
use psi_tests::{
    eventually,
    fleet::{Fleet, field_of},
    load::Load,
    process::Process,
    proxy::Fault,
};

use crate::PROGRAM;

/// Steps on all nodes while `work` breaks the network, then heals it; all must be counted, once, everywhere.
async fn check_agreement_after(fleet: &Fleet, work: impl AsyncFnOnce(&[Load]) -> Result<()>) -> Result<()> {
    let loads: Vec<Load> = fleet.nodes.iter().map(|node| Load::on(&[node], &field_of(&node.name), 1)).collect();
    for load in &loads {
        load.acknowledged(20).await?;
    }
    work(&loads).await?;
    let mut tallies = Vec::new();
    for load in loads {
        tallies.push(load.stop().await?);
    }
    fleet.network.heal();
    fleet.agreed().await?;
    for (node, tally) in fleet.nodes.iter().zip(tallies) {
        assert_eq!((fleet.nodes[0].count(&field_of(&node.name)).await, tally.failed), (tally.acknowledged, 0));
    }
    Ok(())
}

/// Waits until a node has no link to another that it still sees live, or has one again.
async fn linked(node: &Process, other: &str, want: bool) -> Result<()> {
    let what = format!("`{}` {} `{other}`", node.name, if want { "is linked to" } else { "has lost its link to" });
    eventually(&what, async || {
        let members = node.members().await?;
        Ok(members.iter().any(|member| member.node == other && member.linked == want))
    })
    .await
}

/// Waits until a node counts so many more steps in a field.
async fn learns(node: &Process, field: &str, more: u64) -> Result<()> {
    let known = node.count(field).await;
    let what = format!("`{}` learns of {more} more steps in `{field}`", node.name);
    eventually(&what, async || Ok(node.count(field).await >= known + more)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_cut_off_and_both_sides_keep_all_steps() -> Result<()> {
    let fleet = Fleet::start(PROGRAM, 3).await?;
    fleet.create_field_for_each().await?;
    let [n1, n2, n3] = &fleet.nodes[..] else { unreachable!("three nodes") };
    check_agreement_after(&fleet, async |loads| {
        fleet.network.between("n1", "n3", Fault::CUT);
        fleet.network.between("n2", "n3", Fault::CUT);
        n1.sees("n3", MemberState::Dead).await?;
        n3.sees("n1", MemberState::Dead).await?;
        n3.sees("n2", MemberState::Dead).await?;
        let before = (n1.count("of-n3").await, n3.count("of-n1").await);
        for load in loads {
            load.acknowledged(50).await?;
        }
        learns(n2, "of-n1", 20).await?;
        assert_eq!((n1.count("of-n3").await, n3.count("of-n1").await), before, "nothing passes the cut");
        fleet.network.heal();
        n1.sees("n3", MemberState::Live).await?;
        n3.sees("n1", MemberState::Live).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_without_a_link_learn_from_each_other_through_the_third() -> Result<()> {
    let fleet = Fleet::start(PROGRAM, 3).await?;
    fleet.create_field_for_each().await?;
    let [n1, _, n3] = &fleet.nodes[..] else { unreachable!("three nodes") };
    check_agreement_after(&fleet, async |_| {
        fleet.network.between("n1", "n3", Fault::CUT);
        linked(n1, "n3", false).await?;
        linked(n3, "n1", false).await?;
        learns(n3, "of-n1", 100).await?;
        learns(n1, "of-n3", 100).await?;
        n1.sees("n3", MemberState::Live).await?;
        fleet.network.heal();
        linked(n1, "n3", true).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_slow_and_lossy_network_nothing_is_lost_or_counted_twice() -> Result<()> {
    let fleet = Fleet::start(PROGRAM, 3).await?;
    fleet.create_field_for_each().await?;
    let [n1, n2, n3] = &fleet.nodes[..] else { unreachable!("three nodes") };
    let bad = Fault {
        delay: Duration::from_millis(80),
        bytes_per_second: Some(20_000),
        loss: 0.3,
        duplication: 0.3,
        ..Fault::default()
    };
    check_agreement_after(&fleet, async |_| {
        for (one, other) in [("n1", "n2"), ("n1", "n3"), ("n2", "n3")] {
            fleet.network.between(one, other, bad);
        }
        learns(n3, "of-n1", 200).await?;
        fleet.network.reset("n1", "n2");
        fleet.network.reset("n2", "n3");
        learns(n2, "of-n3", 200).await?;
        learns(n1, "of-n2", 200).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_that_is_cut_in_one_direction_only_delays_what_must_pass_it() -> Result<()> {
    let fleet = Fleet::start(PROGRAM, 3).await?;
    fleet.create_field_for_each().await?;
    let [n1, n2, n3] = &fleet.nodes[..] else { unreachable!("three nodes") };
    check_agreement_after(&fleet, async |loads| {
        fleet.network.set("n1", "n2", Fault::CUT);
        fleet.network.set("n3", "n2", Fault::CUT);
        linked(n2, "n1", false).await?;
        linked(n2, "n3", false).await?;
        for load in loads {
            load.acknowledged(50).await?;
        }
        learns(n3, "of-n1", 50).await?;
        fleet.network.heal();
        n1.sees("n2", MemberState::Live).await?;
        linked(n1, "n2", true).await?;
        learns(n2, "of-n1", 50).await
    })
    .await
}
