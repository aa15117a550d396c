//! `psi-field sim`: clusters on a virtual network, seed by seed, each under the faults that its seed draws; or one
//! seed as a readable trace.

mod burst;
mod progress;
mod report;

use std::{
    io::{self, BufWriter, Write},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Instant,
};

use clap::{Args, builder::PossibleValuesParser};
use psi_sim::{Mode, Options, Sweep, Totals};

use crate::{
    output::{self, Failure, Output},
    process::signals,
};

use self::{
    burst::BurstArgs,
    progress::progress,
    report::{Replay, Report, Transcript},
};

const AFTER_HELP: &str = "\
Examples:
  psi-field sim                                  # 500 seeds of all modes
  psi-field sim --seeds 10000 --first-seed 5000
  psi-field sim --mode clocks --seeds 200
  psi-field sim --seed 42 --trace | less         # who sent what to whom
  psi-field sim --transcript hello  # what two replicas say to each other
  psi-field sim --seeds 500 --output json        # for scripts
  # how fast and how costly is a write on every node at once?
  psi-field sim --burst --nodes 128 --loss 10
  psi-field sim --nodes 1000                     # the same on a large cluster

A seed is one run of the real replication code on a virtual network and a virtual clock, identical to the last byte \
each time. The seed draws the nodes, the clients and the faults. Clients use fields of both engines, with guardians \
that watch or intervene. Nodes that hold the same must show the same, and what an independent oracle computes. In \
the end the same input must get the same answer from all of them.

The modes: in `safety` faults go on throughout, then all is quiet and all must agree. In `liveness` a connected core \
is left alone while the rest keeps failing, and must agree nearly as fast as without faults. In `clocks` clocks jump \
by hours. In `strangers` the cluster has a key: others without it try to get in, and the key is changed while nodes \
run. In `rollouts` versions of a model are rolled out. With `all`, the seed decides: 8 of 10 are safety. Every tenth \
seed is played with strangers as well, and every second one with rollouts.

Of at least 500 seeds of all modes, some must reach each marker of the list (a delta was cut, a partition healed, \
…). The sweep fails if none did.

Ctrl-C prints what was found so far, and what is left to run.

Exit codes: 0 if all agreed; 1 at the first seed that failed, with the command that replays it, or if it was stopped \
before the end.";

/// Seeds by default: enough to expect every marker.
const SEEDS: u64 = psi_sim::MARKED_SEEDS;

/// Seeds a core in one part of a sweep: at its end cores wait for the slowest, and a sweep that is stopped knows of whole
/// parts only.
const PART: u64 = 32;

