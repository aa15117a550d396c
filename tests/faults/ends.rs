//! Runs that end: nodes that are started again and again, that never come back, and that all stop at once.

use std::{fmt, fs, path::Path};

use anyhow::{Context, Result};
use psi_api::v1::{
    GetFrontierRequest, GetStateRequest, ListMembersResponse, ReplicationLevel, Run, RunStage, StepRequest,
    psi_field_service_client::PsiFieldServiceClient,
};
use psi_tests::{
    eventually,
    fleet::{Fleet, field_of},
    load::Load,
    process::{Process, Signal},
    proxy::Fault,
};
use tokio::{
    process::Command,
    time::{Duration, Instant},
};

use crate::PROGRAM;

/// The least that the setting takes.
const END_AFTER_S: u64 = 10;

/// The window of a field is full by then: from here on, sizes stay as they are.
const WINDOW_FULL: Duration = Duration::from_secs(65);

/// So many restarts follow each other at once; then it is waited until what they left has ended.
const RUNS_MOST: usize = 20;

fn flags() -> Vec<(&'static str, String)> {
    vec![("--cluster-end-after-s", END_AFTER_S.to_string())]
}

/// Steps that all nodes hold once this returns.
async fn step_everywhere(node: &Process, field: &str, steps: u64) -> Result<()> {
    for _ in 0..steps {
        let request = StepRequest {
            field: field.to_owned(),
            input: vec![1.0, 2.0],
            replicate_to: ReplicationLevel::All.into(),
            deadline_ms: 3_000,
            ..StepRequest::default()
        };
        let reached = node.field.clone().step(request).await?.into_inner().replicated.context("a level")?;
        assert_eq!(reached.level(), ReplicationLevel::All, "{reached:?}");
    }
    Ok(())
}

/// Waits until every node holds one run of each, and nothing waits to end.
async fn settled(fleet: &Fleet) -> Result<()> {
    settled_among(&fleet.nodes).await
}

/// The same of the nodes that are up: runs of the others have ended, too.
async fn settled_among(nodes: &[Process]) -> Result<()> {
    let mut last = Vec::new();
    let done = eventually("all runs but the latest have ended", async || {
        for node in nodes {
            let Ok(ListMembersResponse { runs, .. }) = node.listed().await else { return Ok(false) };
            if runs.len() != nodes.len() {
                return Ok(false);
            }
        }
        Ok(true)
    });
    let done = done.await;
    if done.is_err() {
        for node in nodes {
            last.push(format!("{}: {:?}", node.name, node.listed().await.map(|listed| (listed.runs, listed.ended))));
        }
    }
    done.with_context(|| last.join("\n"))
}

/// What a cluster takes, once it is settled and nobody steps.
#[derive(Clone, Copy)]
struct Footprint {
    names: u64,
    checkpoint: u64,
    entry_bytes: f64,
    base_bytes: f64,
    snapshot_bytes: f64,
    /// What a node gets that starts with nothing.
    link_bytes: f64,
    /// How long that node took until it was ready, milliseconds.
    ready_ms: u128,
    /// What the first node's process has in memory; `None` where the system does not say.
    resident_kb: Option<u64>,
}

/// What a process has in memory, by Linux's word.
fn resident_kb(process: &Process) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok())
}

