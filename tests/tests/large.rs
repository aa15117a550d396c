//! More members than can all be linked to each other: a few links each, entries relayed, and all agree.

use anyhow::Result;
use psi_api::v1::ListMembersRequest;
use psi_node::Settings;
use psi_replica::overlay::RINGS;
use psi_tests::{INCIDENT, Member, agreed, eventually, settings};

/// As many as a test can afford: enough that not all are neighbours.
const MEMBERS: usize = 11;

async fn links(member: &Member) -> Result<(usize, usize)> {
    let known = member.cluster.clone().list_members(ListMembersRequest {}).await?.into_inner().members;
    // A member counts itself as linked.
    Ok((known.len(), known.iter().filter(|member| member.linked).count() - 1))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_cluster_has_a_few_links_each_and_agrees() -> Result<()> {
    let sparse =
        |number: usize, seeds: &[_]| Settings { full_mesh_max: 8, ..settings(&format!("n{number:02}"), seeds) };
    let first = Member::start(sparse(0, &[])).await?;
    let seed = first.node.addresses().gossip;
    let mut members = vec![first];
    for number in 1..MEMBERS {
        members.push(Member::start(sparse(number, &[seed])).await?);
    }
    // Two neighbours on each ring.
    let most = 2 * usize::try_from(RINGS)?;
    eventually("every node knows all and is linked to a few", async || {
        for member in &members {
            let (known, linked) = links(member).await?;
            if known < MEMBERS || !(2..=most).contains(&linked) {
                return Ok(false);
            }
        }
        Ok(true)
    })
    .await?;
    for member in &members {
        member.step("", &INCIDENT).await?;
    }
    agreed(&members).await?;
    for member in &members {
        assert_eq!(member.state("").await?.k, MEMBERS as u64);
    }
    Ok(())
}
