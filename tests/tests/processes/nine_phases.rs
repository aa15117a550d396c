//! The example of nine phases, from its file to its end.

use anyhow::{Result, ensure};
use psi_api::v1;
use psi_tests::{eventually, series};
use tonic::Code;

use crate::support::{Desk, NINE_PHASES, at_step, detail, envelope, reason, request, standing, three};

const PROCESS: &str = "nine-phases";
const GOOD: &str = r#"{"tests_run":412,"tests_failed":0,"build_passed":true,"coverage":81.25}"#;
const BAD: &str = r#"{"tests_run":412,"tests_failed":0,"build_passed":true,"coverage":73.5}"#;

fn work() -> Option<v1::WorkOrder> {
    Some(v1::WorkOrder { requirements: "faster".to_owned(), ..Default::default() })
}

/// Advances on a node from where that node sees the task, with the work that is asked for.
async fn step_on(desk: &Desk, step: u64) -> Result<v1::AdvanceTaskResponse> {
    let state = at_step(desk, PROCESS, "main", step).await?;
    let request = v1::AdvanceTaskRequest { work: work(), ..request(PROCESS, &state.head) };
    Ok(desk.advance_by(request).await?)
}

fn gate<'a>(answer: &'a v1::AdvanceTaskResponse, name: &str) -> &'a v1::GateJudgement {
    answer.judgements.iter().find(|judgement| judgement.gate == name).expect("the phase has this gate")
}

