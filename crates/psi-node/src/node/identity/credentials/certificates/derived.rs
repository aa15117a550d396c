//! Certificates that this node makes from the cluster key, when they are needed, and again every day. They live in
//! memory alone.
//!
//! Their age is looked at in each handshake and not by a timer: a machine that stood still for a month shows a new one
//! at once.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use psi_security::certificate::{Authority, IssueError};
use rustls::sign::CertifiedKey;
use tracing::warn;

use crate::{node::identity::clock::WallClock, settings::Addresses};

const VALID_S: u64 = 7 * 24 * 60 * 60;
const RENEWED_S: u64 = 24 * 60 * 60;
/// Names that clients dialled this node by whose certificates are kept. For another one is made each time.
const NAMES_MAX: usize = 64;

/// The certificates that this node makes for itself.
pub(in crate::node::identity::credentials) struct DerivedCertificates {
    authority: Authority,
    node: String,
    /// What every certificate names.
    addresses: Vec<String>,
    clock: WallClock,
    /// By the name that the client dialled; `None` where it dialled an address.
    issued: Mutex<BTreeMap<Option<String>, CertificateEntry>>,
}

#[derive(Clone)]
struct CertificateEntry {
    at_s: u64,
    key: Arc<CertifiedKey>,
}

impl DerivedCertificates {
    /// # Errors
    /// No certificate can be made for the node's name.
    pub(super) fn new(
        authority: Authority,
        node: &str,
        addresses: &Addresses,
        clock: WallClock,
    ) -> Result<Self, IssueError> {
        let own = [addresses.grpc, addresses.http].map(|address| address.ip().to_string());
        let mut addresses: Vec<String> =
            own.into_iter().chain(["127.0.0.1", "::1", "localhost"].map(str::to_owned)).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let certificates = Self { authority, node: node.to_owned(), addresses, clock, issued: Mutex::default() };
        certificates.issue(None)?;
        Ok(certificates)
    }

    fn issue(&self, name: Option<&str>) -> Result<CertificateEntry, IssueError> {
        let names: Vec<&str> = self.addresses.iter().map(String::as_str).chain(name).collect();
        let at_s = self.clock.now_s();
        let certificate = self.authority.issue(&self.node, &names, at_s, VALID_S)?;
        Ok(CertificateEntry { at_s, key: certificate.certified_key().map_err(|_| IssueError::Validity(at_s))? })
    }

    /// The certificate for a client that dialled a name, or an address.
    pub(super) fn certificate(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let key = name.map(str::to_owned);
        let now_s = self.clock.now_s();
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

impl fmt::Debug for DerivedCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DerivedCertificates").field("node", &self.node).finish_non_exhaustive()
    }
}
