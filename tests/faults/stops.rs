//! Nodes that are stopped.

use anyhow::Result;
use psi_api::v1::MemberState;
use psi_tests::{
    DEADLINE,
    fleet::Fleet,
    load::Load,
    process::{Process, Signal},
};
use tokio::time::Instant;

use crate::PROGRAM;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_says_so_and_is_never_taken_for_dead() -> Result<()> {
    let mut fleet = Fleet::start(PROGRAM, 3).await?;
    let mut leaving = fleet.nodes.remove(1);
    let [n1, n3] = &fleet.nodes[..] else { unreachable!("two are left") };
    leaving.signal(Signal::TERM)?;
    let begun = Instant::now();
    while begun.elapsed() < DEADLINE {
        let states = [state(n1, "n2").await?, state(n3, "n2").await?];
        assert!(!states.contains(&MemberState::Dead), "it said that it leaves: {states:?}");
        if states == [MemberState::Left; 2] {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(leaving.ended().await?.success());
    let index = 1;
    fleet.nodes.insert(index, leaving);
    assert_eq!(state(&fleet.nodes[0], "n2").await?, MemberState::Left);
    fleet.restart(index).await?;
    fleet.nodes[0].sees("n2", MemberState::Live).await?;
    fleet.nodes[2].sees("n2", MemberState::Live).await
}

async fn state(node: &Process, other: &str) -> Result<MemberState> {
    let members = node.members().await?;
    Ok(members.iter().find(|member| member.node == other).map_or(MemberState::Unspecified, |member| member.state()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_costs_no_step() -> Result<()> {
    let mut fleet = Fleet::start(PROGRAM, 3).await?;
    fleet.create_field_for_each().await?;
    let all: Vec<&Process> = fleet.nodes.iter().collect();
    let loads = [Load::on(&all, "of-n1", 6), Load::on(&all, "of-n2", 6)];
    for index in 0..3 {
        for load in &loads {
            load.acknowledged(30).await?;
        }
        fleet.nodes[index].signal(Signal::TERM)?;
        let status = fleet.nodes[index].ended().await?;
        assert!(status.success(), "{status}");
        fleet.restart(index).await?;
    }
    fleet.linked().await?;
    let mut tallies = Vec::new();
    for load in loads {
        load.acknowledged(30).await?;
        tallies.push(load.stop().await?);
    }
    fleet.agreed().await?;
    for (field, tally) in ["of-n1", "of-n2"].into_iter().zip(tallies) {
        assert_eq!(tally.failed, 0, "{tally:?}");
        let count = fleet.nodes[0].count(field).await;
        assert!((tally.acknowledged..=tally.sent).contains(&count), "{field} counts {count} of {tally:?}");
    }
    Ok(())
}
