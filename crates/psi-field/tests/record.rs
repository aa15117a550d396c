//! `psi-field record` against a real node, and `psi-field replay` of what it wrote.

use std::{fs, path::Path, process::Output};

use anyhow::{Context, Result, ensure};
use psi_api::v1::{CreateFieldRequest, GuardianMode, Metrics, Parameter, ResetFieldRequest};
use psi_tests::{
    process::{Launch, Process},
    service::{self, Service},
};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_psi-field");

/// A node with a field `f` of two numbers, whose steps are longer than usual.
async fn node() -> Result<Process> {
    let node = Launch::new(PROGRAM, "n1").start()?;
    node.ready().await?;
    let parameters = vec![Parameter { name: "dt".to_owned(), value: 0.3 }];
    let request = CreateFieldRequest {
        name: "f".to_owned(),
        engine: "synthetic".to_owned(),
        width: 2,
        seed: u64::MAX,
        parameters,
        guardian: GuardianMode::Watch.into(),
        ..Default::default()
    };
    node.field.clone().create_field(request).await?;
    Ok(node)
}

/// A record under way.
async fn record(node: &Process, file: &Path, arguments: &[&str]) -> Result<Service> {
    let mut command = service::command(PROGRAM, &["record", "--field", "f", "--node", &node.grpc.to_string()]);
    command.arg(file).args(arguments);
    let record = Service::start(command)?;
    record.says("recording field f").await?;
    Ok(record)
}

/// Steps a walk into the node; what it answered.
async fn walk(node: &Process, steps: u32) -> Result<Vec<Metrics>> {
    let mut answers = Vec::new();
    for step in 0..steps {
        let input = [(f64::from(step) * 0.37).sin() / 3.0, 0.1 * f64::from(step)];
        answers.push(node.step("f", &input).await?.metrics.context("metrics")?);
    }
    Ok(answers)
}

