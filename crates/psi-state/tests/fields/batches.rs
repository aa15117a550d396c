//! Batches that are worked out beside the replica come to what they would have come to inside it.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, where a panic is the report"
)]

use crate::common::{Rng, at, cases, craft::Courier, field, ready, report, shape};
use proptest::prelude::*;
use psi_engine::{Action, EngineKind, Parameters, guardian::Mode};
use psi_replica::FieldName;
use psi_state::{Replica, Setup, Shape, WriteError};

fn name() -> FieldName {
    field("batches")
}

fn setup(engine: EngineKind) -> Setup {
    let small = [("latent_dim", 4.0), ("N", 2.0), ("C_w", 3.0), ("W_r", 1.0), ("pe_low", 0.0)];
    let shape = Shape { engine: engine.to_string(), seed: 7, ..shape(3) };
    Setup { guardian: Mode::Intervene, ..(shape, Parameters::default().with(small).unwrap()).into() }
}

fn inputs(seed: u64, length: usize) -> Vec<Vec<f64>> {
    let mut rng = Rng(seed);
    (0..length)
        .map(|_| {
            let size = if rng.chance(5) { 8.0 } else { 1.0 };
            (0..3).map(|_| size * (rng.unit() - 0.5)).collect()
        })
        .collect()
}

fn slices(inputs: &[Vec<f64>]) -> Vec<&[f64]> {
    inputs.iter().map(Vec::as_slice).collect()
}

fn check(replica: &mut Replica) {
    replica.flush();
    assert_eq!(replica.view_from_entries(&name()), replica.view(&name()));
    assert_eq!(replica.learned_fingerprint_from_entries(&name()), replica.learned_fingerprint(&name()));
}

proptest! {
    #![proptest_config(cases(60))]

    /// One replica takes batches inside, one beside; both take in what a third writes, at the same places.
    #[test]
    fn beside_or_inside_makes_no_difference(
        is_core: bool,
        rounds in prop::collection::vec(
            (prop_oneof![1_usize..3, 1_usize..200], 0_usize..30, 0_u64..200, any::<bool>()), 1..8,
        ),
    ) {
        let engine = if is_core { EngineKind::Core } else { EngineKind::Synthetic };
        let (mut inside, mut beside, mut other) = (ready("n"), ready("n"), ready("other"));
        let (mut courier, mut tick) = (Courier::default(), 10);
        for replica in [&mut inside, &mut beside] {
            replica.create_field(at(0), &name(), setup(engine)).unwrap();
            replica.flush();
        }
        courier.sync(&mut inside, &mut other, at(1));
        for (seed, (length, others, gap, intervenes)) in (0..).zip(rounds) {
            tick += gap;
            let (batch, theirs) = (inputs(seed, length), inputs(seed + 100, others));
            for input in &theirs {
                other.step(at(tick), &name(), input).unwrap();
            }
            let reports: Vec<_> = (0..length as u64).map(|n| report(100 * seed + n)).collect();
            let begun = beside.begin_batch_with_outcomes(at(tick), &name(), &slices(&batch), &reports);
            let mut worked = begun.unwrap();
            worked.run();
            let got = beside.finish_batch(at(tick), worked).unwrap();
            let want = inside.step_batch_with_outcomes(at(tick), &name(), &slices(&batch), &reports).unwrap();
            prop_assert_eq!(got, want);
            for replica in [&mut inside, &mut beside] {
                if intervenes {
                    replica.intervene(at(tick), &name(), Action::Nigredo).unwrap();
                }
                other.flush();
                courier.sync(&mut other, replica, at(tick + 1));
                check(replica);
            }
            prop_assert_eq!(inside.view(&name()), beside.view(&name()));
            prop_assert_eq!(inside.learned_fingerprint(&name()), beside.learned_fingerprint(&name()));
            prop_assert_eq!(inside.digest(), beside.digest());
        }
    }

    /// Whatever comes from elsewhere while a batch is worked out, what is kept up to date is what is refolded.
    #[test]
    fn what_comes_meanwhile_is_merged(
        is_core: bool,
        rounds in prop::collection::vec((1_usize..200, 1_usize..30, 0_u64..200, any::<bool>()), 1..8),
    ) {
        let engine = if is_core { EngineKind::Core } else { EngineKind::Synthetic };
        let (mut replica, mut other, mut courier, mut tick) = (ready("n"), ready("other"), Courier::default(), 10);
        replica.create_field(at(0), &name(), setup(engine)).unwrap();
        replica.flush();
        courier.sync(&mut replica, &mut other, at(1));
        let mut count = 0;
        for (seed, (length, others, gap, intervenes)) in (0..).zip(rounds) {
            tick += gap;
            let (batch, theirs) = (inputs(seed, length), inputs(seed + 100, others));
            count += (batch.len() + theirs.len()) as u64;
            let mut worked = replica.begin_batch(at(tick), &name(), &slices(&batch)).unwrap();
            other.step_batch(at(tick), &name(), &slices(&theirs)).unwrap();
            if intervenes {
                other.intervene(at(tick), &name(), Action::Nigredo).unwrap();
            }
            other.flush();
            courier.sync(&mut other, &mut replica, at(tick + 1));
            replica.step(at(tick + 1), &field("default"), &[0.5; 16]).unwrap();
            replica.flush();
            worked.run();
            let steps = replica.finish_batch(at(tick + 2), worked).unwrap();
            prop_assert!(steps.iter().all(|step| step.version == replica.version()));
            check(&mut replica);
            courier.sync(&mut replica, &mut other, at(tick + 3));
            check(&mut other);
            prop_assert_eq!(other.view(&name()), replica.view(&name()));
            prop_assert_eq!(other.learned_fingerprint(&name()), replica.learned_fingerprint(&name()));
            prop_assert_eq!(replica.view(&name()).unwrap().moments.count, count);
        }
    }
}

