//! A label that people attach to a field: the last one written, by clock and then by origin, in whichever epoch.

use crate::{
    oracle::{
        component::{Component, OwnRecords, Scope, Sights},
        known::Knowledge,
        records::Record,
    },
    report::markers::Marker,
};

/// A label shows in a later epoch than it was written in.
const OUTLIVED_RESET: Marker = Marker::new("label outlived a reset");
/// A field was dropped and created again, and has the label that it had before.
const OUTLIVED_DROP: Marker = Marker::new("label outlived a drop");

/// See the file.
#[derive(Clone, Copy, Debug)]
pub struct Label;

impl Component for Label {
    const SCOPE: Scope = Scope::Field;
    const SIGHTS: &'static [Marker] = &[OUTLIVED_RESET, OUTLIVED_DROP];
    type Write = String;
    type Record = String;
    type Expectation = Option<String>;

    fn record(_: &Knowledge<'_>, _: &OwnRecords<'_, String>, new: &Record<String>, _: &mut Sights) -> Option<String> {
        Some(new.what.clone())
    }

    fn expect(known: &Knowledge<'_>, own: &OwnRecords<'_, String>, sights: &mut Sights) -> Option<String> {
        let last = own.last().filter(|last| !last.what.is_empty())?;
        if last.epoch < known.epoch {
            sights.insert(OUTLIVED_RESET);
        }
        if known.all_specs().any(|spec| spec.what.dropped && spec.epoch > last.epoch) {
            sights.insert(OUTLIVED_DROP);
        }
        Some(last.what.clone())
    }
}
