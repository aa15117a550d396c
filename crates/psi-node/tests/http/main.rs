//! The HTTP surface of a real node, over real sockets.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod answers;
mod bodies;
mod connections;
mod fields;
mod health;
mod original;
mod programs;
mod refusals;
mod routes;
mod server;