/// Measures it, at the first node. Starts the last node again, with nothing on its disk. `before`: what it is compared with.
async fn footprint(fleet: &mut Fleet, data: &Path, before: Option<Footprint>) -> Result<Footprint> {
    let joiner = fleet.nodes.len() - 1;
    settled(fleet).await?;
    let sent = async |fleet: &Fleet| -> Result<f64> {
        let mut sum = 0.0;
        for node in &fleet.nodes[..joiner] {
            sum += node.series(r#"psi_replica_peer_bytes_total{direction="sent",peer="n3"}"#).await?;
        }
        Ok(sum)
    };
    // Where the machine is busy, the base is pulled from both others, which is not what is measured: so the least counts, and
    // there are more turns where that is too much.
    let (mut link_bytes, mut ready_ms, mut turns) = (f64::INFINITY, u128::MAX, 0);
    while turns < 3 || turns < 12 && before.is_some_and(|before| link_bytes > before.link_bytes * 1.1) {
        turns += 1;
        stop(&mut fleet.nodes[joiner]).await?;
        // Else the base of its end may cross the links as well, if this machine is slow enough.
        settled_among(&fleet.nodes[..joiner]).await?;
        let before = sent(fleet).await?;
        fs::remove_dir_all(data.join("n3"))?;
        let begun = Instant::now();
        fleet.restart(joiner).await?;
        ready_ms = ready_ms.min(begun.elapsed().as_millis());
        fleet.agreed().await?;
        link_bytes = link_bytes.min(sent(fleet).await? - before);
        settled(fleet).await?;
    }
    let first = &fleet.nodes[0];
    let ended = first.listed().await?.ended.context("it says what ended")?;
    Ok(Footprint {
        names: ended.names,
        checkpoint: ended.checkpoint,
        entry_bytes: first.series("psi_replica_entry_bytes").await?,
        base_bytes: first.series("psi_replica_base_bytes").await?,
        snapshot_bytes: first.series("psi_snapshot_bytes").await?,
        link_bytes,
        ready_ms,
        resident_kb: resident_kb(first),
    })
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { names, checkpoint, entry_bytes, base_bytes, snapshot_bytes, link_bytes, ready_ms, resident_kb } =
            self;
        write!(
            f,
            "{names} names at checkpoint {checkpoint}; bytes: {entry_bytes} of entries, {base_bytes} of them in the base; \
             {snapshot_bytes} a snapshot, {link_bytes} over the links of a fresh node, which was ready after {ready_ms} ms"
        )?;
        if let Some(kb) = resident_kb { write!(f, "; {kb} kB in memory") } else { Ok(()) }
    }
}

async fn stop(node: &mut Process) -> Result<()> {
    node.signal(Signal::TERM)?;
    let status = node.ended().await?;
    assert!(status.success(), "{status}");
    Ok(())
}

/// Stops or kills the last node and starts it again; every other pair of times with nothing on its disk.
async fn restart_last(fleet: &mut Fleet, data: &Path, number: usize) -> Result<()> {
    let last = fleet.nodes.len() - 1;
    if number.is_multiple_of(2) {
        stop(&mut fleet.nodes[last]).await?;
    } else {
        fleet.nodes[last].kill()?;
    }
    if number % 4 < 2 {
        fs::remove_dir_all(data.join(&fleet.nodes[last].name))?;
    }
    fleet.restart(last).await
}

/// Every hundred restarts.
fn show_memory(process: &Process, restarts: usize, begun: Instant) {
    if let Some(kb) = resident_kb(process).filter(|_| restarts.is_multiple_of(100)) {
        println!("after {restarts} restarts and {} s: {kb} kB in memory", begun.elapsed().as_secs());
    }
}

