//! Nodes that keep snapshots: killed at any instant, all at once, on a full disk, over damaged files.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result};
use psi_replica::{ClusterName, Config, FieldName, NodeId, Now, TickMs, WallMs};
use psi_state::Replica;
use psi_tests::{
    eventually,
    fleet::Fleet,
    load::Load,
    process::{Launch, Process, Signal},
};

use crate::PROGRAM;

const STEP: [f64; 16] = [0.25; 16];

fn keeping(program: impl AsRef<Path>, data: &Path) -> Launch {
    let launch = Launch::new(program, "n1").with("--data-dir", &data.display());
    launch.with("--data-snapshot-interval-ms", &100).with("--cluster-join-ms", &0)
}

/// Steps in the snapshot that a node would start from; `None` if there is none yet.
fn steps_on_disk(data: &Path) -> Result<Option<u64>> {
    let names = ["snapshot", "snapshot.previous"].map(|name| data.join(name));
    let Some(bytes) = names.iter().find_map(|path| fs::read(path).ok()) else { return Ok(None) };
    let cluster = ClusterName::new("psi-field")?;
    let snapshot = Replica::decode_snapshot(&cluster, &bytes).context("what is on disk at a kill is whole")?;
    let now = Now { tick: TickMs(0), wall: WallMs(0) };
    let replica = Replica::with_snapshot(Config::new(cluster, NodeId::new("n1")?), now, snapshot);
    Ok(replica.view(&FieldName::default_field()).map(|view| view.moments.count))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_killed_at_any_instant_starts_with_its_last_snapshot() -> Result<()> {
    let data = tempfile::tempdir()?;
    let mut least = 0;
    for round in 0..8 {
        let mut node = keeping(PROGRAM, data.path()).start()?;
        node.ready().await?;
        let kept = node.count("").await;
        assert!(kept >= least, "round {round}: {kept} steps, and {least} were on disk");
        let load = Load::on(&[&node], "", 1);
        load.acknowledged(40 + 30 * round).await?;
        // From now on something is on disk, but for the first rounds perhaps.
        node.kill()?;
        let tally = load.stop().await?;
        least = steps_on_disk(data.path())?.unwrap_or(0);
        assert!(least <= kept + tally.sent, "round {round}: {least} on disk of {kept} and {tally:?}");
    }
    assert!(least > 0, "eight runs wrote some snapshot");
    Ok(())
}

async fn on_disk(data: &Path, steps: u64) -> Result<()> {
    eventually("the steps are on disk", async || Ok(steps_on_disk(data)?.is_some_and(|kept| kept >= steps))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_cluster_keeps_what_it_held_over_stops_and_kills() -> Result<()> {
    let data = tempfile::tempdir()?;
    let mut fleet = Fleet::start_keeping(PROGRAM, 3, Some(data.path().to_owned())).await?;
    let mut steps = 0;
    for signal in [Signal::TERM, Signal::KILL] {
        for node in &fleet.nodes {
            for _ in 0..10 {
                node.step("", &STEP).await?;
                steps += 1;
            }
        }
        fleet.agreed().await?;
        if signal == Signal::KILL {
            for node in &fleet.nodes {
                on_disk(&data.path().join(&node.name), steps).await?;
            }
        }
        for node in &fleet.nodes {
            node.signal(signal)?;
        }
        for node in &mut fleet.nodes {
            node.ended().await?;
        }
        for index in 0..3 {
            fleet.restart(index).await?;
        }
        fleet.agreed().await?;
        for node in &fleet.nodes {
            assert_eq!(node.count("").await, steps, "{} after {signal:?}", node.name);
        }
    }
    Ok(())
}

/// A limit on the size of files stands in for a full disk: writing fails half way, as there.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_on_a_full_disk_goes_on_and_says_so() -> Result<()> {
    let place = tempfile::tempdir()?;
    let (limited, data) = (place.path().join("limited"), place.path().join("data"));
    fs::write(&limited, format!("#!/bin/sh\ntrap '' XFSZ\nulimit -f 1\nexec {PROGRAM} \"$@\"\n"))?;
    fs::set_permissions(&limited, fs::Permissions::from_mode(0o755))?;
    let mut node = keeping(&limited, &data).start()?;
    node.ready().await?;
    node.step("", &STEP).await?;
    eventually("the failure is in the log", async || Ok(node.said().contains("can't write a snapshot: write failed")))
        .await?;
    node.step("", &STEP).await?;
    assert_eq!(node.count("").await, 2);
    assert!(!data.join("snapshot").exists());
    // It tries again all the time, and clears up after each.
    eventually("no half snapshot is left", async || Ok(!data.join("snapshot.temporary").exists())).await?;
    assert!(node.series(r#"psi_snapshot_failures_total{operation="write"}"#).await? >= 1.0);
    node.kill()?;
    // There is room again.
    let node = keeping(PROGRAM, &data).start()?;
    node.ready().await?;
    node.step("", &STEP).await?;
    on_disk(&data, 1).await?;
    eventually("the write is counted", async || Ok(node.series("psi_snapshot_writes_total").await? >= 1.0)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_snapshot_is_set_aside_and_the_node_catches_up() -> Result<()> {
    let data = tempfile::tempdir()?;
    let mut fleet = Fleet::start_keeping(PROGRAM, 2, Some(data.path().to_owned())).await?;
    let kept = data.path().join("n2");
    fleet.nodes[1].step("", &STEP).await?;
    fleet.agreed().await?;
    on_disk(&kept, 1).await?;
    fleet.nodes[1].kill()?;
    for name in ["snapshot", "snapshot.previous"].map(|name| kept.join(name)).iter().filter(|path| path.exists()) {
        let mut bytes = fs::read(name)?;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(name, bytes)?;
    }
    fleet.restart(1).await?;
    fleet.agreed().await?;
    let said = |node: &Process| node.said();
    assert!(said(&fleet.nodes[1]).contains("is set aside as snapshot.refused-"), "{}", said(&fleet.nodes[1]));
    assert_eq!(fleet.nodes[1].count("").await, 1);
    assert!(fleet.nodes[1].series(r#"psi_snapshot_refused_total{reason="checksum"}"#).await? >= 1.0);
    let names: Vec<String> =
        fs::read_dir(&kept)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    assert!(names.iter().any(|name| name.starts_with("snapshot.refused-")), "{names:?}");
    Ok(())
}
