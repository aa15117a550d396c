//! Whether a chain of certificates leads to an authority that is trusted.

use rustls::{
    DistinguishedName,
    crypto::{WebPkiSupportedAlgorithms, ring},
    pki_types::{CertificateDer, TrustAnchor, UnixTime},
};
use webpki::{
    EndEntityCert, KeyUsage, RawPublicKeyEntity, anchor_from_trusted_cert, ring::ECDSA_P256_SHA256, spki_for_anchor,
};

use super::{
    authority::{Authority, AuthorityHash},
    pattern::{NamePattern, shown_names},
    refusal::CertificateRefusal,
};
use crate::key::KeyRing;

/// Most authorities that are looked at of those that the other end shows.
const AUTHORITIES_MAX: usize = 8;

/// The authorities that are trusted.
#[derive(Clone, Debug)]
pub struct TrustAnchors {
    anchors: Vec<TrustAnchor<'static>>,
    hashes: Vec<AuthorityHash>,
}

/// A chain as the other end shows it.
#[derive(Clone, Copy)]
pub(super) struct ShownChain<'a> {
    pub(super) leaf: &'a CertificateDer<'a>,
    pub(super) rest: &'a [CertificateDer<'a>],
}

/// What signs certificates and handshakes, as rustls does it with *ring*.
pub(super) fn algorithms() -> WebPkiSupportedAlgorithms {
    ring::default_provider().signature_verification_algorithms
}

impl TrustAnchors {
    /// The authorities of all keys of a ring.
    ///
    /// # Panics
    /// Never: authorities are certificates.
    #[must_use]
    pub fn derive(keys: &KeyRing, cluster: &str) -> Self {
        let authorities = Authority::derive_all(keys, cluster);
        let certificates = authorities.iter().map(|authority| authority.certificate_der().clone());
        Self::from_certificates(&certificates.collect::<Vec<_>>()).expect("authorities are certificates")
    }

    /// Authorities that others run, in place of those of a key.
    ///
    /// # Errors
    /// One of them is no certificate.
    pub fn from_certificates(certificates: &[CertificateDer<'_>]) -> Result<Self, CertificateRefusal> {
        let mut found = Self { anchors: Vec::new(), hashes: Vec::new() };
        for certificate in certificates {
            let anchor = anchor_from_trusted_cert(certificate).map_err(CertificateRefusal::Unusable)?;
            found.hashes.push(AuthorityHash::of_public_key(&spki_for_anchor(&anchor)));
            found.anchors.push(anchor.to_owned());
        }
        Ok(found)
    }

    /// Which authorities they are.
    #[must_use]
    pub fn hashes(&self) -> &[AuthorityHash] {
        &self.hashes
    }

    /// Whether that authority is trusted and signed what a certificate can't be, see [`Authority::sign`].
    pub(crate) fn has_signed(
        &self,
        authority: AuthorityHash,
        context: &'static str,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let named = self.anchors.iter().zip(&self.hashes).find(|(_, hash)| **hash == authority);
        named.is_some_and(|(anchor, _)| {
            let public_key = spki_for_anchor(anchor);
            let signed = [context.as_bytes(), message].concat();
            let entity = RawPublicKeyEntity::try_from(&public_key);
            entity.is_ok_and(|entity| entity.verify_signature(ECDSA_P256_SHA256, &signed, signature).is_ok())
        })
    }

    /// What they are called. A server shows these, so a browser that has no certificate of theirs asks nobody for one.
    pub(super) fn subjects(&self) -> Vec<DistinguishedName> {
        self.anchors.iter().map(|anchor| DistinguishedName::in_sequence(&anchor.subject)).collect()
    }

    /// The node that the chain is of, if it leads to one of these authorities.
    pub(super) fn verify(
        &self,
        chain: ShownChain<'_>,
        now: UnixTime,
        usage: KeyUsage,
        names: &NamePattern,
    ) -> Result<String, CertificateRefusal> {
        let leaf = EndEntityCert::try_from(chain.leaf).map_err(CertificateRefusal::Unusable)?;
        let verified =
            leaf.verify_for_usage(algorithms().all, &self.anchors, chain.rest, now, usage, None, None).map(drop);
        let shown = || shown_names(&leaf);
        verified.map_err(|error| CertificateRefusal::new(error, shown(), chain.authorities(), &self.hashes))?;
        let nameless = || CertificateRefusal::Nameless { shown: shown(), wanted: names.to_string() };
        names.node_of(&leaf).ok_or_else(nameless)
    }
}

impl ShownChain<'_> {
    /// The authorities in the chain that have one of these hashes.
    pub(super) fn find(&self, wanted: &[AuthorityHash]) -> Result<TrustAnchors, CertificateRefusal> {
        let is_wanted = |certificate: &&CertificateDer<'_>| {
            AuthorityHash::of_certificate(certificate).is_some_and(|hash| wanted.contains(&hash))
        };
        let found: Vec<_> = self.rest.iter().filter(is_wanted).take(AUTHORITIES_MAX).cloned().collect();
        if found.is_empty() {
            let names = EndEntityCert::try_from(self.leaf).map(|leaf| shown_names(&leaf)).unwrap_or_default();
            let (shown, wanted) = (self.authorities(), wanted.to_vec());
            return Err(CertificateRefusal::OtherAuthority { names, shown, wanted });
        }
        TrustAnchors::from_certificates(&found)
    }

    /// The first few authorities in the chain.
    fn authorities(&self) -> Vec<AuthorityHash> {
        self.rest.iter().filter_map(AuthorityHash::of_certificate).take(AUTHORITIES_MAX).collect()
    }
}