/// Prints what it measured. `RESTARTS` sets how often.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_started_again_and_again_leaves_nothing_behind() -> Result<()> {
    let restarts: usize = std::env::var("RESTARTS").map_or(Ok(50), |text| text.parse())?;
    let data = tempfile::tempdir()?;
    let mut fleet = Fleet::start_with(PROGRAM, 3, Some(data.path().to_owned()), flags()).await?;
    fleet.create_field_for_each().await?;
    let (begun, field) = (Instant::now(), field_of("n3"));
    let load = |fleet: &Fleet| {
        let stable: Vec<&Process> = fleet.nodes[..2].iter().collect();
        Load::on(&stable, &field_of("n1"), 1)
    };
    let (mut running, mut loaded, mut counted, mut most_runs) = (load(&fleet), 0, 0, 0);
    let mut baseline = None;
    for number in 1..=restarts {
        step_everywhere(&fleet.nodes[2], &field, 5).await?;
        counted += 5;
        restart_last(&mut fleet, data.path(), number).await?;
        for node in &fleet.nodes {
            most_runs = most_runs.max(node.listed().await?.runs.len());
        }
        // Runs that were killed end seconds later, if their node does not restart all the time.
        if number.is_multiple_of(RUNS_MOST) {
            settled(&fleet).await?;
        }
        show_memory(&fleet.nodes[0], number, begun);
        assert!(most_runs <= fleet.nodes.len() + RUNS_MOST, "{most_runs} runs");
        if number == 10 {
            while begun.elapsed() < WINDOW_FULL {
                running.acknowledged(10).await?;
                step_everywhere(&fleet.nodes[2], &field, 1).await?;
                counted += 1;
            }
            let tally = running.stop().await?;
            assert_eq!((tally.failed, tally.sent), (0, tally.acknowledged), "{tally:?}");
            loaded += tally.acknowledged;
            let measured = footprint(&mut fleet, data.path(), None).await?;
            println!("after {number} restarts: {measured}");
            baseline = Some(measured);
            running = load(&fleet);
        }
    }
    running.acknowledged(100).await?;
    let tally = running.stop().await?;
    assert_eq!((tally.failed, tally.sent), (0, tally.acknowledged), "{tally:?}");
    loaded += tally.acknowledged;
    let end = footprint(&mut fleet, data.path(), baseline).await?;
    println!("after {restarts} restarts: {end}; at most {most_runs} runs at a time; {} s", begun.elapsed().as_secs());
    for node in &fleet.nodes {
        assert_eq!((node.count(&field).await, node.count(&field_of("n1")).await), (counted, loaded), "{}", node.name);
    }
    if let Some(before) = baseline {
        for (what, before, now) in [
            ("entries", before.entry_bytes, end.entry_bytes),
            ("snapshot", before.snapshot_bytes, end.snapshot_bytes),
            ("fresh link", before.link_bytes, end.link_bytes),
        ] {
            assert!((now / before - 1.0).abs() <= 0.1, "{what}: {before} bytes before, {now} now");
        }
    }
    Ok(())
}

async fn forget(asked: &Process, node: &str, more: &[&str]) -> Result<(i32, String)> {
    let address = format!("--node={}", asked.grpc);
    let mut command = Command::new(PROGRAM);
    command.args(["members", "forget", node, &address]).args(more).env_remove("PSI_NODE");
    let output = command.stdin(std::process::Stdio::null()).output().await?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned()))
}

