//! What a node shows of its own ledger. The records are on its disk before they are shown.

use psi_replica::{Change, Clock, Key, Lane, Now, Origin, Scope};

use super::error::WriteError;
use crate::{
    components::ledger::{HEAD, LEDGER_RECORDS_SHOWN, LedgerHead, LedgerRecord, RECORDS, encode_head, encode_record},
    replica::Replica,
};

impl Replica {
    /// The run that a record is of, and a clock for it that is greater than any before.
    ///
    /// # Errors
    /// [`WriteError`]: the replica accepts no writes yet, or none any more.
    pub fn ledger_clock(&mut self, now: Now) -> Result<(Origin, Clock), WriteError> {
        let (_, mut writer) = self.begin_write(now)?;
        Ok((writer.origin().clone(), writer.tick()))
    }

    /// Shows what was appended to the ledger of the own run, and its head. Returns whether it did: once the replica goes
    /// on as another run, the ledger of the one before has ended.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is changed then.
    pub fn show_ledger(&mut self, now: Now, head: &LedgerHead, appended: &[LedgerRecord]) -> Result<bool, WriteError> {
        let (state, mut writer) = self.begin_write(now)?;
        let origin = writer.origin().clone();
        if origin != head.author {
            return Ok(false);
        }
        let key = |lane: Lane, index| Key { scope: Scope::Cluster, lane, index };
        // Those before them would be overwritten at once.
        let shown = usize::try_from(LEDGER_RECORDS_SHOWN).unwrap_or(usize::MAX);
        let records = appended[appended.len().saturating_sub(shown)..].iter();
        let records =
            records.map(|record| (key(RECORDS, record.number % LEDGER_RECORDS_SHOWN), encode_record(record, false)));
        let entries: Vec<_> = records.chain([(key(HEAD, 0), encode_head(head, false))]).collect();
        for (key, value) in entries {
            let change = Change { before: writer.held(&key), after: Some(value.clone()), key: key.clone() };
            writer.put(key, value);
            state.change_cluster(&origin, &change);
        }
        Ok(true)
    }

    /// Rises whenever a run shows something else of its ledger.
    #[must_use]
    pub fn ledger_generation(&self) -> u64 {
        self.state().cluster().ledgers.generation()
    }

    /// The heads that runs show, oldest first.
    #[must_use]
    pub fn ledger_heads(&self) -> Vec<LedgerHead> {
        self.state().cluster().ledgers.heads()
    }

    /// The records that runs show, of all of them or of those that `is_wanted`.
    pub fn ledger_records(&self, is_wanted: impl Fn(&LedgerRecord) -> bool) -> Vec<LedgerRecord> {
        self.state().cluster().ledgers.records().filter(|record| is_wanted(record)).cloned().collect()
    }
}
