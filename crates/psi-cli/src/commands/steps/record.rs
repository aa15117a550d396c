//! `psi-field record`: writes the steps that a node accepts to a file that `psi-field replay` reads.

mod file;

use std::{
    path::PathBuf,
    pin::pin,
    time::{Duration, Instant},
};

use clap::Args;
use psi_api::v1::{Field, WatchStepsRequest, WatchStepsResponse, watch_steps_response::Event};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_stream::StreamExt;
use tonic::Streaming;

use crate::{
    client::{self, Nodes},
    commands::arguments::{FieldArg, parse_limit},
    output::{self, Failure, Output, pluralize},
    process::signals,
};
use file::{File, is_stdout};

/// What was recorded is in the file this soon.
const FLUSH: Duration = Duration::from_millis(200);

const AFTER_HELP: &str = "\
Examples:
  psi-field record steps.jsonl                        # until Ctrl-C
  psi-field record --field sensors --seconds 3600 --force sensors.jsonl
  # on to another cluster
  psi-field record --count 100 - | \\
      psi-field feed --jsonl --node other:50051 --rate max
  psi-field replay steps.jsonl  # the same steps again, through the same engine
  psi-field replay steps.jsonl --param dt=0.1         # and through another one

The file has JSON lines. The first is an object with the field's engine, width, scale_exponent, seed, guardian and \
parameters; these are the defaults of a replay. Each further line is a step that this node accepted, in order: \
field, epoch, k, timestamp and input. The input is what the engine was given: conditioned, if the step asked for \
that. Steps that other nodes accept are not in the file, nor are interventions.

A replay reproduces the node's answers under these conditions. The record begins with the field and misses nothing. \
Only this node steps the field, at most 800 times a second (a guardian looks at no more). Nobody changes its \
parameters or its guardian, or intervenes by hand.

Recording never blocks a node. Steps that it misses are counted, and show in the file as a gap in k. A record ends \
when its field is reset or dropped.

Exit codes: 0 ended as asked, by Ctrl-C, or with the field; 1 refused, or the file can't be written; 2 wrong \
arguments, or the file exists; 3 no node could be reached, or it stopped.";

/// Write the steps that a node accepts to a file, for `psi-field replay`
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Record {
    /// The file to write, or `-` for standard output
    file: PathBuf,

    #[command(flatten)]
    field: FieldArg,

    /// End after this many steps
    #[arg(long, short = 'n', value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// End after this long
    #[arg(long, value_name = "SECONDS", value_parser = parse_limit)]
    seconds: Option<Duration>,

    /// Overwrite the file if it is there
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    nodes: Nodes,
}

/// Why a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum End {
    Count,
    Seconds,
    Interrupted,
    FieldStartedOver,
    NodeStopped,
}

/// The result.
#[derive(Clone, Debug, Serialize)]
struct Summary {
    field: String,
    /// Where the steps were accepted.
    address: String,
    file: PathBuf,
    ended: End,
    seconds: f64,
    recorded: u64,
    /// Steps that the node accepted meanwhile and could not hand over.
    missed: u64,
}

impl Record {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        File::check(&self.file, self.force)?;
        let request = WatchStepsRequest { field: self.field.field.clone() };
        let reply = self.nodes.ask(async |channel| client::fields(channel).watch_steps(request.clone()).await).await?;
        let mut events = reply.answer;
        let field = self.first(&mut events, &reply.address).await?;
        let mut file = File::create(&self.file, self.force, &field)?;
        output::note(format_args!("recording field {} as {} accepts its steps", field.name, reply.address));

        let mut summary = Summary {
            field: field.name,
            address: reply.address,
            file: self.file.clone(),
            ended: End::NodeStopped,
            seconds: 0.0,
            recorded: 0,
            missed: 0,
        };
        let begun = Instant::now();
        let ended = self.record(&mut events, field.epoch, &mut file, &mut summary).await;
        summary.seconds = begun.elapsed().as_secs_f64();
        let stopped = match ended {
            Ok(end) => {
                summary.ended = end;
                None
            }
            // Whether the file holds what was recorded is not known when it can't be written.
            Err(failure) if file.is_broken() => return Err(failure),
            Err(failure) => Some(failure),
        };
        file.finish()?;
        self.print(output, &summary)?;
        stopped.map_or(Ok(()), Err)
    }

    /// The field, which comes first.
    async fn first(&self, events: &mut Streaming<WatchStepsResponse>, address: &str) -> Result<Field, Failure> {
        match tokio::time::timeout(self.nodes.timeout, events.next()).await {
            Ok(Some(Ok(WatchStepsResponse { event: Some(Event::Field(field)) }))) => Ok(field),
            Ok(Some(Err(status))) => Err(Failure::refused(address, &status)),
            Err(_) => Err(Failure::refused(address, &self.nodes.late())),
            Ok(_) => Err(Failure::failed(format!("{address} does not say what field it shows: is it a node?"))),
        }
    }

    /// Writes what comes until there is a reason to end.
    async fn record(
        &self,
        events: &mut Streaming<WatchStepsResponse>,
        epoch: u64,
        file: &mut File,
        summary: &mut Summary,
    ) -> Result<End, Failure> {
        let mut stop = pin!(signals::stop());
        let mut limit = pin!(async {
            match self.seconds {
                Some(limit) => sleep(limit).await,
                None => std::future::pending().await,
            }
        });
        let mut flush = interval(FLUSH);
        flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.count.is_none_or(|count| summary.recorded < count) {
            let event = tokio::select! {
                biased;
                () = &mut stop => return Ok(End::Interrupted),
                () = &mut limit => return Ok(End::Seconds),
                _ = flush.tick() => {
                    file.flush()?;
                    continue;
                }
                event = events.next() => event,
            };
            let stopped =
                || Failure::unreachable(format!("{} stopped answering: the node has stopped", summary.address));
            let event = event.ok_or_else(stopped)?;
            match event.map_err(|status| Failure::refused(&summary.address, &status))?.event {
                Some(Event::Step(step)) if step.epoch != epoch => return Ok(End::FieldStartedOver),
                Some(Event::Step(step)) => {
                    file.step(&summary.field, step)?;
                    summary.recorded += 1;
                }
                Some(Event::Missed(steps)) => {
                    summary.missed += steps;
                    output::note(format_args!(
                        "missed {}: they came faster than they could be written",
                        pluralize(steps, "step")
                    ));
                }
                Some(Event::Field(_)) | None => {}
            }
        }
        Ok(End::Count)
    }

    /// On standard output, unless the record is there.
    fn print(&self, output: Output, summary: &Summary) -> Result<(), Failure> {
        if !is_stdout(&self.file) {
            return output.print(summary, text);
        }
        match output {
            Output::Text => output::note(text(summary)),
            Output::Json => output::note(serde_json::to_string(summary).unwrap_or_default()),
        }
        Ok(())
    }
}

fn text(summary: &Summary) -> String {
    let Summary { field, address, file, ended, seconds, recorded, missed } = summary;
    let steps = pluralize(*recorded, "step");
    let to = if is_stdout(file) { String::new() } else { format!("\ninto {}", file.display()) };
    let end = match ended {
        End::Count | End::Seconds => "",
        End::Interrupted => ", interrupted",
        End::FieldStartedOver => "; ended as the field was reset or dropped",
        End::NodeStopped => "; ended as the node stopped",
    };
    let gaps = if *missed > 0 { format!("; {missed} missed, so k has gaps") } else { String::new() };
    format!("recorded {steps} of field {field} in {seconds:.1} s{end}{gaps}\nat {address}{to}")
}
