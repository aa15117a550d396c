//! A certificate that others issue, as cert-manager or SPIRE do, in place of those that follow from the cluster key: three
//! texts in PEM, checked as a whole.

use std::{fmt, sync::Arc, time::Duration};

use rustls::{
    InconsistentKeys,
    crypto::ring::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    sign::CertifiedKey,
};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::{
    chain::{ShownChain, TrustAnchors},
    pattern::{NamePattern, shown_names},
    refusal::CertificateRefusal,
    validity::Validity,
};
use crate::text::{list, moment};

/// What the keys begin with that take a passphrase: PKCS #8's, and the older ones'.
const ENCRYPTED: [&[u8]; 2] = [b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED"];

/// The contents of the files, in PEM.
#[derive(Clone, Copy, Debug)]
pub struct PemFiles<'a> {
    /// The node's certificate, and those between it and the authority.
    pub cert: &'a [u8],
    /// Its private key.
    pub key: &'a [u8],
    /// The authorities whose certificates are believed.
    pub ca: &'a [u8],
}

/// A certificate that others issued to this node, and the authorities that it believes.
#[derive(Clone, Debug)]
pub struct OwnCertificate {
    key: Arc<CertifiedKey>,
    anchors: TrustAnchors,
    names: NamePattern,
    validity: Validity,
}

/// Why the files can't be used. Nothing of the key is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OwnCertificateError {
    /// A file has no certificate, or one that is damaged.
    #[error("tls.{setting} has no certificate that can be read ({why}); it takes PEM, `-----BEGIN CERTIFICATE-----`")]
    NoCertificate {
        /// `cert` or `ca`.
        setting: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The file has no private key that can be used.
    #[error(
        "tls.key has no private key that can be used ({0}); it takes PEM: PKCS #8, PKCS #1 or SEC 1, of RSA, ECDSA on \
         P-256 or P-384, or Ed25519"
    )]
    NoKey(&'static str),
    /// The key takes a passphrase.
    #[error("tls.key takes a passphrase, and nobody is there to type it; write it without: `openssl pkey -in FILE`")]
    EncryptedKey,
    /// The key is not that of the certificate.
    #[error(
        "tls.key is not the key of the first certificate of tls.cert; put both in place together, the node's own first"
    )]
    OtherKey,
    /// The certificate names another node, or none.
    #[error(
        "the certificate of tls.cert is for {}, and this node's is to have the one URI name `{wanted}`; have it issued \
         with that, or set tls.name to the pattern that your names follow",
        list(.shown)
    )]
    OtherName {
        /// The URIs in it.
        shown: Vec<String>,
        /// The name of this node.
        wanted: String,
    },
    /// It is over, or yet to begin.
    #[error(
        "the certificate of tls.cert is valid from {} to {}, and it is {}; have it issued again, or set the clock",
        moment(.validity.not_before_s), moment(.validity.not_after_s), moment(*.now_s)
    )]
    Time {
        /// When it is valid.
        validity: Validity,
        /// The time here.
        now_s: u64,
    },
    /// No authority of the bundle leads to it.
    #[error(
        "the certificate of tls.cert leads to none of the authorities of tls.ca ({count} there): put its authority into \
         tls.ca, and what is between them into tls.cert, after the node's own"
    )]
    OtherAuthority {
        /// How many authorities there are.
        count: usize,
    },
    /// It may not be used at one of the two ends of a link.
    #[error(
        "the certificate of tls.cert can't be used by a {end}: {why}; nodes dial each other, so it takes both usages, \
         `server auth` and `client auth`, or none"
    )]
    Usage {
        /// `server` or `client`.
        end: &'static str,
        /// What webpki says.
        why: String,
    },
}

impl OwnCertificateError {
    /// Which file is to be mended: `cert`, `key` or `ca`.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        match self {
            Self::NoCertificate { setting, .. } => setting,
            Self::NoKey(_) | Self::EncryptedKey | Self::OtherKey => "key",
            Self::OtherName { .. } | Self::Time { .. } | Self::OtherAuthority { .. } | Self::Usage { .. } => "cert",
        }
    }
}

