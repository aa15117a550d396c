//! Names that people give the columns of a field: the last ones written, by clock and then by origin, in whichever epoch.
//! They show while the field has as many columns.

use crate::{
    oracle::{
        component::{Component, OwnRecords, Scope, Sights},
        known::Knowledge,
        records::Record,
    },
    report::markers::Marker,
};

/// Names show in a later epoch than they were written in.
const OUTLIVED_RESET: Marker = Marker::new("names outlived a reset");
/// Names are not shown, since the field has another width by now.
const OTHER_WIDTH: Marker = Marker::new("names of another width");

/// See the file.
#[derive(Clone, Copy, Debug)]
pub struct ColumnNames;

impl Component for ColumnNames {
    const SCOPE: Scope = Scope::Field;
    const SIGHTS: &'static [Marker] = &[OUTLIVED_RESET, OTHER_WIDTH];
    type Write = Vec<String>;
    type Record = Vec<String>;
    type Expectation = Option<Vec<String>>;

    fn record(
        _: &Knowledge<'_>,
        _: &OwnRecords<'_, Vec<String>>,
        new: &Record<Vec<String>>,
        _: &mut Sights,
    ) -> Option<Vec<String>> {
        Some(new.what.clone())
    }

    fn expect(known: &Knowledge<'_>, own: &OwnRecords<'_, Vec<String>>, sights: &mut Sights) -> Option<Vec<String>> {
        let last = own.last().filter(|last| !last.what.is_empty())?;
        if known.spec.is_none_or(|spec| spec.width != last.what.len()) {
            sights.insert(OTHER_WIDTH);
            return None;
        }
        if last.epoch < known.epoch {
            sights.insert(OUTLIVED_RESET);
        }
        Some(last.what.clone())
    }
}
