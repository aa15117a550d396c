//! Names that people give the columns of a field.

use psi_replica::{FieldName, Now};
use psi_state::{ColumnNames as RealNames, LastingReceipt, Replica, WriteError};

use crate::compare::{
    same::same,
    subject::{AcceptedWrite, ShownField, Subject, SubjectWrites},
    words::{oracle_clock, oracle_origin},
};
use crate::{oracle::components::names::ColumnNames, plan::rng::Rng};

impl Subject for ColumnNames {
    fn compare(expected: &Option<Vec<String>>, shown: ShownField<'_>) -> Result<(), String> {
        let names = shown.view.names.as_ref();
        same("names", expected.clone(), names.map(|names| names.iter().map(str::to_owned).collect()))
    }

    fn hash(shown: ShownField<'_>, hasher: &mut blake3::Hasher) {
        for name in shown.view.names.iter().flat_map(|names| names.iter()) {
            hasher.update(&name.len().to_le_bytes()).update(name.as_bytes());
        }
    }
}

impl SubjectWrites for ColumnNames {
    const PER_MILLE: u64 = 30;

    fn write(
        replica: &mut Replica,
        now: Now,
        field: &FieldName,
        rng: &mut Rng,
    ) -> Result<Option<AcceptedWrite<Vec<String>>>, WriteError> {
        let Some(view) = replica.view(field) else { return Ok(None) };
        let (epoch, width) = (view.spec.epoch.0, view.spec.spec.setup.shape.width);
        let names: Vec<String> = match rng.below(8) {
            0 => Vec::new(),
            turn => {
                let hall = rng.below(1000);
                (0..width).map(|column| format!("Ψ{column} of {turn} in hall {hall}")).collect()
            }
        };
        let LastingReceipt { clock, origin, version } =
            replica.attach(now, field, RealNames::new(names.clone()).expect("short and unlike"))?;
        let stamp = (oracle_origin(&origin), version.0, oracle_clock(clock));
        let shown = format!("names {} columns of {field}, version {version}", names.len());
        Ok(Some(AcceptedWrite { stamp, epoch, what: names, text: shown }))
    }
}