fn lines(file: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(file)?;
    ensure!(text.ends_with('\n'), "the last line is whole: {text}");
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

fn replay(file: &Path, arguments: &[&str]) -> Result<Vec<Value>> {
    let Output { status, stdout, stderr } =
        service::command(PROGRAM, &["replay", "-o", "json"]).arg(file).args(arguments).output()?;
    ensure!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    Ok(std::str::from_utf8(&stdout)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// Each number that a replay gives and what the node answered, with its step and name.
fn pairs(steps: &[Value], answers: &[Metrics]) -> Vec<(String, Option<f64>, f64)> {
    let each = steps.iter().zip(answers).flat_map(|(step, answer)| {
        let Metrics {
            density,
            continuity,
            futurity,
            phase_coherence,
            temporal_entropy,
            prediction_error,
            memory,
            time_dilation,
        } = *answer;
        let named = [
            ("Psi", density),
            ("C", continuity),
            ("U", futurity),
            ("Phi", phase_coherence),
            ("H", temporal_entropy),
            ("PE", prediction_error),
            ("M", memory),
            ("dt_eff", time_dilation),
        ];
        named.map(|(name, want)| (format!("{name} of {step}"), step[name].as_f64(), want))
    });
    each.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_gives_the_metrics_that_the_node_answered() -> Result<()> {
    let node = node().await?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("steps.jsonl");
    let mut record = record(&node, &file, &["--count", "60", "-o", "json"]).await?;
    let answers = walk(&node, 60).await?;
    assert_eq!(record.ended().await?.code(), Some(0));
    let summary: Value = serde_json::from_str(&record.says("\"recorded\"").await?)?;
    assert_eq!([&summary["recorded"], &summary["missed"]], [60, 0]);
    assert_eq!(summary["ended"], "count");

    let lines = lines(&file)?;
    let header = &lines[0];
    assert_eq!([&header["engine"], &header["field"]], ["synthetic", "f"]);
    assert_eq!([&header["scale_exponent"], &header["guardian"]], [&0.into(), &Value::from("watch")]);
    assert_eq!((&header["width"], &header["seed"]), (&2.into(), &u64::MAX.into()));
    assert_eq!(header["parameters"]["dt"], 0.3);
    assert_eq!(lines[60]["k"], 60);
    assert_eq!([&lines[1]["field"], &lines[1]["epoch"]], [&"f".into(), &header["epoch"]]);
    assert!(lines[1]["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{}", lines[1]);

    let steps = replay(&file, &[])?;
    assert_eq!(steps.len(), answers.len());
    for (name, got, want) in pairs(&steps, &answers) {
        assert_eq!(got.map(f64::to_bits), Some(want.to_bits()), "{name}");
    }
    assert!(answers[0].time_dilation >= 0.3, "the parameters are those of the field");
    assert_ne!(replay(&file, &["--param", "dt=0.1"])?, steps);
    assert_eq!(replay(&file, &["--engine", "core"])?.len(), 60);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_a_field_with_defaults_intervenes_as_its_guardian_did() -> Result<()> {
    let node = Launch::new(PROGRAM, "n1").start()?;
    node.ready().await?;
    node.field.clone().create_field(CreateFieldRequest { name: "f".to_owned(), ..Default::default() }).await?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("steps.jsonl");
    let mut record = record(&node, &file, &["--count", "240"]).await?;
    let (mut answers, mut interventions) = (Vec::new(), 0);
    // A guardian does not look at more than 16 steps in 20 ms.
    let mut pace = tokio::time::interval(std::time::Duration::from_millis(2));
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for step in 0..240_u32 {
        pace.tick().await;
        let wild = if step % 60 == 59 { 9.0 } else { 1.0 };
        let input: Vec<f64> = (0..16).map(|place| wild * (f64::from(step * (place + 1)) * 0.37).sin()).collect();
        let answer = node.step("f", &input).await?;
        interventions += u32::from(answer.guardian.is_some());
        answers.push(answer.metrics.context("metrics")?);
    }
    assert!(interventions > 0, "there is something to replay");
    assert_eq!(record.ended().await?.code(), Some(0));

    let header = &lines(&file)?[0];
    assert_eq!([&header["engine"], &header["guardian"]], ["core", "intervene"]);
    assert_eq!(header["scale_exponent"], 0);
    let far = |steps: &[Value]| {
        let far = |got: Option<f64>, want: f64| got.is_none_or(|got| (got - want).abs() > 1e-9);
        let pairs = pairs(steps, &answers);
        assert_eq!(pairs.len(), 8 * answers.len());
        pairs.into_iter().find(|(_, got, want)| far(*got, *want))
    };
    assert_eq!(far(&replay(&file, &[])?), None);
    assert!(far(&replay(&file, &["--guardian", "watch"])?).is_some(), "the guardian's interventions are felt");
    assert!(far(&replay(&file, &["--condition"])?).is_some(), "inputs are taken as they were");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_stopped_is_whole() -> Result<()> {
    let node = node().await?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("steps.jsonl");
    let mut first = record(&node, &file, &[]).await?;
    walk(&node, 5).await?;
    psi_tests::eventually("the steps are in the file", async || Ok(lines(&file)?.len() == 6)).await?;
    assert_eq!(first.stop().await?.code(), Some(0));
    let said = first.says("recorded 5 steps of field f").await?;
    assert!(said.contains(", interrupted") && !said.contains("missed"), "{said}");

    let refused = service::command(PROGRAM, &["record", "--field", "f"]).arg(&file).output()?;
    assert_eq!(refused.status.code(), Some(2), "a file that is there is not overwritten");
    assert!(String::from_utf8(refused.stderr)?.contains("overwrite it with --force"));
    assert_eq!(lines(&file)?.len(), 6);

    let mut second = record(&node, &file, &["--force", "--seconds", "0.3"]).await?;
    assert_eq!(second.ended().await?.code(), Some(0));
    assert_eq!(lines(&file)?.len(), 1, "begun again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_of_one_epoch() -> Result<()> {
    let node = node().await?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("steps.jsonl");
    let mut record = record(&node, &file, &[]).await?;
    walk(&node, 2).await?;
    node.field.clone().reset_field(ResetFieldRequest { name: "f".to_owned(), ..Default::default() }).await?;
    walk(&node, 1).await?;
    assert_eq!(record.ended().await?.code(), Some(0));
    record.says("ended as the field was reset").await?;
    assert_eq!(lines(&file)?.len(), 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_output_has_the_record_alone() -> Result<()> {
    let node = node().await?;
    let address = node.grpc.to_string();
    let arguments = ["record", "--field", "f", "-", "--node", &address, "--count", "5"];
    let mut command = service::command(PROGRAM, &arguments);
    let record = tokio::task::spawn_blocking(move || command.output());
    // Only its steps show that the record has begun.
    while !record.is_finished() {
        walk(&node, 1).await?;
    }
    let Output { status, stdout, stderr } = record.await??;
    let (stdout, stderr) = (String::from_utf8(stdout)?, String::from_utf8(stderr)?);
    assert_eq!(status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("recorded 5 steps of field f"), "{stderr}");
    let lines: Vec<Value> = stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!((lines.len(), &lines[0]["engine"]), (6, &"synthetic".into()), "{stdout}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_leaves_what_was_recorded() -> Result<()> {
    let mut node = node().await?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("steps.jsonl");
    let mut record = record(&node, &file, &[]).await?;
    walk(&node, 3).await?;
    psi_tests::eventually("the steps are in the file", async || Ok(lines(&file)?.len() == 4)).await?;
    node.kill()?;
    assert_eq!(record.ended().await?.code(), Some(3));
    record.says("recorded 3 steps of field f").await?;
    record.says("ended as the node stopped").await?;
    record.says("error: ").await?;
    assert_eq!(lines(&file)?.len(), 4);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_is_not_there_leaves_no_file() -> Result<()> {
    let node = node().await?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("steps.jsonl");
    let address = node.grpc.to_string();
    let output = service::command(PROGRAM, &["record", "--field", "g", "--node", &address]).arg(&file).output()?;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!file.exists());
    let nobody = service::command(PROGRAM, &["record", "--node", "127.0.0.1:1"]).arg(&file).output()?;
    assert_eq!(nobody.status.code(), Some(3), "{nobody:?}");
    assert!(!file.exists());
    Ok(())
}
