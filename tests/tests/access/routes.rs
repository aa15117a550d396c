//! Every route of HTTP, by everyone.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    client,
    identities::{Identity, Keys},
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
    ("POST /step", "step body"),
    ("POST /steps", "step body"),
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
    ("PUT /api/v1/config/drift", "operator"),
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
            let path = path.replace("{name}", "default");
            let (status, body) = client::request(address, &keys.ring, identity, method, &path).await?;
            let may = match (*need, identity) {
                // Without a body they are refused for that.
                ("step body", Identity::OtherStepper) => true,
                ("step body", identity) => identity.may("step"),
                (need, identity) => identity.may(need),
            };
            ensure!([401, 403].contains(&status) != may, "{route} by {identity:?}: {status} {body}");
            ensure!(status < 500, "{route} by {identity:?}: {status} {body}");
        }
    }
    node.shutdown().await;
    Ok(())
}
