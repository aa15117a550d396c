//! The certificates that this node shows: those that it makes from the cluster key, or one that others issued to it.

mod derived;

use std::sync::Arc;

use psi_security::certificate::{Authority, IssueError, OwnCertificate, Validity};
use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use self::derived::DerivedCertificates;
use crate::{node::identity::clock::WallClock, settings::Addresses};

/// What this node shows in handshakes.
#[derive(Debug)]
pub(super) enum NodeCertificates {
    /// Made here, for whatever name is asked for.
    Derived(Box<DerivedCertificates>),
    /// Issued by others: the same for all.
    Own(OwnCertificate),
}

impl NodeCertificates {
    /// # Errors
    /// No certificate can be made for the node's name.
    pub(super) fn derive(
        authority: Authority,
        node: &str,
        addresses: &Addresses,
        clock: WallClock,
    ) -> Result<Self, IssueError> {
        Ok(Self::Derived(Box::new(DerivedCertificates::new(authority, node, addresses, clock)?)))
    }

    fn certificate(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        match self {
            Self::Derived(derived) => derived.certificate(name),
            Self::Own(own) => Some(own.certified_key()),
        }
    }

    /// Where they come from, for metrics.
    pub(super) fn source(&self) -> &'static str {
        match self {
            Self::Derived(_) => "derived",
            Self::Own(_) => "own",
        }
    }

    /// From when until when the certificate is valid that a handshake would show now.
    pub(super) fn validity(&self) -> Option<Validity> {
        match self {
            Self::Derived(derived) => Validity::of_certificate(derived.certificate(None)?.cert.first()?).ok(),
            Self::Own(own) => Some(own.validity()),
        }
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
