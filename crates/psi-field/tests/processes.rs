//! Processes by the command line, on nodes that are killed.

use std::{path::Path, process::Output};

use anyhow::{Context, Result, ensure};
use psi_tests::{
    eventually,
    process::{Launch, Process},
};
use serde_json::Value;
use tokio::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_psi-field");
const NINE_PHASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/processes/nine-phases.toml");
const RELEASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/processes/release.toml");

/// Runs a command of `psi-field process` against a node.
async fn run(node: &Process, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(PROGRAM);
    command.env_clear().envs(std::env::vars().filter(|(name, _)| !name.starts_with("PSI_")));
    command.args(arguments).args(["--node", &node.grpc.to_string(), "--timeout", "20", "--output", "json"]);
    Ok(command.output().await?)
}

/// The answer of a command that is to succeed.
async fn answer(node: &Process, arguments: &[&str]) -> Result<Value> {
    let output = run(node, arguments).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).with_context(|| format!("{arguments:?}"))
}

/// The reason for which a command fails, or what it says.
async fn refusal(node: &Process, arguments: &[&str]) -> Result<String> {
    let output = run(node, arguments).await?;
    ensure!(output.status.code() == Some(1), "{arguments:?}: {output:?}");
    let said: Value = serde_json::from_slice(&output.stderr)?;
    Ok(said["reason"].as_str().unwrap_or_default().to_owned())
}

/// Where a task stands, without who says so.
async fn standing(node: &Process, name: &str) -> Result<[Value; 4]> {
    let state = answer(node, &["process", "status", name]).await?;
    Ok(["step", "head", "phase", "spec"].map(|member| state[member].clone()))
}

async fn start(directory: &Path) -> Result<[Process; 3]> {
    let launch = |name: &str| Launch::new(PROGRAM, name).with("--data-dir", &directory.join(name).display());
    let first = launch("n1").start()?;
    let seeded = |name: &str| launch(name).with("--cluster-seeds", &first.advertised.gossip).start();
    let (second, third) = (seeded("n2")?, seeded("n3")?);
    let nodes = [first, second, third];
    for node in &nodes {
        node.ready().await?;
    }
    Ok(nodes)
}

async fn name_voters(nodes: &[Process; 3]) -> Result<()> {
    let set = ["lease", "voters", "set", "n1", "n2", "n3"];
    eventually("the voters are named", async || Ok(run(&nodes[0], &set).await?.status.success())).await?;
    eventually("all know them", async || {
        let mut known = true;
        for node in nodes {
            let shown = answer(node, &["lease", "voters", "show"]).await?;
            known &= shown["voters"].as_array().is_some_and(|voters| voters.len() == 3);
        }
        Ok(known)
    })
    .await
}

