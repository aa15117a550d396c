//! Calls that one connection may have in progress, open streams among them.

use anyhow::{Context, Result, ensure};
use psi_api::v1::{
    GetStateRequest, PingRequest, StepRequest, WatchStateRequest, WatchStepsRequest,
    cluster_service_client::ClusterServiceClient, psi_field_service_client::PsiFieldServiceClient,
};
use psi_node::Settings;
use psi_tests::{DEADLINE, INCIDENT, Member, eventually, settings};
use tokio::sync::mpsc;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::{Code, Status, Streaming, transport::Channel};

/// Each kind of stream once.
const LIMIT: usize = 3;

async fn member() -> Result<Member> {
    Member::start(Settings { calls_per_connection_max: LIMIT, ..settings("n1", &[]) }).await
}

async fn channel(member: &Member) -> Result<Channel> {
    Ok(Channel::from_shared(format!("http://{}", member.node.addresses().grpc))?.connect().await?)
}

/// The first answer of a stream, which stays open.
async fn first<T>(stream: &mut Streaming<T>) -> Result<T> {
    Ok(tokio::time::timeout(DEADLINE, stream.next()).await?.context("the stream goes on")??)
}

async fn get_state(client: &PsiFieldServiceClient<Channel>) -> Result<(), Status> {
    client.clone().get_state(GetStateRequest::default()).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_counts_while_it_is_open() -> Result<()> {
    let member = member().await?;
    for round in 0..3 {
        let client = PsiFieldServiceClient::new(channel(&member).await?);
        let mut states = client.clone().watch_state(WatchStateRequest::default()).await?.into_inner();
        first(&mut states).await?;
        let mut watched = client.clone().watch_steps(WatchStepsRequest::default()).await?.into_inner();
        first(&mut watched).await?;
        get_state(&client).await.context("the last that is left")?;
        let step = StepRequest { input: INCIDENT.to_vec(), ..Default::default() };
        let (sender, requests) = mpsc::channel(1);
        sender.send(step).await?;
        let mut steps = client.clone().step_stream(ReceiverStream::new(requests)).await?.into_inner();
        first(&mut steps).await?;

        let refused = get_state(&client).await.err().context("one too many")?;
        ensure!(refused.code() == Code::ResourceExhausted, "{refused:?}");
        let (reason, values) = psi_api::cause_of(&refused).context("a cause")?;
        ensure!(reason == "TOO_MANY_CALLS" && values["limit"] == LIMIT.to_string(), "{reason} {values:?}");
        ensure!(refused.message().contains("grpc.calls_per_connection_max"), "{refused:?}");
        // The limit is each connection's own.
        ClusterServiceClient::new(channel(&member).await?).ping(PingRequest::default()).await?;

        // The end of any makes room.
        match round {
            0 => drop(states),
            1 => drop(watched),
            _ => drop((steps, sender)),
        }
        eventually("there is room again", async || Ok(get_state(&client).await.is_ok())).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_streams_on_one_connection_are_refused_but_the_first() -> Result<()> {
    let member = member().await?;
    let client = PsiFieldServiceClient::new(channel(&member).await?);
    let calls = (0..2_000).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move { client.watch_state(WatchStateRequest::default()).await })
    });
    let mut open = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        match tokio::time::timeout(DEADLINE, call).await?? {
            Ok(stream) => open.push(stream),
            Err(refused) => ensure!(refused.code() == Code::ResourceExhausted, "{refused:?}"),
        }
    }
    ensure!(open.len() == LIMIT, "{} are open", open.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_makes_one_call_after_the_other_is_never_refused() -> Result<()> {
    let member = Member::start(Settings { calls_per_connection_max: 1, ..settings("n1", &[]) }).await?;
    let client = PsiFieldServiceClient::new(channel(&member).await?);
    for _ in 0..2_000 {
        get_state(&client).await?;
        let unknown = GetStateRequest { field: "unknown".to_owned(), ..Default::default() };
        let refused = client.clone().get_state(unknown).await.err().context("there is no such field")?;
        ensure!(refused.code() == Code::NotFound, "{refused:?}");
    }
    Ok(())
}
