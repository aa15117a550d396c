//! `psi-field sim --burst`: one write on every node at once. How many rounds until all hold all, and what does it cost?

use std::{str::FromStr, time::Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use psi_sim::burst::{Burst, Links, Outcome, Summary};
use serde::Serialize;

use crate::output::{Failure, Output, pluralize, table};

/// Larger clusters are only for bursts; the simulator proper links every two nodes.
pub(super) const FULL_MESH_MAX: usize = 32;
/// Nodes of a burst by default: those of the guarantee in the README.
const NODES: usize = 128;
/// Clusters up to this size have written before the burst; larger ones would take too long.
const WARM_MAX: usize = 256;
/// Seeds by default, of clusters up to [`WARM_MAX`] and of larger ones.
const SEEDS: (u64, u64) = (100, 1);

/// The arguments of bursts.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Bursts")]
pub(super) struct BurstArgs {
    /// Measure a burst instead: one step on every node at once, nothing else wrong than --loss
    #[arg(long, conflicts_with_all = ["mode", "trace"])]
    burst: bool,

    /// Who is linked to whom: `full`, `rings` as nodes of large clusters are, or how many links each node opens at
    /// random [default: full up to 32 nodes, then rings]
    #[arg(long, value_name = "LINKS", requires = "burst", conflicts_with_all = ["mode", "trace"])]
    links: Option<LinksArg>,

    /// Percent of frames that get lost
    #[arg(long, value_name = "PERCENT", default_value_t = 0, requires = "burst",
          value_parser = clap::value_parser!(u64).range(0..=90))]
    loss: u64,

    /// Steps of each node, 50 ms apart: one is a burst, several are a load
    #[arg(long, value_name = "COUNT", default_value_t = 1, requires = "burst",
          value_parser = clap::value_parser!(u64).range(1..=10_000))]
    writes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LinksArg(Links);

impl FromStr for LinksArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "full" {
            return Ok(Self(Links::FullMesh));
        }
        if text == "rings" {
            return Ok(Self(Links::Rings));
        }
        match text.parse() {
            Ok(opened @ 1..=100) => Ok(Self(Links::Opened(opened))),
            _ => Err(format!("`{text}` is neither `full`, `rings` nor a number from 1 to 100")),
        }
    }
}

impl BurstArgs {
    /// Whether a burst is asked for, by its name or by a size that nothing else is for.
    pub(super) fn is_meant(&self, nodes: Option<usize>) -> bool {
        self.burst || nodes.is_some_and(|nodes| nodes > FULL_MESH_MAX)
    }

    /// Runs bursts of the seeds from `first` on and prints what they took.
    ///
    /// # Errors
    /// If some did not come to agree.
    pub(super) fn run(
        &self,
        nodes: Option<usize>,
        seeds: Option<u64>,
        first: u64,
        output: Output,
    ) -> Result<(), Failure> {
        let nodes = nodes.unwrap_or(NODES);
        let links = self.links.map_or_else(|| usual_links(nodes), |links| links.0);
        let warm = nodes <= WARM_MAX;
        let burst = Burst { nodes, links, loss: self.loss, warm, writes: self.writes, seed: first };
        let seeds = seeds.unwrap_or(if warm { SEEDS.0 } else { SEEDS.1 });
        let began = Instant::now();
        let outcomes = measure(&burst, seeds, output);
        let summary = Summary::of(&outcomes).ok_or_else(|| Failure::failed("no seeds were asked for".to_owned()))?;
        let report = Report::new(&burst, &outcomes, &summary, began.elapsed().as_secs_f64());
        output.print(&report, Report::text)?;
        match summary.not_agreed.first() {
            None => Ok(()),
            Some(seed) => Err(Failure::failed(format!(
                "{} of {seeds} bursts did not reach all nodes within two minutes; the first was seed {seed}",
                summary.not_agreed.len()
            ))),
        }
    }
}

fn usual_links(nodes: usize) -> Links {
    if nodes <= FULL_MESH_MAX { Links::FullMesh } else { Links::Rings }
}