fn at(answer: &v1::AdvanceTaskResponse) -> (&str, &str) {
    (&answer.action, answer.state.as_ref().map_or("", |state| &state.phase))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_goes_through_the_nine_phases_on_three_nodes() -> Result<()> {
    let members = three(None).await?;
    let [n1, n2, n3] = [Desk::of(&members[0])?, Desk::of(&members[1])?, Desk::of(&members[2])?];

    // Applied on n1, in mode `watch`; switched on n2.
    let applied = n1.apply(NINE_PHASES, "").await?;
    ensure!((applied.step, applied.mode.as_str()) == (1, "watch"), "{applied:?}");
    let again = n1.apply(NINE_PHASES, &applied.head).await?;
    ensure!(again.step == 1, "what is applied already decides nothing: {again:?}");
    at_step(&n2, PROCESS, "", 1).await?;
    let enforced = n2.switch(PROCESS, "enforce", &applied.head).await?;
    ensure!((enforced.step, enforced.mode.as_str()) == (2, "enforce"), "{enforced:?}");
    at_step(&n1, PROCESS, "", 2).await?;

    // Started on n1; without evidence it stays, and all that is missing is named.
    let started = n1.advance(PROCESS, "").await?;
    ensure!(at(&started) == ("start", "strategize"), "{started:?}");
    let held = step_on(&n2, 1).await?;
    ensure!(at(&held) == ("", "strategize"), "{held:?}");
    ensure!(gate(&held, "goal").hold == "MISSING_EVIDENCE" && gate(&held, "goal").missing == ["goal"], "{held:?}");

    // Evidence on n1, advanced on n2, and refused on n3 with the predecessor of before.
    let kept = n1.give(PROCESS, "goal", "be faster").await?;
    ensure!(kept.nodes == ["n1", "n2", "n3"], "{kept:?}");
    let before = at_step(&n3, PROCESS, "main", 1).await?;
    let advanced = step_on(&n2, 1).await?;
    ensure!(at(&advanced) == ("advance", "spec"), "{advanced:?}");
    let head = advanced.state.as_ref().map(|state| state.head.clone()).unwrap_or_default();
    let refused = n3.advance(PROCESS, &before.head).await.expect_err("another is the current one");
    ensure!(refused.code() == Code::FailedPrecondition && reason(&refused) == "STALE_PREDECESSOR", "{refused:?}");
    ensure!(detail(&refused, "current") == head, "{refused:?} says {head}");

    // Identical on all three.
    let mut standings = Vec::new();
    for desk in [&n1, &n2, &n3] {
        standings.push(standing(&at_step(desk, PROCESS, "main", 2).await?));
    }
    ensure!(standings.iter().all(|other| *other == standings[0]), "{standings:?}");

    walk_to_the_review(&n1, &n2, &n3).await?;
    approve_and_end([&n1, &n2, &n3], members[2].node.addresses().http).await
}

/// From `spec` to `review`, with a failed verification that goes back.
async fn walk_to_the_review(n1: &Desk, n2: &Desk, n3: &Desk) -> Result<()> {
    let held = step_on(n1, 2).await?;
    ensure!(gate(&held, "requirements").missing == ["acceptance-tests", "requirements"], "{held:?}");
    for piece in ["requirements", "acceptance-tests", "plan", "design"] {
        n2.give(PROCESS, piece, piece).await?;
    }
    // The baseline of the work is set by a transition.
    let state = n1.status(PROCESS, "main").await?;
    let set = v1::SetProcessBaselineRequest {
        process: PROCESS.to_owned(),
        task: "main".to_owned(),
        predecessor: state.head,
        work: work(),
        deadline_ms: 20_000,
        ..Default::default()
    };
    let set = n1.processes.clone().set_process_baseline(set).await?.into_inner();
    ensure!((set.step, set.baseline.as_str()) == (3, "set"), "{set:?}");

    for (desk, step, phase) in [(n1, 3, "plan"), (n2, 4, "think"), (n3, 5, "implement")] {
        let advanced = step_on(desk, step).await?;
        ensure!(at(&advanced) == ("advance", phase), "{advanced:?}");
    }
    n3.give(PROCESS, "test-report", BAD).await?;
    ensure!(at(&step_on(n1, 6).await?) == ("advance", "verify"));
    let back = step_on(n2, 7).await?;
    ensure!(at(&back) == ("return", "implement") && gate(&back, "tests").verdict == "FAIL", "{back:?}");
    ensure!(gate(&back, "tests").reason.contains("73.5"), "words and numbers: {back:?}");
    n1.give(PROCESS, "test-report", GOOD).await?;
    ensure!(at(&step_on(n2, 8).await?) == ("advance", "verify"));

    // Other work than the baseline says blocks in a phase of high severity.
    let state = at_step(n3, PROCESS, "main", 9).await?;
    let other = Some(v1::WorkOrder { requirements: "slower".to_owned(), ..Default::default() });
    let drifted = n3.advance_by(v1::AdvanceTaskRequest { work: other, ..request(PROCESS, &state.head) }).await?;
    ensure!(at(&drifted) == ("return", "implement") && gate(&drifted, "work").verdict == "FAIL", "{drifted:?}");
    ensure!(at(&step_on(n1, 10).await?) == ("advance", "verify"));
    ensure!(at(&step_on(n2, 11).await?) == ("advance", "review"));
    Ok(())
}

/// From `review` to the end, over the emergency switch.
async fn approve_and_end([n1, n2, n3]: [&Desk; 3], http_of_n3: std::net::SocketAddr) -> Result<()> {
    let state = at_step(n1, PROCESS, "main", 12).await?;
    let approved = |signers: &[u8]| envelope("main", &state.phase_hash, r#"{"approved":true}"#, signers);
    n1.give(PROCESS, "review", &approved(&[2])).await?;
    let held = step_on(n2, 12).await?;
    ensure!(gate(&held, "approval").hold == "MISSING_SIGNATURES", "one of two: {held:?}");
    n1.give(PROCESS, "review", &approved(&[2, 3])).await?;
    ensure!(at(&step_on(n2, 12).await?) == ("advance", "pr"));
    n3.give(PROCESS, "merge", r#"{"checks_passed":true,"conflicts":0}"#).await?;
    ensure!(at(&step_on(n3, 13).await?) == ("advance", "monitor"));

    // Missing data and a missing baseline hold, and neither becomes a success.
    let held = step_on(n1, 14).await?;
    ensure!(at(&held) == ("", "monitor"), "{held:?}");
    ensure!(gate(&held, "inputs").hold == "NO_DATA" && gate(&held, "nodes").hold == "MISSING_BASELINE", "{held:?}");

    ensure!(series(http_of_n3, "psi_process_emergency").await? == Some(0.0));
    let on = v1::SwitchEmergencyRequest { on: true, reason: "an outage".to_owned(), deadline_ms: 20_000 };
    let without = v1::SwitchEmergencyRequest { reason: String::new(), ..on.clone() };
    let refused = n2.processes.clone().switch_emergency(without).await.expect_err("without a reason");
    ensure!(reason(&refused) == "BAD_PROCESS", "{refused:?}");
    n2.processes.clone().switch_emergency(on).await?;
    eventually("n3 shows the switch", async || Ok(series(http_of_n3, "psi_process_emergency").await? == Some(1.0)))
        .await?;
    let done = step_on(n3, 14).await?;
    ensure!(
        at(&done) == ("advance", "monitor") && done.state.as_ref().is_some_and(|state| state.end == "done"),
        "{done:?}"
    );
    let off = v1::SwitchEmergencyRequest { on: false, reason: String::new(), deadline_ms: 20_000 };
    n1.processes.clone().switch_emergency(off).await?;

    // Nothing counts after the end, and its evidence is removed from all nodes.
    let ended = at_step(n1, PROCESS, "main", 15).await?;
    let refused = n1.advance(PROCESS, &ended.head).await.expect_err("it has ended");
    ensure!(reason(&refused) == "PROCESS_ENDED", "{refused:?}");
    let refused = n1.give(PROCESS, "late", "x").await.expect_err("it has ended");
    ensure!(reason(&refused) == "PROCESS_ENDED", "{refused:?}");
    eventually("no evidence is left", async || Ok(n2.status(PROCESS, "main").await?.evidence.is_empty())).await?;

    let mut logs = Vec::new();
    for desk in [n1, n2, n3] {
        at_step(desk, PROCESS, "main", 15).await?;
        logs.push(desk.log(PROCESS, "main").await?);
    }
    ensure!(logs[0].len() == 15 && logs.iter().all(|log| *log == logs[0]), "{logs:?}");
    let steps: Vec<_> = logs[0].iter().rev().map(|step| step.step).collect();
    ensure!(steps == (1..=15).collect::<Vec<_>>(), "{steps:?}");
    let last = &logs[0][0];
    ensure!((last.action.as_str(), last.mode.as_str(), last.to.as_str()) == ("advance", "watch", ""), "{last:?}");
    ensure!(last.log.contains("/n3/") && last.judgements.iter().any(|gate| gate.hold == "NO_DATA"), "{last:?}");
    Ok(())
}
