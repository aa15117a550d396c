//! Every method of gRPC, by everyone.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use prost::Message;
use prost_types::FileDescriptorSet;
use psi_api::v1::{StepBatchRequest, StepRequest, StepStreamResponse, Vector, step_stream_response::Outcome};
use psi_node::Node;
use psi_tests::INCIDENT;
use tonic::{Code, Status};

use crate::{
    client,
    identities::{ExpectedRefusal, Identity, Keys},
};

/// What every method needs: a role for the field that it names, for all fields, or for none; to be a node; or nothing.
const NEEDS: [(&str, &str); 73] = [
    ("/psi.v1.PsiFieldService/Step", "step"),
    ("/psi.v1.PsiFieldService/StepBatch", "step"),
    ("/psi.v1.PsiFieldService/StepStream", "step"),
    ("/psi.v1.PsiFieldService/GetState", "read"),
    ("/psi.v1.PsiFieldService/WatchState", "read"),
    ("/psi.v1.PsiFieldService/WatchSteps", "read"),
    ("/psi.v1.PsiFieldService/ListFields", "read none"),
    ("/psi.v1.PsiFieldService/CreateField", "operator"),
    ("/psi.v1.PsiFieldService/ChangeField", "operator"),
    ("/psi.v1.PsiFieldService/ResetField", "operator"),
    ("/psi.v1.PsiFieldService/DropField", "operator"),
    ("/psi.v1.PsiFieldService/LabelField", "operator"),
    ("/psi.v1.PsiFieldService/NameColumns", "operator"),
    ("/psi.v1.PsiFieldService/Intervene", "operator"),
    ("/psi.v1.PsiFieldService/GetGuardian", "read"),
    ("/psi.v1.PsiFieldService/AcknowledgeThreat", "operator"),
    ("/psi.v1.VersionService/ListVersions", "read"),
    ("/psi.v1.DriftService/GetDrift", "read"),
    ("/psi.v1.DriftService/ListDrift", "read all"),
    ("/psi.v1.DriftService/SetBaseline", "operator"),
    ("/psi.v1.DriftService/ClearBaseline", "operator"),
    ("/psi.v1.ClusterService/ListMembers", "read all"),
    ("/psi.v1.ClusterService/GetFrontier", "read all"),
    ("/psi.v1.ClusterService/GetDigest", "read all"),
    ("/psi.v1.ClusterService/ForgetNode", "operator all"),
    ("/psi.v1.ClusterService/GetClock", "read all"),
    ("/psi.v1.ClusterService/AcceptClock", "operator all"),
    ("/psi.v1.ClusterService/Ping", "read none"),
    ("/psi.v1.ClusterService/Identify", "node"),
    ("/psi.v1.LedgerService/ListRecords", "read all"),
    ("/psi.v1.LedgerService/GetRecord", "read all"),
    ("/psi.v1.LedgerService/ListHeads", "read all"),
    ("/psi.v1.LedgerService/ProveRecord", "read all"),
    ("/psi.v1.LedgerService/ProveGrowth", "read all"),
    ("/psi.v1.LedgerService/ReadLeaves", "read all"),
    ("/psi.v1.LedgerService/Export", "read all"),
    ("/psi.v1.LeaseService/AcquireLease", "step all"),
    ("/psi.v1.LeaseService/ReleaseLease", "step all"),
    ("/psi.v1.LeaseService/GetLease", "read all"),
    ("/psi.v1.LeaseService/WatchLease", "read all"),
    ("/psi.v1.LeaseService/SetVoters", "operator all"),
    ("/psi.v1.LeaseService/GetVoters", "read all"),
    ("/psi.v1.LeaseService/GetTurn", "read all"),
    ("/psi.v1.ProcessService/ApplySpec", "operator all"),
    ("/psi.v1.ProcessService/AdvanceTask", "operator all"),
    ("/psi.v1.ProcessService/AbortProcess", "operator all"),
    ("/psi.v1.ProcessService/SwitchMode", "operator all"),
    ("/psi.v1.ProcessService/SetProcessBaseline", "operator all"),
    ("/psi.v1.ProcessService/SwitchEmergency", "operator all"),
    ("/psi.v1.ProcessService/GetEmergency", "read all"),
    ("/psi.v1.ProcessService/AddEvidence", "operator all"),
    ("/psi.v1.ProcessService/GetProcess", "read all"),
    ("/psi.v1.ProcessService/ListProcesses", "read all"),
    ("/psi.v1.ProcessService/ListTransitions", "read all"),
    ("/psi.v1.RolloutService/SetStage", "operator all"),
    ("/psi.v1.RolloutService/GetModel", "read all"),
    ("/psi.v1.RolloutService/StartRollout", "operator all"),
    ("/psi.v1.RolloutService/ChangeRollout", "operator all"),
    ("/psi.v1.RolloutService/GetRollout", "read all"),
    ("/psi.v1.RolloutService/ListRollouts", "read all"),
    ("/psi.v1.RolloutService/SetRemediation", "operator all"),
    ("/psi.v1.RolloutService/GetRemediation", "read all"),
    ("/psi.v1.RolloutService/ListPlans", "read all"),
    ("/psi.v1.RolloutService/WatchEvents", "read all"),
    ("/psi.v1.QuorumService/Ask", "node"),
    ("/psi.v1.QuorumService/Fetch", "node"),
    ("/psi.v1.QuorumService/Keep", "node"),
    ("/psi.v1.ReplicationService/Link", "node"),
    ("/grpc.health.v1.Health/Check", "open"),
    ("/grpc.health.v1.Health/List", "open"),
    ("/grpc.health.v1.Health/Watch", "open"),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "read none"),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "read none"),
];

