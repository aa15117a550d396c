//! `psi-field replay`: runs a file of inputs through an engine on this machine alone, without a node.

mod comparison;
mod drift;
mod engine;
mod parameters;
mod picture;
mod recording;
mod summary;
mod trace;

use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use clap::Args;
use psi_engine::{
    EngineKind, Parameters,
    core::ShapeError,
    guardian::{self, Mode},
};

use crate::{
    commands::{
        arguments::{Changes, Mode as GuardianArg},
        progress::Progress,
    },
    output::{self, Failure, Output, canvas, numbers::short, pluralize},
    source::{CsvOptions, Header},
};
use comparison::Comparison;
use engine::{Outcome, Run};
use parameters::NamedValues;
use picture::{Panel, Picture};
use recording::{File, Format, Omissions, Recording};
use summary::Series;

const AFTER_HELP: &str = "\
Examples:
  psi-field replay --engine synthetic vectors.csv  # a summary of every metric
  psi-field replay --engine core vectors.csv --seed 7 -o json > steps.jsonl
  # what `psi-field record` wrote, through the same engine
  psi-field replay steps.jsonl
  psi-field replay trace.npz  # a trace of engine core
  psi-field replay --engine core vectors.csv --parameters new.toml \\
      --guardian intervene
  psi-field replay trace.npz --against other.toml --png trace.png
  # what would have alarmed
  psi-field replay vectors.csv --drift --baseline-rows 3000
  psi-field replay --engine core export.csv --delimiter ';' --decimal ,

Files:
  csv    a vector a row, with or without a header; `nan` and `inf` are numbers. It is judged by its first 1,000 rows, and \
what is not certain is refused. Columns of words, and a time, are left out by name
  jsonl  a vector a line, or an object with one as `x` or `input`. The first line may be an object without one, as \
`psi-field record` writes it: its `engine`, `width`, `seed`, `guardian` and `parameters` are defaults
  npz    numpy's arrays `inputs` (steps × input; else `raw_inputs`) and for engine core `encoder` (latent × input), \
`transition` (latent × latent) and `rollout_noise` (steps × N × latent), which decide latent_dim and N

The engine treats what is not finite as it does without a node: NaN as 0, infinities as ±5. With --condition vectors \
are conditioned first, as a node does for a step that asks for it: NaN becomes 0, infinities become ±1, and numbers \
are clipped to ±5. A record holds conditioned vectors already.

The guardian intervenes with --guardian intervene, or if the file says that its guardian does \
(`\"guardian\":\"intervene\"`), unless --guardian watch.

`psi-field record --help` says when a replay reproduces the node's answers.

With `--output json` a step is one line: k, Psi, C, U, Phi, H, PE, M, dt_eff, t (seconds) and att_gain, with 17 \
digits. The file is then read twice, so that nothing is printed if anything in it is wrong.

With --against the same steps run twice. The second run has the parameters of that file in place of --parameters and \
--param. The output compares the two, metric by metric: both means, the mean difference (second minus first), its \
root mean square, the largest and its step. With `--output json` that is one line.

With --drift no engine runs. The first rows are the baseline, and are to hold nothing unusual. After it, every tenth \
row, the latest rows are compared with it: an eighth, a 24th and a 72nd of its length, unless that is under five rows. \
`drift` means that the rows don't come from where the baseline came from. `unusual` means that a row is unlike all \
before it. An alarm names the first row that shows it, from 0, after 50 rows that don't. A severity of 0.5 is a warning, \
0.8 critical. Each of the first 64 columns is paired with the one that it goes with most, and how far apart they are is \
watched too. An alarm of a pair alone says `together`. With `--output json` an alarm is one line: row, kind, severity, \
columns, and what was measured. Leave out columns that only grow, such as a time, with --columns. What is no number \
counts as the baseline's mean of its column.

A file of parameters has lines such as `dt = 0.1`; `psi-field field list --output json` shows all names.

Exit codes: 0 done; 1 the answer could not be written; 2 wrong arguments, or something wrong in a file.";

