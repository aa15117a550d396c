//! Who may call what: every method and every route, by everyone who may try. And who may join.

mod audit;
mod calls;
mod client;
mod gossip;
mod identities;
mod node_keys;
mod own;
mod peers;
mod revoked;
mod rotation;
mod routes;
