//! Callers who make fields without end: what that costs is bounded, and says so.

use anyhow::{Context, Result, ensure};
use psi_api::v1::{CreateFieldRequest, DropFieldRequest};
use psi_tests::{
    INCIDENT, eventually,
    process::{Launch, Process},
};
use tonic::{Code, Status};

use crate::{
    PROGRAM,
    strangers::{GROWTH_KIB, resident_kib},
};

async fn create(node: &Process, field: &str, width: u32) -> Result<(), Status> {
    let request = CreateFieldRequest { name: field.to_owned(), width, ..CreateFieldRequest::default() };
    node.field.clone().create_field(request).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_without_end_are_refused_and_steps_go_on() -> Result<()> {
    let node = Launch::new(PROGRAM, "n1").with("--limits-fields-max", &500).start()?;
    node.ready().await?;
    node.step("", &INCIDENT).await?;
    let before = resident_kib(&node)?;
    for number in 1..500 {
        create(&node, &format!("f{number}"), 16).await?;
    }
    let refused = create(&node, "beyond", 16).await.err().context("one too many")?;
    ensure!(refused.code() == Code::ResourceExhausted && refused.message().contains("limits.fields_max is 500"));
    node.step("f499", &INCIDENT).await?;
    let grown = resident_kib(&node)?.saturating_sub(before);
    ensure!(grown < GROWTH_KIB, "grown by {grown} kB");
    Ok(())
}

/// Fields of engine `core` grow for as long as they are stepped.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_node_takes_no_step_until_fields_are_dropped() -> Result<()> {
    const WIDTH: u16 = 4096;
    let node = Launch::new(PROGRAM, "n1").with("--limits-state-bytes-max", &(2 << 20)).start()?;
    node.ready().await?;
    let input: Vec<f64> = (0..WIDTH).map(f64::from).collect();
    let before = resident_kib(&node)?;
    let mut fields = 0;
    let refused = loop {
        ensure!(fields < 1_000, "nothing is refused");
        let field = format!("f{fields}");
        if let Err(status) = create(&node, &field, WIDTH.into()).await {
            break status;
        }
        fields += 1;
        if let Err(status) = node.step(&field, &input).await {
            break status;
        }
    };
    let grown = resident_kib(&node)?.saturating_sub(before);
    ensure!(grown < GROWTH_KIB, "{fields} fields have grown by {grown} kB");
    ensure!(refused.code() == Code::ResourceExhausted && refused.message().contains("limits.state_bytes_max"));
    let step = node.step("", &INCIDENT).await.err().context("a step of a full node")?;
    ensure!(psi_api::cause_of(&step).is_some_and(|(reason, _)| reason == "STATE_FULL"), "{step:?}");
    for number in 0..fields {
        let request = DropFieldRequest { name: format!("f{number}") };
        node.field.clone().drop_field(request).await?;
    }
    eventually("there is room again", async || Ok(node.step("", &INCIDENT).await.is_ok())).await
}
