//! The program itself: processes, signals, exit codes.

use std::{
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use psi_tests::{DEADLINE, INCIDENT};
use serde_json::Value;

/// `psi-field`, without settings from the environment.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_psi-field"));
    command.env_clear().envs(std::env::vars().filter(|(name, _)| !name.starts_with("PSI_")));
    command
}

/// A node process; killed when dropped.
struct Process {
    child: Child,
    grpc: String,
    gossip: String,
}

impl Process {
    /// Starts a node on free ports and reads its addresses from its first log line.
    fn start(name: &str, seed: Option<&str>) -> Result<Self> {
        // One that has a seed is not to give up on it while the machine is busy.
        let join_ms = if seed.is_some() { "600000" } else { "300" };
        let mut command = program();
        command.args(["node", "--node-id", name, "--log-format", "json", "--cluster-join-ms", join_ms]);
        for listen in ["--grpc-listen", "--http-listen", "--gossip-listen"] {
            command.args([listen, "127.0.0.1:0"]);
        }
        command.args(seed.iter().flat_map(|seed| ["--cluster-seeds", seed]));
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let lines = BufReader::new(child.stderr.take().context("stderr")?).lines();
        let (sender, lines_sent) = mpsc::channel();
        // Reads to the end, so that the pipe does not fill up.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let started = loop {
            let line = lines_sent.recv_timeout(DEADLINE).context("the node did not say that it started")?;
            let entry: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
            if entry["message"] == "node started" {
                break entry;
            }
        };
        let address = |key: &str| started[key].as_str().map(str::to_owned).context("an address");
        Ok(Self { child, grpc: address("grpc")?, gossip: address("gossip")? })
    }

    fn signal(&self, signal: &str) -> Result<()> {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status()?;
        if sent.success() { Ok(()) } else { bail!("kill {signal} failed") }
    }

    /// Whether SIGINT, which is signal 2, is caught.
    fn catches_interrupts(&self) -> Result<bool> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).context("signals that are caught")?;
        Ok(u64::from_str_radix(caught.trim(), 16)? & 0b10 != 0)
    }

    /// Waits for the end of the process.
    fn ended(&mut self) -> Result<ExitStatus> {
        let begun = Instant::now();
        while begun.elapsed() < DEADLINE {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("the process did not end")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command until it succeeds; its answer as JSON.
fn eventually_json(arguments: &[&str]) -> Result<Value> {
    let begun = Instant::now();
    loop {
        let output = program().args(arguments).args(["--output", "json"]).output()?;
        if output.status.success() {
            return Ok(serde_json::from_slice(&output.stdout)?);
        }
        if begun.elapsed() > DEADLINE {
            bail!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_open_streams_ends_within_five_seconds_of_either_signal() -> Result<()> {
    for signal in ["-TERM", "-INT"] {
        let mut node = Process::start("n1", None)?;
        eventually_json(&["step", "--incident", "--node", &node.grpc])?;
        let address = format!("http://{}", node.grpc);
        let mut client = psi_api::v1::psi_field_service_client::PsiFieldServiceClient::connect(address).await?;
        let step = psi_api::v1::StepRequest { input: INCIDENT.to_vec(), ..Default::default() };
        let endless = tokio_stream::StreamExt::chain(tokio_stream::once(step), tokio_stream::pending());
        let mut stream = client.step_stream(endless).await?.into_inner();
        stream.message().await?;
        let mut watch = client.watch_state(psi_api::v1::WatchStateRequest::default()).await?.into_inner();
        watch.message().await?;
        let begun = Instant::now();
        node.signal(signal)?;
        let status = node.ended()?;
        assert!(status.success(), "{signal}: {status}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{signal}: took {:?}", begun.elapsed());
    }
    Ok(())
}

#[test]
fn a_port_in_use_is_named_with_its_setting() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let output = program().args(["node", "--grpc-listen", &address, "--http-listen", "127.0.0.1:0"]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&address) && said.contains("grpc.listen"), "{said}");
    Ok(())
}

#[test]
fn a_killed_node_is_noticed_and_what_it_had_replicated_stays() -> Result<()> {
    let first = Process::start("n1", None)?;
    let second = Process::start("n2", Some(&first.gossip))?;
    for _ in 0..3 {
        eventually_json(&["step", "--incident", "--node", &second.grpc])?;
    }
    wait_for(&["state", "--node", &first.grpc], |state| state["k"] == 3)?;
    second.signal("-KILL")?;
    let begun = Instant::now();
    loop {
        let output = program().args(["members", "--node", &first.grpc]).output()?;
        let said = String::from_utf8([output.stdout, output.stderr].concat())?;
        // Of two members one is no majority, and the exit code says so.
        if said.contains("alone; 1 member is dead") {
            assert_eq!(output.status.code(), Some(1), "{said}");
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "{said}");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(eventually_json(&["state", "--node", &first.grpc])?["k"], 3);
    Ok(())
}

fn wait_for(arguments: &[&str], holds: impl Fn(&Value) -> bool) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < DEADLINE {
        if holds(&eventually_json(arguments)?) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("{arguments:?} never showed what was waited for")
}

/// What a demo reports, which must go as promised.
fn played(arguments: &[&str]) -> Result<Value> {
    let mut child = program()
        .arg("demo")
        .args(arguments)
        .args(["--output", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    let mut text = String::new();
    child.stdout.take().context("stdout")?.read_to_string(&mut text)?;
    let status = child.wait()?;
    let report: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
    assert!(status.success(), "{report:#}");
    Ok(report)
}

#[test]
fn the_demo_ends_in_agreement() -> Result<()> {
    let report = played(&["--seconds", "3"])?;
    assert_eq!(report["agreement"], true, "{report:#}");
    let spread = report["replication_off"]["spread"].as_f64().context("a spread")?;
    assert!((spread - 0.8).abs() < 1e-9, "without replication the nodes drift as on the day: {spread}");
    assert_eq!(report["replication_on"]["spread"], 0.0, "{report:#}");
    assert_eq!(report["node_returning"]["steps_failed"], 0, "{report:#}");
    Ok(())
}

#[test]
fn the_rollouts_of_the_demo_go_as_promised() -> Result<()> {
    let report = played(&["--rollout"])?;
    let acts = report["acts"].as_array().context("acts")?;
    let promises: Vec<&Value> = acts.iter().filter_map(|act| act["promises"].as_array()).flatten().collect();
    assert_eq!((acts.len(), &report["kept_all"]), (4, &true.into()), "{report:#}");
    assert!(promises.len() >= 20 && promises.iter().all(|promise| promise["kept"] == true), "{report:#}");
    assert_eq!(report["promotion"]["percent"], serde_json::json!([10.0, 50.0, 100.0]), "{report:#}");
    assert!(report["rollback"]["canary_steps"].as_u64() >= Some(100), "what the plan asks for: {report:#}");
    // The node that was left wrote it, and nobody told it to.
    let records = report["records"].as_array().context("records")?;
    let rollbacks: Vec<&Value> = records.iter().filter(|record| record["kind"] == "rollback").collect();
    assert!(rollbacks.iter().any(|record| record["by"] == "node n1"), "{report:#}");
    Ok(())
}

#[test]
fn a_command_reads_on_one_node_what_another_wrote_and_is_counted_once() -> Result<()> {
    let first = Process::start("n1", None)?;
    let second = Process::start("n2", Some(&first.gossip))?;
    // A joiner: it answers once it has caught up.
    eventually_json(&["state", "--node", &second.grpc])?;
    let once = ["step", "--incident", "--node", &first.grpc, "--request-id", "a", "--replicate-to", "all"];
    let step = eventually_json(&[&once[..], &["--deadline-ms", "30000"]].concat())?;
    assert_eq!(step["replicated"], serde_json::json!({ "level": "all", "nodes": 2, "of": 2 }), "{step}");
    assert_eq!(eventually_json(&once)?, step, "the same request, whatever its terms");
    let token = step["token"].as_str().context("a token")?;
    let state = eventually_json(&["state", "--node", &second.grpc, "--after", token, "--deadline-ms", "30000"])?;
    assert_eq!((&state["k"], &state["node"]), (&1.into(), &"n2".into()));
    let damaged = format!("{}{}", &token[..20], &token[21..]);
    let refused = program().args(["state", "--node", &second.grpc, "--after", &damaged]).output()?;
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("token"), "{refused:?}");
    Ok(())
}

#[test]
fn fields_are_made_changed_and_guarded_by_commands() -> Result<()> {
    let node = Process::start("n1", None)?;
    let at = ["--node", &node.grpc];
    let json = |line: &str| eventually_json(&[&line.split(' ').collect::<Vec<_>>()[..], &at].concat());
    let text = |line: &str| -> Result<(Option<i32>, String)> {
        let output = program().args(line.split(' ')).args(at).output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.code(), String::from_utf8(said)?))
    };
    let made = json("field create f --width 2")?;
    assert_eq!((&made["engine"], &made["guardian"]), (&"core".into(), &"intervene".into()), "{made}");
    let changed = json("field change f --param dt=0.1 --guardian watch --engine synthetic")?;
    let shown = (&changed["engine"], &changed["guardian"], &changed["parameters"]["dt"], &changed["width"]);
    assert_eq!(shown, (&"synthetic".into(), &"watch".into(), &0.1.into(), &2.into()), "{changed}");
    // The last number is 3 from the mean, and 2 is too much.
    let step = json("step --field f 0 6")?;
    assert_eq!(
        (&step["time"], &step["guardian"], &step["novelty"]),
        (&Value::Null, &Value::Null, &0.0.into()),
        "{step}"
    );
    let status = json("guardian status --field f")?;
    let shown = (&status["red_flag"], &status["mode"], &status["interventions"], &status["last_step"]);
    assert_eq!(shown, (&"high_prediction_error".into(), &"watch".into(), &0.into(), &Value::Null), "{status}");
    for (line, code, parts) in [
        ("guardian status --field f", 0, &["mode watch", "up: high_prediction_error"][..]),
        ("guardian statistics --field f", 0, &["thresholds     fixed", "above 2 ", "below 0.25 "]),
        ("state --field f", 0, &["red flag       up: high_prediction_error", "novelty        0"]),
        ("field list", 0, &["scale exp", "guardian", "watch"]),
        (
            "field change f --engine core",
            1,
            &["has history (steps counted: 1), and engine can't be changed", "reset it first"],
        ),
        ("field change f", 2, &["--param"]),
        ("field reset f --yes --engine core --guardian intervene", 0, &["starts over", "core", "intervene"]),
        ("step --field f 0.1 0.2", 0, &["novelty", "attention_gain", "time"]),
        ("state --field f", 0, &["engine core, guardian intervene", "field time t", "working and"]),
    ] {
        let (got, said) = text(line)?;
        assert_eq!(got, Some(code), "{line}: {said}");
        for part in parts {
            assert!(said.contains(part), "{line}: {part}: {said}");
        }
    }
    let fed = "feed --walk --width 3 --count 1 --rate max --field fed --create --engine synthetic --guardian watch";
    assert_eq!(text(fed)?.0, Some(0));
    let state = json("state --field fed")?;
    assert_eq!((&state["field"]["engine"], &state["field"]["guardian"]), (&"synthetic".into(), &"watch".into()));
    assert_eq!(state["learned"], Value::Null, "{state}");
    Ok(())
}

#[test]
fn a_field_is_labelled_by_commands_and_shown_with_its_label() -> Result<()> {
    let node = Process::start("n1", None)?;
    let at = ["--node", &node.grpc];
    let made = eventually_json(&[&["field", "create", "f", "--width", "2"], &at[..]].concat())?;
    assert_eq!(made["label"], Value::Null, "{made}");
    for (line, code, part) in [
        ("field label f", 0, "f has no label"),
        ("field label f pumps", 0, "f: pumps"),
        ("field label f --clear more", 2, "cannot be used with"),
        ("field label g pumps", 1, "there is no field `g`"),
        ("field reset f --yes", 0, "starts over"),
        ("state --field f", 0, "label          pumps"),
        ("field label f", 0, "f: pumps"),
        ("field list", 0, "pumps"),
        ("field label f --clear", 0, "f has no label"),
    ] {
        let output = program().args(line.split(' ')).args(at).output()?;
        let said = String::from_utf8([output.stdout, output.stderr].concat())?;
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        assert!(said.contains(part), "{line}: {said}");
    }
    let labelled = eventually_json(&[&["field", "label", "f", "hall-3"], &at[..]].concat())?;
    assert_eq!(labelled["label"], "hall-3");
    Ok(())
}

#[test]
fn a_node_that_joins_says_in_its_health_why_it_accepts_no_steps() -> Result<()> {
    // Nobody listens there.
    let node = Process::start("n1", Some("127.0.0.1:9"))?;
    let output = program().args(["health", "--node", &node.grpc]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("still joining: no ready member of this cluster has been reached"), "{said}");
    Ok(())
}

#[test]
fn transcripts_are_printed_by_name_and_an_unknown_one_is_refused_with_the_list() -> Result<()> {
    let output = program().args(["sim", "--transcript", "hello"]).output()?;
    let want = psi_sim::transcripts::print("hello").context("a transcript of that name")?;
    assert_eq!((output.status.code(), String::from_utf8(output.stdout)?), (Some(0), want));

    let output = program().args(["sim", "--transcript", "goodbye"]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("goodbye") && said.contains("hello, delta"), "{said}");
    Ok(())
}

#[test]
fn a_sweep_of_the_simulator_that_is_stopped_says_how_far_it_came() -> Result<()> {
    let mut sim = program();
    sim.args(["sim", "--seeds", "1000000"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut sim = Process { child: sim.spawn()?, grpc: String::new(), gossip: String::new() };
    let begun = Instant::now();
    while !sim.catches_interrupts()? {
        assert!(begun.elapsed() < DEADLINE, "it waits for no signal");
        std::thread::yield_now();
    }
    sim.signal("-INT")?;
    assert_eq!(sim.ended()?.code(), Some(1));
    let (mut found, mut said) = (String::new(), String::new());
    sim.child.stdout.take().context("stdout")?.read_to_string(&mut found)?;
    sim.child.stderr.take().context("stderr")?.read_to_string(&mut said)?;
    assert!(found.contains(" held (") && found.contains("marker"), "{found}");
    assert!(said.contains("of 1000000 seeds, in which nothing was wrong; the rest: --first-seed "), "{said}");
    Ok(())
}
