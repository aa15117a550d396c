//! Every route of HTTP, by everyone.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use psi_tests::INCIDENT;
use serde_json::{Value, json};

use crate::{
    client::{self, Dialler},
    identities::{ExpectedRefusal, Identity, Keys},
};

/// What every route needs, as in `calls.rs`.
const NEEDS: &[(&str, &str)] = &[
    ("GET /", "read none"),
    ("GET /health", "read none"),
    ("GET /health/live", "open"),
    ("GET /health/ready", "open"),
    ("GET /actuator/health", "read none"),
    ("GET /metrics", "read all"),
    ("GET /openapi.json", "read none"),
    ("GET /params", "read"),
    ("POST /init", "operator"),
    ("GET /state", "read"),
    ("GET /state/watch", "read"),
    ("POST /step", "step"),
    ("POST /steps", "step"),
    ("GET /guardian/status", "read"),
    ("POST /guardian/acknowledge", "operator"),
    ("GET /guardian/statistics", "read"),
    ("POST /guardian/nigredo", "operator"),
    ("POST /guardian/albedo", "operator"),
    ("GET /fields", "read none"),
    ("POST /fields", "operator"),
    ("GET /fields/{name}", "read"),
    ("PATCH /fields/{name}", "operator"),
    ("DELETE /fields/{name}", "operator"),
    ("POST /fields/{name}/reset", "operator"),
    ("PUT /fields/{name}/label", "operator"),
    ("PUT /fields/{name}/names", "operator"),
    ("GET /members", "read all"),
    ("DELETE /members/{name}", "operator all"),
    ("GET /federation/metrics", "read"),
    ("GET /federation/swarm", "read"),
    ("POST /federation/swarm", "read"),
    ("GET /api/v1/drift/models", "read all"),
    ("GET /api/v1/drift/models/{name}/analyze", "read"),
    ("GET /api/v1/drift/models/{name}/status", "read"),
    ("POST /api/v1/drift/models/{name}/baseline", "operator"),
    ("DELETE /api/v1/drift/models/{name}/baseline", "operator"),
    ("PUT /api/v1/config/drift", "operator all"),
    ("GET /api/v1/models/{name}/versions", "read"),
    ("GET /api/v1/ledger/records", "read all"),
    ("GET /api/v1/ledger/records/{node}/{run}/{index}", "read all"),
    ("GET /api/v1/ledger/records/{node}/{run}/{index}/proof", "read all"),
    ("GET /api/v1/ledger/heads", "read all"),
    ("GET /api/v1/ledger/export", "read all"),
    ("GET /api/v1/processes", "read all"),
    ("GET /api/v1/processes/{name}", "read all"),
    ("GET /api/v1/processes/{name}/log", "read all"),
    ("POST /api/v1/processes", "operator all"),
    ("POST /api/v1/processes/{name}/advance", "operator all"),
    ("POST /api/v1/processes/{name}/abort", "operator all"),
    ("POST /api/v1/processes/{name}/mode", "operator all"),
    ("POST /api/v1/processes/{name}/baseline", "operator all"),
    ("GET /api/v1/processes/{name}/evidence", "read all"),
    ("POST /api/v1/processes/{name}/evidence", "operator all"),
    ("GET /api/v1/models/{name}/deployments", "read all"),
    ("POST /api/v1/models/{name}/deployments/canary", "operator all"),
    ("GET /api/v1/models/{name}/deployments/{id}", "read all"),
    ("POST /api/v1/models/{name}/deployments/{id}/{command}", "operator all"),
    ("POST /api/v1/models/{name}/versions/{version}/promote", "operator all"),
    ("GET /api/v1/models/{name}/remediation", "read all"),
    ("PUT /api/v1/models/{name}/remediation", "operator all"),
    ("GET /api/v1/plans", "read all"),
    ("GET /api/v1/plans/{id}", "read all"),
    ("GET /api/v1/actions/nexus", "read all"),
    ("GET /api/v1/actions/by-plato-plan/{id}", "read all"),
    ("GET /api/v1/process-emergency", "read all"),
    ("POST /api/v1/process-emergency", "operator all"),
];

/// Every route that a node describes.
fn described(document: &Value) -> Result<Vec<String>> {
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().context("paths")? {
        let methods = methods.as_object().context("methods")?.keys();
        let methods = methods.filter(|method| ["get", "post", "put", "patch", "delete"].contains(&method.as_str()));
        routes.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
    }
    Ok(routes)
}

/// Steps of `default` that would count; other routes are sent no body.
fn body(route: &str) -> Option<Value> {
    match route {
        "POST /step" => Some(json!({ "field": "default", "x": INCIDENT })),
        "POST /steps" => Some(json!({ "field": "default", "inputs": [INCIDENT] })),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_takes_whom_it_should() -> Result<()> {
    let keys = Keys::new(&[1])?;
    let node = keys.start("n1", &[]).await?;
    let address = node.addresses().http;
    let needs: BTreeMap<&str, &str> = NEEDS.iter().copied().collect();
    let (_, document) = client::request(address, &keys.ring, Identity::Operator, "GET", "/openapi.json").await?;
    let routes = described(&serde_json::from_str(&document)?)?;
    ensure!(routes.len() == needs.len(), "{} rows for {} routes", needs.len(), routes.len());
    for identity in Identity::ALL.into_iter().filter(|identity| *identity != Identity::WrongPeer) {
        for route in &routes {
            let need = needs.get(route.as_str()).with_context(|| format!("no row for {route}"))?;
            let (method, path) = route.split_once(' ').context("a method")?;
            let path = path.replace("{name}", "default").replace("{node}", "n1").replace("{run}", "1");
            let path = path.replace("{id}", "r").replace("{command}", "pause").replace("{version}", "v1");
            let path = path.replace("{index}", "0");
            let sent = body(route);
            let (status, body) = match &sent {
                Some(body) => Dialler::of(&keys.ring, identity)?.post(address, &path, body).await?,
                None => client::request(address, &keys.ring, identity, method, &path).await?,
            };
            let refused = [401, 403].contains(&status).then_some(status);
            let want = identity.refusal(need).map(ExpectedRefusal::status);
            ensure!(refused == want, "{route} by {identity:?}: {status} {body}");
            if want.is_some() && sent.is_some() && identity == Identity::OtherStepper {
                ensure!(body.contains("FIELD_NOT_ALLOWED"), "{route} by {identity:?}: {body}");
            }
            if want.is_none() && sent.is_some() {
                ensure!(status == 200, "{route} by {identity:?}: {status} {body}");
            }
            ensure!(status < 500, "{route} by {identity:?}: {status} {body}");
        }
    }
    node.shutdown().await;
    Ok(())
}
