//! The text of a token: protobuf and a MAC, as base64url.

use data_encoding::BASE64URL_NOPAD;
use prost::Message;

use super::{claims::TokenClaims, error::ClaimsError, label::TokenId, refusal::TokenRefusal, role::Role};
use crate::{
    certificate::AuthorityHash,
    key::{ClusterKey, KeyId, Purpose},
};

/// Longest text that is read as a token. The bounds of its claims keep each token below it.
pub const TEXT_BYTES_MAX: usize = 4_096;
/// What the text of a token starts with.
const PREFIX: &str = "psi-token-";
const MAC_BYTES: usize = blake3::OUT_LEN;

/// What a token holds. Tags are never used for anything else.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TokenMessage {
    #[prost(bytes = "vec", tag = "1")]
    key_id: Vec<u8>,
    #[prost(string, tag = "2")]
    cluster: String,
    #[prost(bytes = "vec", tag = "3")]
    id: Vec<u8>,
    #[prost(string, tag = "4")]
    name: String,
    #[prost(int32, tag = "5")]
    role: i32,
    #[prost(string, repeated, tag = "6")]
    fields: Vec<String>,
    #[prost(uint64, tag = "7")]
    not_after_s: u64,
    #[prost(bytes = "vec", repeated, tag = "8")]
    authorities: Vec<Vec<u8>>,
}

#[cfg(test)]
impl TokenMessage {
    pub(super) fn set_role(&mut self, role: i32) {
        self.role = role;
    }
}

/// A token as it reads, before anyone checked who made it. A client shows it, and learns from it which nodes to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnverifiedToken {
    claims: TokenClaims,
    key_id: KeyId,
    /// What the MAC is over.
    signed: Vec<u8>,
    mac: [u8; MAC_BYTES],
}

impl UnverifiedToken {
    /// Reads a token. Spaces around it are skipped, as files end in a line break.
    ///
    /// # Errors
    /// [`TokenRefusal::NoToken`] or [`TokenRefusal::Claims`] if no node would accept it, whatever keys it has.
    pub fn read(text: &str) -> Result<Self, TokenRefusal> {
        let text = text.trim_ascii();
        let encoding = text.strip_prefix(PREFIX).ok_or(TokenRefusal::NoToken("it doesn't start with `psi-token-`"))?;
        if text.len() > TEXT_BYTES_MAX {
            return Err(TokenRefusal::NoToken("it is longer than a token can be"));
        }
        let bytes = BASE64URL_NOPAD.decode(encoding.as_bytes());
        let bytes = bytes.map_err(|_| TokenRefusal::NoToken("it was cut, or has a character that no token has"))?;
        let (signed, mac) =
            bytes.split_last_chunk::<MAC_BYTES>().ok_or(TokenRefusal::NoToken("it is shorter than a token"))?;
        let message = TokenMessage::decode(signed).map_err(|_| TokenRefusal::NoToken("it was cut or changed"))?;
        // What a later version adds may narrow a token, so it is not ignored.
        if message.encode_to_vec() != signed {
            return Err(TokenRefusal::NoToken("it was changed, or made by a later version of psi-field"));
        }
        let (claims, key_id) = claims(message)?;
        Ok(Self { claims, key_id, signed: signed.to_vec(), mac: *mac })
    }

    /// What it claims.
    #[must_use]
    pub fn claims(&self) -> &TokenClaims {
        &self.claims
    }

    /// By which key it claims to be signed.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    pub(super) fn into_claims(self) -> TokenClaims {
        self.claims
    }

    /// In constant time.
    pub(super) fn is_signed_by(&self, key: &ClusterKey) -> bool {
        mac(&self.signed, key, &self.claims.cluster) == blake3::Hash::from_bytes(self.mac)
    }
}

/// The message of claims that were checked.
pub(super) fn message(claims: &TokenClaims, key_id: KeyId) -> TokenMessage {
    TokenMessage {
        key_id: key_id.as_bytes().to_vec(),
        cluster: claims.cluster.clone(),
        id: claims.id.as_bytes().to_vec(),
        name: claims.name.clone(),
        role: claims.role as i32,
        fields: claims.fields.clone(),
        not_after_s: claims.not_after_s,
        authorities: claims.authorities.iter().map(|hash| hash.as_bytes().to_vec()).collect(),
    }
}

/// The text of a message, signed by a key.
pub(super) fn write(message: &TokenMessage, key: &ClusterKey, cluster: &str) -> String {
    let mut bytes = message.encode_to_vec();
    let mac = mac(&bytes, key, cluster);
    bytes.extend_from_slice(mac.as_bytes());
    format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes))
}

fn mac(signed: &[u8], key: &ClusterKey, cluster: &str) -> blake3::Hash {
    blake3::keyed_hash(&key.derive(Purpose::Token, cluster, &[]), signed)
}

fn claims(message: TokenMessage) -> Result<(TokenClaims, KeyId), TokenRefusal> {
    let role = Role::ALL.into_iter().find(|role| *role as i32 == message.role).ok_or(ClaimsError::Role)?;
    let authorities = message.authorities.into_iter().map(|hash| Ok(AuthorityHash::from_bytes(array(hash)?)));
    let claims = TokenClaims {
        id: TokenId::from_random(array(message.id)?),
        name: message.name,
        role,
        fields: message.fields,
        not_after_s: message.not_after_s,
        authorities: authorities.collect::<Result<_, TokenRefusal>>()?,
        cluster: message.cluster,
    };
    claims.check()?;
    Ok((claims, KeyId::from_bytes(array(message.key_id)?)))
}

fn array<const N: usize>(bytes: Vec<u8>) -> Result<[u8; N], TokenRefusal> {
    bytes.try_into().map_err(|_| TokenRefusal::NoToken("an id or a hash in it has the wrong length"))
}
