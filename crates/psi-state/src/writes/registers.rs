//! Voters that operators name, registers, and the decisions that nodes learn of.

use bytes::Bytes;
use psi_replica::{Change, Key, Lane, Now, Scope};

use super::error::WriteError;
use crate::{
    component::Component,
    components::registers::{
        REGISTERS, REGISTERS_MAX, RegisterView, Registers, RegistersValue, VOTERS, VoterName, encode_register,
    },
    replica::Replica,
};

impl Replica {
    /// Names who votes in new registers.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is changed then.
    pub fn set_voters(&mut self, now: Now, voters: Vec<VoterName>) -> Result<(), WriteError> {
        self.put_in_cluster(now, (VOTERS, 0), |clock| {
            Registers::encode(&RegistersValue::Voters { voters, clock, author: None })
        })
    }

    /// Registers a name, with its first voters, unless it is registered; returns what counts, as far as is known here.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is changed then.
    pub fn register(&mut self, now: Now, name: &str, first_voters: Vec<Bytes>) -> Result<RegisterView, WriteError> {
        if let Some(view) = self.register_view(name) {
            return Ok(view);
        }
        let registers = self.state().cluster().registers.count();
        if registers >= REGISTERS_MAX {
            return Err(WriteError::TooManyRegisters { registers, max: REGISTERS_MAX });
        }
        self.put_in_cluster(now, (REGISTERS, index_of(name)), |clock| {
            encode_register(name, (clock, None), first_voters, (0, Bytes::new()))
        })?;
        Ok(self.register_view(name).expect("it was registered just now"))
    }

    /// Shows a decision of a register, if it is later than the one that is known.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is changed then.
    pub fn show_decision(&mut self, now: Now, name: &str, step: u64, decision: Bytes) -> Result<(), WriteError> {
        let registers = &self.state().cluster().registers;
        let (Some(view), Some((clock, author))) = (registers.register(name), registers.registration(name)) else {
            return Ok(());
        };
        if view.step >= step {
            return Ok(());
        }
        let is_own = self.origin() == Some(&author);
        let author = Some(author).filter(|_| !is_own);
        self.put_in_cluster(now, (REGISTERS, index_of(name)), |_| {
            encode_register(name, (clock, author), view.first_voters, (step, decision))
        })
    }

    /// Who votes in new registers; none where nobody said so.
    #[must_use]
    pub fn voters(&self) -> Vec<VoterName> {
        self.state().cluster().registers.voters().to_vec()
    }

    /// A register, as far as is known here.
    #[must_use]
    pub fn register_view(&self, name: &str) -> Option<RegisterView> {
        self.state().cluster().registers.register(name)
    }

    /// Registers whose names begin so, by name, as far as they are known here.
    #[must_use]
    pub fn registers_below(&self, prefix: &str) -> Vec<RegisterView> {
        self.state().cluster().registers.below(prefix)
    }

    /// Puts one own entry of the cluster, which is to be flushed.
    fn put_in_cluster(
        &mut self,
        now: Now,
        (lane, index): (Lane, u64),
        encode: impl FnOnce(psi_replica::Clock) -> Bytes,
    ) -> Result<(), WriteError> {
        let (state, mut writer) = self.begin_write(now)?;
        let (clock, origin) = (writer.tick(), writer.origin().clone());
        let key = Key { scope: Scope::Cluster, lane, index };
        let value = encode(clock);
        let change = Change { before: writer.held(&key), after: Some(value.clone()), key: key.clone() };
        writer.put(key, value);
        state.change_cluster(&origin, &change);
        Ok(())
    }
}

/// Where the entry of a name stands among those of its origin.
fn index_of(name: &str) -> u64 {
    let hash = blake3::hash(name.as_bytes());
    let bytes = hash.as_bytes().first_chunk().copied().unwrap_or_default();
    u64::from_le_bytes(bytes) >> 1
}
