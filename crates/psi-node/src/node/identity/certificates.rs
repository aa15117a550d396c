//! This node's certificates: made when they are needed, and again every day. They live in memory alone.
//!
//! Their age is looked at in each handshake and not by a timer: a machine that stood still for a month shows a new one
//! at once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use psi_security::certificate::{Authority, IssueError};
use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tracing::warn;

use crate::settings::Addresses;

const VALID_S: u64 = 7 * 24 * 60 * 60;
const RENEWED_S: u64 = 24 * 60 * 60;
/// Names that clients dialled this node by whose certificates are kept. For another one is made each time.
const NAMES_MAX: usize = 64;

/// The certificates of this node.
pub(super) struct NodeCertificates {
    authority: Authority,
    node: String,
    /// What every certificate names.
    addresses: Vec<String>,
    /// By the name that the client dialled; `None` where it dialled an address.
    issued: Mutex<BTreeMap<Option<String>, CertificateEntry>>,
}

#[derive(Clone)]
struct CertificateEntry {
    at_s: u64,
    key: Arc<CertifiedKey>,
}

impl NodeCertificates {
    /// # Errors
    /// No certificate can be made for the node's name.
    pub(super) fn new(authority: Authority, node: &str, addresses: &Addresses) -> Result<Self, IssueError> {
        let own = [addresses.grpc, addresses.http].map(|address| address.ip().to_string());
        let mut addresses: Vec<String> =
            own.into_iter().chain(["127.0.0.1", "::1", "localhost"].map(str::to_owned)).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let certificates = Self { authority, node: node.to_owned(), addresses, issued: Mutex::default() };
        certificates.issue(None)?;
        Ok(certificates)
    }

    fn issue(&self, name: Option<&str>) -> Result<CertificateEntry, IssueError> {
        let names: Vec<&str> = self.addresses.iter().map(String::as_str).chain(name).collect();
        let at_s = wall_s();
        let certificate = self.authority.issue(&self.node, &names, at_s, VALID_S)?;
        Ok(CertificateEntry { at_s, key: certificate.certified_key().map_err(|_| IssueError::Validity(at_s))? })
    }

    /// The certificate for a client that dialled a name, or an address.
    fn certificate(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let key = name.map(str::to_owned);
        let now_s = wall_s();
        let is_fresh = |one: &&CertificateEntry| now_s >= one.at_s && now_s - one.at_s < RENEWED_S;
        if let Some(fresh) = issued.get(&key).filter(is_fresh) {
            return Some(fresh.key.clone());
        }
        match self.issue(name) {
            Ok(made) => {
                let shown = made.key.clone();
                if issued.contains_key(&key) || issued.len() < NAMES_MAX {
                    issued.insert(key, made);
                }
                Some(shown)
            }
            Err(error) => {
                warn!("can't renew this node's certificate: {error}");
                issued.get(&key).map(|old| old.key.clone())
            }
        }
    }
}

impl std::fmt::Debug for NodeCertificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeCertificates").field("node", &self.node).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for NodeCertificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.certificate(hello.server_name())
    }
}

impl ResolvesClientCert for NodeCertificates {
    fn resolve(&self, _subjects: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.certificate(None)
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Seconds since 1970 by the wall clock.
pub(super) fn wall_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
