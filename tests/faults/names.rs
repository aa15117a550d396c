//! Machines that share the name of a node.

use anyhow::{Context, Result};
use psi_api::v1::GetFrontierRequest;
use psi_tests::{
    eventually,
    load::Load,
    process::{Launch, Process, Signal, free_endpoints},
};

use crate::PROGRAM;

/// What a node says that gives way, and what all nodes say of two of one name.
const WAITS: &str = "so this one waits until that has ended; give each node a name of its own (node.id)";
const TWO: &str = "two runs of one node";

async fn says(node: &Process, what: &str) -> Result<()> {
    eventually(&format!("`{}` says {what:?}", node.name), async || Ok(node.said().contains(what))).await
}

/// How many runs of node `twin` have written anything, as a node holds it.
async fn origins(node: &Process) -> Result<usize> {
    let origins = node.cluster.clone().get_frontier(GetFrontierRequest {}).await?.into_inner().origins;
    Ok(origins.iter().filter(|origin| origin.node == "twin").count())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_runs_of_one_node_the_one_that_starts_second_waits_until_the_other_has_gone() -> Result<()> {
    let keeper = Launch::new(PROGRAM, "keeper").start()?;
    let twin = Launch::new(PROGRAM, "twin").with("--cluster-seeds", &keeper.advertised.gossip);
    let mut older = twin.start()?;
    older.ready().await?;
    let load = Load::on(&[&older], "", 1);
    load.acknowledged(50).await?;
    let younger = twin.start()?;
    says(&younger, WAITS).await?;
    assert!(younger.said().contains(&older.grpc.to_string()), "which address answers: {}", younger.said());
    for node in [&keeper, &older] {
        says(node, TWO).await?;
        let address = younger.grpc.to_string();
        eventually("both are listed", async || {
            let members = node.members().await?;
            Ok(members
                .iter()
                .any(|member| member.node == "twin" && member.ready && member.namesakes == [address.clone()]))
        })
        .await?;
        assert!((node.series("psi_cluster_namesakes{node=\"twin\"}").await? - 1.0).abs() < f64::EPSILON);
    }
    let refused = younger.step("", &[0.0; 16]).await.expect_err("it waits");
    assert!(refused.message().contains(WAITS), "{refused}");
    load.acknowledged(100).await?;
    assert_eq!(origins(&keeper).await?, 1, "the one that waits has written nothing");
    older.signal(Signal::TERM)?;
    let tally = load.stop().await?;
    assert!(older.ended().await?.success(), "{}", older.said());
    younger.ready().await?;
    for node in [&keeper, &younger] {
        eventually("every acknowledged step is counted", async || Ok(node.count("").await >= tally.acknowledged))
            .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_started_again_and_again_beside_another_of_its_name_adds_no_origin() -> Result<()> {
    let keeper = Launch::new(PROGRAM, "keeper").start()?;
    let twin = Launch::new(PROGRAM, "twin").with("--cluster-seeds", &keeper.advertised.gossip);
    let older = twin.start()?;
    older.ready().await?;
    older.step("", &[0.0; 16]).await?;
    for signal in [Signal::KILL, Signal::TERM, Signal::KILL, Signal::INT] {
        let mut younger = twin.start()?;
        says(&younger, WAITS).await?;
        younger.signal(signal)?;
        younger.ended().await?;
    }
    older.step("", &[0.0; 16]).await?;
    eventually("both steps are counted", async || Ok(keeper.count("").await == 2)).await?;
    assert_eq!(origins(&keeper).await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_killed_or_leaves_does_not_delay_the_next_at_another_address() -> Result<()> {
    let keeper = Launch::new(PROGRAM, "keeper").start()?;
    let twin = Launch::new(PROGRAM, "twin").with("--cluster-seeds", &keeper.advertised.gossip);
    for signal in [Signal::KILL, Signal::TERM] {
        let mut older = twin.start()?;
        older.ready().await?;
        older.signal(signal)?;
        let younger = twin.start()?;
        younger.ready().await?;
        older.ended().await?;
        // It met a run that was still there at most for as long as that took to end.
        assert!(signal != Signal::KILL || !younger.said().contains(WAITS), "{}", younger.said());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clusters_with_a_node_of_one_name_that_meet_keep_both_nodes_steps_and_one_of_the_nodes() -> Result<()> {
    let first = Launch::new(PROGRAM, "twin").start()?;
    let second = Launch::new(PROGRAM, "twin").start()?;
    for node in [&first, &second] {
        node.ready().await?;
        node.step("", &[0.0; 16]).await?;
    }
    let seeds = format!("{},{}", first.advertised.gossip, second.advertised.gossip);
    let keeper = Launch::new(PROGRAM, "keeper").with("--cluster-seeds", &seeds).start()?;
    let waiting =
        eventually("one of them waits", async || Ok(first.said().contains(WAITS) != second.said().contains(WAITS)));
    waiting.await.with_context(|| format!("{}\n{}\n{}", first.said(), second.said(), keeper.said()))?;
    eventually("the steps of both count", async || Ok(keeper.count("").await == 2)).await?;
    eventually("the other one works", async || {
        let stays = if first.said().contains(WAITS) { &second } else { &first };
        Ok(stays.count("").await == 2 && stays.step("", &[0.0; 16]).await.is_ok())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lists_itself_as_its_seed_waits_too() -> Result<()> {
    let keeper = Launch::new(PROGRAM, "keeper").start()?;
    let older = Launch::new(PROGRAM, "twin").with("--cluster-seeds", &keeper.advertised.gossip).start()?;
    older.ready().await?;
    let gossip = free_endpoints()?.gossip;
    let seeds = format!("{},{gossip}", keeper.advertised.gossip);
    let twin = Launch::new(PROGRAM, "twin").with("--gossip-listen", &gossip).with("--cluster-seeds", &seeds);
    let younger = twin.with("--cluster-join-ms", &600_000).start()?;
    says(&younger, WAITS).await
}