/// Every method of the services that are described.
fn described() -> Result<BTreeSet<String>> {
    let mut methods = BTreeSet::new();
    for file in FileDescriptorSet::decode(psi_api::DESCRIPTORS)?.file {
        for service in &file.service {
            let path = |method: &str| format!("/{}.{}/{method}", file.package(), service.name());
            methods.extend(service.method.iter().map(|method| path(method.name())));
        }
    }
    Ok(methods)
}

#[test]
fn every_method_has_a_row() -> Result<()> {
    let rows: BTreeSet<String> =
        NEEDS.iter().map(|(path, _)| (*path).to_owned()).filter(|path| path.starts_with("/psi.")).collect();
    assert_eq!(rows, described()?, "NEEDS and the protocol have the same methods");
    Ok(())
}

/// What is sent: steps of `default` that would count, and of other methods nothing.
fn message(path: &str) -> Vec<u8> {
    let (field, input) = ("default".to_owned(), INCIDENT.to_vec());
    match path.rsplit('/').next() {
        Some("Step" | "StepStream") => StepRequest { field, input, ..StepRequest::default() }.encode_to_vec(),
        Some("StepBatch") => {
            let inputs = vec![Vector { values: input }];
            StepBatchRequest { field, inputs, ..StepBatchRequest::default() }.encode_to_vec()
        }
        _ => Vec::new(),
    }
}

/// Checks one cell of the table: who calls gets through, or the reason why not.
async fn check(node: &Node, keys: &Keys, identity: Identity, (path, need): (&str, &str)) -> Result<()> {
    let message = message(path);
    let answer = client::answer(node.addresses().grpc, &keys.ring, identity, (path, &message));
    let (_connection, answer) = answer.await?;
    let status = Status::from_header_map(answer.headers());
    let code = status.as_ref().map_or(Code::Ok, Status::code);
    // A refused step of a stream is one of its answers.
    let is_of_stream = path.ends_with("/StepStream") && identity == Identity::OtherStepper;
    let want = identity.refusal(need).filter(|_| !is_of_stream);
    let is_refused = matches!(code, Code::Unauthenticated | Code::PermissionDenied);
    ensure!(is_refused == want.is_some(), "{path} by {identity:?}: {status:?}");
    ensure!(want.is_none_or(|want| want.code() == code), "{path} by {identity:?}: {status:?}");
    if message.is_empty() {
        return Ok(());
    }
    let mut reason = status.as_ref().and_then(psi_api::cause_of).map(|(reason, _)| reason).unwrap_or_default();
    if path.ends_with("/StepStream") && !is_refused {
        let outcome = StepStreamResponse::decode(client::first_message(answer).await?)?.outcome;
        reason = match outcome {
            Some(Outcome::Error(error)) if error.code == i32::from(Code::PermissionDenied) => error.reason,
            Some(Outcome::Step(_)) => String::new(),
            other => anyhow::bail!("{path} by {identity:?}: {other:?}"),
        };
    }
    let want = match (identity.refusal(need), identity) {
        (None, _) => "",
        (Some(ExpectedRefusal::Unknown), Identity::Nobody) => "ACCESS_TOKEN_MISSING",
        (Some(ExpectedRefusal::Unknown), _) => "ACCESS_TOKEN_REFUSED",
        (Some(ExpectedRefusal::Forbidden), Identity::OtherStepper) => "FIELD_NOT_ALLOWED",
        (Some(ExpectedRefusal::Forbidden), _) => "ROLE_TOO_LOW",
    };
    ensure!(reason == want, "{path} by {identity:?}: {reason} and not {want}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_takes_whom_it_should() -> Result<()> {
    let keys = Keys::new(&[1])?;
    let node = keys.start("n1", &[]).await?;
    for identity in Identity::ALL {
        if identity == Identity::WrongPeer {
            let refused = client::call(node.addresses().grpc, &keys.ring, identity, NEEDS[0].0).await;
            ensure!(refused.is_err(), "a certificate of another key is not accepted: {refused:?}");
            continue;
        }
        for (path, need) in NEEDS {
            check(&node, &keys, identity, (path, need)).await?;
        }
    }
    node.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_a_field_is_for_that_field_alone_and_shows_no_other() -> Result<()> {
    let keys = Keys::new(&[1])?;
    let node = keys.start("n1", &[]).await?;
    let http = node.addresses().http;
    let ask =
        async |identity, method: &str, path: &str| client::request(http, &keys.ring, identity, method, path).await;
    for (identity, path, wanted) in [
        (Identity::Operator, "/fields/default", 200),
        (Identity::OtherReader, "/fields/default", 403),
        (Identity::OtherReader, "/state?field=default", 403),
        // There is none, which it may know.
        (Identity::OtherReader, "/state?field=other", 404),
        (Identity::OtherStepper, "/guardian/status?field=default", 403),
    ] {
        let (status, body) = ask(identity, "GET", path).await?;
        ensure!(status == wanted, "{path} by {identity:?}: {status} {body}");
    }
    let (_, all) = ask(Identity::Operator, "GET", "/fields").await?;
    let (_, own) = ask(Identity::OtherReader, "GET", "/fields").await?;
    ensure!(all.contains("\"default\"") && !own.contains("\"default\""), "{own}");
    node.shutdown().await;
    Ok(())
}
