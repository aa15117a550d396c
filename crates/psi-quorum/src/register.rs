//! Registers: a name and its first voters.

use std::fmt;

use crate::{
    decision::{Decision, Step, Value},
    voters::VoterSet,
};

/// Longest name of a register or client, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// What ids of registers are hashes of.
const ID_CONTEXT: &[u8] = b"psi-field v1 register: ";

/// A name of a register, such as `lease/NAME`: 1 to [`NAME_BYTES_MAX`] bytes, no control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegisterName(String);

/// A name that is empty, too long, or holds a control character.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} name `{}` must have 1 to {NAME_BYTES_MAX} bytes and no control characters; it has {bytes}", .start.escape_debug())]
pub struct NameError {
    /// `register` or `client`.
    pub what: &'static str,
    /// The first characters of it.
    pub start: String,
    /// How long it is.
    pub bytes: usize,
}

/// BLAKE3 of a register's name and first voters. Registers of one name with other first voters have other ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegisterId([u8; 32]);

/// A chain of steps: its name, and its genesis, which is the decision of step 0 and lists the first voters.
///
/// Nobody votes on a genesis. It is a function of the name and of the voters that an operator registers for it in
/// replicated state. Two nodes that read different voters there have registers with different ids, and their voters
/// and proposers refuse each other by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Register {
    name: RegisterName,
    id: RegisterId,
    genesis: Decision,
}

/// Whether a name may be shown and stored.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), NameError> {
    let bytes = name.len();
    let is_name = (1..=NAME_BYTES_MAX).contains(&bytes) && !name.chars().any(char::is_control);
    let start = || name.chars().take(40).collect();
    if is_name { Ok(()) } else { Err(NameError { what, start: start(), bytes }) }
}

impl RegisterName {
    /// The name of these characters.
    ///
    /// # Errors
    /// They are none, too many, or control characters.
    pub fn new(name: &str) -> Result<Self, NameError> {
        check_name("register", name).map(|()| Self(name.to_owned()))
    }

    /// Its characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RegisterId {
    /// The id of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Register {
    /// The register of this name that starts with these voters.
    #[must_use]
    pub fn new(name: RegisterName, first_voters: VoterSet) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(ID_CONTEXT).update(&[u8::try_from(name.0.len()).unwrap_or(u8::MAX)]).update(name.0.as_bytes());
        for key in first_voters.keys() {
            hasher.update(key.as_bytes());
        }
        let id = RegisterId(*hasher.finalize().as_bytes());
        Self { name, id, genesis: Decision::new(Step::GENESIS, Value::genesis(first_voters)) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &RegisterName {
        &self.name
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> RegisterId {
        self.id
    }

    /// The decision of step 0.
    #[must_use]
    pub fn genesis(&self) -> &Decision {
        &self.genesis
    }
}

impl fmt::Display for RegisterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RegisterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The first 16 hex digits.
impl fmt::Display for RegisterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RegisterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