/// Run a recorded input through an engine, offline
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Replay {
    /// The recorded input
    file: PathBuf,

    /// Engine: `synthetic` or `core`; may be left out where the file says which
    #[arg(long, value_name = "ENGINE")]
    engine: Option<EngineKind>,

    /// What the file is, where its name does not say so
    #[arg(long, value_enum)]
    format: Option<Format>,

    #[command(flatten)]
    csv: CsvOptions,

    /// Parameters that are to differ from their defaults, a TOML file
    #[arg(long, value_name = "FILE.toml")]
    parameters: Option<PathBuf>,

    #[command(flatten)]
    changes: Changes,

    /// Seed of engine core's random numbers, as of a field; 0 if neither this nor the file says. A trace has its own
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// Run a second time with the parameters of this TOML file, and show the differences
    #[arg(long, value_name = "OTHER.toml")]
    against: Option<PathBuf>,

    /// Draw the metrics over the steps into this file
    #[arg(long, value_name = "FILE.png")]
    png: Option<PathBuf>,

    /// Overwrite the picture if it is there
    #[arg(long, requires = "png")]
    force: bool,

    /// What the guardian does about a threat [default: what the file says, or else watch]
    #[arg(long, value_enum, value_name = "MODE")]
    guardian: Option<GuardianArg>,

    /// Watch the inputs for drift and unusual steps, instead of running an engine
    #[arg(long, conflicts_with_all = ["engine", "parameters", "changes", "seed", "against", "guardian", "condition"])]
    drift: bool,

    /// With --drift: number of first rows used as the baseline; 2000 by default
    #[arg(long, value_name = "N")]
    baseline_rows: Option<usize>,

    /// Condition each vector first: NaN to 0, infinities to ±1, the rest to ±5 at most
    #[arg(long)]
    condition: bool,
}

/// All that a replay needs, checked.
struct Preparation {
    engine: EngineKind,
    recording: Recording,
    runs: Runs,
}

/// One engine, or two that are given the same.
struct Runs {
    this: Run,
    against: Option<Run>,
}

/// The results of the runs.
#[derive(Default)]
struct Results {
    this: Series,
    /// Empty if there was no other run.
    against: Series,
}

