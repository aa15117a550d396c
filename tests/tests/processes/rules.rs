//! What is refused, and what refusals say.

use anyhow::{Result, ensure};
use psi_api::v1;
use psi_tests::Member;
use tonic::Code;

use crate::support::{Desk, RELEASE, SMALL, at_step, reason, request, three};

#[tokio::test(flavor = "multi_thread")]
async fn without_voters_nothing_is_decided() -> Result<()> {
    let member = Member::start(psi_tests::settings("n1", &[])).await?;
    let desk = Desk::of(&member)?;
    let refused = desk.apply(SMALL, "").await.expect_err("nobody votes");
    ensure!((refused.code(), reason(&refused).as_str()) == (Code::FailedPrecondition, "NO_VOTERS"), "{refused:?}");
    for task in ["", "main"] {
        let refused = desk.status("small", task).await.expect_err("nobody applied it");
        ensure!((refused.code(), reason(&refused).as_str()) == (Code::NotFound, "UNKNOWN_PROCESS"), "{refused:?}");
        ensure!(refused.message().starts_with("process `small` is not known here; apply its spec"), "{refused:?}");
    }
    for (toml, why) in [("name =", "BAD_SPEC"), ("name = \"a\"", "BAD_SPEC"), (RELEASE, "FOLD_UNSUPPORTED")] {
        let refused = desk.apply(toml, "").await.expect_err("no spec for this version");
        ensure!(reason(&refused) == why, "{toml}: {refused:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_follows_is_decided() -> Result<()> {
    let members = three(None).await?;
    let [n1, n2] = [Desk::of(&members[0])?, Desk::of(&members[1])?];
    let applied = n1.apply(SMALL, "").await?;
    let other = SMALL.replace("score >= 5", "score >= 6");
    let refused = n1.apply(&other, "").await.expect_err("there is one already");
    ensure!(reason(&refused) == "STALE_PREDECESSOR", "{refused:?}");
    let refused = n1.give("small", "report", "{}").await.expect_err("nobody started the task");
    ensure!(reason(&refused) == "UNKNOWN_PROCESS", "{refused:?}");
    ensure!(
        refused.message().starts_with("task `main` of process `small` is not known here; advance it once"),
        "{refused:?}"
    );
    let started = n1.advance("small", "").await?.state.unwrap_or_default();
    let refused = n1.advance("small", "").await.expect_err("it is started already");
    ensure!(reason(&refused) == "STALE_PREDECESSOR", "{refused:?}");
    for bad in ["x", &"A".repeat(64), &"0".repeat(63)] {
        let refused = n1.advance("small", bad).await.expect_err("no hash");
        ensure!(reason(&refused) == "BAD_PROCESS", "{refused:?}");
    }

    // Two at once, on two nodes: one of them is decided.
    at_step(&n2, "small", "main", 1).await?;
    let report = n1.give("small", "report", r#"{"score":5}"#).await?;
    ensure!(report.pieces.len() == 1, "{report:?}");
    let (one, two) = tokio::join!(n1.advance("small", &started.head), n2.advance("small", &started.head));
    let decided = [&one, &two].iter().filter(|answer| answer.is_ok()).count();
    ensure!(decided == 1, "{one:?} {two:?}");
    let lost = one.err().or(two.err()).expect("one of them");
    ensure!(reason(&lost) == "STALE_PREDECESSOR", "{lost:?}");

    // A new spec holds for tasks that start after it.
    let changed = n1.apply(&other, &applied.head).await?;
    ensure!(changed.step == 2 && changed.spec != applied.spec, "{changed:?}");
    let task = at_step(&n1, "small", "main", 2).await?;
    ensure!(task.spec == applied.spec, "{task:?}");
    let abort = v1::AbortProcessRequest {
        process: "small".to_owned(),
        task: "main".to_owned(),
        predecessor: task.head,
        reason: "no use".to_owned(),
        deadline_ms: 20_000,
    };
    let aborted = n1.processes.clone().abort_process(abort).await?.into_inner();
    ensure!(aborted.end == "aborted", "{aborted:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_on_which_another_works_is_not_advanced() -> Result<()> {
    let members = three(None).await?;
    let desk = Desk::of(&members[0])?;
    let leased = SMALL.replace("mode = \"enforce\"", "mode = \"enforce\"\n[lease]\nseconds = 30\nrenewals_max = 1");
    desk.apply(&leased, "").await?;
    let started = desk.advance("small", "").await?.state.unwrap_or_default();
    let ann = v1::AcquireLeaseRequest {
        name: "process/small/main".to_owned(),
        client: "ann".to_owned(),
        duration_ms: 60_000,
        deadline_ms: 20_000,
        wait_ms: 0,
    };
    desk.leases.clone().acquire_lease(ann.clone()).await?;
    let refused = desk.advance("small", &started.head).await.expect_err("ann works on it");
    ensure!(reason(&refused) == "LEASE_HELD", "{refused:?}");
    // Each says what those can do who called.
    ensure!(refused.message().contains("--client NAME") && !refused.message().contains("wait"), "{refused:?}");
    let bob = v1::AcquireLeaseRequest { client: "bob".to_owned(), ..ann };
    let refused = desk.leases.clone().acquire_lease(bob).await.expect_err("ann holds it");
    ensure!(refused.message().contains("lease acquire --wait"), "{refused:?}");
    let request = v1::AdvanceTaskRequest { client: "ann".to_owned(), ..request("small", &started.head) };
    ensure!(desk.advance_by(request).await?.action.is_empty(), "she may ask, and her gate holds");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_missing_artifacts_are_named_in_one_answer() -> Result<()> {
    let members = three(None).await?;
    let desk = Desk::of(&members[0])?;
    let names: Vec<String> = (0..500).map(|number| format!("artifact-{number:04}-{}", "x".repeat(40))).collect();
    let list: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let toml = format!(
        "name = \"many\"\nmode = \"enforce\"\n[[phases]]\nname = \"a\"\n[[phases.gates]]\nname = \"all\"\nkind = \
         \"artifacts\"\nartifacts = [{}]\n",
        list.join(", ")
    );
    desk.apply(&toml, "").await?;
    let started = desk.advance("many", "").await?.state.unwrap_or_default();
    let held = desk.advance("many", &started.head).await?;
    ensure!(
        held.action.is_empty() && held.judgements[0].missing == names,
        "{} named",
        held.judgements[0].missing.len()
    );

    // A person may force it, and says why.
    let forced = v1::AdvanceTaskRequest { forced: true, ..request("many", &started.head) };
    let refused = desk.advance_by(forced.clone()).await.expect_err("without a reason");
    ensure!(reason(&refused) == "BAD_PROCESS", "{refused:?}");
    let forced = v1::AdvanceTaskRequest { reason: "they are elsewhere".to_owned(), ..forced };
    let done = desk.advance_by(forced).await?.state.unwrap_or_default();
    ensure!(done.end == "done", "{done:?}");
    let log = desk.log("many", "main").await?;
    ensure!(log[0].forced && log[0].reason == "they are elsewhere", "{:?}", log[0]);
    Ok(())
}
