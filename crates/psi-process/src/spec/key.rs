//! Keys that a spec trusts: Ed25519, as PEM.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use psi_security::node_key::NodePublicKey;
use rustls_pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};
use serde::{Deserialize, Serialize};

use crate::text::shown;

/// What precedes the 32 bytes of an Ed25519 key (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const PEM_BYTES_MAX: usize = 1_024;
/// Points of small order, without the bit of the sign, in hex. By such a key anyone signs anything.
const SMALL_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// A public key whose signatures count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TrustedKey(NodePublicKey);

/// A text that is no such key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is no public key: {cause}; write one, in PEM, as `openssl pkey -pubout` does for an Ed25519 key",
    shown(.got, 40)
)]
pub struct KeyError {
    /// Its beginning.
    pub got: String,
    /// What is wrong with it.
    pub cause: &'static str,
}

impl TrustedKey {
    /// The key that signs by Ed25519.
    #[must_use]
    pub fn new(key: NodePublicKey) -> Self {
        Self(key)
    }

    /// Reads one `PUBLIC KEY` in PEM.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        Self::read(pem).map_err(|cause| KeyError { got: pem.chars().take(60).collect(), cause })
    }

    fn read(pem: &str) -> Result<Self, &'static str> {
        if pem.len() > PEM_BYTES_MAX {
            return Err("it has more than 1,024 bytes");
        }
        if pem.matches("-----BEGIN").count() != 1 {
            return Err("it has no or several PEM blocks");
        }
        let der =
            SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).map_err(|_| "it is no PEM of a public key")?;
        let key = der.strip_prefix(&SPKI_PREFIX).and_then(|key| key.try_into().ok()).ok_or("it is not of Ed25519")?;
        if has_small_order(key) {
            return Err("it is a point of small order, by which anyone signs anything");
        }
        Ok(Self(NodePublicKey::from_bytes(key)))
    }

    /// Its PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let der = [&SPKI_PREFIX[..], self.0.as_bytes()].concat();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64.encode(&der))
    }

    /// The key itself.
    #[must_use]
    pub fn public_key(&self) -> &NodePublicKey {
        &self.0
    }
}

fn has_small_order(mut key: [u8; 32]) -> bool {
    key[31] &= 0x7f;
    SMALL_ORDER.contains(&HEXLOWER.encode(&key).as_str())
}

impl TryFrom<String> for TrustedKey {
    type Error = KeyError;

    fn try_from(pem: String) -> Result<Self, KeyError> {
        Self::from_pem(&pem)
    }
}

impl From<TrustedKey> for String {
    fn from(key: TrustedKey) -> Self {
        key.to_pem()
    }
}

/// 64 hex digits.
impl fmt::Display for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use psi_security::node_key::{NodeKey, NodeSignature};

    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        let key = TrustedKey::new(NodeKey::from_random(&[7; 32]).public());
        let pem = key.to_pem();
        assert_eq!(TrustedKey::from_pem(&pem), Ok(key));
        let body = pem.lines().nth(1).unwrap();
        for bad in [
            String::new(),
            body.to_owned(),
            format!("{pem}{pem}"),
            pem.replace("PUBLIC", "PRIVATE"),
            pem.replace(body, &body[4..]),
            pem.replace(body, &BASE64.encode(&[0; 44])),
            pem.replace(body, "!!!!"),
            " ".repeat(2_000),
        ] {
            assert!(TrustedKey::from_pem(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_by_which_anyone_signs_is_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let (key, mut signature) = (NodePublicKey::from_bytes(identity), [0; 64]);
        signature[0] = 1;
        assert!(key.has_signed(b"anything", &NodeSignature::from_bytes(signature)), "this is why");
        for point in SMALL_ORDER {
            let point: [u8; 32] = HEXLOWER.decode(point.as_bytes()).unwrap().try_into().unwrap();
            for sign in [0, 0x80] {
                let mut point = point;
                point[31] |= sign;
                let error = TrustedKey::from_pem(&TrustedKey::new(NodePublicKey::from_bytes(point)).to_pem());
                assert!(error.unwrap_err().to_string().contains("small order"));
            }
        }
    }

    #[test]
    fn a_key_of_openssl_is_read() {
        let pem = "-----BEGIN PUBLIC KEY-----\n\
                   MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
                   -----END PUBLIC KEY-----\n";
        let key = TrustedKey::from_pem(pem).unwrap();
        assert!(key.to_string().starts_with("19bf44096984cdfe"), "{key}");
    }
}