/// Waits until a node stands where another does.
async fn same(node: &Process, name: &str, wanted: &[Value; 4]) -> Result<()> {
    let known =
        eventually("the node knows the step", async || Ok(standing(node, name).await.is_ok_and(|is| is == *wanted)));
    known.await.with_context(|| node.said())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_run_by_commands_and_survives_a_crash_of_all() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let goal = directory.path().join("goal.md");
    std::fs::write(&goal, "be faster")?;
    let goal = goal.display().to_string();
    let mut nodes = start(directory.path()).await?;
    ensure!(refusal(&nodes[0], &["process", "apply", NINE_PHASES]).await? == "NO_VOTERS");
    name_voters(&nodes).await?;
    let [n1, n2, n3] = &mut nodes;
    ensure!(refusal(n1, &["process", "apply", RELEASE]).await? == "FOLD_UNSUPPORTED");
    let applied = answer(n1, &["process", "apply", NINE_PHASES]).await?;
    ensure!((&applied["step"], &applied["mode"]) == (&1.into(), &"watch".into()), "{applied}");
    answer(n1, &["process", "mode", "nine-phases", "enforce", "--reason", "it judges well"]).await?;
    answer(n1, &["process", "advance", "nine-phases"]).await?;
    let started = standing(n1, "nine-phases/main").await?;
    let before = started[1].as_str().context("a head")?.to_owned();
    // Nothing is there: the task stays, and the command says so.
    let stays = run(n1, &["process", "advance", "nine-phases"]).await?;
    let said = String::from_utf8_lossy(&stays.stdout).into_owned();
    ensure!(stays.status.code() == Some(1) && said.contains("MISSING_EVIDENCE") && said.contains("goal"), "{stays:?}");

    let kept = answer(n1, &["process", "evidence", "add", "nine-phases", &goal, "--hash"]).await?;
    ensure!(kept["nodes"] == serde_json::json!(["n1", "n2", "n3"]) && kept["evidence"][0]["size"] == 9, "{kept}");
    same(n2, "nine-phases/main", &started).await?;
    let advanced = answer(n2, &["process", "advance", "nine-phases"]).await?;
    ensure!((&advanced["action"], &advanced["state"]["phase"]) == (&"advance".into(), &"spec".into()), "{advanced}");
    let stale = ["process", "advance", "nine-phases", "--after", &before];
    ensure!(refusal(n3, &stale).await? == "STALE_PREDECESSOR");

    // The node that decided it dies; the others know it.
    let decided = standing(n2, "nine-phases/main").await?;
    n2.kill()?;
    eventually("n1 says that it is not reachable", async || {
        let shown = answer(n1, &["lease", "voters", "show"]).await?;
        let reachable = |place: usize| shown["voters"][place]["reachable"].as_bool();
        Ok([0, 1, 2].map(reachable) == [Some(true), Some(false), Some(true)])
    })
    .await?;
    same(n1, "nine-phases/main", &decided).await?;
    same(n3, "nine-phases/main", &decided).await?;
    let log = answer(n3, &["process", "log", "nine-phases"]).await?;
    ensure!(log["transitions"][0]["node"] == "n2" && log["transitions"][0]["evidence"][0]["name"] == "goal", "{log}");
    // So do the others, at once.
    n1.kill()?;
    n3.kill()?;
    let nodes = start(directory.path()).await?;
    for node in &nodes {
        same(node, "nine-phases/main", &decided).await?;
        let log = answer(node, &["process", "log", "nine-phases"]).await?;
        ensure!(log["transitions"].as_array().is_some_and(|steps| steps.len() == 2), "{log}");
    }
    // Who votes was said seconds before the crash, in state that is saved every ten.
    name_voters(&nodes).await?;
    aborted(&nodes).await
}

/// What comes after the crash: the switch, an end, and what was done.
async fn aborted([n1, n2, n3]: &[Process; 3]) -> Result<()> {
    answer(n2, &["process", "emergency", "on", "--reason", "an outage"]).await?;
    eventually("n3 knows of it", async || Ok(answer(n3, &["process", "emergency", "show"]).await?["on"] == true))
        .await?;
    // Voters that started again wait for the lease of before.
    eventually("the task passes", async || {
        let passed = run(n3, &["process", "advance", "nine-phases"]).await?;
        let passed: Value = serde_json::from_slice(&passed.stdout).unwrap_or_default();
        Ok((&passed["action"], &passed["state"]["emergency"]) == (&"advance".into(), &true.into()))
    })
    .await?;
    answer(n1, &["process", "emergency", "off"]).await?;
    let abort = ["process", "abort", "nine-phases", "--reason", "no longer wanted"];
    eventually("n1 knows the step", async || {
        Ok(answer(n1, &["process", "status", "nine-phases/main"]).await?["step"] == 3)
    })
    .await?;
    let ended = answer(n1, &abort).await?;
    ensure!(ended["end"] == "aborted", "{ended}");
    ensure!(refusal(n1, &abort).await? == "PROCESS_ENDED");
    let listed = answer(n1, &["process", "list", "nine-phases"]).await?;
    ensure!(listed["processes"][0]["end"] == "aborted" && listed["more"] == false, "{listed}");
    // Each step is a record of the ledger of the node that made it, and all nodes come to hold all ledgers. So are steps
    // that were proposed and lost, as after the crash.
    let place = |record: &Value| (record["log"].clone(), record["index"].clone());
    let mut decided = Vec::new();
    for of in [["process", "log", "nine-phases"].as_slice(), &["process", "log", "nine-phases", "--process"]] {
        decided.extend(answer(n1, of).await?["transitions"].as_array().into_iter().flatten().map(place));
    }
    ensure!(decided.len() == 6, "{decided:?}");
    eventually("n1 has all records", async || {
        let listed = answer(n1, &["ledger", "list", "--kind", "transition"]).await?;
        let held: Vec<_> = listed["records"].as_array().into_iter().flatten().map(place).collect();
        Ok(decided.iter().all(|step| held.contains(step)))
    })
    .await?;
    Ok(())
}
