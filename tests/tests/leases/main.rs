//! Leases over real sockets: one holder at a time, fences that rise, and a majority that is needed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use psi_api::v1::{self, lease_service_client::LeaseServiceClient};
use psi_tests::{KillableNode, Member, eventually, settings};
use tonic::{Code, Status, transport::Channel};

fn leases(grpc: std::net::SocketAddr) -> Result<LeaseServiceClient<Channel>> {
    Ok(LeaseServiceClient::new(Channel::from_shared(format!("http://{grpc}"))?.connect_lazy()))
}

fn client(member: &Member) -> Result<LeaseServiceClient<Channel>> {
    leases(member.node.addresses().grpc)
}

fn wish(name: &str, client: &str, duration_ms: u64) -> v1::AcquireLeaseRequest {
    v1::AcquireLeaseRequest { name: name.to_owned(), client: client.to_owned(), duration_ms, ..Default::default() }
}

async fn acquire(member: &Member, request: v1::AcquireLeaseRequest) -> Result<v1::LeaseGrant, Status> {
    let mut client = client(member).map_err(|error| Status::internal(error.to_string()))?;
    Ok(client.acquire_lease(request).await?.into_inner())
}

fn reason(status: &Status) -> String {
    psi_api::cause_of(status).map(|(reason, _)| reason).unwrap_or_default()
}

async fn three() -> Result<[Member; 3]> {
    let first = Member::start(settings("n1", &[])).await?;
    let seeds = [first.node.addresses().gossip];
    let second = Member::start(settings("n2", &seeds)).await?;
    let third = Member::start(settings("n3", &seeds)).await?;
    let members = [first, second, third];
    name_voters(&members).await?;
    Ok(members)
}

/// Names all as voters, once each knows of the others' stores.
async fn name_voters(members: &[Member]) -> Result<()> {
    let nodes: Vec<String> = members.iter().map(|member| member.node.node_id().to_string()).collect();
    eventually("the nodes know each other's stores", async || {
        let request = v1::SetVotersRequest { nodes: nodes.clone() };
        Ok(client(&members[0])?.set_voters(request).await.is_ok())
    })
    .await?;
    eventually("all know the voters", async || {
        let mut known = true;
        for member in members {
            let voters = client(member)?.get_voters(v1::GetVotersRequest {}).await?.into_inner().voters;
            known &= voters.len() == members.len() && voters.iter().all(|voter| voter.current);
        }
        Ok(known)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_voters_there_are_no_leases() -> Result<()> {
    let member = Member::start(settings("n1", &[])).await?;
    let refused = acquire(&member, wish("l", "a", 0)).await.expect_err("nobody votes");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "NO_VOTERS"));
    let request = v1::SetVotersRequest { nodes: vec!["n1".to_owned(), "nobody".to_owned()] };
    let refused = client(&member)?.set_voters(request).await.expect_err("nobody is no node");
    assert_eq!(reason(&refused), "BAD_VOTERS");
    for (name, client, duration_ms) in [("", "a", 0), ("l", "", 0), ("l\n", "a", 0), ("l", "a", 86_400_001)] {
        let refused = acquire(&member, wish(name, client, duration_ms)).await.expect_err("bad");
        assert_eq!(reason(&refused), "BAD_LEASE", "{name:?} {client:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_holds_and_the_others_are_told_who() -> Result<()> {
    let [first, second, third] = three().await?;
    let grant = acquire(&first, wish("backup", "ann", 60_000)).await?;
    assert_eq!((grant.fence, grant.node.as_str()), (1, "n1"));
    assert!(grant.left_ms <= 60_000 && grant.left_ms > 30_000, "{grant:?}");
    let refused = acquire(&second, wish("backup", "bob", 1_000)).await.expect_err("it is held");
    assert_eq!(reason(&refused), "LEASE_HELD");
    assert!(refused.message().contains("ann of node n1 with fence 1"), "{}", refused.message());
    let refused = acquire(&first, wish("backup", "bob", 1_000)).await.expect_err("it is held by another of this node");
    assert_eq!(reason(&refused), "LEASE_HELD");

    let renewed = acquire(&first, wish("backup", "ann", 60_000)).await?;
    assert_eq!(renewed.fence, 2);
    eventually("the third node knows", async || {
        let lease = client(&third)?.get_lease(v1::GetLeaseRequest { name: "backup".to_owned() }).await?.into_inner();
        Ok(lease.fence == 2 && lease.holder == "ann" && lease.holder_node == "n1")
    })
    .await?;
    let release = v1::ReleaseLeaseRequest { name: "backup".to_owned(), client: "ann".to_owned(), deadline_ms: 0 };
    let released = client(&first)?.release_lease(release).await?.into_inner();
    assert_eq!((released.fence, released.holder.as_str()), (3, ""));
    // At once, though it would have held for a minute.
    let next = acquire(&second, v1::AcquireLeaseRequest { wait_ms: 5_000, ..wish("backup", "bob", 60_000) }).await?;
    assert!(next.fence > 3, "{next:?}");
    Ok(())
}

/// A holder that dies is waited for, and not for longer.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_holder_is_followed_once_its_time_is_up() -> Result<()> {
    let [first, second, third] = three().await?;
    const D: Duration = Duration::from_secs(2);
    let asked = Instant::now();
    let held = acquire(&first, wish("l", "ann", 2_000)).await?;
    first.node.shutdown().await;
    let request = v1::AcquireLeaseRequest { wait_ms: 20_000, deadline_ms: 5_000, ..wish("l", "bob", 2_000) };
    let next = acquire(&second, request).await?;
    assert!(asked.elapsed() >= D, "{:?} after the holder asked", asked.elapsed());
    assert!(next.fence > held.fence);
    drop(third);
    Ok(())
}

/// With most voters gone, nobody is granted anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_minority_decides_nothing() -> Result<()> {
    let [first, second, third] = three().await?;
    acquire(&first, wish("l", "ann", 500)).await?;
    second.node.shutdown().await;
    third.node.shutdown().await;
    let request = v1::AcquireLeaseRequest { deadline_ms: 1_500, ..wish("l", "ann", 60_000) };
    let refused = acquire(&first, request).await.expect_err("one of three");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::DeadlineExceeded, "NO_MAJORITY"));
    Ok(())
}

