//! Nodes that look for each other.

use anyhow::Result;
use psi_api::v1::MemberState;
use psi_tests::process::{Launch, free_endpoints};

use crate::PROGRAM;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_seed_is_not_up_joins_when_it_comes() -> Result<()> {
    let seed = free_endpoints()?.gossip;
    let waiting = Launch::new(PROGRAM, "n2").with("--cluster-seeds", &seed).start()?;
    let refused = waiting.step("", &[0.0; 16]).await.expect_err("it has met nobody and is no seed");
    assert_eq!(refused.code(), tonic::Code::Unavailable, "{refused}");
    let first = Launch::new(PROGRAM, "n1").with("--gossip-listen", &seed).start()?;
    waiting.ready().await?;
    waiting.step("", &[0.0; 16]).await?;
    first.sees("n2", MemberState::Live).await
}

#[tokio::test(flavor = "multi_thread")]
async fn seeds_are_found_by_name_beside_names_that_nobody_has() -> Result<()> {
    let first = Launch::new(PROGRAM, "n1").start()?;
    let seeds = format!("nobody.invalid:7280,localhost:{}", first.advertised.gossip.port());
    let second = Launch::new(PROGRAM, "n2").with("--cluster-seeds", &seeds).start()?;
    second.ready().await?;
    first.sees("n2", MemberState::Live).await?;
    // By name alone a seed must know that it is one, or nobody would start the cluster.
    let gossip = free_endpoints()?.gossip;
    let own_name = format!("localhost:{}", gossip.port());
    let alone =
        Launch::new(PROGRAM, "n1").with("--gossip-listen", &gossip).with("--cluster-seeds", &own_name).start()?;
    alone.ready().await
}
