//! What act three feeds with.

use std::time::{Duration, Instant};

use crate::{
    commands::experiments::demo::{
        board::Board,
        stage::{PATIENCE, Stage},
    },
    output::Failure,
    source::Source,
};

/// Steps a second.
const FEED_HZ: u64 = 20;
/// The field that is fed.
pub(super) const HOST_FIELD: &str = "host";

/// Feeds steps round robin, each to the next node that takes it.
pub(super) struct Feed {
    pub(super) accepted: Vec<Vec<f64>>,
    pub(super) retried: u64,
    pub(super) failed: u64,
    turn: usize,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self { accepted: Vec::new(), retried: 0, failed: 0, turn: 0 }
    }

    pub(super) async fn run(
        &mut self,
        board: &Board,
        stage: &Stage,
        source: &mut dyn Source,
        length: Duration,
        caption: &str,
    ) -> Result<(), Failure> {
        let end = Instant::now() + length;
        self.run_until(board, stage, source, caption, async |_: &Stage| Ok(Instant::now() >= end)).await.map(|_| ())
    }

    /// Feeds until `done`, which is asked before every step; returns when that was.
    pub(super) async fn run_until(
        &mut self,
        board: &Board,
        stage: &Stage,
        source: &mut dyn Source,
        caption: &str,
        done: impl AsyncFn(&Stage) -> Result<bool, Failure>,
    ) -> Result<Instant, Failure> {
        let mut ticks = tokio::time::interval(Duration::from_millis(1000 / FEED_HZ));
        let begun = Instant::now();
        loop {
            ticks.tick().await;
            if done(stage).await? {
                return Ok(Instant::now());
            }
            if begun.elapsed() > PATIENCE + Duration::from_secs(3600) {
                return Err(Failure::failed(format!("nothing changed while feeding ({caption})")));
            }
            let input = source.next().map_err(|error| Failure::failed(error.to_string()))?;
            if let Some(input) = input {
                self.step(stage, input).await;
            }
            if self.accepted.len().is_multiple_of(4) {
                let caption = format!("{} steps accepted; {caption}", self.accepted.len());
                board.draw(stage, HOST_FIELD, &caption).await;
            }
        }
    }

    async fn step(&mut self, stage: &Stage, input: Vec<f64>) {
        self.turn += 1;
        for attempt in 0..stage.actors.len() {
            let actor = &stage.actors[(self.turn + attempt) % stage.actors.len()];
            if actor.step(HOST_FIELD, &input).await.is_ok() {
                self.accepted.push(input);
                return;
            }
            self.retried += 1;
        }
        self.failed += 1;
    }
}
