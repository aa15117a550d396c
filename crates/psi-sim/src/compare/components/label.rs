//! A label that people attach to a field.

use psi_replica::{FieldName, Now};
use psi_state::{Label as RealLabel, LastingReceipt, Replica, WriteError};

use crate::compare::{
    same::same,
    subject::{AcceptedWrite, ShownField, Subject, SubjectWrites},
    words::{oracle_clock, oracle_origin},
};
use crate::{oracle::components::label::Label, plan::rng::Rng};

impl Subject for Label {
    fn compare(expected: &Option<String>, shown: ShownField<'_>) -> Result<(), String> {
        same("label", expected.as_deref(), shown.view.label.as_ref().map(RealLabel::as_str))
    }

    fn hash(shown: ShownField<'_>, hasher: &mut blake3::Hasher) {
        let label = shown.view.label.as_ref().map(RealLabel::as_str).unwrap_or_default();
        hasher.update(&label.len().to_le_bytes()).update(label.as_bytes());
    }
}

impl SubjectWrites for Label {
    const PER_MILLE: u64 = 40;

    fn write(
        replica: &mut Replica,
        now: Now,
        field: &FieldName,
        rng: &mut Rng,
    ) -> Result<Option<AcceptedWrite<String>>, WriteError> {
        let text = match rng.below(8) {
            0 => String::new(),
            1 => "Ψ".repeat(RealLabel::BYTES_MAX / 2),
            turn => format!("hall {turn}, {}", rng.below(1000)),
        };
        let label = RealLabel::new(text.as_str()).expect("one line of at most 256 bytes");
        let LastingReceipt { clock, origin, version } = replica.attach(now, field, label)?;
        let epoch = replica.view(field).map_or(0, |view| view.spec.epoch.0);
        let stamp = (oracle_origin(&origin), version.0, oracle_clock(clock));
        let shown = format!("labels {field} {text:?}, version {version}");
        Ok(Some(AcceptedWrite { stamp, epoch, what: text, text: shown }))
    }
}
