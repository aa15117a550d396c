//! A key is replaced while all goes on.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Result, ensure};
use psi_security::key::{ClusterKey, KeyRing};
use psi_tests::{DEADLINE, eventually};
use tonic::Code;

use crate::{
    client,
    identities::{Identity, Keys},
    peers::members,
};

async fn ping(address: SocketAddr, ring: &KeyRing) -> Result<Code> {
    client::call(address, ring, Identity::Operator, "/psi.v1.ClusterService/Ping").await
}

/// Calls a node again and again with a token of a ring that is accepted throughout.
async fn call_on(address: SocketAddr, ring: KeyRing, stop: Arc<AtomicBool>) -> Result<u32> {
    let mut calls = 0;
    while !stop.load(Ordering::Relaxed) {
        let status = ping(address, &ring).await?;
        ensure!(status == Code::Ok, "call {calls}: {status:?}");
        calls += 1;
    }
    Ok(calls)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_and_no_call_fails_and_no_member_is_missed() -> Result<()> {
    let mut keys = Keys::new(&[1])?;
    let first = keys.start("n1", &[]).await?;
    let seed = [first.addresses().gossip];
    let nodes = [keys.start("n2", &seed).await?, keys.start("n3", &seed).await?];
    let nodes: Vec<_> = std::iter::once(first).chain(nodes).collect();
    for node in &nodes {
        eventually("all are linked", async || Ok(members(node, &keys).await?.len() == 3)).await?;
    }
    let opened = client::open(nodes[0].addresses().grpc, &keys.ring, Identity::Peer).await?;
    // Nodes take both; the old one signs until the new one does.
    for (ring, seals) in [(&[1, 2][..], 1), (&[2, 1], 2), (&[2], 2)] {
        ensure!(!opened.task.is_finished(), "the connection stays while its key is accepted");
        let before = keys.ring.clone();
        keys.write(ring)?;
        let stop = Arc::new(AtomicBool::new(false));
        let accepted = both(&before, ring);
        let callers: Vec<_> = nodes
            .iter()
            .map(|node| tokio::spawn(call_on(node.addresses().grpc, accepted.clone(), stop.clone())))
            .collect();
        let only: KeyRing = ClusterKey::from_random([seals; 32]).into();
        for node in &nodes {
            let address = node.addresses().grpc;
            eventually("the node shows a certificate of the key that seals", async || {
                Ok(client::connect(address, &only, Identity::Nobody, b"h2").await.is_ok())
            })
            .await?;
            for seed in ring {
                eventually("the node accepts what each key signs", async || {
                    Ok(ping(address, &both(&keys.ring, &[*seed])).await? == Code::Ok)
                })
                .await?;
            }
            eventually("no member is missed", async || Ok(members(node, &keys).await?.len() == 3)).await?;
        }
        stop.store(true, Ordering::Relaxed);
        for caller in callers {
            ensure!(caller.await?? > 0);
        }
    }
    // What the old key has opened is closed, and it opens nothing any more.
    let _ = tokio::time::timeout(DEADLINE, opened.task).await?;
    let old: KeyRing = ClusterKey::from_random([1; 32]).into();
    eventually("the old key is gone", async || {
        let both = KeyRing::parse([old.first(), keys.ring.first()].map(ToString::to_string).join("\n").as_bytes())?;
        Ok(ping(nodes[0].addresses().grpc, &both).await? == Code::Unauthenticated)
    })
    .await?;
    for node in nodes {
        node.shutdown().await;
    }
    Ok(())
}

/// The keys of a ring; the first is one of those that are wanted.
fn both(ring: &KeyRing, wanted: &[u8]) -> KeyRing {
    let is_wanted = |key: &&ClusterKey| wanted.iter().any(|seed| ClusterKey::from_random([*seed; 32]) == **key);
    let first = ring.iter().find(is_wanted).expect("a key stays");
    let others = ring.iter().filter(|key| *key != first);
    let lines: Vec<String> = std::iter::once(first).chain(others).map(ToString::to_string).collect();
    KeyRing::parse(lines.join("\n").as_bytes()).expect("keys")
}
