//! `psi-field probe` against real nodes.

use std::{
    net::{SocketAddr, TcpListener},
    process::Command,
};

use anyhow::{Context, Result};
use psi_api::v1::{
    self, FieldState, StepResponse,
    psi_field_service_client::PsiFieldServiceClient,
    psi_field_service_server::{PsiFieldService, PsiFieldServiceServer},
};
use psi_tests::{
    eventually,
    process::{Launch, Process, free_endpoints},
    service::{self, Service},
};
use serde_json::Value;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming, transport::Channel};

const PROGRAM: &str = env!("CARGO_BIN_EXE_psi-field");

/// `psi-field probe`, with a deadline that a busy machine keeps.
fn probe(nodes: &[String]) -> Command {
    let mut command = service::command(PROGRAM, &["probe", "--node", &nodes.join(",")]);
    command.env("PSI_PROBE_DEADLINE_MS", "20000");
    command
}

/// A probe that goes on.
struct Probe {
    service: Service,
    http: SocketAddr,
}

impl Probe {
    async fn start(nodes: &[String]) -> Result<Self> {
        let mut command = probe(nodes);
        command.args(["--every-ms", "100", "--listen", "127.0.0.1:0", "--log-format", "json", "--output", "json"]);
        let service = Service::start(command)?;
        let started: Value = serde_json::from_str(&service.says("{\"http\":").await?)?;
        Ok(Self { http: started["http"].as_str().context("an address")?.parse()?, service })
    }

    async fn get(&self, path: &str) -> Result<String> {
        Ok(reqwest::get(format!("http://{}{path}", self.http)).await?.error_for_status()?.text().await?)
    }

