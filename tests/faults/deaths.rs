//! Nodes that die, stall and return.

use std::time::Duration;

use anyhow::Result;
use psi_api::v1::MemberState;
use psi_tests::{
    fleet::{Fleet, field_of},
    load::Load,
    process::Signal,
};
use tokio::time::Instant;

use crate::PROGRAM;

#[tokio::test(flavor = "multi_thread")]
async fn what_survivors_accepted_outlasts_a_kill_and_restart_under_load() -> Result<()> {
    let mut fleet = Fleet::start(PROGRAM, 3).await?;
    fleet.create_field_for_each().await?;
    let loads: Vec<Load> = fleet.nodes.iter().map(|node| Load::on(&[node], &field_of(&node.name), 1)).collect();
    for load in &loads {
        load.acknowledged(50).await?;
    }
    fleet.nodes[1].kill()?;
    fleet.nodes[0].sees("n2", MemberState::Dead).await?;
    fleet.nodes[2].sees("n2", MemberState::Dead).await?;
    loads[0].acknowledged(50).await?;
    fleet.restart(1).await?;
    fleet.nodes[0].sees("n2", MemberState::Live).await?;
    for load in &loads {
        load.acknowledged(50).await?;
    }
    let mut tallies = Vec::new();
    for load in loads {
        tallies.push(load.stop().await?);
    }
    fleet.agreed().await?;
    for (index, tally) in tallies.into_iter().enumerate() {
        let count = fleet.nodes[0].count(&field_of(&fleet.nodes[index].name)).await;
        if index == 1 {
            // What it acknowledged and had not yet sent is gone with it.
            assert!(count > 100 && count <= tally.sent, "n2 counts {count} of {tally:?}");
        } else {
            assert_eq!((count, tally.failed), (tally.acknowledged, 0), "{}", fleet.nodes[index].name);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stalls_is_dead_and_then_live_again() -> Result<()> {
    const STALL: Duration = Duration::from_secs(5);
    let fleet = Fleet::start(PROGRAM, 3).await?;
    fleet.create_field_for_each().await?;
    let [n1, n2, n3] = &fleet.nodes[..] else { unreachable!("three nodes") };
    let loads: Vec<Load> = fleet.nodes.iter().map(|node| Load::on(&[node], &field_of(&node.name), 1)).collect();
    for load in &loads {
        load.acknowledged(20).await?;
    }
    let stalled = Instant::now();
    n2.signal(Signal::STOP)?;
    n1.sees("n2", MemberState::Dead).await?;
    n3.sees("n2", MemberState::Dead).await?;
    tokio::time::sleep_until(stalled + STALL).await;
    n2.signal(Signal::CONT)?;
    n1.sees("n2", MemberState::Live).await?;
    n3.sees("n2", MemberState::Live).await?;
    for load in &loads {
        load.acknowledged(20).await?;
    }
    let mut tallies = Vec::new();
    for load in loads {
        tallies.push(load.stop().await?);
    }
    fleet.agreed().await?;
    for (node, tally) in fleet.nodes.iter().zip(tallies) {
        let count = n1.count(&field_of(&node.name)).await;
        assert!((tally.acknowledged..=tally.sent).contains(&count), "{} counts {count} of {tally:?}", node.name);
    }
    Ok(())
}
