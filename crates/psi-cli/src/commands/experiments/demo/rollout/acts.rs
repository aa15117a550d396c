//! The acts: what answers, a bad version, and a good one.

use std::time::Instant;

use psi_api::v1::{CreateFieldRequest, MemberState, RolloutPlan};

use super::{
    callers::Callers,
    desk::{MODEL, ModelStatus, knows_voters, pause, set_stage, set_voters, start},
    report::{Act, Promotion, Rollback},
    show::{BATCH, NODES, Show},
};
use crate::{
    client,
    commands::experiments::demo::stage::{Actor, Stage, until},
    output::{Failure, pluralize},
};

/// What v2 is given.
const HALF: &[f64] = &[50.0];
/// What v3 is given.
const RISING: &[f64] = &[10.0, 50.0, 100.0];
/// How long each percentage lasts at least.
const WINDOW_MS: u64 = 2_000;

fn plan(schedule: &[f64]) -> RolloutPlan {
    let (error_rate, latency) = (None, None);
    let schedule = schedule.to_vec();
    let plan = RolloutPlan { schedule, window_ms: WINDOW_MS, minimum_predictions: 100, ..RolloutPlan::default() };
    RolloutPlan { error_rate, latency, ..plan }
}

/// `v1` answers all.
pub(super) async fn champion(show: &mut Show<'_>, act: &mut Act) -> Result<(), Failure> {
    show.say("\nAct one: v1 answers everything. One of ten of its steps fails.");
    let first = &show.stage.actors[0];
    until("the nodes know each other's stores", async || {
        Ok(set_voters(first, NODES.map(str::to_owned).to_vec()).await.is_ok())
    })
    .await?;
    for actor in show.up() {
        until("all nodes know the voters", async || Ok(knows_voters(actor, NODES.len()).await)).await?;
    }
    for version in ["v1", "v2", "v3"] {
        create(first, version).await?;
    }
    set_stage(first, "v1", "PRODUCTION", "it answers today").await?;
    for actor in show.up() {
        for version in ["v1", "v2", "v3"] {
            let field = format!("{MODEL}@{version}");
            until("all nodes have the fields", async || Ok(actor.state(&field).await.is_ok())).await?;
        }
    }
    let knows = show.wait("v1 is the champion", |said| said.champion == "v1").await?;
    act.promise(knows, format!("{}: the champion is v1", show.names()));
    let (is_one, versions) = show.send_to_each().await?;
    let is_alone = is_one && versions.iter().all(|version| version == "v1");
    act.promise(is_alone, format!("each of {BATCH} keys was answered by v1 on {}", show.names()));
    let is_exact = show.settle().await?;
    act.promise(is_exact, format!("every node counts {}", counted(&show.callers)));
    show.keep().await;
    Ok(())
}

/// `v2` is rolled back by the one node that is left, and the others follow.
pub(super) async fn bad_version(show: &mut Show<'_>, act: &mut Act) -> Result<Rollback, Failure> {
    show.say("\nAct two: v2 takes half of the keys. It fails three times as often as v1.");
    begin(show, act, "v2", HALF).await?;
    let (is_one, versions) = show.send_to_each().await?;
    let canaries = versions.iter().filter(|version| *version == "v2").count();
    let what = format!("each of {BATCH} keys has one version on all nodes: v2 for {canaries}, v1 for the rest");
    act.promise(is_one && canaries > 0, what);
    let is_exact = show.settle().await?;
    act.promise(is_exact, format!("every node counts {}", counted(&show.callers)));

    let rollback = alone(show, act).await?;
    if act.holds() {
        come_back(show, act).await?;
    }
    Ok(rollback)
}

/// Two nodes are gone, and the third rolls back.
async fn alone(show: &mut Show<'_>, act: &mut Act) -> Result<Rollback, Failure> {
    show.say("n2 is killed, and n3 hangs as if it were cut off: n1 alone is no majority.");
    show.stage.kill(1).await;
    show.stage.freeze(2);
    let is_alone = show.poll("n1 has noticed", async |stage: &Stage| Ok(live(&stage.actors[0]).await? == 1)).await?;
    act.promise(is_alone, "n1 notices that nobody else is there");
    let first = &show.stage.actors[0];
    // By the rules where the others are known to be gone, or for want of their votes.
    let refused = pause(first).await.err().map(|status| status.message().to_owned()).unwrap_or_default();
    let is_refused = ["majority", "most voters"].iter().any(|words| refused.contains(words));
    act.promise(is_refused, "n1 alone decides nothing: a pause is refused, as no majority answers");
    let begun = Instant::now();
    let is_back = |said: &ModelStatus| said.rollout.status == "ROLLED_BACK";
    let said = show.send_until("n1 alone", is_back).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let rollback = Rollback::new(seconds, show.callers.steps("v2"), &said.rollout);
    act.promise(
        is_back(&said) && !said.rollout.decided && said.rollout.actor == "node n1",
        format!("n1 rolled v2 back by itself, with no majority: {}", rollback.text()),
    );
    let (_, versions) = show.send_to_each().await?;
    act.promise(
        !versions.is_empty() && versions.iter().all(|version| version == "v1"),
        "from then on v1 answers all keys",
    );
    show.keep().await;
    Ok(rollback)
}

