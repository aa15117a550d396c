//! What all acts share: the nodes, the callers, and what each node says of the model.

use std::time::{Duration, Instant};

use super::{
    callers::Callers,
    desk::{ModelStatus, counts, model_status},
};
use crate::{
    commands::experiments::demo::{
        board::Board,
        stage::{Actor, PATIENCE, Stage},
    },
    output::{Cell, Failure, Tone, table},
};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// A node that says nothing for so long is shown without an answer.
const SILENCE: Duration = Duration::from_millis(500);
/// The nodes, all of which vote.
pub(super) const NODES: [&str; 3] = ["n1", "n2", "n3"];
/// Keys that are sent at once to one node.
pub(super) const BATCH: u64 = 40;

/// The nodes and the callers.
pub(super) struct Show<'a> {
    board: &'a Board,
    pub(super) stage: Stage,
    pub(super) callers: Callers,
    drawn: Instant,
}

impl<'a> Show<'a> {
    pub(super) fn new(board: &'a Board, stage: Stage) -> Self {
        Self { board, stage, callers: Callers::default(), drawn: Instant::now() }
    }

    pub(super) fn say(&self, text: &str) {
        self.board.say(text);
    }

    /// The nodes that run.
    pub(super) fn up(&self) -> impl Iterator<Item = &Actor> {
        self.stage.actors.iter().filter(|actor| actor.is_up())
    }

    /// Their names, as in `n1, n2, n3`.
    pub(super) fn names(&self) -> String {
        self.up().map(|actor| actor.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Waits until what all running nodes say is as it should be; whether that came in time.
    pub(super) async fn wait(
        &mut self,
        caption: &str,
        is_right: impl Fn(&ModelStatus) -> bool,
    ) -> Result<bool, Failure> {
        let are_right = async |stage: &Stage| {
            for actor in stage.actors.iter().filter(|actor| actor.is_up()) {
                if !is_right(&model_status(actor).await?) {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        self.poll(caption, are_right).await
    }

    /// Waits until every running node counts what callers sent; whether that came in time.
    pub(super) async fn settle(&mut self) -> Result<bool, Failure> {
        let want = self.callers.counts();
        let are_equal = async |stage: &Stage| {
            for actor in stage.actors.iter().filter(|actor| actor.is_up()) {
                if counts(actor).await? != want {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        self.poll("all nodes count the same", are_equal).await
    }

    /// Waits until something holds, and shows meanwhile what each node says; whether that came in time.
    pub(super) async fn poll(
        &mut self,
        caption: &str,
        holds: impl AsyncFn(&Stage) -> Result<bool, Failure>,
    ) -> Result<bool, Failure> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if holds(&self.stage).await? {
                return Ok(true);
            }
            self.draw(&format!("waiting until {caption}: {:.1} s", begun.elapsed().as_secs_f64())).await;
            tokio::time::sleep(LOOK).await;
        }
        Ok(false)
    }

    /// Sends steps with new keys to one running node after the other, until a node says what is waited for; the last
    /// that it said. Not for longer than a minute.
    pub(super) async fn send_until(
        &mut self,
        caption: &str,
        mut is_reached: impl FnMut(&ModelStatus) -> bool,
    ) -> Result<ModelStatus, Failure> {
        const LENGTH_MAX: Duration = Duration::from_secs(60);
        let begun = Instant::now();
        for turn in 0.. {
            let keys = self.callers.new_keys(BATCH);
            let up: Vec<_> = self.stage.actors.iter().filter(|actor| actor.is_up()).collect();
            let actor = up[turn % up.len()];
            self.callers.send(actor, &keys).await?;
            let said = model_status(actor).await?;
            if is_reached(&said) || begun.elapsed() > LENGTH_MAX {
                return Ok(said);
            }
            let steps = self.callers.steps(&said.rollout.canary);
            self.draw(&format!("{caption}: {}, {steps} steps of {}", said.place(), said.rollout.canary)).await;
            tokio::time::sleep(LOOK).await;
        }
        Err(Failure::failed(format!("{caption}: no end")))
    }

    /// Sends the same keys to every running node; whether one version answered each key, and which versions did.
    pub(super) async fn send_to_each(&mut self) -> Result<(bool, Vec<String>), Failure> {
        let keys = self.callers.new_keys(BATCH);
        let mut answers = Vec::new();
        for actor in self.stage.actors.iter().filter(|actor| actor.is_up()) {
            answers.push(self.callers.send(actor, &keys).await?);
        }
        let are_equal = answers.iter().all(|of_node| *of_node == answers[0] && of_node.len() == keys.len());
        Ok((are_equal, answers.swap_remove(0)))
    }

    /// What each node says, as a table, where people look on.
    async fn draw(&mut self, caption: &str) {
        if self.board.is_live() && self.drawn.elapsed() > Duration::from_millis(200) {
            self.drawn = Instant::now();
            self.board.show(format!("{}\n{caption}", self.rows().await));
        }
    }

    /// Leaves what each node says standing.
    pub(super) async fn keep(&self) {
        self.board.leave(&self.rows().await);
    }

    async fn rows(&self) -> String {
        let mut rows = Vec::new();
        for actor in &self.stage.actors {
            let asked = tokio::time::timeout(SILENCE, model_status(actor));
            let said = if actor.is_up() { asked.await.ok().and_then(Result::ok) } else { None };
            rows.push(row(actor, &said.unwrap_or_default()));
        }
        table(["node", "", "champion", "rollout", "is", "decided", "canary"], &[], rows)
    }
}

fn row(actor: &Actor, said: &ModelStatus) -> [Cell; 7] {
    let tone = if actor.is_up() { Tone::Good } else { Tone::Bad };
    let or = |text: &str| Cell::from(if text.is_empty() { "-".to_owned() } else { text.to_owned() });
    let rollout = &said.rollout;
    let is_any = !rollout.id.is_empty();
    let place = if is_any { said.place() } else { String::new() };
    let decided = match (is_any, rollout.decided) {
        (false, _) => "",
        (true, true) => "yes",
        (true, false) => "not yet",
    };
    let stage = if is_any { said.stage(&rollout.canary) } else { "" };
    let [champion, id] = [&said.champion, &rollout.id].map(|text| or(text));
    [or(&actor.name), Cell::toned(actor.state, tone), champion, id, or(&place), or(decided), or(stage)]
}
