//! What people would build instead of ψ-field: a service that keeps nothing, with its state in a Redis that all share.
//! One Lua script a step. For comparison only: `tests/load/compare.py`.

use std::sync::Arc;

use anyhow::{Context, Result};
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use redis::{RedisError, Script, aio::ConnectionManager};
use serde::Deserialize;
use serde_json::{Value, json};

const KEY: &str = "field:default";
const COUNT: &str = "local kept = redis.call('GET', KEYS[1]) return kept and cmsgpack.unpack(kept).k or 0";

/// Redis, and the scripts that run there.
struct Store {
    connection: ConnectionManager,
    step: Script,
    count: Script,
}

#[derive(Deserialize)]
struct Input {
    x: Vec<f64>,
}

type Answer = Result<Json<Value>, (StatusCode, String)>;

async fn step(State(store): State<Arc<Store>>, Json(Input { x }): Json<Input>) -> Answer {
    let mut call = store.step.key(KEY);
    for number in x {
        call.arg(number);
    }
    let (k, novelty): (u64, String) = call.invoke_async(&mut store.connection.clone()).await.map_err(unavailable)?;
    Ok(Json(json!({ "k": k, "novelty": novelty.parse::<f64>().ok() })))
}

async fn count(State(store): State<Arc<Store>>) -> Answer {
    let count: u64 = store.count.key(KEY).invoke_async(&mut store.connection.clone()).await.map_err(unavailable)?;
    Ok(Json(json!({ "count": count })))
}

#[expect(clippy::needless_pass_by_value, reason = "an error that is mapped")]
fn unavailable(error: RedisError) -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: psi-redis-service HOST:PORT redis://HOST:PORT/";
    let (listen, redis) = (arguments.next().context(usage)?, arguments.next().context(usage)?);
    let connection = ConnectionManager::new(redis::Client::open(redis)?).await?;
    let store = Store { connection, step: Script::new(include_str!("step.lua")), count: Script::new(COUNT) };
    let routes = Router::new().route("/step", post(step)).route("/count", get(count)).with_state(Arc::new(store));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    axum::serve(listener, routes).await?;
    Ok(())
}
