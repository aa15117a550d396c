//! Who this node is to others, and whom it believes. All of it follows from the cluster key, if there is one: the seal
//! of gossip, the certificates of nodes, and the access tokens of clients.
//!
//! Without a key nothing is encrypted, and anyone who reaches a node may do what they like; so it listens on loopback.

pub(crate) mod caller;
mod certificates;
mod dial;
mod error;
mod keys;
mod needs;
pub(crate) mod port;
pub(crate) mod shown;
pub(crate) mod tls;

use std::{future::Future, sync::Arc, time::Duration};

use axum::http::HeaderValue;
use psi_security::token::{Revocations, TokenClaims};
use tokio::sync::watch;
use tracing::{info, warn};

use self::{
    caller::{AccessError, Caller},
    certificates::wall_s,
    keys::KeyFile,
    shown::ShownIdentity,
};
use crate::{
    node::log_limit::LogLimit,
    settings::{Addresses, Settings},
};

pub(crate) use self::{
    keys::KeyMaterial,
    needs::{Requirement, need_of_call},
};
pub use error::IdentityError;

/// How often the key file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Who this node is, and whom it believes.
pub(crate) struct Identity {
    /// `None`: the cluster has no key.
    keyed: Option<KeyedIdentity>,
    /// How often the key file has lost a key.
    removals: watch::Sender<u64>,
}

struct KeyedIdentity {
    file: KeyFile,
    revoked: Revocations,
    material: watch::Sender<Arc<KeyMaterial>>,
}

/// Whether a node can start with these settings, as far as strangers are concerned.
///
/// # Errors
/// As [`crate::Node::start`] has it.
pub fn check_security(settings: &Settings) -> Result<(), IdentityError> {
    match settings.security.key_file.clone() {
        None => error::check_loopback(settings),
        Some(path) => KeyFile::new(path).read_changed().map(drop),
    }
}

impl Identity {
    /// Reads the key file, if there is one.
    ///
    /// # Errors
    /// It can't be used; or there is none, and a port is open to other machines.
    pub(crate) fn open(settings: &Settings, addresses: &Addresses) -> Result<Self, IdentityError> {
        let Some(path) = settings.security.key_file.clone() else {
            error::check_loopback(settings)?;
            return Ok(Self::without_key());
        };
        let (mut file, revoked) = (KeyFile::new(path), settings.security.revoked.clone());
        let ring = file.read_changed()?.ok_or(IdentityError::NoContent)?;
        let material = KeyMaterial::new(ring, settings.cluster.as_str(), settings.node.as_str(), addresses)?;
        info!(key = %material.ring.first().id(), "the cluster has a key: gossip is sealed, and connections need TLS");
        let keyed = KeyedIdentity { file, revoked, material: watch::Sender::new(Arc::new(material)) };
        Ok(Self { keyed: Some(keyed), removals: watch::Sender::new(0) })
    }

    /// A node of a cluster without a key.
    pub(crate) fn without_key() -> Self {
        Self { keyed: None, removals: watch::Sender::new(0) }
    }

    /// What the key makes now; `None` without one.
    pub(crate) fn material(&self) -> Option<Arc<KeyMaterial>> {
        self.keyed.as_ref().map(|keyed| keyed.material.borrow().clone())
    }

    /// Follows changes of the key; `None` without one.
    pub(crate) fn subscribe(&self) -> Option<watch::Receiver<Arc<KeyMaterial>>> {
        self.keyed.as_ref().map(|keyed| keyed.material.subscribe())
    }

    /// Resolves when a key is removed from now on. What was let in by a certificate may have been let in by that key, so it
    /// must show one again.
    pub(crate) fn key_removed(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut removals = self.removals.subscribe();
        async move {
            if removals.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Takes over what the key file says whenever it changes. A file that can't be used changes nothing.
    pub(crate) async fn follow_key_file(&self, settings: &Settings, addresses: impl Fn() -> Addresses) {
        let Some(keyed) = &self.keyed else { return std::future::pending().await };
        let (mut file, limit) = (keyed.file.clone(), LogLimit::default());
        loop {
            tokio::time::sleep(LOOK).await;
            let made = file.read_changed().and_then(|ring| {
                let Some(ring) = ring else { return Ok(None) };
                KeyMaterial::new(ring, settings.cluster.as_str(), settings.node.as_str(), &addresses()).map(Some)
            });
            match made {
                Ok(None) => {}
                Ok(Some(material)) => {
                    let keys: Vec<String> = material.ring.ids().iter().map(ToString::to_string).collect();
                    info!(keys = keys.join(", "), "the key file has changed: the first key seals and signs");
                    let ids = material.ring.ids();
                    let before = keyed.material.send_replace(Arc::new(material));
                    if before.ring.ids().iter().any(|id| !ids.contains(id)) {
                        self.removals.send_modify(|count| *count += 1);
                    }
                }
                Err(error) => {
                    if let Some(count) = limit.record() {
                        warn!(count, "the key file has changed and can't be used, so the keys of before stay: {error}");
                    }
                }
            }
        }
    }

    /// Who calls, by the certificate of a connection or the `authorization` of a call, if that may do what needs this.
    /// Where nothing is needed, nothing is verified.
    ///
    /// # Errors
    /// [`AccessError`] if the token is not accepted, or does not suffice.
    pub(crate) fn admit(
        &self,
        shown: &ShownIdentity,
        authorization: Option<&HeaderValue>,
        need: Requirement,
    ) -> Result<Caller, AccessError> {
        let (Some(keyed), Some(material)) = (&self.keyed, self.material()) else { return Ok(Caller::Anyone) };
        let caller = match authorization {
            Some(authorization) if need != Requirement::Nothing => {
                let verify =
                    |text: &str| TokenClaims::verify(&material.ring, &material.cluster, wall_s(), &keyed.revoked, text);
                Caller::Token(shown.token(authorization, &material, verify)?)
            }
            _ => shown.certified.clone(),
        };
        caller.check(need)?;
        Ok(caller)
    }
}
