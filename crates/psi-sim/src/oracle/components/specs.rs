//! What a field is: the spec of the greatest epoch, within an epoch the last by clock and origin.

use crate::oracle::{
    component::{Component, OwnRecords, Scope, Sights},
    known::Knowledge,
    records::{Log, Record},
    words::{OracleOrigin, OracleSpec},
};

/// See the file.
#[derive(Clone, Copy, Debug)]
pub struct Specs;

/// What a field is.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedSpec {
    /// The spec that holds.
    pub spec: OracleSpec,
    /// Nodes gave the field two shapes in one millisecond, and these drew the same bits. It is being led out of that
    /// epoch; until then only the spec is expected.
    pub is_disputed: bool,
}

impl Component for Specs {
    const SCOPE: Scope = Scope::Epoch;
    type Write = OracleSpec;
    type Record = OracleSpec;
    type Expectation = ExpectedSpec;

    fn record(
        _: &Knowledge<'_>,
        _: &OwnRecords<'_, OracleSpec>,
        new: &Record<OracleSpec>,
        _: &mut Sights,
    ) -> Option<OracleSpec> {
        Some(new.what.clone())
    }

    fn expect(known: &Knowledge<'_>, own: &OwnRecords<'_, OracleSpec>, _: &mut Sights) -> ExpectedSpec {
        let spec = known.spec.expect("a field that exists has a spec");
        ExpectedSpec { spec: spec.clone(), is_disputed: own.iter().any(|held| !held.what.is_alike(spec)) }
    }
}

/// Keeps a spec that an origin wrote without being asked: it repeats another's when it leaves its older epochs, so that
/// nobody hears of its leaving and not of the new epoch. One that is kept already is passed over.
///
/// # Errors
/// If nobody was asked for such a spec.
pub(in crate::oracle) fn record_repeated(
    log: &mut Log<OracleSpec>,
    (origin, version): (OracleOrigin, u64),
    number: usize,
    spec: OracleSpec,
) -> Result<(), String> {
    if log.iter().any(|held| held.origin == origin && held.version == version) {
        return Ok(());
    }
    // Out of an epoch with two shapes nodes lead by themselves, with the spec that holds in it.
    let leads_out = |held: &Record<OracleSpec>| held.what.is_alike(&spec) && is_disputed(log, held.epoch);
    if !log.iter().any(|held| held.what == spec || leads_out(held)) {
        return Err(format!("{origin:?} wrote at {version} a spec that nobody asked for: {spec:?}"));
    }
    log.push(Record { origin, version, clock: spec.clock, number, epoch: spec.epoch, what: spec });
    Ok(())
}

fn is_disputed(log: &Log<OracleSpec>, epoch: u64) -> bool {
    let mut within = log.iter().filter(|held| held.epoch == epoch);
    within.next().is_some_and(|first| within.any(|other| !other.what.is_alike(&first.what)))
}