fn is_silent(run: &Run) -> bool {
    run.stage() == RunStage::Silent
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_will_not_come_back_are_forgotten_and_the_others_agree_again() -> Result<()> {
    let mut fleet = Fleet::start_with(PROGRAM, 3, None, flags()).await?;
    for node in &fleet.nodes {
        for _ in 0..4 {
            node.step("", &psi_tests::INCIDENT).await?;
        }
    }
    fleet.agreed().await?;
    for node in fleet.nodes.iter_mut().skip(1) {
        node.kill()?;
    }
    let first = &fleet.nodes[0];
    for (node, want) in [("n2", "heard"), ("n9", "n1, n2, n3"), ("n1", "is the node that was asked")] {
        let (code, said) = forget(first, node, &["--yes"]).await?;
        assert!(code == 1 && said.contains(want), "{node}: {code} {said}");
    }
    eventually("the two are silent", async || {
        let ListMembersResponse { runs, ended, .. } = first.listed().await?;
        let missing = ended.map(|ended| ended.missing).unwrap_or_default();
        Ok(runs.iter().filter(|run| is_silent(run)).count() == 2 && missing == ["n2", "n3"])
    })
    .await?;
    assert_eq!(
        first.listed().await?.ended.context("it says what ended")?.checkpoint,
        0,
        "one of three decides nothing"
    );
    let (code, said) = forget(first, "n2", &[]).await?;
    assert!(code == 2 && said.contains("nothing was done") && said.contains("silent"), "{code} {said}");
    for node in ["n2", "n3"] {
        let (code, said) = forget(first, node, &["--yes", "--output=json"]).await?;
        assert!(code == 0 && said.contains(r#""forgotten":true"#) && said.contains(r#""steps":4"#), "{code} {said}");
    }
    eventually("their runs have ended", async || {
        let ListMembersResponse { runs, ended, .. } = first.listed().await?;
        Ok(runs.len() == 1 && ended.is_some_and(|ended| ended.names >= 2 && ended.missing.is_empty()))
    })
    .await?;
    assert_eq!(first.count("").await, 12, "what they wrote still counts");
    assert!(first.said().contains("runs have ended"), "{}", first.said());
    assert!(first.series("psi_replica_reminted_total").await? >= 1.0, "it was cut off from most nodes");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_stops_keeps_its_counts_and_what_ended() -> Result<()> {
    let data = tempfile::tempdir()?;
    let mut fleet = Fleet::start_with(PROGRAM, 3, Some(data.path().to_owned()), flags()).await?;
    fleet.create_field_for_each().await?;
    let field = field_of("n3");
    for number in 0..3 {
        step_everywhere(&fleet.nodes[2], &field, 5).await?;
        stop(&mut fleet.nodes[2]).await.with_context(|| format!("stop {number}"))?;
        fleet.restart(2).await?;
    }
    settled(&fleet).await?;
    fleet.agreed().await?;
    let before = fleet.nodes[0].listed().await?.ended.context("it says what ended")?;
    assert!(before.checkpoint > 0 && before.names >= 3, "{before:?}");
    for node in &fleet.nodes {
        node.signal(Signal::TERM)?;
    }
    for node in &mut fleet.nodes {
        node.ended().await?;
    }
    for index in 0..3 {
        fleet.restart(index).await?;
    }
    fleet.agreed().await?;
    for node in &fleet.nodes {
        let after = node.listed().await?.ended.context("it says what ended")?;
        assert!(after.checkpoint >= before.checkpoint, "{}: {after:?}, before {before:?}", node.name);
        assert_eq!(node.count(&field).await, 15, "{}", node.name);
    }
    // Runs that closed end, though all of them did at once.
    settled(&fleet).await
}

/// The incarnation that a node writes as by its own word, and by what another node holds of its live runs.
async fn incarnations(node: &Process, other: &Process) -> Result<(u64, Vec<u64>)> {
    let own = node.cluster.clone().get_frontier(GetFrontierRequest {}).await?.into_inner().incarnation;
    let runs = other.listed().await?.runs.into_iter();
    let live = runs.filter(|run| run.node == node.name && run.stage() == RunStage::Live);
    Ok((own, live.map(|run| run.incarnation).collect()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_goes_on_as_another_run_and_its_writes_still_reach_all() -> Result<()> {
    let mut fleet = Fleet::start_with(PROGRAM, 3, None, flags()).await?;
    fleet.create_field_for_each().await?;
    let field = field_of("n3");
    let (cut, others) = fleet.nodes.split_last_mut().context("three nodes")?;
    step_everywhere(cut, &field, 3).await?;
    let (before, _) = incarnations(cut, cut).await?;
    for other in others.iter() {
        fleet.network.between(&cut.name, &other.name, Fault::CUT);
    }
    // It waits for the others to hold what the run before wrote, while the node goes on as another.
    let mut patient = PsiFieldServiceClient::connect(format!("http://{}", cut.grpc)).await?;
    let request = StepRequest {
        field: field.clone(),
        input: vec![1.0, 2.0],
        replicate_to: ReplicationLevel::All.into(),
        deadline_ms: 60_000,
        ..StepRequest::default()
    };
    let waiting = tokio::spawn(async move { patient.step(request).await });
    eventually("it goes on as another run", async || Ok(cut.series("psi_replica_reminted_total").await? >= 1.0))
        .await?;
    let after = cut.step(&field, &[1.0, 2.0]).await?;
    fleet.network.heal();
    let reached = waiting.await??.into_inner().replicated.context("a level")?;
    assert_eq!((reached.level(), reached.nodes), (ReplicationLevel::All, 3), "{reached:?}");
    fleet.linked().await?;
    step_everywhere(&fleet.nodes[2], &field, 3).await?;
    settled(&fleet).await?;
    fleet.agreed().await?;
    let [first, _, cut] = &fleet.nodes[..] else { unreachable!("three nodes") };
    let (own, live) = incarnations(cut, first).await?;
    assert!(own > before && live == [own], "{before}, then {own}; others see {live:?}");
    for node in &fleet.nodes {
        // The token of the new run holds everywhere.
        let read = GetStateRequest { field: field.clone(), after: after.token.clone(), ..GetStateRequest::default() };
        assert_eq!(node.field.clone().get_state(read).await?.into_inner().k, 8, "{}", node.name);
        assert_eq!(node.series("psi_replica_late_runs_total").await?, 0.0, "{}", node.name);
    }
    Ok(())
}