    /// The value of a series of the nodes, as it is scraped.
    async fn series(&self, name: &str) -> Result<f64> {
        let text = self.get("/metrics").await?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("{name} in\n{text}"))?.parse()?)
    }

    async fn attempts(&self, target: &str, result: &str) -> Result<f64> {
        self.series(&format!(r#"psi_probe_attempts_total{{result="{result}",target="{target}"}}"#)).await
    }

    /// Waits until a node has this many more attempts with a result.
    async fn more(&self, target: &str, result: &str, more: f64) -> Result<()> {
        // There are no series before the first round.
        let before = self.attempts(target, result).await.unwrap_or_default();
        eventually(&format!("{target} has {more} more attempts that are {result}"), async || {
            Ok(self.attempts(target, result).await.unwrap_or_default() >= before + more)
        })
        .await
    }
}

/// Three nodes that can be started again at their addresses, and how.
async fn cluster() -> Result<(Vec<Launch>, Vec<Process>)> {
    let endpoints = [free_endpoints()?, free_endpoints()?, free_endpoints()?];
    let seeds = endpoints.iter().map(|endpoints| endpoints.gossip.to_string()).collect::<Vec<_>>().join(",");
    let launches = endpoints.iter().enumerate().map(|(index, endpoints)| {
        Launch::new(PROGRAM, &format!("n{}", index + 1))
            .with("--grpc-listen", &endpoints.grpc)
            .with("--gossip-listen", &endpoints.gossip)
            .with("--cluster-seeds", &seeds)
            .with("--cluster-join-ms", &2000)
    });
    let launches: Vec<Launch> = launches.collect();
    let nodes = launches.iter().map(Launch::start).collect::<Result<Vec<_>>>()?;
    for node in &nodes {
        node.ready().await?;
    }
    eventually("all nodes are linked", async || {
        for node in &nodes {
            let members = node.members().await.unwrap_or_default();
            if members.iter().filter(|member| member.linked).count() < nodes.len() {
                return Ok(false);
            }
        }
        Ok(true)
    })
    .await?;
    Ok((launches, nodes))
}

fn addresses(nodes: &[Process]) -> Vec<String> {
    nodes.iter().map(|node| node.grpc.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_fails_alone_and_is_ok_again_when_it_returns() -> Result<()> {
    let (launches, mut nodes) = cluster().await?;
    let targets = addresses(&nodes);
    let mut probe = Probe::start(&targets).await?;
    for target in &targets {
        probe.more(target, "ok", 3.0).await?;
        assert_eq!(probe.attempts(target, "failed").await?, 0.0, "{target}");
        assert_eq!(probe.series(&format!(r#"psi_probe_success{{target="{target}"}}"#)).await?, 1.0);
        let steps = probe.series(&format!(r#"psi_probe_step_seconds_count{{target="{target}"}}"#)).await?;
        assert!(steps >= 3.0, "{target}: {steps}");
        for source in targets.iter().filter(|source| *source != target) {
            let pair = format!(r#"{{source="{source}",target="{target}"}}"#);
            let reads = probe.series(&format!("psi_probe_propagation_seconds_count{pair}")).await?;
            let took = probe.series(&format!("psi_probe_propagation_seconds_sum{pair}")).await?;
            assert!(reads >= 3.0 && took > 0.0 && took < reads * 20.0, "{pair}: {reads} in {took} s");
        }
    }
    assert_eq!(probe.get("/health/live").await?, r#"{"status":"live"}"#);

    nodes[2].kill()?;
    probe.more(&targets[2], "failed", 3.0).await?;
    assert_eq!(probe.series(&format!(r#"psi_probe_success{{target="{}"}}"#, targets[2])).await?, 0.0);
    let refused = format!(r#"psi_probe_failures_total{{reason="unreachable",target="{}"}}"#, targets[2]);
    assert!(probe.series(&refused).await? >= 2.0, "one round may have met it as it died");
    for target in &targets[..2] {
        probe.more(target, "ok", 3.0).await?;
        assert_eq!(probe.attempts(target, "failed").await?, 0.0, "{target} is not to blame");
    }
    let fails = probe.service.said("the node fails");
    assert_eq!(fails.len(), 1, "logged once: {fails:?}");
    assert!(fails[0].contains(&targets[2]), "{fails:?}");

    nodes[2] = launches[2].start()?;
    probe.more(&targets[2], "ok", 3.0).await?;
    assert_eq!(probe.service.said("the node is ok again").len(), 1);
    assert_eq!(probe.service.said("the node fails").len(), 1);
    assert_eq!(probe.service.stop().await?.code(), Some(0));
    Ok(())
}

/// One round, and what it printed.
fn once(nodes: &[String], arguments: &[&str]) -> Result<(Option<i32>, Value)> {
    let output = probe(nodes).args(["--once", "--output", "json"]).args(arguments).output()?;
    let report = serde_json::from_slice(&output.stdout).with_context(|| format!("{output:?}"))?;
    Ok((output.status.code(), report))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_round_creates_the_field_and_its_exit_code_says_how_it_went() -> Result<()> {
    let (_, mut nodes) = cluster().await?;
    // By name: `localhost` may have an IPv6 address too, where nobody listens.
    let targets: Vec<String> = nodes.iter().map(|node| format!("localhost:{}", node.grpc.port())).collect();
    let (code, report) = once(&targets, &[])?;
    assert_eq!((code, &report["ok"]), (Some(0), &true.into()), "{report}");
    let names: Vec<&Value> = report["nodes"].as_array().context("nodes")?.iter().map(|node| &node["node"]).collect();
    assert_eq!(names, ["n1", "n2", "n3"]);
    assert_eq!(report["reads"].as_array().map(Vec::len), Some(6), "{report}");
    for node in &nodes {
        let state = node.state("probe").await?;
        let field = state.field.context("a field")?;
        assert_eq!((field.width, field.engine.as_str(), state.k), (4, "synthetic", 3), "{}", node.name);
    }
    nodes[0].kill()?;
    let (code, report) = once(&targets, &[])?;
    assert_eq!(code, Some(1), "{report}");
    let reasons: Vec<&Value> =
        report["nodes"].as_array().context("nodes")?.iter().map(|node| &node["reason"]).collect();
    assert_eq!(reasons, [&Value::from("unreachable"), &Value::Null, &Value::Null]);
    assert_eq!(report["reads"].as_array().map(Vec::len), Some(2), "{report}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_replicate_fails_alone() -> Result<()> {
    let (_, mut nodes) = cluster().await?;
    nodes.truncate(2);
    nodes.push(Launch::new(PROGRAM, "n3").with("--replication-enabled", &false).start()?);
    nodes[2].ready().await?;
    // `default` is there from the start, and 16 wide. The deadline is that of a healthy read on a busy machine.
    let (code, report) = once(&addresses(&nodes), &["--deadline-ms", "3000", "--field", "default"])?;
    assert_eq!(code, Some(1), "{report}");
    let reasons: Vec<&Value> =
        report["nodes"].as_array().context("nodes")?.iter().map(|node| &node["reason"]).collect();
    assert_eq!(reasons, [&Value::Null, &Value::Null, &Value::from("not_replicated")], "{report}");
    assert!(report["nodes"][2]["step_us"].as_u64() > Some(0), "the step itself was acknowledged: {report}");
    Ok(())
}

/// Passes calls on to a node, and shows no step of any field.
struct ForgetfulNode(PsiFieldServiceClient<Channel>);

#[tonic::async_trait]
impl PsiFieldService for ForgetfulNode {
    type StepStreamStream = tokio_stream::Pending<Result<v1::StepStreamResponse, Status>>;
    type WatchStateStream = tokio_stream::Pending<Result<FieldState, Status>>;
    type WatchStepsStream = tokio_stream::Pending<Result<v1::WatchStepsResponse, Status>>;

    async fn step(&self, request: Request<v1::StepRequest>) -> Result<Response<StepResponse>, Status> {
        self.0.clone().step(request).await
    }

    async fn get_state(&self, request: Request<v1::GetStateRequest>) -> Result<Response<FieldState>, Status> {
        let state = self.0.clone().get_state(request).await?;
        Ok(state.map(|state| FieldState { k: 0, ..state }))
    }

    async fn list_fields(
        &self,
        request: Request<v1::ListFieldsRequest>,
    ) -> Result<Response<v1::ListFieldsResponse>, Status> {
        self.0.clone().list_fields(request).await
    }

    async fn create_field(&self, _: Request<v1::CreateFieldRequest>) -> Result<Response<v1::Field>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn step_batch(&self, _: Request<v1::StepBatchRequest>) -> Result<Response<v1::StepBatchResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn step_stream(
        &self,
        _: Request<Streaming<v1::StepRequest>>,
    ) -> Result<Response<Self::StepStreamStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn watch_state(&self, _: Request<v1::WatchStateRequest>) -> Result<Response<Self::WatchStateStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn watch_steps(&self, _: Request<v1::WatchStepsRequest>) -> Result<Response<Self::WatchStepsStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn change_field(&self, _: Request<v1::ChangeFieldRequest>) -> Result<Response<v1::Field>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_guardian(&self, _: Request<v1::GetGuardianRequest>) -> Result<Response<v1::GuardianState>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn reset_field(&self, _: Request<v1::ResetFieldRequest>) -> Result<Response<v1::Field>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn drop_field(&self, _: Request<v1::DropFieldRequest>) -> Result<Response<v1::DropFieldResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn acknowledge_threat(
        &self,
        _: Request<v1::AcknowledgeThreatRequest>,
    ) -> Result<Response<v1::GuardianState>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn label_field(&self, _: Request<v1::LabelFieldRequest>) -> Result<Response<v1::Field>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn name_columns(&self, _: Request<v1::NameColumnsRequest>) -> Result<Response<v1::Field>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn intervene(&self, _: Request<v1::InterveneRequest>) -> Result<Response<v1::InterveneResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_takes_a_token_and_shows_less_lies() -> Result<()> {
    let node = Launch::new(PROGRAM, "n1").start()?;
    node.ready().await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let liar = listener.local_addr()?.to_string();
    let service = PsiFieldServiceServer::new(ForgetfulNode(node.field.clone()));
    let serve = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(serve.serve_with_incoming(TcpListenerStream::new(listener)));
    let honest = node.grpc.to_string();
    let report = tokio::task::spawn_blocking(move || once(&[honest, liar], &[])).await?;
    let (code, report) = report?;
    assert_eq!(code, Some(1), "{report}");
    assert_eq!(report["nodes"][0]["reason"], Value::Null, "{report}");
    assert_eq!(report["nodes"][1]["reason"], "stale", "{report}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_from_the_start_is_shown_in_one_line() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    for (variable, value, code, wanted) in [
        ("PSI_PROBE_LISTEN", address.as_str(), 1, address.as_str()),
        ("PSI_PROBE_LISTEN", "here", 2, "--listen"),
        ("PSI_PROBE_EVERY_MS", "5", 2, "--every-ms"),
        ("PSI_PROBE_FIELD", "a b", 2, "a b"),
        ("PSI_PROBE_EVREY_MS", "500", 2, "did you mean `PSI_PROBE_EVERY_MS`?"),
    ] {
        let mut command = probe(&["127.0.0.1:1".to_owned()]);
        command.env("PSI_PROBE_LISTEN", "127.0.0.1:0").env(variable, value);
        let mut probe = Service::start(command)?;
        let status = probe.ended().await.with_context(|| format!("{variable}={value}"))?;
        assert_eq!(status.code(), Some(code), "{variable}={value}: {:?}", probe.lines());
        let said = probe.says(wanted).await?;
        assert!(said.starts_with("error: "), "{variable}={value}: {said}");
    }
    Ok(())
}
