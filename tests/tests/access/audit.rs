//! What operators do stands in the log once, after its outcome: who, from where, what, and how it ended.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use anyhow::{Context, Result, ensure};
use prost::Message;
use psi_api::v1::{
    AcceptClockRequest, CreateFieldRequest, DropFieldRequest, ForgetNodeRequest, InterveneRequest, Intervention,
};
use psi_node::Node;
use psi_tests::eventually;
use serde_json::Value;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::{
    client,
    identities::{Identity, Keys},
};

/// The log of this process.
#[derive(Clone, Default)]
struct AuditLog(Arc<Mutex<Vec<u8>>>);

impl AuditLog {
    /// What all nodes of this process log.
    fn of_process() -> Self {
        static LOG: OnceLock<AuditLog> = OnceLock::new();
        let start = || {
            let log = Self::default();
            let filter = EnvFilter::new("psi_node::audit=info");
            tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(log.clone()).init();
            log
        };
        LOG.get_or_init(start).clone()
    }

    /// The actions that came from an address, as `by object action method: outcome`.
    fn from(&self, address: SocketAddr) -> Result<Vec<String>> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut actions = Vec::new();
        for line in String::from_utf8(bytes)?.lines() {
            let entry: Value = serde_json::from_str(line)?;
            let fields = &entry["fields"];
            ensure!(fields["message"] == "operator action" && entry["target"] == "psi_node::audit", "{line}");
            if fields["from"] == address.to_string() {
                let text = |key: &str| fields[key].as_str().unwrap_or("-").to_owned();
                let [by, object, action] = ["by", "object", "action"].map(text);
                actions.push(format!("{by}: {} {object} {action}: {}", text("method"), text("outcome")));
            }
        }
        Ok(actions)
    }
}

