//! Who acted.

use psi_replica::NodeId;
use psi_security::token::{NAME_BYTES_MAX, Role, TokenId, TokenLabel};

use super::refusal::RecordRefusal;
use crate::proto;

/// Who acted, as far as the node knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Anybody: the node asks for no tokens.
    Anyone,
    /// A node by itself.
    Node(NodeId),
    /// The holder of an access token.
    Token {
        /// Which token.
        token: TokenLabel,
        /// What its holder may do.
        role: Role,
    },
}

impl Actor {
    /// Its message, for other records that name who acted; `None` is anyone.
    ///
    /// # Errors
    /// The name of its token is none.
    pub fn message(&self) -> Result<Option<proto::Actor>, RecordRefusal> {
        let message = match self {
            Self::Anyone => return Ok(None),
            Self::Node(node) => proto::Actor { node: node.to_string(), ..proto::Actor::default() },
            Self::Token { token: TokenLabel { name, id }, role } => {
                check_token_name(name)?;
                let (token_name, token_id) = (name.clone(), id.as_bytes().to_vec());
                proto::Actor { node: String::new(), token_name, token_id, role: *role as u32 }
            }
        };
        Ok(Some(message))
    }

    /// Reads what [`Actor::message`] makes.
    ///
    /// # Errors
    /// [`RecordRefusal::Actor`].
    pub fn read(message: Option<proto::Actor>) -> Result<Self, RecordRefusal> {
        let Some(proto::Actor { node, token_name, token_id, role }) = message else {
            return Ok(Self::Anyone);
        };
        if !node.is_empty() {
            let is_node = token_name.is_empty() && token_id.is_empty() && role == 0;
            let node = NodeId::new(&node).ok().filter(|_| is_node);
            return node.map(Self::Node).ok_or(RecordRefusal::Actor("it has a bad name, or is both"));
        }
        check_token_name(&token_name)?;
        let id = token_id.try_into().map_err(|_| RecordRefusal::Actor("the id of its token has not 8 bytes"))?;
        let role = Role::ALL.into_iter().find(|known| *known as u32 == role);
        let role = role.ok_or(RecordRefusal::Actor("its role is none that tokens have"))?;
        Ok(Self::Token { token: TokenLabel { name: token_name, id: TokenId::from_random(id) }, role })
    }
}

/// Names of tokens are lines of visible ASCII.
fn check_token_name(name: &str) -> Result<(), RecordRefusal> {
    let is_name = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_name { Ok(()) } else { Err(RecordRefusal::Actor("the name of its token is empty, too long or not in ASCII")) }
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Anyone => f.write_str("anyone"),
            Self::Node(node) => write!(f, "node {node}"),
            Self::Token { token, role } => write!(f, "{role} {token}"),
        }
    }
}
