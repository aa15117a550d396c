//! Every method of gRPC, by everyone.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::Code;

use crate::{
    client,
    identities::{Identity, Keys},
};

/// What every method needs: a role for the field that it names, for all fields, or for none; to be a node; or nothing.
const NEEDS: [(&str, &str); 34] = [
    ("/psi.v1.PsiFieldService/Step", "step"),
    ("/psi.v1.PsiFieldService/StepBatch", "step"),
    // A refused step of a stream is one of its answers.
    ("/psi.v1.PsiFieldService/StepStream", "step stream"),
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

#[tokio::test(flavor = "multi_thread")]
async fn every_method_takes_whom_it_should() -> Result<()> {
    let keys = Keys::new(&[1])?;
    let node = keys.start("n1", &[]).await?;
    let address = node.addresses().grpc;
    for identity in Identity::ALL {
        if identity == Identity::WrongPeer {
            let refused = client::refusal(address, &keys.ring, identity, NEEDS[0].0).await;
            ensure!(refused.is_err(), "a certificate of another key is not accepted: {refused:?}");
            continue;
        }
        for (path, need) in NEEDS {
            let status = client::refusal(address, &keys.ring, identity, path).await?;
            let is_refused = matches!(status, Some(Code::Unauthenticated | Code::PermissionDenied));
            let may = match (need, identity) {
                ("step stream", Identity::OtherStepper) => true,
                ("step stream", identity) => identity.may("step"),
                (need, identity) => identity.may(need),
            };
            ensure!(is_refused != may, "{path} by {identity:?}: {status:?}");
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