/// One burst uses all cores by itself; of several, each core takes its own.
fn measure(burst: &Burst, seeds: u64, output: Output) -> Vec<Outcome> {
    if seeds > 1 {
        let bar = super::progress::progress(seeds, output);
        let outcomes = burst.sweep(seeds, &|| bar.inc(1));
        bar.finish_and_clear();
        return outcomes;
    }
    let bar = if output == Output::Json { ProgressBar::hidden() } else { ProgressBar::new(0) };
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} deliveries, {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let outcome = burst.run(&mut |progress| {
        bar.set_length(progress.all);
        bar.set_position(progress.reached);
    });
    bar.finish_and_clear();
    vec![outcome]
}

/// What bursts took.
#[derive(Serialize)]
struct Report {
    nodes: usize,
    /// Links that stand, in the first seed.
    links: usize,
    loss_percent: u64,
    /// Whether all nodes had written before.
    warm: bool,
    /// Of each node.
    writes: u64,
    first_seed: u64,
    seeds: usize,
    /// Seeds that did not agree within two minutes.
    not_agreed: Vec<u64>,
    agreed_ms_p50: u64,
    agreed_ms_p99: u64,
    agreed_ms_max: u64,
    slowest_seed: u64,
    /// Of 250 ms, one that was begun counted whole.
    rounds_p50: u64,
    rounds_p99: u64,
    /// log2 of the nodes: what an epidemic that doubles each round needs at least.
    rounds_epidemic: f64,
    /// Frames sent from the first write until 300 ms after agreement, mean.
    frames: f64,
    bytes: f64,
    /// Encoded bytes of the entries that changed, once for each node that needed them, mean.
    bytes_needed: f64,
    /// Bytes sent for each that was needed, mean.
    factor: f64,
    factor_max: f64,
    /// Of one link, both directions together, when nothing is written.
    idle_bytes_per_second: f64,
    seconds: f64,
}

impl Report {
    fn new(burst: &Burst, outcomes: &[Outcome], summary: &Summary, seconds: f64) -> Self {
        let mean = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>() as f64 / outcomes.len().max(1) as f64;
        Self {
            nodes: burst.nodes,
            links: outcomes.first().map_or(0, |outcome| outcome.links),
            loss_percent: burst.loss,
            warm: burst.warm,
            writes: burst.writes,
            first_seed: burst.seed,
            seeds: outcomes.len(),
            not_agreed: summary.not_agreed.clone(),
            agreed_ms_p50: summary.agreed_ms_p50,
            agreed_ms_p99: summary.agreed_ms_p99,
            agreed_ms_max: summary.agreed_ms_max,
            slowest_seed: summary.slowest,
            rounds_p50: summary.rounds_p50(),
            rounds_p99: summary.rounds_p99(),
            rounds_epidemic: (burst.nodes as f64).log2(),
            frames: mean(|outcome| outcome.frames),
            bytes: mean(|outcome| outcome.bytes),
            bytes_needed: mean(|outcome| outcome.needed_bytes),
            factor: summary.factor,
            factor_max: summary.factor_max,
            idle_bytes_per_second: summary.idle_bytes_per_second_max,
            seconds,
        }
    }

    fn text(&self) -> String {
        let before = if self.warm { "that had written before" } else { "that had written nothing before" };
        let rows = [
            ["rounds of 250 ms, median".to_owned(), self.rounds_p50.to_string()],
            ["rounds, 99 of 100 seeds".to_owned(), self.rounds_p99.to_string()],
            ["log2 of the nodes".to_owned(), format!("{:.1}", self.rounds_epidemic)],
            ["milliseconds, median".to_owned(), self.agreed_ms_p50.to_string()],
            ["milliseconds, longest".to_owned(), self.agreed_ms_max.to_string()],
            ["frames".to_owned(), format!("{:.0}", self.frames)],
            ["bytes".to_owned(), format!("{:.0}", self.bytes)],
            ["bytes of changed entries × peers".to_owned(), format!("{:.0}", self.bytes_needed)],
            ["bytes for each of those".to_owned(), format!("{:.3}", self.factor)],
            ["bytes a second of an idle link".to_owned(), format!("{:.1}", self.idle_bytes_per_second)],
        ];
        format!(
            "{} on each of {} nodes at once, {before}; {} two-way links, {} % of frames lost; seeds {} to {} in \
             {:.1} s\n\n{}",
            pluralize(self.writes, "step"),
            self.nodes,
            self.links,
            self.loss_percent,
            self.first_seed,
            self.first_seed.saturating_add(self.seeds as u64).saturating_sub(1),
            self.seconds,
            table(["until all digests are equal", ""], &[1], rows.into())
        )
    }
}