/// Try to break agreement on simulated clusters
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Sim {
    /// How many seeds to run [default: 500; of bursts 100, beyond 256 nodes 1]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "seed")]
    seeds: Option<u64>,

    /// The first of them
    #[arg(long, value_name = "SEED", default_value_t = 0, conflicts_with = "seed")]
    first_seed: u64,

    /// Run this one seed only
    #[arg(long)]
    seed: Option<u64>,

    /// With --seed: print what happens, line by line
    #[arg(long, requires = "seed")]
    trace: bool,

    /// Print what a few replicas say to each other, frame by frame
    #[arg(long, value_name = "NAME", value_parser = transcripts())]
    #[arg(conflicts_with_all = ["seeds", "first_seed", "seed", "mode", "nodes", "burst"])]
    transcript: Option<String>,

    /// What runs are about
    #[arg(long, value_enum, default_value_t)]
    mode: ModeArg,

    /// Nodes at the beginning, instead of what the seed draws; more than 32 mean a burst
    #[arg(long, value_parser = clap::value_parser!(u16).range(2..=4096))]
    nodes: Option<u16>,

    #[command(flatten)]
    burst: BurstArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum ModeArg {
    /// The seed decides
    #[default]
    All,
    /// Faults throughout, then quiet
    Safety,
    /// A core left alone while the rest keeps failing
    Liveness,
    /// Clocks that jump by hours
    Clocks,
    /// Others without the cluster's key, and changes of it
    Strangers,
    /// Versions of a model, rolled out
    Rollouts,
}

impl ModeArg {
    fn mode(self) -> Option<Mode> {
        match self {
            Self::All => None,
            Self::Safety => Some(Mode::Safety),
            Self::Liveness => Some(Mode::Liveness),
            Self::Clocks => Some(Mode::Clocks),
            Self::Strangers => Some(Mode::Strangers),
            Self::Rollouts => Some(Mode::Rollouts),
        }
    }
}

/// The names of all transcripts.
fn transcripts() -> PossibleValuesParser {
    PossibleValuesParser::new(psi_sim::transcripts::names())
}

impl Sim {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        if let Some(name) = self.transcript {
            let text = psi_sim::transcripts::print(&name)
                .ok_or_else(|| Failure::usage(format!("there is no transcript `{name}`")))?;
            let transcript = Transcript { name, text };
            // As it is, however wide.
            return match output {
                Output::Text => output::line(&transcript.text()),
                Output::Json => output.print(&transcript, Transcript::text),
            };
        }
        let nodes = self.nodes.map(usize::from);
        if self.burst.is_meant(nodes) {
            let seeds = self.seed.map_or(self.seeds, |_| Some(1));
            return blocking(move || self.burst.run(nodes, seeds, self.seed.unwrap_or(self.first_seed), output))
                .await?;
        }
        match self.seed {
            Some(seed) => blocking(move || self.replay(seed, output)).await?,
            None => self.sweep(output).await,
        }
    }

    fn options(&self) -> Options {
        Options { mode: self.mode.mode(), nodes: self.nodes.map(usize::from), ..Options::default() }
    }

    /// Runs the seeds until all are done, one fails, or it is stopped; prints what was found up to then.
    async fn sweep(&self, output: Output) -> Result<(), Failure> {
        let sweep = Sweep { first: self.first_seed, seeds: self.seeds.unwrap_or(SEEDS), options: self.options() };
        let bar = progress(sweep.seeds, output);
        let began = Instant::now();
        let swept = Arc::<Mutex<SweepProgress>>::default();
        let (found, counter) = (swept.clone(), bar.clone());
        let is_interrupted = tokio::select! {
            // A sweep that is stopped in this moment is complete all the same.
            biased;
            done = blocking(move || run_in_parts(&sweep, PART * cores(), &found, &|| counter.inc(1))) => done.map(|()| false)?,
            () = signals::stop() => true,
        };
        bar.finish_and_clear();
        let SweepProgress { totals, seeds } = swept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let missing = totals.missing(&Sweep { seeds, ..sweep });
        output.print(&Report::new(&totals, &missing, began.elapsed()), Report::text)?;
        if let Some(failure) = &totals.failure {
            let replay = self.command(failure.seed, failure.mode);
            return Err(Failure::failed(format!("{failure}\nreplay it with: {replay}")));
        }
        if is_interrupted {
            let (next, left) = (sweep.first.saturating_add(seeds), sweep.seeds - seeds);
            let rest = format!("--first-seed {next} --seeds {left}");
            return Err(Failure::failed(format!(
                "stopped after {seeds} of {} seeds, in which nothing was wrong; the rest: {rest}",
                sweep.seeds
            )));
        }
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = missing.iter().map(|marker| marker.name()).collect();
        let names = names.join(", ");
        Err(Failure::failed(format!(
            "no seed reached: {names}; the simulator no longer provokes enough to prove anything"
        )))
    }

    /// The command that shows what a seed does in a mode.
    fn command(&self, seed: u64, mode: Mode) -> String {
        let is_its_own = self.mode == ModeArg::All && mode == Mode::of_seed(seed);
        let mode = if is_its_own { String::new() } else { format!(" --mode {}", mode.name()) };
        let nodes = self.nodes.map_or_else(String::new, |nodes| format!(" --nodes {nodes}"));
        format!("psi-field sim --seed {seed}{mode}{nodes} --trace")
    }

    fn replay(&self, seed: u64, output: Output) -> Result<(), Failure> {
        let mut stdout = BufWriter::new(io::stdout().lock());
        let mut write_error = None;
        let mut line = |line: &str| {
            if write_error.is_none() {
                write_error = writeln!(stdout, "{line}").err();
            }
        };
        let result = psi_sim::run(seed, self.options(), self.trace.then_some(&mut line as psi_sim::Sink<'_>));
        let write_error = write_error.or_else(|| stdout.flush().err());
        drop(stdout);
        if write_error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return Err(Failure::output_closed());
        }
        match result {
            Ok(report) => output.print(&Replay::from(&report), Replay::text),
            Err(failure) if self.trace => Err(Failure::failed(failure.to_string())),
            Err(failure) => {
                Err(Failure::failed(format!("{failure}\nsee what led to it: {}", self.command(seed, failure.mode))))
            }
        }
    }
}

/// The results of the seeds that were run so far, from the first on.
#[derive(Clone, Default)]
struct SweepProgress {
    totals: Totals,
    seeds: u64,
}

impl SweepProgress {
    fn add(&mut self, part: Totals, seeds: u64) {
        let Totals { runs, counts, virtual_ms, agreed_ms_max, failure } = part;
        for (mode, more) in runs {
            *self.totals.runs.entry(mode).or_default() += more;
        }
        self.totals.counts.add(&counts);
        self.totals.virtual_ms += virtual_ms;
        self.totals.agreed_ms_max = self.totals.agreed_ms_max.max(agreed_ms_max);
        self.totals.failure = failure;
        self.seeds += seeds;
    }
}

/// Sweeps the seeds part by part, so that what was found is known before all are done; ends at the first part in
/// which one fails.
fn run_in_parts(sweep: &Sweep, part: u64, swept: &Mutex<SweepProgress>, progress: &(impl Fn() + Sync)) {
    let mut done = 0;
    while done < sweep.seeds {
        let part = Sweep { first: sweep.first.saturating_add(done), seeds: part.min(sweep.seeds - done), ..*sweep };
        let totals = part.run(progress);
        let has_failed = totals.failure.is_some();
        swept.lock().unwrap_or_else(PoisonError::into_inner).add(totals, part.seeds);
        if has_failed {
            return;
        }
        done += part.seeds;
    }
}

fn cores() -> u64 {
    thread::available_parallelism().map_or(1, |cores| cores.get() as u64)
}

/// Simulating is work for all cores, not for tasks that take turns.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::failed(format!("the simulator ended: {error}; this is a bug")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_sweep_add_up_to_the_whole() {
        let sweep = Sweep { first: 3, seeds: 5, options: Options::default() };
        let whole = sweep.run(&|| {});
        let swept = Mutex::new(SweepProgress::default());
        run_in_parts(&sweep, 2, &swept, &|| {});
        let SweepProgress { totals, seeds } = swept.into_inner().unwrap();
        assert_eq!(seeds, 5);
        assert_eq!((totals.runs, totals.counts), (whole.runs, whole.counts));
        assert_eq!((totals.virtual_ms, totals.agreed_ms_max), (whole.virtual_ms, whole.agreed_ms_max));
    }
}
