//! What a node shows to others, and what it believes, at one moment: all of it follows from its files.

mod certificates;

use std::sync::Arc;

use psi_replica::NodeId;
use psi_security::{
    certificate::{Authority, AuthorityHash, ClientTrust, NamePattern, ServerTrust, TrustAnchors, Validity, tls},
    key::KeyRing,
    node_key::NodePublicKey,
    token::{Revocations, TokenClaims, TokenRefusal},
};
use rustls::{ClientConfig, ServerConfig, pki_types::CertificateDer};

use self::certificates::NodeCertificates;
use super::{
    clock::WallClock,
    error::IdentityError,
    files::FileContents,
    node_key::{KeptNodeKey, OwnVoucher, public_key},
    port::Port,
};
use crate::settings::{Addresses, Settings};

/// What a node shows, and what it believes.
pub(crate) struct Credentials {
    pub(crate) ring: KeyRing,
    pub(crate) cluster: String,
    revoked: Revocations,
    anchors: TrustAnchors,
    names: NamePattern,
    certificates: Arc<NodeCertificates>,
    grpc: Arc<ServerConfig>,
    http: Arc<ServerConfig>,
    clock: WallClock,
    node: String,
    /// Those of the keys, which vouch for the keys of nodes, also where others issue certificates.
    voucher_anchors: TrustAnchors,
    voucher: OwnVoucher,
}

impl Credentials {
    pub(super) fn new(
        contents: &FileContents,
        settings: &Settings,
        addresses: &Addresses,
        clock: WallClock,
    ) -> Result<Self, IdentityError> {
        let (ring, cluster, node) = (contents.ring.clone(), settings.cluster.as_str(), settings.node.as_str());
        let (anchors, certificates) = match &contents.own {
            Some(own) => (own.anchors().clone(), NodeCertificates::Own(own.clone())),
            None => {
                let authority = Authority::derive(ring.first(), cluster);
                let derived = NodeCertificates::derive(authority, node, addresses, clock.clone())?;
                (TrustAnchors::derive(&ring, cluster), derived)
            }
        };
        let names = match &contents.own {
            Some(own) => own.names().clone(),
            None => NamePattern::of_cluster(cluster),
        };
        let (certificates, trust) =
            (Arc::new(certificates), Arc::new(ClientTrust::new(anchors.clone(), names.clone())));
        let served = |port: Port| {
            tls::server_config(trust.clone(), certificates.clone(), &[port.protocol()], clock.provider()).map(Arc::new)
        };
        let (grpc, http) = (served(Port::Grpc)?, served(Port::Http)?);
        Ok(Self {
            cluster: cluster.to_owned(),
            revoked: contents.revoked.clone(),
            anchors,
            names,
            certificates,
            grpc,
            http,
            clock,
            node: node.to_owned(),
            voucher_anchors: TrustAnchors::derive(&ring, cluster),
            voucher: OwnVoucher::default(),
            ring,
        })
    }

    /// That this node has its key, by the word of the first cluster key.
    pub(super) fn own_voucher(&self, key: &KeptNodeKey) -> &str {
        self.voucher.get(self.ring.first(), &self.cluster, &self.node, key)
    }

    /// The key of a node by the voucher that it published, if that is good.
    pub(crate) fn vouched(&self, node: &str, voucher: &str) -> Option<NodePublicKey> {
        public_key(&self.voucher_anchors, &self.cluster, node, voucher)
    }

    pub(super) fn server_config(&self, port: Port) -> Arc<ServerConfig> {
        match port {
            Port::Grpc => self.grpc.clone(),
            Port::Http => self.http.clone(),
        }
    }

    /// The claims of a token, if it is accepted now.
    pub(super) fn verify(&self, token: &str, now_s: u64) -> Result<TokenClaims, TokenRefusal> {
        TokenClaims::verify(&self.ring, &self.cluster, now_s, &self.revoked, token)
    }

    /// The node that a chain is of, which was verified.
    pub(super) fn peer(&self, chain: &[CertificateDer<'_>]) -> Option<NodeId> {
        NodeId::new(&self.names.peer_node(chain)?).ok()
    }

    /// How another node is dialled: `node`, or any of the cluster.
    pub(super) fn client_config(&self, node: Option<&str>) -> Result<ClientConfig, rustls::Error> {
        let (anchors, names) = (self.anchors.clone(), self.names.clone());
        let trust = match node {
            Some(node) => ServerTrust::node(anchors, names, node),
            None => ServerTrust::any_node(anchors, names),
        };
        let protocols = [Port::Grpc.protocol()];
        tls::client_config(Arc::new(trust), Some(self.certificates.clone()), &protocols, self.clock.provider())
    }

    /// The authorities whose certificates are believed.
    pub(super) fn authorities(&self) -> &[AuthorityHash] {
        self.anchors.hashes()
    }

    /// From when until when the certificate is valid that a handshake would show now, and where it comes from.
    pub(crate) fn validity(&self) -> Option<(&'static str, Validity)> {
        Some((self.certificates.source(), self.certificates.validity()?))
    }

    /// The validity of a certificate that others issued, if that is about to end or over.
    pub(super) fn ending(&self) -> Option<Validity> {
        let NodeCertificates::Own(own) = &*self.certificates else { return None };
        Some(own.validity()).filter(|validity| validity.is_ending(self.clock.now_s()))
    }
}
