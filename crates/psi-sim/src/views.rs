//! Whether what a replica keeps up to date is what its entries come to, and the same as another's: digests, views, what was
//! learned, and in the end the answers.

use psi_replica::{Digest, FieldName, FieldView, Replica, Step, WriteError};

use crate::{workload::input, world::World};

/// Everything folded and hashed anew is what is kept up to date.
pub(crate) fn check_full(replica: &mut Replica) -> Result<(), String> {
    let mut digest = Digest::ZERO;
    for (origin, _) in replica.frontier().iter() {
        for entry in replica.entries(origin) {
            digest = digest.plus(Digest::of_entry(origin, &entry.key, entry.version, &entry.value));
        }
    }
    if digest != replica.digest() {
        return Err("its digest is not that of its entries".to_owned());
    }
    if replica.is_dirty() {
        return Ok(());
    }
    for field in replica.field_names().collect::<Vec<_>>() {
        if replica.view(&field) != replica.view_from_entries(&field) {
            return Err(format!("its view of {field} is not what its entries fold to"));
        }
        if replica.learned_print(&field) != replica.learned_print_from_entries(&field) {
            return Err(format!("what it learned in {field} is not what its entries fold to"));
        }
    }
    Ok(())
}

/// A hash of every bit of every view, and of all that was learned.
pub(crate) fn views_hash(replica: &mut Replica) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for field in replica.field_names().collect::<Vec<_>>() {
        if let Some(view) = replica.view(&field) {
            absorb(&mut hasher, &view);
        }
        if let Some(print) = replica.learned_print(&field) {
            hasher.update(&print.to_bytes());
        }
    }
    *hasher.finalize().as_bytes()
}

fn absorb(hasher: &mut blake3::Hasher, view: &FieldView) {
    absorb_spec(hasher, view);
    let guardian = &view.guardian;
    let learned = view.learned.map(|learned| {
        [learned.latents, learned.working_memories, learned.episodic_memories].map(|number| number as u64)
    });
    let numbers = [
        view.count,
        view.noise.value().to_bits(),
        view.interventions,
        view.steps_dropped,
        guardian.flag.map_or(0, |threat| 1 + threat as u64),
        guardian.automatic,
        guardian.superseded,
        guardian.last_step.map_or(0, |step| step.wrapping_add(1)),
        view.learned.map_or(0, |learned| learned.updates),
    ];
    for number in numbers.into_iter().chain(learned.unwrap_or_default()) {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(&view.learned.map_or(0, |learned| learned.time.0).to_le_bytes());
    for sample in &guardian.history {
        for number in [sample.density, sample.prediction_error, sample.temporal_entropy] {
            hasher.update(&number.to_bits().to_le_bytes());
        }
    }
    if let Some(last) = &view.last {
        let floats = last.metrics.to_array().into_iter().chain([last.novelty, last.attention_gain]);
        for number in
            [last.clock.wall_ms, last.clock.counter.into(), last.k].into_iter().chain(floats.map(f64::to_bits))
        {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(last.origin.to_string().as_bytes());
    }
    for moments in view.moments.iter().chain([&view.window]) {
        hasher.update(&moments.encode());
    }
}

fn absorb_spec(hasher: &mut blake3::Hasher, view: &FieldView) {
    let spec = &view.spec.spec;
    let setup = &spec.setup;
    hasher.update(view.spec.field.as_str().as_bytes()).update(setup.shape.engine.as_bytes());
    let numbers = [
        view.spec.epoch.0,
        setup.shape.width as u64,
        u64::from(setup.shape.scale.exponent().unsigned_abs()),
        setup.shape.seed,
        setup.guardian as u64,
        spec.clock.wall_ms,
        u64::from(spec.clock.counter),
    ];
    for number in numbers.into_iter().chain(setup.parameters.iter().map(|(_, value)| value.to_bits())) {
        hasher.update(&number.to_le_bytes());
    }
}

impl World<'_> {
    /// The last thing in a run: the same input gets the same answer wherever it is given.
    pub(crate) fn check_answers(&mut self, lasting: &[usize]) {
        let Some(first) = lasting.first() else { return };
        for field in self.processes[*first].replica.field_names().collect::<Vec<_>>() {
            let view = self.processes[*first].replica.view(&field);
            let input = input(&mut self.dice.setups, view.map_or(1, |view| view.spec.spec.setup.shape.width));
            let answers: Vec<_> = lasting.iter().map(|p| self.answer(*p, &field, &input)).collect();
            let Some(differs) = answers.iter().position(|answer| *answer != answers[0]) else { continue };
            let (one, other) = (self.label(*first), self.label(lasting[differs]));
            let (ours, theirs) = (&answers[0], &answers[differs]);
            self.found_wrong(format_args!("{one} and {other} hold the same; in {field} {ours:x?} is not {theirs:x?}"));
        }
    }

    /// What a step is answered, but for who answers and when.
    fn answer(&mut self, p: usize, field: &FieldName, input: &[f64]) -> Result<Answer, WriteError> {
        let process = &mut self.processes[p];
        let now = process.now(self.now, &self.machines[process.machine]);
        let step = process.replica.step(now, field, input)?;
        let Step { epoch, metrics, k, novelty, attention_gain, time, intervened, .. } = step;
        let floats = metrics.to_array().into_iter().chain([novelty, attention_gain, time.unwrap_or_default()]);
        Ok((epoch.0, k, floats.map(f64::to_bits).collect(), intervened))
    }
}

/// Epoch, k, bits of all other numbers, and what the guardian did.
type Answer = (u64, u64, Vec<u64>, Option<(psi_engine::Action, psi_engine::guardian::Threat)>);
