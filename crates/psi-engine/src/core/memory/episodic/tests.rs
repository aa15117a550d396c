use std::collections::BTreeMap;

use super::*;
use crate::core::numeric::cosine;
use proptest::prelude::*;

/// The reference's rule, step by step.
fn held_one_by_one(added: u64) -> usize {
    (0..added).fold(0, |held, _| if held == EPISODIC_CAPACITY { held + 1 - EPISODIC_EVICTED } else { held + 1 })
}

/// A recall by the book: all cosines, sorted.
fn recalled(memories: &BTreeMap<u32, Vec<f64>>, latent: &[f64]) -> Recall {
    let mut context = vec![0.0; latent.len()];
    let mut ranked: Vec<_> = memories.values().map(|memory| (cosine(latent, memory), memory)).collect();
    // Stable: of equal cosines the older stays first.
    ranked.sort_by(|left, right| right.0.total_cmp(&left.0));
    ranked.truncate(RECALLED);
    if ranked.is_empty() {
        return Recall { context, quality: 0.0 };
    }
    let weights: Vec<f64> = ranked.iter().map(|(cosine, _)| (cosine - ranked[0].0).exp()).collect();
    let total = weights.iter().sum::<f64>() + 1e-8;
    for (weight, (_, memory)) in weights.iter().zip(&ranked) {
        for (sum, number) in context.iter_mut().zip(*memory) {
            *sum += weight / total * number;
        }
    }
    let quality = ranked.iter().map(|(cosine, _)| cosine).sum::<f64>() / ranked.len() as f64;
    Recall { context, quality }
}

fn filled<'a>(memories: impl IntoIterator<Item = (&'a u32, &'a Vec<f64>)>, dimensions: usize) -> EpisodicMemory<u32> {
    let mut memory = EpisodicMemory::new(dimensions);
    for (&key, vector) in memories {
        memory.insert(key, vector);
    }
    memory
}

fn bits(recall: &Recall) -> Vec<u64> {
    recall.context.iter().chain([&recall.quality]).map(|number| number.to_bits()).collect()
}

#[test]
fn the_oldest_tenth_goes_when_there_are_too_many() {
    for added in [0, 1, 4095, 4096, 4097, 4098, 4505, 4506, 4507, 4914, 4915, 100_000] {
        assert_eq!(EpisodicMemory::<u32>::held(added), held_one_by_one(added), "{added}");
    }
    assert_eq!(EpisodicMemory::<u32>::held(4097), 3688);
    assert!(EpisodicMemory::<u32>::held(u64::MAX) <= EPISODIC_CAPACITY);
}

#[test]
fn an_empty_memory_recalls_nothing() {
    let memory = EpisodicMemory::<u32>::new(3);
    assert_eq!(memory.recall(&[1.0, 2.0, 3.0]), Recall { context: vec![0.0; 3], quality: 0.0 });
    assert!(memory.is_empty() && memory.oldest().is_none());
}

#[test]
fn of_equal_cosines_the_older_is_recalled() {
    // Nine memories in the same direction, twice as long each time, and so long that the guard on their norms is lost
    // in rounding: the newest is left out, wherever it lies.
    const LONG: f64 = 1e6;
    let memories: BTreeMap<u32, Vec<f64>> = (0..9).map(|key| (key, vec![LONG * f64::from(1 << key), 0.0])).collect();
    for memory in [filled(&memories, 2), filled(memories.iter().rev(), 2)] {
        let recall = memory.recall(&[1.0, 0.0]);
        assert!((recall.context[0] / LONG - 255.0 / 8.0).abs() < 1e-6, "{recall:?}");
    }
}

#[test]
fn a_vector_under_a_known_key_replaces_the_other() {
    let mut memory = EpisodicMemory::new(1);
    memory.insert(1, &[1.0]);
    memory.insert(1, &[-2.0]);
    assert_eq!((memory.len(), memory.vector(&1)), (1, Some(vec![-2.0])));
    assert!((memory.recall(&[1.0]).quality + 1.0).abs() < 1e-9);
}

#[derive(Clone, Debug)]
enum Change {
    Insert(u32, Vec<f64>),
    Remove(u32),
    RemoveOldest(usize),
}

const DIMENSIONS: usize = 3;

fn any_vector() -> impl Strategy<Value = Vec<f64>> {
    // Few different numbers, so that cosines are often equal.
    prop::collection::vec((-2_i8..3).prop_map(f64::from), DIMENSIONS)
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => (0_u32..60, any_vector()).prop_map(|(key, vector)| Change::Insert(key, vector)),
        2 => (0_u32..60).prop_map(Change::Remove),
        1 => (0_usize..4).prop_map(Change::RemoveOldest),
    ]
}

proptest! {
    #[test]
    fn whatever_was_done_a_recall_depends_on_what_is_held_alone(
        changes in prop::collection::vec(any_change(), 0..150), latent in any_vector(),
    ) {
        let mut memory = EpisodicMemory::new(DIMENSIONS);
        let mut model = BTreeMap::new();
        for change in changes {
            match change {
                Change::Insert(key, vector) => {
                    memory.insert(key, &vector);
                    model.insert(key, vector);
                }
                Change::Remove(key) => prop_assert_eq!(memory.remove(&key), model.remove(&key).is_some()),
                Change::RemoveOldest(count) => {
                    memory.remove_oldest(count);
                    (0..count).for_each(|_| drop(model.pop_first()));
                }
            }
            prop_assert_eq!(memory.len(), model.len());
            prop_assert_eq!(memory.numbers.len(), model.len().div_ceil(LANES) * DIMENSIONS);
            prop_assert_eq!(memory.oldest(), model.keys().next());
        }
        prop_assert!(memory.keys().eq(model.keys()));
        for (key, vector) in &model {
            prop_assert_eq!(memory.vector(key), Some(vector.clone()));
        }
        let recall = memory.recall(&latent);
        prop_assert_eq!(bits(&recall), bits(&filled(&model, DIMENSIONS).recall(&latent)));
        prop_assert_eq!(bits(&recall), bits(&filled(model.iter().rev(), DIMENSIONS).recall(&latent)));
        // By the book, but where rounding could have set equal cosines apart.
        prop_assert!((recall.quality - recalled(&model, &latent).quality).abs() < 1e-12);
    }

    #[test]
    fn a_recall_is_the_one_by_the_book(
        memories in prop::collection::vec(prop::collection::vec(-1.0..1.0, 5), 0..70),
        latent in prop::collection::vec(-1.0..1.0, 5),
    ) {
        let model: BTreeMap<u32, Vec<f64>> = (0..).zip(memories).collect();
        let (got, want) = (filled(&model, 5).recall(&latent), recalled(&model, &latent));
        prop_assert!((got.quality - want.quality).abs() < 1e-12);
        for (got, want) in got.context.iter().zip(&want.context) {
            prop_assert!((got - want).abs() < 1e-12);
        }
    }
}
