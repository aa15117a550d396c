//! The gRPC surface: services, health, reflection.

mod calls;
mod cluster;
mod connections;
mod drift;
mod field;
mod governance;
mod messages;
mod replication;
mod steps;
mod streams;

use std::{future::Future, sync::Arc, time::Duration};

use psi_api::v1::{
    cluster_service_server::ClusterServiceServer, drift_service_server::DriftServiceServer,
    lease_service_server::LeaseServiceServer, ledger_service_server::LedgerServiceServer,
    process_service_server::ProcessServiceServer, psi_field_service_server::PsiFieldServiceServer,
    quorum_service_server::QuorumServiceServer, replication_service_server::ReplicationServiceServer,
    rollout_service_server::RolloutServiceServer, version_service_server::VersionServiceServer,
};
use psi_replica::FRAME_ENCODED_MAX;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic_health::{ServingStatus, server::HealthReporter};

use self::{
    calls::MESSAGE_BYTES_MAX,
    governance::{lease, ledger, process, rollout},
};
use crate::{
    calls::{ops::Ops, readiness::is_writable},
    links::registry::Links,
    node::{connections::accept, context::NodeContext, identity::port::Port},
};

/// Serves gRPC until `stop` resolves and calls in progress have ended, or for `drain` longer.
pub(crate) async fn serve(
    context: Arc<NodeContext>,
    links: Arc<Links>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
    drain: Duration,
) {
    let ops = Ops::new(context.clone());
    let (reporter, health) = tonic_health::server::health_reporter();
    // Before the first call is served: the reporter's own first status is that all is well.
    report_status(&reporter, context.read(is_writable)).await;
    tokio::spawn(follow_health(context.clone(), reporter));
    let routes = routes(&ops, links).add_service(health).prepare();
    let door = context.door(Port::Grpc);
    let connection = move |connection| connections::serve(connection, routes.clone(), ops.clone());
    accept::serve(listener, door, stop, drain, connection).await;
}

fn routes(ops: &Ops, links: Arc<Links>) -> Routes {
    let field = PsiFieldServiceServer::new(field::FieldService { ops: ops.clone() })
        .max_decoding_message_size(MESSAGE_BYTES_MAX);
    let versions = VersionServiceServer::new(field::FieldService { ops: ops.clone() });
    let drift = DriftServiceServer::new(drift::DriftReports { ops: ops.clone() });
    let leases = LeaseServiceServer::new(lease::LeaseDesk { ops: ops.clone() });
    let quorum = QuorumServiceServer::new(lease::QuorumVoter { ops: ops.clone() });
    let processes = ProcessServiceServer::new(process::ProcessDesk { ops: ops.clone() });
    let rollouts = RolloutServiceServer::new(rollout::RolloutDesk { ops: ops.clone() });
    let ledger = LedgerServiceServer::new(ledger::LedgerReports { ops: ops.clone() });
    let cluster = ClusterServiceServer::new(cluster::ClusterView { ops: ops.clone() });
    let replication = ReplicationServiceServer::new(replication::Replication { context: ops.context.clone(), links })
        .max_decoding_message_size(FRAME_ENCODED_MAX);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(psi_api::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Routes::new(field)
        .add_service(versions)
        .add_service(drift)
        .add_service(cluster)
        .add_service(ledger)
        .add_service(leases)
        .add_service(quorum)
        .add_service(processes)
        .add_service(rollouts)
        .add_service(replication)
        .add_service(reflection().build_v1().expect("valid descriptors"))
        .add_service(reflection().build_v1alpha().expect("valid descriptors"))
}

/// Updates the standard health service: serving while the node accepts steps.
async fn follow_health(context: Arc<NodeContext>, reporter: HealthReporter) {
    const LOOK: Duration = Duration::from_millis(250);
    while context.stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        report_status(&reporter, context.read(is_writable)).await;
    }
    report_status(&reporter, false).await;
}

async fn report_status(reporter: &HealthReporter, is_serving: bool) {
    let status = if is_serving { ServingStatus::Serving } else { ServingStatus::NotServing };
    for service in ["", "psi.v1.PsiFieldService"] {
        reporter.set_service_status(service, status).await;
    }
}