/// The others return, and a majority decides what n1 did.
async fn come_back(show: &mut Show<'_>, act: &mut Act) -> Result<(), Failure> {
    show.say("n2 is started again, and n3 goes on.");
    show.stage.thaw(2);
    show.stage.enter_again(1).await?;
    let are_back = show.poll("all nodes are linked", async |stage: &Stage| stage.is_linked().await).await?;
    act.promise(are_back, format!("{} have links to each other again", show.names()));
    let is_decided = |said: &ModelStatus| said.rollout.status == "ROLLED_BACK" && said.rollout.decided;
    let all = show.wait("a majority has decided the rollback", is_decided).await?;
    act.promise(all, format!("{}: ROLLED_BACK, decided by a majority", show.names()));
    let all = show.wait("v2 is rejected", |said| said.stage("v2") == "REJECTED" && said.champion == "v1").await?;
    act.promise(all, format!("{}: v2 is REJECTED, and v1 is the champion", show.names()));
    let mut are_refused = true;
    for actor in show.up() {
        let refused = start(actor, "v2", plan(HALF)).await;
        are_refused &= refused.is_err_and(|status| status.message().contains("REJECTED"));
    }
    act.promise(are_refused, format!("{}: to start v2 again is refused", show.names()));
    show.keep().await;
    Ok(())
}

/// `v3` becomes the champion by itself.
pub(super) async fn good_version(show: &mut Show<'_>, act: &mut Act) -> Result<Promotion, Failure> {
    show.say("\nAct three: v3 takes 10, 50 and 100 % of the keys. One of 40 of its steps fails.");
    begin(show, act, "v3", RISING).await?;
    let (begun, mut seen) = (Instant::now(), Vec::new());
    let is_over = |said: &ModelStatus| {
        // Nodes are asked in turn, and one may know a little less.
        if seen.last().is_none_or(|last| said.rollout.percent > *last) {
            seen.push(said.rollout.percent);
        }
        said.rollout.ended.is_some()
    };
    show.send_until("canary v3", is_over).await?;
    let promotion =
        Promotion { seconds: begun.elapsed().as_secs_f64(), steps: show.callers.steps("v3"), percent: seen };
    act.promise(promotion.percent == RISING, format!("it advanced by itself: {}", promotion.text()));
    let is_promoted = |said: &ModelStatus| said.rollout.status == "PROMOTED" && said.rollout.decided;
    let all = show.wait("v3 is promoted", is_promoted).await?;
    act.promise(all, format!("{}: PROMOTED, decided by a majority", show.names()));
    let all = show.wait("v3 is the champion", |said| said.champion == "v3").await?;
    act.promise(all, format!("{}: the champion is v3", show.names()));
    let (is_one, versions) = show.send_to_each().await?;
    let is_alone = is_one && versions.iter().all(|version| version == "v3");
    act.promise(is_alone, format!("each of {BATCH} keys was answered by v3 on {}", show.names()));
    let Callers { compared, overtaken, differences, .. } = &show.callers;
    let left_out = match overtaken {
        0 => String::new(),
        _ => format!("; {overtaken} more were sent while a percentage changed, and not compared"),
    };
    let what = match differences.first() {
        None => format!("callers computed the version of all {compared} answers in advance{left_out}"),
        Some(difference) => {
            format!("callers compute versions as nodes do ({} differ): {difference}", differences.len())
        }
    };
    act.promise(differences.is_empty(), what);
    let is_exact = show.settle().await?;
    act.promise(is_exact, format!("every node counts {}", counted(&show.callers)));
    show.keep().await;
    Ok(promotion)
}

/// Begins a rollout on n1, and waits until all nodes are in its first percentage.
async fn begin(show: &mut Show<'_>, act: &mut Act, version: &str, schedule: &[f64]) -> Result<(), Failure> {
    let first = &show.stage.actors[0];
    set_stage(first, version, "STAGING", &format!("{version} was built")).await?;
    start(first, version, plan(schedule)).await.map_err(|status| Failure::refused(&first.name, &status))?;
    let begins = |said: &ModelStatus| {
        let rollout = &said.rollout;
        rollout.canary == version && rollout.status == "IN_PROGRESS" && Some(&rollout.percent) == schedule.first()
    };
    let all = show.wait("the rollout begins", begins).await?;
    let percent = schedule.first().copied().unwrap_or_default();
    act.promise(all, format!("{}: the rollout of {version} is IN_PROGRESS at {percent} %", show.names()));
    Ok(())
}

async fn create(actor: &Actor, version: &str) -> Result<(), Failure> {
    let (name, engine) = (format!("{MODEL}@{version}"), "synthetic".to_owned());
    let request = CreateFieldRequest { name, engine, width: 3, ..Default::default() };
    let created = client::fields(actor.channel.clone()).create_field(request).await;
    created.map(|_| ()).map_err(|status| Failure::refused(&actor.name, &status))
}

/// Members that a node takes for live, itself included.
async fn live(actor: &Actor) -> Result<usize, Failure> {
    let members = actor.members().await.map_err(|status| Failure::refused(&actor.name, &status))?;
    Ok(members.iter().filter(|member| member.state() == MemberState::Live).count())
}

/// What callers sent, in words.
fn counted(callers: &Callers) -> String {
    let words = |(version, sent): (&String, &super::callers::StepCount)| {
        format!("{} of {version} with {}", pluralize(sent.steps, "step"), pluralize(sent.errors, "error"))
    };
    callers.sent.iter().map(words).collect::<Vec<_>>().join(", ")
}
