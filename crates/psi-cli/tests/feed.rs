//! `psi-field feed` as a service, and `psi-field health`, against real nodes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use psi_api::v1::{CreateFieldRequest, DropFieldRequest};
use psi_tests::{
    eventually,
    process::{Launch, Process, free_endpoints},
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
    for (flag, code) in [("--service", 0), ("--guardian", 1)] {
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
