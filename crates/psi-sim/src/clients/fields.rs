//! Clients that create, reset, drop and change fields.

use psi_replica::FieldName;
use psi_state::{CurrentSpec, WriteError};

use super::{request::ClientRequest, setups};
use crate::{checks::book::FieldChange, plan::Habits, report::markers::Marker, world::World};

/// The stream of numbers that says how fields are watched for drift.
const WATCHED: &str = "watched";

impl World<'_> {
    pub(super) fn reshape(&mut self, p: usize, field: &FieldName, ask: ClientRequest) -> Result<(), WriteError> {
        let setup = setups::draw(&mut self.dice.workload, &mut self.dice.setups, self.plan.habits);
        let setup = setups::watched(self.dice.component(self.plan.seed, WATCHED), setup, self.plan.habits);
        let learned = self.processes[p].replica.engine_name(field).is_some_and(|engine| engine == setups::CORE);
        let spec = self.with(p, |replica, now| match ask {
            ClientRequest::Create => replica.create_field(now, field, setup),
            ClientRequest::Reset => replica.reset_field(now, field, setup),
            _ => replica.drop_field(now, field),
        })?;
        self.counts.writes += 1;
        self.record_spec(p, &spec);
        self.record_change(p, &spec, ask == ClientRequest::Create);
        if ask == ClientRequest::Reset && learned {
            self.reach(Marker::CORE_RESET);
        }
        Ok(())
    }

    /// A change of parameters and guardian, or one that must be refused while the field has history.
    pub(super) fn change(&mut self, p: usize, field: &FieldName) -> Result<(), WriteError> {
        let before = self.processes[p].replica.view(field);
        let held = before.as_ref().map(|view| view.spec.spec.setup.clone()).unwrap_or_default();
        let (setup, is_fixed) = setups::changed(&mut self.dice.setups, &held);
        let setup = setups::watched(self.dice.component(self.plan.seed, WATCHED), setup, Habits::default());
        let result = self.with(p, |replica, now| replica.change_field(now, field, setup));
        let counted = before.as_ref().map_or(0, |view| view.moments.count);
        match result {
            Ok(spec) if is_fixed && counted > 0 => {
                self.found_wrong(format_args!("{} changed what is fixed: {spec:?}", self.label(p)));
                Ok(())
            }
            Ok(spec) => {
                self.counts.writes += 1;
                self.record_spec(p, &spec);
                self.record_change(p, &spec, false);
                Ok(())
            }
            Err(error) => {
                if matches!(&error, WriteError::Fixed { count, .. } if is_fixed && *count == counted) {
                    self.reach(Marker::CHANGE_REFUSED);
                } else if !matches!(error, WriteError::NotReady(_) | WriteError::UnknownField { .. }) {
                    self.found_wrong(format_args!("{} refused an honest change: {error}", self.label(p)));
                }
                if self.processes[p].replica.view(field) != before {
                    self.found_wrong(format_args!("{} refused a change and shows another view", self.label(p)));
                }
                Err(error)
            }
        }
    }

    pub(super) fn record_change(&mut self, p: usize, spec: &CurrentSpec, created: bool) {
        let replica = &self.processes[p].replica;
        let Some(origin) = replica.origin().cloned() else { return };
        let version = replica.version();
        let CurrentSpec { field, epoch, spec } = spec;
        let unknown =
            |other: &&FieldChange| other.origin != origin && replica.frontier().version(&other.origin) < other.version;
        let raced: Vec<&FieldChange> =
            self.book.reshaped.iter().filter(|other| other.field == *field).filter(unknown).collect();
        let shapes_raced = raced.iter().any(|other| other.shape != spec.setup.shape);
        let changes_raced = raced.iter().any(|other| other.epoch == *epoch);
        let creates_raced = created && raced.iter().any(|other| other.created);
        if shapes_raced {
            self.reach(Marker::SHAPES_RACED);
        }
        if changes_raced {
            self.reach(Marker::CHANGES_RACED);
        }
        if creates_raced {
            self.reach(Marker::CONCURRENT_CREATES);
        }
        let is_change = self.book.reshaped.iter().any(|other| other.field == *field && other.epoch == *epoch);
        let what = if spec.dropped {
            "drop"
        } else if is_change {
            "change"
        } else if created {
            "create"
        } else {
            "reset"
        };
        let (shape, guardian, wall) = (&spec.setup.shape, spec.setup.guardian, epoch.wall_ms());
        let (engine, width) = (&shape.engine, shape.width);
        self.trace_process(
            p,
            "spec",
            format_args!("{what} {field}, {engine} {width} {guardian}, epoch {wall}, version {version}"),
        );
        let (field, shape, epoch) = (field.clone(), shape.clone(), *epoch);
        self.book.reshaped.push(FieldChange { field, shape, epoch, origin, version, created });
    }
}
