//! Gossip about a live run that its node did not send: without the key it changes nothing.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use psi_node::Node;
use psi_security::{
    key::ClusterKey,
    seal::{Opener, Sealer},
};
use psi_tests::{
    DEADLINE,
    datagrams::{delta, message, syn},
    eventually,
};
use tokio::net::{TcpListener, UdpSocket};

use crate::{
    identities::{CLUSTER, Keys},
    peers::members,
};

/// How long forged gossip is sent.
const FORGED: Duration = Duration::from_secs(3);

fn now_ms() -> Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

/// Seals by a key, for a cluster.
struct Forger(Sealer);

impl Forger {
    fn new(key: &ClusterKey, cluster: &str, session: u8) -> Self {
        Self(Sealer::new(key, cluster, [session; 16]))
    }

    fn seal(&mut self, payload: &[u8]) -> Result<Vec<u8>> {
        Ok(self.0.seal(now_ms()?, payload)?.remove(0))
    }
}

/// The id of a node's run as a node gossips it, and the latest version of its facts.
async fn run_of(name: &str, node: &Node, keys: &Keys, forger: &mut Forger) -> Result<(Vec<u8>, u64)> {
    const ID_BYTES: usize = 8 + 1 + 4 + 2;
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    socket.send_to(&forger.seal(&syn(&[], 0))?, node.addresses().gossip).await?;
    let mut buffer = vec![0; 65_536];
    let length = tokio::time::timeout(DEADLINE, socket.recv(&mut buffer)).await??;
    let opened = Opener::new(keys.ring.clone(), CLUSTER).open(now_ms()?, &buffer[..length])?;
    let answer = opened.context("the answer is whole")?.payload;
    let begin = [&u16::try_from(name.len())?.to_le_bytes()[..], name.as_bytes()].concat();
    let at = answer.windows(begin.len()).position(|window| window == begin).context("the run is named")?;
    let end = at + begin.len() + ID_BYTES;
    let version = answer.get(end + 16..).and_then(<[u8]>::first_chunk).context("its versions")?;
    Ok((answer[at..end].to_vec(), u64::from_le_bytes(*version)))
}

/// An address that counts who dials it.
async fn trap() -> Result<(SocketAddr, Arc<AtomicUsize>)> {
    let (listener, dials) = (TcpListener::bind("127.0.0.1:0").await?, Arc::new(AtomicUsize::new(0)));
    let (address, counter) = (listener.local_addr()?, dials.clone());
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    Ok((address, dials))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_run_does_not_leave_or_move_by_gossip_that_the_key_did_not_seal() -> Result<()> {
    let keys = Keys::new(&[1])?;
    let first = keys.start("n1", &[]).await?;
    let second = keys.start("n2", &[first.addresses().gossip]).await?;
    let both = async || Ok(members(&first, &keys).await? == ["n1", "n2"]);
    eventually("the members know each other", both).await?;

    let (key, foreign) = (ClusterKey::from_random([1; 32]), ClusterKey::from_random([9; 32]));
    let mut insider = Forger::new(&key, CLUSTER, 1);
    let mut forgers = [Forger::new(&foreign, CLUSTER, 2), Forger::new(&key, "another", 3)];
    let (id, version) = run_of("n2", &first, &keys, &mut insider).await?;
    let (ids, (address, dials)) = ([id], trap().await?);
    let moves = message(2, &delta(&ids, "grpc", &address.to_string(), version + 1_000));
    let leaves = message(2, &delta(&ids, "leaving", "1", version + 2_000));
    let (stranger, begun) = (UdpSocket::bind("127.0.0.1:0").await?, Instant::now());
    while begun.elapsed() < FORGED {
        for forged in [&moves, &leaves] {
            let mut datagrams = vec![forged.clone()];
            for forger in &mut forgers {
                datagrams.push(forger.seal(forged)?);
            }
            let mut damaged = insider.seal(forged)?;
            *damaged.last_mut().context("a tag")? ^= 1;
            datagrams.push(damaged);
            for datagram in datagrams {
                stranger.send_to(&datagram, first.addresses().gossip).await?;
            }
        }
        ensure!(both().await?, "a forged fact was believed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ensure!(dials.load(Ordering::Relaxed) == 0, "the forged address was dialled");

    // Sealed by the key, the same datagrams are believed: they are what the seal keeps out.
    stranger.send_to(&insider.seal(&moves)?, first.addresses().gossip).await?;
    eventually("the address is dialled", async || Ok(dials.load(Ordering::Relaxed) > 0)).await?;
    stranger.send_to(&insider.seal(&leaves)?, first.addresses().gossip).await?;
    eventually("the run has left", async || Ok(members(&first, &keys).await? == ["n1"])).await?;
    for node in [second, first] {
        node.shutdown().await;
    }
    Ok(())
}