impl OwnCertificate {
    /// What the files hold for a node, at this time.
    ///
    /// # Errors
    /// [`OwnCertificateError`] if other nodes would refuse it, or anything can't be read.
    pub fn read(files: PemFiles<'_>, names: &NamePattern, node: &str, now_s: u64) -> Result<Self, OwnCertificateError> {
        let (chain, authorities) = (certificates("cert", files.cert)?, certificates("ca", files.ca)?);
        let validity = Validity::of_chain(&chain).map_err(|why| no_certificate("cert", &why))?;
        let key = private_key(files.key)?;
        let signing =
            any_supported_type(&key).map_err(|_| OwnCertificateError::NoKey("of another kind, or damaged"))?;
        let key = CertifiedKey::new(chain, signing);
        match key.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(_) => return Err(OwnCertificateError::OtherKey),
        }
        let anchors = TrustAnchors::from_authorities(&authorities)?;
        check_chain(&key.cert, &anchors, (names, node), (now_s, validity))?;
        let validity = authority_validity(&key.cert, &authorities).map_or(validity, |end| validity.until(end));
        Ok(Self { key: Arc::new(key), anchors, names: names.clone(), validity })
    }

    /// As rustls shows it.
    #[must_use]
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        self.key.clone()
    }

    /// The authorities that are believed.
    #[must_use]
    pub fn anchors(&self) -> &TrustAnchors {
        &self.anchors
    }

    /// How certificates of these authorities name nodes.
    #[must_use]
    pub fn names(&self) -> &NamePattern {
        &self.names
    }

    /// From when the certificate is valid, and until when it and those that it leads to are.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }
}

impl TrustAnchors {
    /// The authorities of a bundle in PEM, as `tls.ca` has it.
    ///
    /// # Errors
    /// There is none, or one is damaged.
    pub fn from_pem(pem: &[u8]) -> Result<Self, OwnCertificateError> {
        Self::from_authorities(&certificates("ca", pem)?)
    }

    fn from_authorities(authorities: &[CertificateDer<'_>]) -> Result<Self, OwnCertificateError> {
        Self::from_certificates(authorities).map_err(|refusal| match refusal {
            CertificateRefusal::Unusable(why) => no_certificate("ca", &why),
            other => no_certificate("ca", &other),
        })
    }
}

/// Whether other nodes take the certificate.
fn check_chain(
    chain: &[CertificateDer<'static>],
    anchors: &TrustAnchors,
    (names, node): (&NamePattern, &str),
    (now_s, validity): (u64, Validity),
) -> Result<(), OwnCertificateError> {
    let leaf = EndEntityCert::try_from(&chain[0]).map_err(|why| no_certificate("cert", &why))?;
    if names.node_of(&leaf).as_deref() != Some(node) {
        return Err(OwnCertificateError::OtherName { shown: shown_names(&leaf), wanted: names.name(node) });
    }
    let shown = ShownChain { leaf: &chain[0], rest: &chain[1..] };
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now_s));
    for (end, usage) in [("server", KeyUsage::server_auth()), ("client", KeyUsage::client_auth())] {
        anchors.verify(shown, now, usage, names).map_err(|refusal| match refusal {
            CertificateRefusal::Expired { .. } | CertificateRefusal::Premature { .. } => {
                OwnCertificateError::Time { validity, now_s }
            }
            CertificateRefusal::OtherAuthority { .. } => {
                OwnCertificateError::OtherAuthority { count: anchors.hashes().len() }
            }
            CertificateRefusal::Unusable(why) => OwnCertificateError::Usage { end, why: why.to_string() },
            other => OwnCertificateError::Usage { end, why: other.to_string() },
        })?;
    }
    Ok(())
}

/// How long the authority is valid that signed the last of a chain; the latest of those that have its name. Nodes don't
/// look at that, and programs that use OpenSSL do.
fn authority_validity(chain: &[CertificateDer<'_>], authorities: &[CertificateDer<'_>]) -> Option<Validity> {
    let last = EndEntityCert::try_from(chain.last()?).ok()?;
    let is_its = |authority: &&CertificateDer<'_>| {
        anchor_from_trusted_cert(authority).is_ok_and(|anchor| anchor.subject.as_ref() == last.issuer())
    };
    let all = authorities.iter().filter(is_its).filter_map(|one| Validity::of_certificate(one).ok());
    all.max_by_key(|validity| validity.not_after_s)
}

/// The certificates in PEM, one at least.
///
/// # Errors
/// There is none, or one is damaged.
fn certificates(setting: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, OwnCertificateError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(no_certificate(setting, &"there is none")),
        Ok(found) => Ok(found),
        Err(_) => Err(no_certificate(setting, &"its PEM is damaged")),
    }
}

fn no_certificate(setting: &'static str, why: &dyn fmt::Display) -> OwnCertificateError {
    OwnCertificateError::NoCertificate { setting, why: why.to_string() }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, OwnCertificateError> {
    let has = |mark: &&[u8]| pem.windows(mark.len()).any(|part| part == *mark);
    if ENCRYPTED.iter().any(has) {
        return Err(OwnCertificateError::EncryptedKey);
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => OwnCertificateError::NoKey("there is none"),
        _ => OwnCertificateError::NoKey("its PEM is damaged"),
    })
}
