//! `psi-field feed` as a service, and `psi-field health`, against real nodes.

use std::{
    fs,
    net::TcpListener,
    process::{Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use psi_api::v1::{CreateFieldRequest, DropFieldRequest};
use psi_tests::{
    eventually,
    process::{Launch, Process, Signal, free_endpoints},
    service::{self, Service},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_psi-field");

/// A feed of this machine's figures into a field `host`, 20 a second.
fn feed(nodes: &str) -> Result<Service> {
    let source = ["feed", "--host", "--field", "host", "--create", "--every", "0.05", "--service", "--node", nodes];
    Service::start(service::command(PROGRAM, &source))
}

/// Waits until a node has counted more steps of the field.
async fn goes_on(node: &Process) -> Result<()> {
    let before = node.count("host").await;
    eventually("steps go on", async || Ok(node.count("host").await > before + 3)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_waits_for_nodes_and_outlives_them() -> Result<()> {
    let ends = [free_endpoints()?, free_endpoints()?];
    let seeds = format!("{},{}", ends[0].gossip, ends[1].gossip);
    let launch = |index: usize| {
        Launch::new(PROGRAM, &format!("n{}", index + 1))
            .with("--grpc-listen", &ends[index].grpc)
            .with("--gossip-listen", &ends[index].gossip)
            .with("--cluster-seeds", &seeds)
            .with("--cluster-join-ms", &2000)
    };
    // By name, as in a container network.
    let nodes = format!("localhost:{},localhost:{}", ends[0].grpc.port(), ends[1].grpc.port());
    let mut feed = feed(&nodes)?;
    feed.says("waiting: ").await?;

    let mut first = launch(0).start()?;
    let second = launch(1).start()?;
    for node in [&first, &second] {
        node.ready().await?;
        goes_on(node).await?;
    }
    let field = second.state("host").await?.field.context("a field")?;
    assert_eq!(field.width, 16);

    first.kill()?;
    let down = feed.says("; trying on").await?;
    assert!(down.contains(&format!("localhost:{}", ends[0].grpc.port())), "{down}");
    goes_on(&second).await?;
    let first = launch(0).start()?;
    first.ready().await?;
    feed.says(&format!("localhost:{}: accepts steps again", ends[0].grpc.port())).await?;
    goes_on(&first).await?;

    first.field.clone().drop_field(DropFieldRequest { name: "host".to_owned() }).await?;
    eventually("the field is made again", async || {
        let made = first.state("host").await.ok().and_then(|state| state.field);
        Ok(made.is_some_and(|made| made.epoch > field.epoch))
    })
    .await?;
    goes_on(&second).await?;
    assert_eq!(feed.stop().await?.code(), Some(0), "{:?}", feed.lines());
    assert!(feed.said("progress").is_empty() && feed.lines().len() < 40, "not chatty: {:?}", feed.lines());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_can_be_stopped_while_it_waits_for_a_node() -> Result<()> {
    let nobody = free_endpoints()?.grpc.to_string();
    let mut feed = feed(&nobody)?;
    feed.says("waiting: ").await?;
    assert_eq!(feed.stop().await?.code(), Some(0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_stopped_ends_well_whatever_it_lost() -> Result<()> {
    let node = Launch::new(PROGRAM, "n1").start()?;
    node.ready().await?;
    let address = node.grpc.to_string();
    let source = ["feed", "--walk", "--width", "4", "--field", "f", "--every", "0.05", "--node", &address];
    for (flag, code) in [("--service", 0), ("--condition", 1)] {
        let request = CreateFieldRequest { name: "f".to_owned(), width: 4, ..CreateFieldRequest::default() };
        node.field.clone().create_field(request).await?;
        let mut command = service::command(PROGRAM, &source);
        command.arg(flag);
        let mut feed = Service::start(command)?;
        eventually("steps arrive", async || Ok(node.count("f").await > 3)).await?;
        node.field.clone().drop_field(DropFieldRequest { name: "f".to_owned() }).await?;
        feed.says("there is no field `f`").await?;
        // Ctrl-C or SIGTERM is the ordinary end of a service, and of others an interruption.
        assert_eq!(feed.stop().await?.code(), Some(code), "{flag}: {:?}", feed.lines());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn health_asks_the_node_that_the_settings_around_it_are_for() -> Result<()> {
    let node = Launch::new(PROGRAM, "n1").start()?;
    node.ready().await?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("psi.toml");
    std::fs::write(&file, format!("[grpc]\nlisten = \"0.0.0.0:{}\"\n", node.grpc.port()))?;
    let anywhere = format!("0.0.0.0:{}", node.grpc.port());
    let own = node.grpc.to_string();
    let nobody = free_endpoints()?.grpc.to_string();
    // A node shows its members a moment before its health.
    eventually("the node is healthy", async || {
        Ok(service::command(PROGRAM, &["health", "--node", &own]).output()?.status.success())
    })
    .await?;
    for (variables, code) in [
        (&[("PSI_GRPC_LISTEN", anywhere.as_str())][..], 0),
        (&[("PSI_CONFIG", file.to_str().context("a path")?)], 0),
        (&[("PSI_GRPC_LISTEN", nobody.as_str())], 1),
        (&[("PSI_GRPC_LISTEN", nobody.as_str()), ("PSI_NODES", own.as_str())], 0),
    ] {
        let begun = Instant::now();
        let output = service::command(PROGRAM, &["health"]).envs(variables.iter().copied()).output()?;
        assert_eq!(output.status.code(), Some(code), "{variables:?}: {output:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{variables:?}");
    }
    Ok(())
}

/// Runs a command with `input` to its end.
fn run(arguments: &[&str], input: &str) -> Result<Output> {
    let mut command = service::command(PROGRAM, arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    std::io::Write::write_all(&mut child.stdin.take().context("standard input")?, input.as_bytes())?;
    Ok(child.wait_with_output()?)
}

/// The summary of a feed.
fn summary(output: &Output) -> Result<serde_json::Value> {
    serde_json::from_slice(&output.stdout).with_context(|| format!("{output:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_of_a_source_counts() -> Result<()> {
    let node = Launch::new(PROGRAM, "n1").start()?;
    node.ready().await?;
    let address = node.grpc.to_string();
    let source = ["feed", "--jsonl", "--field", "f", "--create", "--output", "json", "--node", &address];
    for (input, accepted, unreadable, code) in [
        ("[1,2,null]\n[4,5,6]\n", 1, 1, 1),
        ("[4,5,6]\n[1,2,null]\n", 1, 1, 1),
        ("\u{feff}[1,2,3]\n[4,5,6]\n", 2, 0, 0),
    ] {
        let output = run(&source, input)?;
        let summary = summary(&output)?;
        assert_eq!((&summary["accepted"], &summary["unreadable"]), (&accepted.into(), &unreadable.into()), "{input}");
        assert_eq!(output.status.code(), Some(code), "{input}");
    }
    let output = run(&source, "x\ny\n")?;
    let said = String::from_utf8(output.stderr)?;
    assert!(output.status.code() == Some(1) && said.contains("2 lines left out"), "{said}");
    Ok(())
}

/// Rows that an engine remembers in their order: what it answers in the end tells whether they came in it.
fn rows(count: u32) -> String {
    let row = |row: u32| format!("{0},{1},{2}\n", (row * 7) % 11, (row * 5) % 13, row % 3);
    format!("a,b,c\n{}", (0..count).map(row).collect::<String>())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_scored_in_its_order_by_one_node_after_another() -> Result<()> {
    let ends = [free_endpoints()?, free_endpoints()?];
    let seeds = format!("{},{}", ends[0].gossip, ends[1].gossip);
    let launch = |index: usize| {
        Launch::new(PROGRAM, &format!("n{}", index + 1))
            .with("--grpc-listen", &ends[index].grpc)
            .with("--gossip-listen", &ends[index].gossip)
            .with("--cluster-seeds", &seeds)
    };
    let (first, second) = (launch(0).start()?, launch(1).start()?);
    for node in [&first, &second] {
        node.ready().await?;
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("a.csv");
    fs::write(&file, rows(600))?;
    let file = file.to_str().context("a path")?;
    let nodes = format!("{},{}", ends[0].grpc, ends[1].grpc);
    let source = ["feed", "--csv", file, "--field", "f", "--create", "--output", "json", "--node", &nodes];

    let replayed = run(&["replay", file, "--engine", "core", "--output", "json"], "")?;
    let steps = String::from_utf8(replayed.stdout)?.lines().count();
    let begun = Instant::now();
    let output = run(&source, "")?;
    let summary = summary(&output)?;
    assert_eq!((output.status.code(), &summary["accepted"], steps), (Some(0), &600.into(), 600), "{output:?}");
    assert_eq!(summary["accepted_by_node"].as_object().map(serde_json::Map::len), Some(1), "{summary}");
    assert_eq!(summary["last"]["k"], 600, "the last row is the last step");
    assert!(begun.elapsed() < Duration::from_secs(60), "as fast as the node takes it");
    let field = first.state("f").await?.field.context("a field")?;
    assert_eq!(field.guardian, i32::from(psi_api::v1::GuardianMode::Watch));

    // The first node goes in the middle; the second one goes on behind the last step that was answered.
    let paced = [&source[..], &["--rate", "100"]].concat();
    let mut feed = Service::start(service::command(PROGRAM, &paced))?;
    eventually("steps arrive", async || Ok(second.count("f").await > 650)).await?;
    first.signal(Signal::TERM)?;
    assert_eq!(feed.ended().await?.code(), Some(0), "{:?}", feed.lines());
    assert_eq!(second.count("f").await, 1200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_answer_is_passed_over() -> Result<()> {
    // It accepts connections, as a process that is stopped does, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let frozen = Launch::new(PROGRAM, "n1").start()?;
    let node = Launch::new(PROGRAM, "n2").start()?;
    for node in [&frozen, &node] {
        node.ready().await?;
    }
    frozen.signal(Signal::STOP)?;
    for address in [silent.local_addr()?, frozen.grpc] {
        let nodes = format!("{address},{}", node.grpc);
        for call in [&["state"][..], &["members"], &["field", "list"], &["step", "--incident"]] {
            let begun = Instant::now();
            let output = run(&[call, &["--node", &nodes]].concat(), "")?;
            let said = String::from_utf8(output.stderr)?;
            assert!(output.status.success(), "{call:?}: {said}");
            assert!(said.contains(&format!("{address}: no answer within 1 s; asking {}", node.grpc)), "{said}");
            assert!(begun.elapsed() < Duration::from_secs(4), "{call:?}: {:?}", begun.elapsed());
        }
        for more in [&["--csv", "-"][..], &["--walk", "--width", "3", "--count", "40", "--rate", "20"]] {
            let folder = tempfile::tempdir()?;
            let file = folder.path().join("a.csv");
            fs::write(&file, rows(40))?;
            let path = file.to_str().context("a path")?;
            let more: Vec<&str> = more.iter().map(|word| if *word == "-" { path } else { word }).collect();
            let source =
                [&["feed", "--field", "f", "--create", "--output", "json", "--node", &nodes], &more[..]].concat();
            let output = run(&source, "")?;
            let summary = summary(&output)?;
            assert_eq!((output.status.code(), &summary["accepted"]), (Some(0), &40.into()), "{output:?}");
            let said = String::from_utf8(output.stderr)?;
            assert!(said.contains(&format!("{address}: no answer within 1 s")), "{said}");
        }
    }
    frozen.signal(Signal::CONT)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_takes_its_turn_again_once_it_answers() -> Result<()> {
    let nodes = [Launch::new(PROGRAM, "n1").start()?, Launch::new(PROGRAM, "n2").start()?];
    for node in &nodes {
        node.ready().await?;
    }
    let addresses = format!("{},{}", nodes[0].grpc, nodes[1].grpc);
    let mut feed =
        Service::start(service::command(PROGRAM, &["feed", "--incident", "--rate", "50", "--node", &addresses]))?;
    for node in &nodes {
        eventually("steps arrive", async || Ok(node.count("default").await > 10)).await?;
    }
    nodes[0].signal(Signal::STOP)?;
    feed.says(&format!("{}: no answer within", nodes[0].grpc)).await?;
    let before = nodes[1].count("default").await;
    eventually("steps go on", async || Ok(nodes[1].count("default").await > before + 100)).await?;
    nodes[0].signal(Signal::CONT)?;
    feed.says(&format!("{}: accepts steps again", nodes[0].grpc)).await?;
    feed.stop().await?;
    Ok(())
}

/// Readings of a plant, none of them like another, or with a frozen pressure.
fn readings(header: &str, count: u64, is_frozen: bool) -> String {
    let noise = |row: u64, column: u64| {
        let parts = (0..12).map(|part| {
            let hash = (row * 36 + column * 12 + part).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mixed = (hash ^ (hash >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            ((mixed ^ (mixed >> 32)) >> 11) as f64 / (1_u64 << 53) as f64
        });
        parts.sum::<f64>() - 6.0
    };
    let row = |row: u64| {
        let pressure = if is_frozen { 6.25 } else { 6.2 + 0.25 * noise(row, 1) };
        format!("{},{pressure},{}\n", 41.0 + noise(row, 0), 18.0 + 0.9 * noise(row, 2))
    };
    format!("{header}\n{}", (0..count).map(row).collect::<String>())
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_a_file_keep_their_names() -> Result<()> {
    let node = Launch::new(PROGRAM, "n1").start()?;
    node.ready().await?;
    let (address, folder) = (node.grpc.to_string(), tempfile::tempdir()?);
    let file = |name: &str, text: String| -> Result<String> {
        let path = folder.path().join(name);
        fs::write(&path, text)?;
        Ok(path.to_str().context("a path")?.to_owned())
    };
    let at_node = |arguments: &[&str]| run(&[arguments, &["--node", &address]].concat(), "");

    let usual = file("usual.csv", readings("temp,pressure,flow", 2600, false))?;
    let made = ["--create", "--engine", "synthetic", "--rate", "200"];
    let fed = at_node(&[&["feed", "--csv", &usual, "--field", "f"][..], &made].concat())?;
    assert!(fed.status.success(), "{fed:?}");
    assert_eq!(node.state("f").await?.field.context("a field")?.names, ["temp", "pressure", "flow"]);
    let set = at_node(&["drift", "baseline", "set", "f"])?;
    assert!(set.status.success(), "{set:?}");

    let frozen = file("frozen.csv", readings("temp,pressure,flow", 8000, true))?;
    let source = ["feed", "--csv", &frozen, "--field", "f", "--rate", "200", "--node", &address];
    let mut feed = Service::start(service::command(PROGRAM, &source))?;
    eventually("the drift is named", async || {
        let state: serde_json::Value =
            serde_json::from_slice(&at_node(&["state", "--field", "f", "--output", "json"])?.stdout)?;
        let drift = &state["drift"];
        let place = drift["columns"].as_array().and_then(|columns| columns.iter().position(|column| *column == 1));
        Ok(place.is_some_and(|place| drift["column_names"][place] == "pressure"))
    })
    .await?;
    let shown = String::from_utf8(at_node(&["state", "--field", "f"])?.stdout)?;
    let line = shown.lines().find(|line| line.starts_with("drift ")).context("a verdict")?;
    assert!(line.contains("severity") && line.contains("pressure"), "{shown}");
    assert!(shown.lines().any(|line| line.trim_start().starts_with("flow ")), "{shown}");
    let report = String::from_utf8(at_node(&["drift", "show", "f"])?.stdout)?;
    assert!(report.lines().any(|line| line.trim_start().starts_with("pressure ")), "{report}");
    feed.stop().await?;

    // Another order is no other data: it is said, and fed.
    let other = file("other.csv", readings("pressure,temp,flow", 20, false))?;
    let fed = at_node(&["feed", "--csv", &other, "--field", "f", "--count", "1"])?;
    let said = String::from_utf8(fed.stderr)?;
    let warning = "warning: field `f` calls its columns temp, pressure, flow; the source has pressure, temp, flow.";
    assert!(fed.status.success() && said.contains(warning), "{said}");
    // Names that no field takes do not stand in the way of one.
    let twice = file("twice.csv", readings("x,x,flow", 20, false))?;
    let fed = at_node(&["feed", "--csv", &twice, "--field", "g", "--create"])?;
    let said = String::from_utf8(fed.stderr)?;
    assert!(fed.status.success() && said.contains("get no names: columns 1 and 2 are both called `x`"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_named_by_hand() -> Result<()> {
    let node = Launch::new(PROGRAM, "n1").start()?;
    node.ready().await?;
    let address = node.grpc.to_string();
    for (arguments, code, says) in [
        (&["field", "create", "f", "--width", "2", "--names", "temp,pressure"][..], 0, "created field f"),
        (&["field", "columns", "f"], 0, "f: temp, pressure"),
        (&["field", "columns", "f", "t,p"], 0, "f: t, p"),
        (&["field", "columns", "f", "t,p,v"], 1, "field `f` has 2 columns, and 3 names were given"),
        (&["field", "columns", "f", "t,t"], 1, "columns 1 and 2 are both called `t`"),
        (&["field", "columns", "f"], 0, "f: t, p"),
        (&["field", "columns", "f", "--clear"], 0, "the columns of f have no names"),
    ] {
        let output = run(&[arguments, &["--node", &address]].concat(), "")?;
        let said = String::from_utf8([output.stdout, output.stderr].concat())?;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
    Ok(())
}
