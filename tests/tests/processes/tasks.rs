//! Many tasks: they share registers, and do not know of each other.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use psi_api::v1;
use psi_tests::eventually;
use tonic::{Code, Status};

use crate::support::{Desk, at_step, reason, request, three};

/// One phase, and nothing that blocks; nodes are attested at each step.
const OPEN: &str = r#"
name = "open"
mode = "enforce"

[[phases]]
name = "a"
[[phases.gates]]
name = "nodes"
kind = "attestation"
"#;

/// One phase, and work on it needs a lease.
const LEASED: &str = r#"
name = "leased"
mode = "enforce"

[lease]
seconds = 20
renewals_max = 2

[[phases]]
name = "a"

[[phases]]
name = "b"
"#;

/// How many tasks there are: more than a process has registers for. `TASKS` sets it.
fn tasks() -> Result<usize> {
    Ok(std::env::var("TASKS").map_or(Ok(150), |text| text.parse())?)
}

fn of_task(process: &str, task: &str, predecessor: &str) -> v1::AdvanceTaskRequest {
    v1::AdvanceTaskRequest { task: task.to_owned(), deadline_ms: 60_000, ..request(process, predecessor) }
}

/// Starts a task at one node and ends it at another, which may not know of it yet.
async fn run_through((from, to): (&Desk, &Desk), task: &str) -> Result<()> {
    let started = from.advance_by(of_task("open", task, "")).await?;
    ensure!(started.action == "start", "{started:?}");
    let head = started.state.context("a state")?.head;
    at_step(to, "open", task, 1).await?;
    let done = to.advance_by(of_task("open", task, &head)).await?;
    let state = done.state.context("a state")?;
    ensure!((state.step, state.end.as_str()) == (2, "done"), "{state:?}");
    ensure!(done.judgements.iter().all(|judgement| judgement.verdict == "PASS"), "{:?}", done.judgements);
    Ok(())
}

async fn listed(desk: &Desk, process: &str) -> Result<Vec<v1::ProcessState>> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListProcessesRequest { process: process.to_owned(), page_size: 60, page_token };
        let page = desk.processes.clone().list_processes(request).await?.into_inner();
        all.extend(page.processes);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn none_of_many_tasks_is_lost_and_none_gets_the_steps_of_another() -> Result<()> {
    let members = three(None).await?;
    let desks = members.iter().map(Desk::of).collect::<Result<Vec<_>>>()?;
    let head = desks[0].apply(OPEN, "").await?.head;
    let baseline = v1::SetProcessBaselineRequest {
        process: "open".to_owned(),
        predecessor: head,
        deadline_ms: 20_000,
        ..Default::default()
    };
    desks[0].processes.clone().set_process_baseline(baseline).await?;
    for desk in &desks {
        at_step(desk, "open", "", 2).await?;
    }
    let names: Vec<String> = (0..tasks()?).map(|number| format!("T-{number:05}")).collect();
    // 60 callers at a time, each with a task of its own.
    let run = names.iter().enumerate().map(|(number, name)| {
        let nodes = (&desks[number % 3], &desks[(number + 1) % 3]);
        async move { run_through(nodes, name).await.with_context(|| name.clone()) }
    });
    stream::iter(run).buffer_unordered(60).try_collect::<Vec<()>>().await?;
    let wanted: BTreeSet<String> = names.iter().cloned().collect();
    for desk in &desks {
        eventually("all tasks are known", async || {
            let listed = listed(desk, "open").await?;
            let done: BTreeSet<_> =
                listed.iter().filter(|state| state.end == "done").map(|state| state.task.clone()).collect();
            Ok(done == wanted && listed.len() == wanted.len())
        })
        .await?;
    }
    // Each has its own two steps, one after the other.
    for (number, name) in names.iter().enumerate() {
        let log = desks[number % 3].log("open", name).await?;
        let steps: Vec<_> = log.iter().map(|step| (step.step, step.action.as_str())).collect();
        ensure!(steps == [(2, "advance"), (1, "start")] && log[0].predecessor == log[1].hash, "{name}: {log:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_who_advance_a_task_at_once_one_does() -> Result<()> {
    let members = three(None).await?;
    let desks = members.iter().map(Desk::of).collect::<Result<Vec<_>>>()?;
    desks[0].apply(&LEASED.replace("[lease]\nseconds = 20\nrenewals_max = 2\n", ""), "").await?;
    for desk in &desks {
        at_step(desk, "leased", "", 1).await?;
    }
    let mut head = String::new();
    for step in 1..=3 {
        let calls = (0..100).map(|number| desks[number % 3].advance_by(of_task("leased", "main", &head)));
        let answers: Vec<Result<v1::AdvanceTaskResponse, Status>> = futures_util::future::join_all(calls).await;
        let won: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
        ensure!(won.len() == 1, "step {step}: {} of 100 took it", won.len());
        let refused = answers.iter().filter_map(|answer| answer.as_ref().err());
        let reasons: BTreeSet<String> = refused.map(reason).collect();
        let wanted = if step < 3 { ["STALE_PREDECESSOR"].as_slice() } else { &["PROCESS_ENDED", "STALE_PREDECESSOR"] };
        ensure!(reasons.iter().all(|reason| wanted.contains(&reason.as_str())), "step {step}: {reasons:?}");
        head = won[0].state.clone().context("a state")?.head;
        for desk in &desks {
            at_step(desk, "leased", "main", step).await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_of_a_task_that_goes_on() -> Result<()> {
    let members = three(None).await?;
    let desk = Desk::of(&members[0])?;
    desk.apply(LEASED, "").await?;
    let lease = |task: &str| format!("process/leased/{task}");
    let taken = async |task: &str| desk.acquire(&lease(task), "worker").await;
    let refused = taken("first").await.expect_err("nobody started it");
    ensure!((refused.code(), reason(&refused).as_str()) == (Code::NotFound, "NO_TASK"), "{refused:?}");
    for task in ["first", "second"] {
        let started = desk.advance_by(of_task("leased", task, "")).await?.state.context("a state")?;
        let grant = taken(task).await?;
        for _ in 0..2 {
            taken(task).await?;
        }
        let refused = taken(task).await.expect_err("it was renewed twice");
        ensure!(reason(&refused) == "LEASE_SPENT", "{refused:?}");
        desk.release(&lease(task), "worker").await?;
        let grant = v1::LeaseGrant { fence: taken(task).await?.fence, ..grant };
        ensure!(grant.fence > 0, "{grant:?}");
        let by_another =
            desk.advance_by(of_task("leased", task, &started.head)).await.expect_err("another works on it");
        ensure!(reason(&by_another) == "LEASE_HELD", "{by_another:?}");
        let by_worker =
            |head: &str| v1::AdvanceTaskRequest { client: "worker".to_owned(), ..of_task("leased", task, head) };
        let in_b = desk.advance_by(by_worker(&started.head)).await?.state.context("a state")?;
        let done = desk.advance_by(by_worker(&in_b.head)).await?.state.context("a state")?;
        ensure!(done.end == "done", "{done:?}");
        let refused = taken(task).await.expect_err("it has ended");
        ensure!(reason(&refused) == "NO_TASK", "{refused:?}");
    }
    // It was given back at the end: who starts the next in its place does not wait.
    for task in ["third", "fourth", "fifth"] {
        let started = desk.advance_by(of_task("leased", task, "")).await?.state.context("a state")?;
        let moved = desk.advance_by(of_task("leased", task, &started.head)).await?;
        ensure!(moved.action == "advance", "{moved:?}");
    }
    Ok(())
}
