//! Who this node is to others, and whom it believes. All of it follows from the cluster key, if there is one: the seal
//! of gossip, the access tokens of clients, and the certificates of nodes, unless others issue those.
//!
//! Without a key nothing is encrypted, and anyone who reaches a node may do what they like; so it listens on loopback.

pub(crate) mod caller;
pub(crate) mod clock;
mod credentials;
mod error;
mod files;
mod needs;
pub(crate) mod node_key;
pub(crate) mod port;
pub(crate) mod shown;
#[cfg(test)]
mod tests;
pub(crate) mod tls;
mod token_end;

use std::{
    future::Future,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::http::HeaderValue;
use psi_security::node_key::{NodeKey, NodePublicKey};
use tokio::{sync::watch, time::Instant};
use tracing::{error, info, warn};

use self::{
    caller::{AccessError, Caller},
    clock::WallClock,
    files::IdentityFiles,
    node_key::KeptNodeKey,
    shown::ShownIdentity,
    tls::RefusalCounts,
};
use crate::settings::{Addresses, Settings};

pub(crate) use self::{
    credentials::Credentials,
    needs::{Requirement, need_of_call},
};
pub use error::IdentityError;

/// How often the files are looked at. What has changed counts at the second look.
const LOOK: Duration = Duration::from_millis(500);

/// How often the log says that a certificate is about to expire.
const REMINDER: Duration = Duration::from_secs(60 * 60);

/// Who this node is, and whom it believes.
pub(crate) struct Identity {
    /// `None`: the cluster has no key.
    keyed: Option<KeyedIdentity>,
    /// How often an authority has gone whose certificates were believed.
    removals: watch::Sender<u64>,
    refusals: RefusalCounts,
    clock: WallClock,
    /// What this node signs by, once its data directory is open.
    node_key: OnceLock<KeptNodeKey>,
}

struct KeyedIdentity {
    files: IdentityFiles,
    credentials: watch::Sender<Arc<Credentials>>,
}

/// Whether a node can start with these settings, as far as strangers are concerned.
///
/// # Errors
/// As [`crate::Node::start`] has it.
pub fn check_security(settings: &Settings) -> Result<(), IdentityError> {
    error::check_webhook(settings)?;
    match IdentityFiles::open(settings, &WallClock::of_machine())? {
        None => error::check_loopback(settings),
        Some(_) => Ok(()),
    }
}

impl Identity {
    /// Reads the key file and those of certificates, as far as there are any.
    ///
    /// # Errors
    /// One can't be used; or there is no key, and a port is open to other machines.
    pub(crate) fn open(settings: &Settings, addresses: &Addresses, clock: WallClock) -> Result<Self, IdentityError> {
        error::check_webhook(settings)?;
        let Some(files) = IdentityFiles::open(settings, &clock)? else {
            error::check_loopback(settings)?;
            return Ok(Self::without_key());
        };
        let credentials = Credentials::new(files.contents(), settings, addresses, clock.clone())?;
        info!(key = %credentials.ring.first().id(), "the cluster has a key: gossip is sealed, and connections need TLS");
        let keyed = KeyedIdentity { files, credentials: watch::Sender::new(Arc::new(credentials)) };
        Ok(Self { keyed: Some(keyed), clock, ..Self::without_key() })
    }

    /// A node of a cluster without a key.
    pub(crate) fn without_key() -> Self {
        let (removals, refusals) = (watch::Sender::new(0), RefusalCounts::default());
        Self { keyed: None, removals, refusals, clock: WallClock::of_machine(), node_key: OnceLock::new() }
    }

    /// What holds now; `None` without a key.
    pub(crate) fn credentials(&self) -> Option<Arc<Credentials>> {
        self.keyed.as_ref().map(|keyed| keyed.credentials.borrow().clone())
    }

    /// From now on this node signs by that key.
    pub(crate) fn set_node_key(&self, key: KeptNodeKey) {
        // There is one for each run.
        let _ = self.node_key.set(key);
    }

    /// That this node has its key, by the word of the cluster key; `None` without one.
    pub(crate) fn own_voucher(&self) -> Option<String> {
        Some(self.credentials()?.own_voucher(self.node_key.get()?).to_owned())
    }

    /// The same as bytes.
    pub(crate) fn own_voucher_bytes(&self) -> Option<Vec<u8>> {
        data_encoding::BASE64URL_NOPAD.decode(self.own_voucher()?.as_bytes()).ok()
    }

    /// Signs by the node's key; `None` before it is set.
    pub(crate) fn sign<R>(&self, sign: impl FnOnce(&NodeKey) -> R) -> Option<R> {
        self.node_key.get().map(|kept| sign(kept.key()))
    }

    /// Whether a node may sign by a key: where the cluster has a key, that must vouch for it.
    pub(crate) fn check_node_key(&self, node: &str, key: NodePublicKey, voucher: &[u8]) -> bool {
        self.credentials().is_none_or(|credentials| {
            credentials.vouched(node, &data_encoding::BASE64URL_NOPAD.encode(voucher)) == Some(key)
        })
    }

    /// Follows changes of what holds; `None` without a key.
    pub(crate) fn subscribe(&self) -> Option<watch::Receiver<Arc<Credentials>>> {
        self.keyed.as_ref().map(|keyed| keyed.credentials.subscribe())
    }

    /// How many certificates of others were refused, by reason.
    pub(crate) fn certificates_refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.refusals.iter()
    }

    /// Resolves when an authority is believed no longer, from now on. What was let in by a certificate may have been
    /// let in by that one, so it must show one again.
    pub(crate) fn authority_removed(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut removals = self.removals.subscribe();
        async move {
            if removals.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Takes over what the files say whenever they change. A file that can't be used changes nothing.
    pub(crate) async fn follow_files(&self, settings: &Settings, addresses: impl Fn() -> Addresses) {
        let Some(keyed) = &self.keyed else { return std::future::pending().await };
        let (mut files, mut reminded) = (keyed.files.clone(), None::<Instant>);
        loop {
            if reminded.is_none_or(|reminded| reminded.elapsed() >= REMINDER) && self.remind() {
                reminded = Some(Instant::now());
            }
            tokio::time::sleep(LOOK).await;
            if !files.look(&self.clock) {
                continue;
            }
            match Credentials::new(files.contents(), settings, &addresses(), self.clock.clone()) {
                Ok(credentials) => self.replace(keyed, credentials),
                Err(error) => error!("nothing can be made of the files, so those of before stay: {error}"),
            }
        }
    }

    /// Warns of a certificate that nobody renews; whether there is one.
    fn remind(&self) -> bool {
        let Some(ending) = self.credentials().and_then(|credentials| credentials.ending()) else { return false };
        let not_after = ending.not_after();
        if ending.is_over(self.clock.now_s()) {
            error!(%not_after, "the certificate of tls.cert has expired: new connections to other nodes and clients fail; \
                    have it issued again, and this node takes it over by itself");
        } else {
            warn!(%not_after, "the certificate of tls.cert is about to expire, and has not been renewed: see what issues it; \
                   this node takes another over by itself");
        }
        true
    }

    fn replace(&self, keyed: &KeyedIdentity, credentials: Credentials) {
        let credentials = Arc::new(credentials);
        let before = keyed.credentials.send_replace(credentials.clone());
        if before.authorities().iter().any(|hash| !credentials.authorities().contains(hash)) {
            self.removals.send_modify(|count| *count += 1);
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
        let Some(credentials) = self.credentials() else { return Ok(Caller::Anyone) };
        let caller = match authorization {
            Some(authorization) if need != Requirement::Nothing => {
                Caller::Token(shown.token(authorization, &credentials, self.clock.now_s())?)
            }
            _ => shown.certified.clone(),
        };
        caller.check(need)?;
        Ok(caller)
    }
}