impl Replay {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        self.check_picture()?;
        if self.drift {
            return self.watch(output);
        }
        if self.baseline_rows.is_some() {
            return Err(Failure::usage("--baseline-rows is for a replay with --drift; add that, or leave it out"));
        }
        let Preparation { engine, recording, mut runs } = self.prepare()?;
        let results = match (output, runs.against.is_some()) {
            (Output::Json, false) => self.stream(&recording, &mut runs)?,
            _ => self.collect(&recording, &mut runs)?,
        };
        if let Some(path) = &self.png {
            self.picture(engine, &results, &runs).write(path, self.force)?;
            output::note(format_args!(
                "drew {} into {}",
                pluralize(results.this.steps() as u64, "step"),
                path.display()
            ));
        }
        match (output, &runs.against) {
            (Output::Json, None) => Ok(()),
            (_, Some(_)) => {
                let comparison = Comparison::of(&results.this, &results.against);
                output.print(&comparison, |comparison| self.comparison_text(engine, &results, &runs, comparison))
            }
            (Output::Text, None) => {
                let text = format!("{}\n\n{}", self.head(engine, &results, &runs), summary::text(&results.this));
                output::line(&output::screen::fitted(&text))
            }
        }
    }

    /// That a picture can be written, before anything is read.
    fn check_picture(&self) -> Result<(), Failure> {
        let Some(path) = &self.png else { return Ok(()) };
        let inputs = [Some(&self.file), self.parameters.as_ref(), self.against.as_ref()];
        canvas::check_path(path, inputs.into_iter().flatten().map(PathBuf::as_path), self.force)
    }

    fn prepare(&self) -> Result<Preparation, Failure> {
        let of_file = self.parameters.as_deref().map(parameters::read).transpose()?.unwrap_or_default();
        let mut given = of_file.clone();
        given.extend(self.changes.changes.iter().map(|change| (change.name.clone(), change.value)));
        let others = self.against.as_deref().map(parameters::read).transpose()?;
        let file = File::new(self.file.clone(), self.format, self.csv.clone())?;
        let header = file.header()?.unwrap_or_default();
        let engine = self.engine(&file, &header)?;
        let guardian = self.guardian(&header)?;
        let base: NamedValues = header.parameters.into_iter().collect();
        parameters::of_run(&base, &[], &[], &format!("{}, header", self.file.display()))?;
        // By itself first, so that an error in the file names the file.
        let name = self.parameters.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
        parameters::of_run(&base, &[], &of_file, &name)?;
        parameters::of_run(&base, &[], &given, "--param")?;
        let recording = file.open(engine)?;
        recording.check_width(header.width)?;
        let seed = self.seed.or(header.seed).unwrap_or_default();
        let new_run = |given: &NamedValues, source: &str| {
            let parameters = parameters::of_run(&base, &fixed(&recording), given, source)?;
            self.new_run(engine, seed, &recording, &parameters, guardian)
        };
        parameters::of_run(&base, &fixed(&recording), &of_file, &name)?;
        let this = new_run(&given, "--param")?;
        let against = others.map(|others| new_run(&others, &self.against_name())).transpose()?;
        Ok(Preparation { engine, recording, runs: Runs { this, against } })
    }

    /// What the file of the other parameters is called.
    fn against_name(&self) -> String {
        self.against.as_deref().map(|path| path.display().to_string()).unwrap_or_default()
    }

    fn engine(&self, file: &File, header: &Header) -> Result<EngineKind, Failure> {
        let of_header = match (&self.engine, &header.engine) {
            (None, Some(name)) => {
                let wrong = |error| Failure::usage(format!("{}, header: {error}", self.file.display()));
                Some(name.parse().map_err(wrong)?)
            }
            _ => None,
        };
        let missing = || Failure::usage("no engine is named: add --engine synthetic or --engine core");
        self.engine.or(of_header).or(file.engine()).ok_or_else(missing)
    }

    /// Whether the guardian intervenes.
    fn guardian(&self, header: &Header) -> Result<bool, Failure> {
        let wrong = |error| Failure::usage(format!("{}, header: {error}", self.file.display()));
        let of_header: Option<Mode> = header.guardian.as_deref().map(str::parse).transpose().map_err(wrong)?;
        Ok(match self.guardian {
            Some(mode) => mode == GuardianArg::Intervene,
            None => of_header == Some(Mode::Intervene),
        })
    }

    fn new_run(
        &self,
        engine: EngineKind,
        seed: u64,
        recording: &Recording,
        parameters: &Parameters,
        guardian: bool,
    ) -> Result<Run, Failure> {
        let start = recording.trace.as_ref().and_then(|trace| trace.core.as_ref()).map(|core| &core.start);
        Ok(Run::new(engine, seed, recording.width, parameters, start, guardian)?)
    }

    /// Steps through the whole recording; `each` is given the result of each step.
    fn play(
        &self,
        recording: &Recording,
        runs: &mut Runs,
        progress: &mut Progress,
        mut each: impl FnMut(&Outcome, Option<&Outcome>) -> Result<(), Failure>,
    ) -> Result<Omissions, Failure> {
        recording.play(|mut input, noise| {
            if self.condition {
                guardian::condition(&mut input);
            }
            let this = runs.this.step(&input, noise)?;
            let against = runs.against.as_mut().map(|run| run.step(&input, noise)).transpose()?;
            each(&this, against.as_ref())?;
            progress.step();
            Ok(())
        })
    }

    /// Prints a line a step, once the whole file has been seen to be right; keeps results only for a picture.
    fn stream(&self, recording: &Recording, runs: &mut Runs) -> Result<Results, Failure> {
        let mut checked = Progress::new("checking", recording.steps(), false);
        let omissions = recording.play(|_, _| {
            checked.step();
            Ok(())
        })?;
        recording.warn(omissions);
        let mut progress = Progress::new("replaying", Some(checked.steps()), true);
        drop(checked);
        let mut results = Results::default();
        let mut stdout = BufWriter::new(io::stdout().lock());
        self.play(recording, runs, &mut progress, |outcome, _| {
            if self.png.is_some() {
                results.this.push(outcome);
            }
            write_json(&mut stdout, outcome).map_err(|error| output::write_failure(&error))
        })?;
        stdout.flush().map_err(|error| output::write_failure(&error))?;
        Ok(results)
    }

    /// Prints nothing yet.
    fn collect(&self, recording: &Recording, runs: &mut Runs) -> Result<Results, Failure> {
        let mut results = Results::default();
        let mut progress = Progress::new("replaying", recording.steps(), false);
        let omissions = self.play(recording, runs, &mut progress, |this, against| {
            results.this.push(this);
            against.into_iter().for_each(|against| results.against.push(against));
            Ok(())
        })?;
        drop(progress);
        recording.warn(omissions);
        Ok(results)
    }

    fn picture<'a>(&self, engine: EngineKind, results: &'a Results, runs: &Runs) -> Picture<'a> {
        let against = runs.against.as_ref().map(|_| &results.against);
        let others: Vec<Option<&[f64]>> = match against {
            Some(series) => series.gauges().map(|(_, numbers)| Some(numbers)).collect(),
            None => vec![None; Outcome::COUNT],
        };
        let panels = results.this.gauges().zip(others).map(|((place, numbers), other)| Panel {
            label: Outcome::SYMBOLS[place].to_owned(),
            numbers,
            other,
        });
        Picture {
            title: format!(
                "{}: metrics of engine {engine} over {}",
                self.file.display(),
                pluralize(results.this.steps() as u64, "step")
            ),
            panels: panels.collect(),
            against: against.map(|_| self.against_name()),
            events: runs.this.interventions.iter().map(|(k, _)| *k).collect(),
            event: "the guardian intervened",
        }
    }

    /// What ran.
    fn head(&self, engine: EngineKind, results: &Results, runs: &Runs) -> String {
        let (steps, file) = (pluralize(results.this.steps() as u64, "step"), self.file.display());
        let mut text = format!("replayed {steps} of {file} through engine {engine}, t = {} s", short(results.this.t()));
        if runs.this.has_guardian() {
            text += &format!("\nguardian: {}", interventions(&runs.this));
        }
        text
    }

    fn comparison_text(&self, engine: EngineKind, results: &Results, runs: &Runs, comparison: &Comparison) -> String {
        let mut text = self.head(engine, results, runs);
        text += &format!("\nagainst {}: t = {} s", self.against_name(), short(comparison.against_t));
        if let Some(against) = runs.against.as_ref().filter(|run| run.has_guardian()) {
            text += &format!(", {}", interventions(against));
        }
        format!("{text}\n\n{}\n\n{}", comparison.text(), comparison::plots(&results.this, &results.against))
    }
}