/// What clients saw: who held which fence, from when to when.
#[derive(Default)]
struct Sightings(Mutex<BTreeMap<u64, (String, Instant, Instant)>>);

impl Sightings {
    /// `from` is after the answer came, and `until` before the time that counts from before the call was up.
    fn record(&self, grant: &v1::LeaseGrant, from: Instant, until: Instant) {
        let mut seen = self.0.lock().expect("no panic");
        let before = seen.insert(grant.fence, (format!("{}@{}", grant.client, grant.node), from, until));
        assert!(before.is_none(), "fence {} was granted twice: {before:?} and {grant:?}", grant.fence);
    }

    fn check(&self) -> Result<usize> {
        let seen = self.0.lock().expect("no panic");
        let mut last: Option<&(String, Instant, Instant)> = None;
        for (fence, sighting) in seen.iter() {
            if let Some(before) = last
                && before.0 != sighting.0
                && sighting.1 < before.2
            {
                bail!("fence {fence} of {} began while {} held", sighting.0, before.0);
            }
            last = Some(sighting);
        }
        Ok(seen.len())
    }
}

/// Contenders on all nodes, while one of the nodes dies.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn contenders_never_hold_together() -> Result<()> {
    let first = Member::start(settings("n1", &[])).await?;
    let seeds = [first.node.addresses().gossip];
    let second = Member::start(settings("n2", &seeds)).await?;
    let third = KillableNode::start(settings("n3", &seeds)).await?;
    let nodes: Vec<String> = ["n1", "n2", "n3"].map(str::to_owned).into();
    eventually("the nodes know each other's stores", async || {
        let request = v1::SetVotersRequest { nodes: nodes.clone() };
        Ok(client(&first)?.set_voters(request).await.is_ok())
    })
    .await?;
    let seen = Arc::new(Sightings::default());
    let end = Instant::now() + Duration::from_secs(6);
    let mut contenders = Vec::new();
    for number in 0..30 {
        let (seen, member) = (seen.clone(), if number % 2 == 0 { &first } else { &second });
        let mut leases = client(member)?;
        contenders.push(tokio::spawn(async move {
            let name = format!("c{number}");
            while Instant::now() < end {
                let request = v1::AcquireLeaseRequest { wait_ms: 1_000, deadline_ms: 3_000, ..wish("l", &name, 300) };
                let asked = Instant::now();
                let Ok(grant) = leases.acquire_lease(request).await else { continue };
                let grant = grant.into_inner();
                let answered = Instant::now();
                let left = Duration::from_millis(grant.left_ms);
                // Its time was told when the answer was sent, which is before now.
                let until = answered + left.saturating_sub(answered - asked).min(Duration::from_millis(250));
                seen.record(&grant, answered, until);
                tokio::time::sleep(Duration::from_millis(20)).await;
                let release = v1::ReleaseLeaseRequest { name: "l".to_owned(), client: name.clone(), deadline_ms: 0 };
                seen.0.lock().expect("no panic").get_mut(&grant.fence).expect("recorded").2 = Instant::now().min(until);
                let _ = leases.release_lease(release).await;
            }
        }));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    third.die();
    for contender in contenders {
        contender.await.context("a contender saw two holders")?;
    }
    let grants = seen.check()?;
    assert!(grants >= 10, "{grants} grants in 6 s");
    Ok(())
}
