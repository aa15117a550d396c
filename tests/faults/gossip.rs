//! What strangers can do to nodes by gossip: datagrams made by hand, without a key, from an address of nobody's.

use std::{
    collections::BTreeSet,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use psi_api::v1::MemberState;
use psi_tests::{
    DEADLINE,
    datagrams::{delta, digest, id, message, syn},
    eventually,
    process::{Launch, Process},
};
use tokio::net::TcpListener;

use crate::PROGRAM;

/// How much the memory of a node may grow by one datagram.
const GROWTH_KB: usize = 64 * 1024;

/// 65 kB of blocks that zstd unpacks to 65,535 zeros each, 300 MB together.
fn bomb() -> Vec<u8> {
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x60, 0xff, 0xfe, 0xfb, 0xff, 0x07, 0];
    let block = [&[1, 11, 0][..], &frame].concat();
    message(2, &[block.repeat(65_500 / block.len()), vec![0]].concat())
}

/// A figure of the process that Linux shows, in kB.
fn memory_kb(node: &Process, figure: &str) -> Result<usize> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix(figure)).context("no such figure")?;
    Ok(line.trim_matches([':', ' ', '\t', 'k', 'B']).parse()?)
}

struct Stranger(UdpSocket);

impl Stranger {
    fn bind() -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        Ok(Self(socket))
    }

    fn send(&self, node: &Process, bytes: &[u8]) -> Result<()> {
        self.0.send_to(bytes, node.advertised.gossip)?;
        Ok(())
    }

    /// Sends until the node has answered, so that it is not overrun.
    fn ask(&self, node: &Process, bytes: &[u8]) -> Result<()> {
        let begun = Instant::now();
        loop {
            self.send(node, bytes)?;
            match self.0.recv(&mut [0; 65_536]) {
                Ok(_) => return Ok(()),
                Err(error) if begun.elapsed() > DEADLINE => return Err(error).context("no answer"),
                Err(_) => {}
            }
        }
    }
}

async fn dropped(node: &Process, reason: &str) -> Result<()> {
    eventually(&format!("`{}` drops what is {reason}", node.name), async || {
        let series = format!("psi_gossip_dropped_total{{reason=\"{reason}\"}}");
        Ok(node.series(&series).await.unwrap_or_default() > 0.0)
    })
    .await
}

/// Nodes `n1`, `n2`, … of which every two are linked.
async fn cluster(count: usize) -> Result<Vec<Process>> {
    let first = Launch::new(PROGRAM, "n1").start()?;
    let mut nodes = vec![];
    for number in 2..=count {
        let launch = Launch::new(PROGRAM, &format!("n{number}"));
        nodes.push(launch.with("--cluster-seeds", &first.advertised.gossip).start()?);
    }
    nodes.insert(0, first);
    for node in &nodes {
        node.ready().await?;
        eventually("all are linked", async || Ok(links(node).await? == count - 1)).await?;
    }
    Ok(nodes)
}

