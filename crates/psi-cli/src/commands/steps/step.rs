//! `psi-field step`: scores one vector, or several at once.

use std::io::{self, Read};

use clap::Args;
use psi_api::v1::{StepBatchRequest, StepOutcome, StepRequest, Vector};
use psi_engine::Metrics;

use crate::{
    answer::{
        self,
        drift::{ColumnNovelty, title},
    },
    client::{self, Nodes, options::WriteOptions},
    commands::arguments::FieldArg,
    output::{Failure, Output, Tone, numbers::short, table},
    source::{Incident, JsonLines, Source, SourceError},
};

const AFTER_HELP: &str = "\
Examples:
  psi-field step 0.1 0.2 0.3 0.4 0.5 0 -0.1 0.2 0.9 -0.4 0.1 0 0.2 -0.2 0.3 0.1
  psi-field step --incident                            # the same vector
  psi-field step --field pairs 0.5,1.5 --output json
  psi-field step --field pairs -- -1e-3 2  # a dash after `--` is a minus
  psi-field step --field pairs --condition -- -inf nan # made finite, then taken
  psi-field feed --help                                # for a stream of vectors

  # a session token: n2 waits until it holds what n1 took
  session=$(psi-field step --incident --node n1:50051 -o json | jq -r .token)
  psi-field step --incident --node n2:50051 --after \"$session\"
  psi-field step --incident --replicate-to majority --deadline-ms 500
  # of version v7 of the model fraud, and how it went
  psi-field step --field fraud --version v7 --latency-ms 12.5 0.5 1.5
  # safe to send again to the same node
  psi-field step --incident --request-id \"$(uuidgen)\"

On standard input (`-`) a line is a vector: numbers separated by spaces or commas, a JSON array, or an object whose \
`x` is one. Several lines are one batch: all are accepted, or none.";

/// Score a vector and add it to the field
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP, override_usage = "psi-field step [OPTIONS] <NUMBER>...|--incident|-")]
pub(crate) struct Step {
    #[command(flatten)]
    field: FieldArg,

    /// The vector, as many numbers as the field is wide (`default`: 16). `-` reads standard input
    #[arg(
        required_unless_present = "incident",
        conflicts_with = "incident",
        allow_negative_numbers = true,
        value_name = "NUMBER"
    )]
    numbers: Vec<String>,

    /// Score the vector of 16 numbers that was sent in the pod-drift incident
    #[arg(long)]
    incident: bool,

    /// Condition the vector first: NaN becomes 0, infinities become ±1, and numbers are clipped to -5 to 5
    #[arg(long)]
    condition: bool,

    #[command(flatten)]
    version: VersionArgs,

    #[command(flatten)]
    options: WriteOptions,

    #[command(flatten)]
    nodes: Nodes,
}

/// Which version of a model answers, and how the step went
#[derive(Clone, Debug, Args)]
struct VersionArgs {
    /// Which version of the model that `--field` names answers: the step is of the field FIELD@VERSION
    #[arg(long)]
    version: Option<String>,

    /// What the step is about, such as a user: 1 to 256 bytes. Steps of one key count together
    #[arg(long)]
    key: Option<String>,

    /// The step failed, as its caller saw
    #[arg(long)]
    error: bool,

    /// How long the step took, 0 to 3,600,000. With this or --error the step counts as an outcome of its version
    #[arg(long, value_name = "MS")]
    latency_ms: Option<f64>,
}

impl VersionArgs {
    /// How the step went, if anything of that is given.
    fn outcome(&self) -> Option<StepOutcome> {
        let (error, latency_ms) = (self.error, self.latency_ms);
        (error || latency_ms.is_some()).then_some(StepOutcome { error, latency_ms })
    }

    /// One for each vector of a batch.
    fn repeated<T: Clone>(one: Option<T>, vectors: usize) -> Vec<T> {
        one.map_or_else(Vec::new, |one| vec![one; vectors])
    }
}

impl Step {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        let mut inputs = self.inputs()?;
        if inputs.len() > 1 {
            return self.batch(inputs, output).await;
        }
        let input = inputs.pop().ok_or_else(|| Failure::usage("standard input has no vector"))?;
        let request = StepRequest {
            field: self.field.field.clone(),
            input,
            apply_guardian: self.condition,
            after: self.options.read.session_token(),
            deadline_ms: self.options.read.deadline_ms(),
            replicate_to: self.options.level(),
            request_id: self.options.request_id(),
            version: self.version.version.clone(),
            key: self.version.key.clone(),
            outcome: self.version.outcome(),
        };
        let nodes = self.options.read.patient(&self.nodes);
        let reply = nodes.ask(async |channel| client::fields(channel).step(request.clone()).await);
        output.print(&answer::Step::from(reply.await?.answer), text)
    }

    async fn batch(&self, inputs: Vec<Vec<f64>>, output: Output) -> Result<(), Failure> {
        let (keys, outcomes) = (self.version.key.clone(), self.version.outcome());
        let (keys, outcomes) =
            (VersionArgs::repeated(keys, inputs.len()), VersionArgs::repeated(outcomes, inputs.len()));
        let inputs = inputs.into_iter().map(|values| Vector { values }).collect();
        let request = StepBatchRequest {
            field: self.field.field.clone(),
            inputs,
            apply_guardian: self.condition,
            after: self.options.read.session_token(),
            deadline_ms: self.options.read.deadline_ms(),
            replicate_to: self.options.level(),
            request_id: self.options.request_id(),
            version: self.version.version.clone(),
            keys,
            outcomes,
        };
        let nodes = self.options.read.patient(&self.nodes);
        let reply = nodes.ask(async |channel| client::fields(channel).step_batch(request.clone()).await);
        let steps: Vec<answer::Step> = reply.await?.answer.steps.into_iter().map(Into::into).collect();
        match output {
            Output::Text => output.print(&steps, |steps| batch_text(steps)),
            Output::Json => steps.iter().try_for_each(|step| output.print(step, text)),
        }
    }

    fn inputs(&self) -> Result<Vec<Vec<f64>>, Failure> {
        if self.incident {
            return vectors(Incident, Some(1));
        }
        if self.numbers == ["-"] {
            let mut text = String::new();
            io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Failure::failed(format!("can't read standard input: {error}")))?;
            return read_vectors(&text);
        }
        Ok(vec![parse_vector(&self.numbers.join(" "))?])
    }
}

