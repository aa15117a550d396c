//! The gRPC surface: services, health, reflection.

mod cluster;
mod field;
mod messages;
mod replication;
mod steps;
mod streams;

use std::{future::Future, sync::Arc, time::Duration};

use psi_api::v1::{
    cluster_service_server::ClusterServiceServer, psi_field_service_server::PsiFieldServiceServer,
    replication_service_server::ReplicationServiceServer,
};
use psi_replica::FRAME_ENCODED_MAX;
use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    calls::{ops::Ops, readiness::is_writable},
    links::{KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, registry::Links},
    node::context::NodeContext,
};

/// Largest message of a client, bytes.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Serves gRPC until `stop` resolves and calls in progress have ended.
pub(crate) async fn serve(
    context: Arc<NodeContext>,
    links: Arc<Links>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let ops = Ops { context: context.clone() };
    let field = PsiFieldServiceServer::new(field::FieldService { ops: ops.clone() })
        .max_decoding_message_size(MESSAGE_BYTES_MAX);
    let cluster = ClusterServiceServer::new(cluster::ClusterView { ops });
    let replication = ReplicationServiceServer::new(replication::Replication { context: context.clone(), links })
        .max_decoding_message_size(FRAME_ENCODED_MAX);
    let reflection = |builder: tonic_reflection::server::Builder<'static>| {
        builder
            .register_encoded_file_descriptor_set(psi_api::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (reporter, health) = tonic_health::server::health_reporter();
    tokio::spawn(report_health(context.clone(), reporter));
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .tcp_nodelay(true)
        .concurrency_limit_per_connection(context.settings.calls_per_connection_max)
        .load_shed(true)
        .add_service(field)
        .add_service(cluster)
        .add_service(replication)
        .add_service(health)
        .add_service(reflection(tonic_reflection::server::Builder::configure()).build_v1().expect("valid descriptors"))
        .add_service(
            reflection(tonic_reflection::server::Builder::configure()).build_v1alpha().expect("valid descriptors"),
        )
        .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), stop)
        .await
}

/// Updates the standard health service: serving while the node accepts steps.
async fn report_health(context: Arc<NodeContext>, reporter: HealthReporter) {
    const LOOK: Duration = Duration::from_millis(250);
    loop {
        let serving = context.read(is_writable);
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        reporter.set_service_status("", status).await;
        reporter.set_service_status("psi.v1.PsiFieldService", status).await;
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = context.stop.cancelled() => break,
        }
    }
    reporter.set_service_status("", ServingStatus::NotServing).await;
    reporter.set_service_status("psi.v1.PsiFieldService", ServingStatus::NotServing).await;
}