/// The parameters that the arrays of a trace decide.
fn fixed(recording: &Recording) -> Vec<(&'static str, f64)> {
    let core = recording.trace.as_ref().and_then(|trace| trace.core.as_ref());
    core.map_or_else(Vec::new, |core| vec![("latent_dim", core.latent as f64), ("N", core.rollouts as f64)])
}

impl From<ShapeError> for Failure {
    fn from(error: ShapeError) -> Self {
        Self::usage(error.to_string())
    }
}

/// One line, 17 significant digits a number.
fn write_json(to: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    write!(to, "{{\"k\":{}", outcome.k)?;
    for (name, number) in Outcome::NAMES.iter().zip(outcome.numbers) {
        write!(to, ",\"{name}\":{number:.16e}")?;
    }
    writeln!(to, "}}")
}

/// How often the guardian intervened, and when first.
fn interventions(run: &Run) -> String {
    const SHOWN: usize = 10;
    let count = pluralize(run.interventions.len() as u64, "intervention");
    let each = run.interventions.iter().take(SHOWN).map(|(k, action)| format!("{action} at {k}"));
    let each: Vec<String> = each.collect();
    let more = if run.interventions.len() > SHOWN { ", …" } else { "" };
    if each.is_empty() { count } else { format!("{count}: {}{more}", each.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_17_digits_and_are_read_back_to_the_last_bit() {
        let numbers = [0.1, -0.0, 1.0 / 3.0, 5e-324, f64::MAX, 2.0, 3.0, 4.0, 5.0, 123_456.789];
        let mut text = Vec::new();
        write_json(&mut text, &Outcome { k: 7, numbers }).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with(r#"{"k":7,"Psi":1.0000000000000001e-1,"C":"#), "{text}");
        let read: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(read.len(), 11);
        for (name, number) in Outcome::NAMES.iter().zip(numbers) {
            assert_eq!(read[*name].as_f64().map(f64::to_bits), Some(number.to_bits()), "{name}");
        }
    }
}