/// The vectors in a text: JSON, or numbers.
fn read_vectors(text: &str) -> Result<Vec<Vec<f64>>, Failure> {
    if text.trim_start().starts_with(['[', '{']) {
        return vectors(JsonLines::new("standard input", text.as_bytes()), None);
    }
    text.lines().filter(|line| !line.trim().is_empty()).map(parse_vector).collect()
}

fn vectors(mut source: impl Source, count_max: Option<usize>) -> Result<Vec<Vec<f64>>, Failure> {
    let wrong = |error: SourceError| Failure::usage(error.to_string());
    let mut vectors = Vec::new();
    while count_max.is_none_or(|max| vectors.len() < max) {
        let Some(vector) = source.next().map_err(wrong)? else { break };
        vectors.push(vector);
    }
    Ok(vectors)
}

fn parse_vector(text: &str) -> Result<Vec<f64>, Failure> {
    let words = text.split(|letter: char| letter == ',' || letter.is_whitespace()).filter(|word| !word.is_empty());
    words
        .map(|word| {
            word.parse().map_err(|_| Failure::usage(format!("`{word}` is not a number; see `psi-field step -h`")))
        })
        .collect()
}

fn text(step: &answer::Step) -> String {
    let answer::Step { field, engine, k, node, timestamp, metrics, .. } = step;
    let time = timestamp.as_deref().unwrap_or("-");
    let mut head = format!("step {k} of field {field} (engine {engine}), taken by node {node} at {time}");
    if let Some(replicated) = &step.replicated {
        head += &format!("\n{replicated}");
    }
    if let Some(reaction) = &step.guardian {
        head += &format!("\n{reaction}");
    }
    if let Some(drift) = &step.drift {
        head += &format!("\ndrift: {}", drift.painted());
    }
    if let Some(threat) = step.threat {
        head += &format!("\nthe guardian takes it for a threat: {}", Tone::Doubtful.paint(threat));
    }
    if step.unusual {
        let far =
            |one: &ColumnNovelty| format!("input {} at z {}", title(one.column, one.name.as_deref()), short(one.z));
        let columns: Vec<String> = step.novel_columns.iter().map(far).collect();
        let unlike = format!("it is unlike all before it: {}", columns.join(", "));
        head += &format!("\n{}", Tone::Doubtful.paint(&unlike));
    }
    let more = [("", "novelty", step.novelty), ("", "attention_gain", step.attention_gain)];
    let rows = metrics.iter().flat_map(answer::Metrics::rows).chain(more);
    let rows = rows.chain(step.time.map(|time| ("t", "time", time)));
    let rows = rows.map(|(symbol, name, value)| [symbol.to_owned(), name.to_owned(), short(value)]).collect();
    format!("{head}\n\n{}", table(["", "metric", "value"], &[2], rows))
}

fn batch_text(steps: &[answer::Step]) -> String {
    let row = |step: &answer::Step| {
        let values = step.metrics.as_ref().map(|metrics| metrics.rows().map(|(_, _, value)| short(value)).collect());
        let mut values: std::collections::VecDeque<String> = values.unwrap_or_default();
        values.push_front(step.k.to_string());
        values.push_back(short(step.novelty));
        std::array::from_fn(|_| values.pop_front().unwrap_or_default())
    };
    let [psi, c, u, phi, h, pe, m, dt] = Metrics::LETTERS;
    let rows = steps.iter().map(row).collect();
    let table = table(["step", psi, c, u, phi, h, pe, m, dt, "novelty"], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], rows);
    let replicated = steps.last().and_then(|last| last.replicated.as_ref()).map(ToString::to_string);
    let reactions = steps.iter().filter_map(|step| Some(format!("step {}: {}", step.k, step.guardian.as_ref()?)));
    let head: Vec<String> = replicated.into_iter().chain(reactions).collect();
    if head.is_empty() { table } else { format!("{}\n\n{table}", head.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_read_from_numbers_and_from_json() {
        let want = vec![vec![0.5, -1.0], vec![2.0, 3e-5]];
        for text in ["0.5 -1\n\n2,3e-5\n", "[0.5, -1]\n{\"x\": [2, 3e-5]}\n", " 0.5, -1\n 2\t3e-5"] {
            assert_eq!(read_vectors(text).unwrap(), want, "{text}");
        }
        assert!(read_vectors("").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_number_is_named() {
        let failure = read_vectors("1 2\n3 four").unwrap_err();
        assert!(failure.message.contains("`four`"), "{}", failure.message);
    }
}
