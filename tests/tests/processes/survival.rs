//! What a chain survives, and that a minority decides nothing. `psi-cli/tests/processes.rs` kills all nodes at once.

use anyhow::{Result, ensure};
use psi_api::v1;
use psi_tests::{KillableNode, Member, process::free_endpoints};
use tonic::Code;

use crate::support::{Desk, SMALL, at_step, name_voters, on_disk, reason, request, standing, three};

#[tokio::test(flavor = "multi_thread")]
async fn a_minority_decides_nothing_and_says_so() -> Result<()> {
    let [first, second, third] = three(None).await?;
    let desk = Desk::of(&first)?;
    desk.apply(SMALL, "").await?;
    let started = desk.advance("small", "").await?.state.unwrap_or_default();
    second.node.shutdown().await;
    let forced = |head: &str| v1::AdvanceTaskRequest {
        forced: true,
        reason: "for the test".to_owned(),
        ..request("small", head)
    };
    let advanced = desk.advance_by(forced(&started.head)).await?.state.unwrap_or_default();
    ensure!(advanced.phase == "b", "two of three decide: {advanced:?}");
    third.node.shutdown().await;
    let late = v1::AdvanceTaskRequest { deadline_ms: 1_500, ..forced(&advanced.head) };
    let refused = desk.advance_by(late).await.expect_err("one of three");
    ensure!((refused.code(), reason(&refused).as_str()) == (Code::DeadlineExceeded, "NO_MAJORITY"), "{refused:?}");
    let state = desk.status("small", "main").await?;
    ensure!((state.step, state.phase.as_str()) == (2, "b"), "{state:?}");
    Ok(())
}

/// The node that wrote each step is killed: the others have the step all the same.
#[tokio::test(flavor = "multi_thread")]
async fn the_death_of_the_node_that_proposed_loses_nothing() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let first = Member::start(on_disk("n1", directory.path(), &[])).await?;
    let seeds = [first.node.addresses().gossip];
    let second = Member::start(on_disk("n2", directory.path(), &seeds)).await?;
    // Where it listens is to be known.
    let grpc = free_endpoints()?.grpc;
    let settings = on_disk("n3", directory.path(), &seeds);
    let settings = psi_node::Settings { grpc: psi_node::Endpoint::new(grpc), ..settings };
    let third = KillableNode::start(settings).await?;
    let desks = [Desk::of(&first)?, Desk::of(&second)?, Desk::new(grpc)?];
    name_voters(&desks).await?;
    desks[2].apply(SMALL, "").await?;
    desks[2].advance("small", "").await?;
    desks[2].give("small", "report", r#"{"score":7}"#).await?;
    third.die();
    let state = at_step(&desks[1], "small", "main", 1).await?;
    let advanced = desks[1].advance("small", &state.head).await?;
    ensure!(advanced.action == "advance", "evidence and spec are here: {advanced:?}");
    let state = at_step(&desks[0], "small", "main", 2).await?;
    ensure!(standing(&state) == standing(&desks[1].status("small", "main").await?));
    let log = desks[0].log("small", "main").await?;
    ensure!(log.len() == 2 && log[1].node == "n3", "{log:?}");
    Ok(())
}
