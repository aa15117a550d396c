//! A node that holds many fields.

use futures_util::{StreamExt, TryStreamExt, stream};
use psi_api::v1::{StepBatchRequest, Vector};
use psi_client::Connection;
use tonic::Status;

use super::{process::Node, rig};
use crate::{client, error::BenchError};

/// Steps in each field.
const STEPS: usize = 10;
/// Fields that are made at once.
const AT_ONCE: usize = 32;

/// Makes fields until there are `count` beside `default`, which every node has; ten steps in each.
///
/// # Errors
/// If the node refuses.
pub(crate) async fn fill(node: &Node, count: u32) -> Result<(), BenchError> {
    let channel = node.connect().await?;
    let steps = rig::batch_of(&rig::vectors(), 0, STEPS);
    let more = (1..count).map(|number| Some(format!("{}-{number}", rig::FIELD)));
    let filled = stream::iter(std::iter::once(None).chain(more))
        .map(|name| make(channel.clone(), name, steps.clone()))
        .buffer_unordered(AT_ONCE)
        .try_for_each(async |()| Ok(()))
        .await;
    filled.map_err(|status| BenchError::refused(&node.grpc.to_string(), &status))
}

/// Of no name it is the field that is stepped, which is there.
async fn make(channel: Connection, name: Option<String>, inputs: Vec<Vector>) -> Result<(), Status> {
    let mut client = client::fields(channel);
    if let Some(name) = &name {
        client.create_field(rig::create_request(name)).await?;
    }
    let field = name.unwrap_or_else(|| rig::FIELD.to_owned());
    client.step_batch(StepBatchRequest { field, inputs, ..StepBatchRequest::default() }).await?;
    Ok(())
}

/// How many fields the node knows, `default` left out.
pub(crate) async fn count(channel: Connection) -> Result<usize, Status> {
    let fields = client::all_fields(channel).await?.into_inner();
    Ok(fields.iter().filter(|field| field.name != psi_replica::DEFAULT_FIELD).count())
}