#[test]
fn meanwhile_the_field_takes_no_other_steps_of_this_replica() {
    let mut replica = ready("n");
    replica.create_field(at(0), &name(), setup(EngineKind::Core)).unwrap();
    let batch = inputs(1, 10);
    let worked = replica.begin_batch(at(1), &name(), &slices(&batch)).unwrap();
    let busy = WriteError::Busy(name());
    assert_eq!(replica.step(at(2), &name(), &batch[0]).unwrap_err(), busy);
    assert_eq!(replica.step_batch(at(2), &name(), &slices(&batch)).unwrap_err(), busy);
    assert_eq!(replica.intervene(at(2), &name(), Action::Albedo).unwrap_err(), busy);
    assert_eq!(replica.begin_batch(at(2), &name(), &slices(&batch)).unwrap_err(), busy);
    replica.step(at(2), &field("default"), &[0.5; 16]).unwrap();
    // It was not run, so nothing comes of it.
    assert_eq!(replica.finish_batch(at(3), worked), Ok(Vec::new()));
    assert_eq!(replica.view(&name()).unwrap().moments.count, 0);
    replica.step(at(4), &name(), &batch[0]).unwrap();
}

#[test]
fn a_reset_overtakes_a_batch() {
    for drops in [false, true] {
        let mut replica = ready("n");
        replica.create_field(at(0), &name(), setup(EngineKind::Core)).unwrap();
        let mut worked = replica.begin_batch(at(1), &name(), &slices(&inputs(1, 10))).unwrap();
        if drops {
            replica.drop_field(at(2), &name()).unwrap();
        } else {
            replica.reset_field(at(2), &name(), setup(EngineKind::Core)).unwrap();
        }
        worked.run();
        let before = replica.version();
        assert_eq!(replica.finish_batch(at(3), worked), Err(WriteError::Overtaken(name())));
        assert_eq!(replica.version(), before);
        if !drops {
            replica.step(at(4), &name(), &[0.5; 3]).unwrap();
            check(&mut replica);
        }
    }
}