impl io::Write for AuditLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for AuditLog {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

const OPERATOR: &str = "token `Operator` (0808080808080808) of role operator";
const STEPPER: &str = "token `Stepper` (0606060606060606) of role step";

/// What one call of gRPC leaves in the log.
async fn of_call(
    log: &AuditLog,
    (keys, node): (&Keys, &Node),
    identity: Identity,
    (method, message): (&str, Vec<u8>),
) -> Result<Vec<String>> {
    let connection = client::open(node.addresses().grpc, &keys.ring, identity).await?;
    connection.send(&keys.ring, identity, &format!("/psi.v1.{method}"), &message).await?;
    log.from(connection.local)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_action_over_grpc_is_logged_with_its_outcome() -> Result<()> {
    let log = AuditLog::of_process();
    let keys = Keys::new(&[1])?;
    let node = keys.start("n1", &[]).await?;
    let create = |guardian| {
        let request = CreateFieldRequest { name: "a".to_owned(), width: 2, guardian, ..CreateFieldRequest::default() };
        ("PsiFieldService/CreateField", request.encode_to_vec())
    };
    let drop = |name: &str| ("PsiFieldService/DropField", DropFieldRequest { name: name.to_owned() }.encode_to_vec());
    let forget = |dry_run| {
        let request = ForgetNodeRequest { node: "n9".to_owned(), dry_run };
        ("ClusterService/ForgetNode", request.encode_to_vec())
    };
    let nigredo = InterveneRequest { action: Intervention::Nigredo.into(), ..InterveneRequest::default() };
    let intervene = ("PsiFieldService/Intervene", nigredo.encode_to_vec());
    let accept = ("ClusterService/AcceptClock", AcceptClockRequest { hybrid_ms: 7 }.encode_to_vec());
    for (identity, call, want) in [
        (Identity::Operator, create(77), Some(("a -", "UNKNOWN_GUARDIAN_MODE"))),
        (Identity::Operator, create(0), Some(("a -", "ok"))),
        (Identity::Operator, create(0), Some(("a -", "FIELD_EXISTS"))),
        (Identity::Operator, drop("no\nname"), Some(("no\nname -", "BAD_NAME"))),
        (Identity::Operator, drop("b"), Some(("b -", "UNKNOWN_FIELD"))),
        (Identity::Operator, intervene, Some(("default nigredo", "ok"))),
        (Identity::Operator, forget(false), Some(("n9 -", "UNKNOWN_NODE"))),
        (Identity::Operator, accept, Some(("7 -", "ok"))),
        (Identity::Stepper, drop("a"), Some(("- -", "ROLE_TOO_LOW"))),
        // Not again within a minute.
        (Identity::Stepper, drop("a"), None),
        // It is not known who they are.
        (Identity::Nobody, drop("a"), None),
        (Identity::Expired, drop("a"), None),
        // They change nothing.
        (Identity::Operator, forget(true), None),
        (Identity::Operator, ("PsiFieldService/GetState", Vec::new()), None),
        (Identity::Operator, drop("a"), Some(("a -", "ok"))),
    ] {
        let method = call.0;
        let logged = of_call(&log, (&keys, &node), identity, call).await?;
        let by = if identity == Identity::Operator { OPERATOR } else { STEPPER };
        let want: Vec<String> =
            want.into_iter().map(|(what, outcome)| format!("{by}: psi.v1.{method} {what}: {outcome}")).collect();
        assert_eq!(logged, want, "{method} by {identity:?}");
    }
    node.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_action_over_http_is_logged_with_its_outcome() -> Result<()> {
    let log = AuditLog::of_process();
    let keys = Keys::new(&[1])?;
    let node = keys.start("n1", &[]).await?;
    for (identity, method, path, want) in [
        (Identity::Operator, "POST", "/guardian/albedo", Some("POST /guardian/albedo default albedo: ok")),
        (Identity::Operator, "DELETE", "/fields/b", Some("DELETE /fields/{name} b -: UNKNOWN_FIELD")),
        (Identity::Operator, "DELETE", "/fields/b?c=1", Some("DELETE /fields/{name} b -: BAD_QUERY")),
        (Identity::Operator, "PUT", "/fields/default/label", Some("PUT /fields/{name}/label default -: BAD_BODY")),
        (Identity::Operator, "DELETE", "/members/n9", Some("DELETE /members/{name} n9 -: UNKNOWN_NODE")),
        (Identity::Stepper, "DELETE", "/fields/b", Some("DELETE /fields/{name} - -: ROLE_TOO_LOW")),
        (Identity::Nobody, "DELETE", "/fields/b", None),
        (Identity::Operator, "GET", "/state", None),
    ] {
        let (from, _) = client::request_from(node.addresses().http, &keys.ring, identity, method, path).await?;
        let by = if identity == Identity::Operator { OPERATOR } else { STEPPER };
        let want: Vec<String> = want.into_iter().map(|want| format!("{by}: {want}")).collect();
        assert_eq!(log.from(from)?, want, "{method} {path} by {identity:?}");
    }
    node.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_whose_caller_goes_away_is_logged_as_unanswered() -> Result<()> {
    let log = AuditLog::of_process();
    let keys = Keys::new(&[1])?;
    // They do not know each other, so the second never reaches what the first has written.
    let (first, second) = (keys.start("n1", &[]).await?, keys.start("n2", &[]).await?);
    let (_, (_, step)) =
        client::request_from(first.addresses().http, &keys.ring, Identity::Operator, "POST", "/guardian/albedo")
            .await?;
    let session = serde_json::from_str::<Value>(&step)?["token"].as_str().context("a session token")?.to_owned();
    let waits = InterveneRequest {
        action: Intervention::Nigredo.into(),
        after: session,
        deadline_ms: 60_000,
        ..InterveneRequest::default()
    };
    let connection = client::open(second.addresses().grpc, &keys.ring, Identity::Operator).await?;
    let message = waits.encode_to_vec();
    let send = async |path, message| connection.send(&keys.ring, Identity::Operator, path, message).await;
    let mut action = Box::pin(send("/psi.v1.PsiFieldService/Intervene", &message));
    let answered = tokio::select! {
        biased;
        answered = &mut action => Some(answered?),
        // Requests of a connection are taken in their order: once this one is answered, the other is under way.
        pong = send("/psi.v1.ClusterService/Ping", &[]) => pong.map(|_| None)?,
    };
    ensure!(answered.is_none(), "it waits: {answered:?}");
    ensure!(log.from(connection.local)?.is_empty(), "nothing is logged before the outcome");
    // Dropped, the call ends.
    drop(action);
    connection.task.abort();
    let want = [format!("{OPERATOR}: psi.v1.PsiFieldService/Intervene default nigredo: unanswered")];
    eventually("the action is logged", async || Ok(log.from(connection.local)? == want)).await?;
    first.shutdown().await;
    second.shutdown().await;
    Ok(())
}