pub(crate) async fn links(node: &Process) -> Result<usize> {
    Ok(node.members().await?.iter().filter(|member| member.linked && member.node != node.name).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_datagram_of_many_compressed_blocks_takes_little_memory() -> Result<()> {
    let node = Launch::new(PROGRAM, "n1").start()?;
    node.ready().await?;
    let before = memory_kb(&node, "VmRSS")?;
    Stranger::bind()?.send(&node, &bomb())?;
    dropped(&node, "too_large").await?;
    let most = memory_kb(&node, "VmHWM")?;
    assert!(most < before + GROWTH_KB, "{before} kB before, {most} kB at most");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn later_runs_that_strangers_name_stop_no_node_and_cut_no_link() -> Result<()> {
    let nodes = cluster(3).await?;
    let opened = |node: &Process| node.said().matches("link opened").count();
    let opened_before: Vec<usize> = nodes.iter().map(opened).collect();
    // Counts who dials the address that is forged.
    let trap = TcpListener::bind("127.0.0.1:0").await?;
    let address = trap.local_addr()?;
    let dials = Arc::new(AtomicUsize::new(0));
    let counter = dials.clone();
    tokio::spawn(async move {
        while trap.accept().await.is_ok() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    let (stranger, begun) = (Stranger::bind()?, Instant::now());
    let later = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())? + 1_000_000_000;
    let ids = ["n1", "n2", "n3"].map(|node| id(node, later));
    let facts = delta(&ids, "grpc", &address.to_string(), 1);
    for heartbeat in 1..=30 {
        for node in &nodes {
            stranger.send(node, &syn(&ids, heartbeat))?;
            stranger.send(node, &message(1, &[digest(&ids, heartbeat), facts.clone()].concat()))?;
        }
        // The forged runs live: nodes hear of them several times in a gossip interval.
        for node in &nodes {
            let members = node.members().await?;
            let runs = members.iter().filter(|member| member.grpc_address == address.to_string());
            assert_eq!(runs.count(), 0, "the forged address has replaced a node's: {members:?}");
            assert_eq!(links(node).await?, 2, "{}", node.name);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Each asks a few times a second whether a run of its own name answers there.
    let most = nodes.len() * 4 * (usize::try_from(begun.elapsed().as_secs())? + 2);
    assert!(dials.load(Ordering::Relaxed) <= most, "{} dials", dials.load(Ordering::Relaxed));
    assert!(dials.load(Ordering::Relaxed) > 0, "the forged runs were never heard of");
    for (node, before) in nodes.iter().zip(opened_before) {
        assert_eq!(opened(node), before, "a link was opened again: {}", node.said());
        for other in ["n1", "n2", "n3"] {
            node.sees(other, MemberState::Live).await?;
        }
        node.step("", &[0.0; 16]).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_ascii_does_not_restart_gossip() -> Result<()> {
    let nodes = cluster(2).await?;
    let stranger = Stranger::bind()?;
    let ids = [id("x", 1)];
    stranger.ask(&nodes[0], &syn(&ids, 1))?;
    stranger.send(&nodes[0], &message(2, &delta(&ids, "é", "1", 1)))?;
    dropped(&nodes[0], "bad_name").await?;
    assert!(nodes[0].series("psi_gossip_restarts_total").await?.abs() < f64::EPSILON, "{}", nodes[0].said());
    nodes[0].sees("n2", MemberState::Live).await
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_32_kb_and_junk_are_dropped_and_logged_once() -> Result<()> {
    let nodes = cluster(2).await?;
    let stranger = Stranger::bind()?;
    for number in 0..50 {
        stranger.send(&nodes[0], &syn(&[id(&"0f".repeat(16_000), number)], 1))?;
        stranger.send(&nodes[0], &b"junk".repeat(100))?;
    }
    for reason in ["too_large", "not_gossip"] {
        dropped(&nodes[0], reason).await?;
    }
    stranger.ask(&nodes[0], &syn(&[], 0))?;
    let names: BTreeSet<String> = nodes[0].members().await?.into_iter().map(|member| member.node).collect();
    assert_eq!(names, ["n1", "n2"].map(str::to_owned).into());
    let said = nodes[0].said();
    assert_eq!(said.matches("dropped gossip").count(), 2, "{said}");
    assert!(said.contains("a name in it has 32000 bytes, and may have 64"), "{said}");
    let from: SocketAddr = stranger.0.local_addr()?;
    assert!(said.contains(&from.to_string()), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn names_without_end_take_little_memory_and_silence_nobody() -> Result<()> {
    let nodes = cluster(2).await?;
    let stranger = Stranger::bind()?;
    let before = memory_kb(&nodes[0], "VmRSS")?;
    for round in 0..500 {
        let ids: Vec<Vec<u8>> = (0..200).map(|number| id(&format!("x-{round}-{number}"), 1)).collect();
        stranger.ask(&nodes[0], &syn(&ids, 1))?;
    }
    dropped(&nodes[0], "no_room").await?;
    let most = memory_kb(&nodes[0], "VmHWM")?;
    assert!(most < before + GROWTH_KB, "{before} kB before, {most} kB at most");
    for (node, other) in [(&nodes[0], "n2"), (&nodes[1], "n1")] {
        assert!(node.members().await?.len() <= 1024);
        node.sees(other, MemberState::Live).await?;
        assert_eq!(links(node).await?, 1);
    }
    Ok(())
}
