//! Voters change: what stands goes on under the new ones, though nobody touches it.

use anyhow::{Context, Result, ensure};
use psi_api::v1;
use psi_tests::{Member, eventually, series, settings};

use crate::support::{Desk, at_step, request, three};

/// One phase that a lease guards, and a next.
const LEASED: &str = r#"
name = "leased"
mode = "enforce"

[lease]
seconds = 20
renewals_max = 10

[[phases]]
name = "a"

[[phases]]
name = "b"
"#;

fn of_task(task: &str, predecessor: &str) -> v1::AdvanceTaskRequest {
    v1::AdvanceTaskRequest { task: task.to_owned(), ..request("leased", predecessor) }
}

#[tokio::test(flavor = "multi_thread")]
async fn registers_move_to_the_voters_that_are_named() -> Result<()> {
    let [first, second, third] = three(None).await?;
    let desk = Desk::of(&first)?;
    let applied = desk.apply(LEASED, "").await?;
    let tasks: Vec<String> = (0..6).map(|number| format!("T-{number}")).collect();
    let mut heads = Vec::new();
    for task in &tasks {
        let started = desk.advance_by(of_task(task, "")).await?.state.context("a state")?;
        // It takes a lease, so that there is one to move.
        heads.push(desk.advance_by(of_task(task, &started.head)).await?.state.context("a state")?.head);
    }
    let fourth = Member::start(settings("n4", &[first.node.addresses().gossip])).await?;
    let nodes: Vec<String> = ["n2", "n3", "n4"].map(str::to_owned).into();
    eventually("the new voters are named", async || Ok(desk.set_voters(&nodes).await.is_ok())).await?;
    let behind = async |member: &Member| -> Result<f64> {
        Ok(series(member.node.addresses().http, "psi_process_registers_behind").await?.unwrap_or(-1.0))
    };
    eventually("some registers are behind", async || Ok(behind(&second).await? > 0.0)).await?;
    for member in [&first, &second, &third, &fourth] {
        eventually("no register is behind", async || Ok(behind(member).await? == 0.0)).await?;
    }
    // Two of the new voters, and one of the former.
    first.node.shutdown().await;
    second.node.shutdown().await;
    let desk = Desk::of(&fourth)?;
    for (task, head) in tasks.iter().zip(&heads) {
        at_step(&desk, "leased", task, 2).await?;
        let done = desk.advance_by(of_task(task, head)).await?.state.context("a state")?;
        ensure!((done.end.as_str(), done.step) == ("done", 3), "{done:?}");
    }
    let watched = desk.switch("leased", "watch", &applied.head).await?;
    ensure!(watched.mode == "watch" && watched.step == 2, "{watched:?}");
    Ok(())
}
