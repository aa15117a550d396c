//! What a voter keeps on its disk.

use psi_security::node_key::NodePublicKey;

use crate::{
    ballot::Ballot,
    decision::{Decision, Proposal},
    register::{Register, RegisterId, RegisterName},
};

/// What a voter keeps of a register. It is one unit: it replaces the record before it, whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    pub(crate) voter: NodePublicKey,
    pub(crate) register: RegisterName,
    pub(crate) register_id: RegisterId,
    /// The last decision known.
    pub(crate) last: Decision,
    /// The one open step: the one after `last`.
    pub(crate) open: OpenStep,
}

/// What a voter said in a step that it knows no decision of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct OpenStep {
    /// Nothing below it is accepted any more.
    pub(crate) promised: Option<Ballot>,
    /// What it accepted under the highest ballot.
    pub(crate) accepted: Option<Proposal>,
}

/// Why a record is not that of a voter. The voter must not vote in this register.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Someone else voted so.
    #[error(
        "the record of register `{register}` is of voter {found}, and this is {own}: the store was copied; make a new key and list it"
    )]
    OtherVoter {
        /// The register.
        register: RegisterName,
        /// Whose record it is.
        found: NodePublicKey,
        /// The voter that was to be restored.
        own: NodePublicKey,
    },
    /// There are two registers of one name, or the record is stored under a wrong name.
    #[error(
        "the record is of register `{found}` ({found_id}), and `{own}` ({own_id}) was registered: \
         keep the one that was voted in, and give the other a new name"
    )]
    OtherRegister {
        /// The name in the record.
        found: RegisterName,
        /// The id in the record.
        found_id: RegisterId,
        /// The name as registered.
        own: RegisterName,
        /// The id as registered.
        own_id: RegisterId,
    },
}

impl Record {
    /// Of a voter that never voted.
    pub(crate) fn new(voter: NodePublicKey, register: &Register) -> Self {
        let (name, last) = (register.name().clone(), register.genesis().clone());
        Self { voter, register: name, register_id: register.id(), last, open: OpenStep::default() }
    }

    /// Whether it is that of this voter in this register.
    pub(crate) fn check(&self, voter: NodePublicKey, register: &Register) -> Result<(), RecordError> {
        if self.voter != voter {
            return Err(RecordError::OtherVoter { register: self.register.clone(), found: self.voter, own: voter });
        }
        if self.register_id != register.id() || self.register != *register.name() {
            return Err(RecordError::OtherRegister {
                found: self.register.clone(),
                found_id: self.register_id,
                own: register.name().clone(),
                own_id: register.id(),
            });
        }
        Ok(())
    }

    /// The name of the register.
    #[must_use]
    pub fn register(&self) -> &RegisterName {
        &self.register
    }

    /// What the voter accepted in the step after [`Record::last`].
    #[must_use]
    pub fn accepted(&self) -> Option<&Proposal> {
        self.open.accepted.as_ref()
    }

    /// The last decision in it.
    #[must_use]
    pub fn last(&self) -> &Decision {
        &self.last
    }
}
