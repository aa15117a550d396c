//! The same calls give the same bits: on every CPU, at every optimization, in every version of the protocol.
//!
//! Run it with other flags, or under an emulated CPU, to hold that machine to it.

use psi_engine::Parameters;
use psi_engine::core::{CoreState, draw};

const SEED: u64 = 42;
const STEPS: u64 = 2_000;

/// What all bits of all answers of 2,000 steps, and of the transition learned, come to. It changes only if a formula, a
/// draw or an order of summation does: then nodes of both versions disagree, and the protocol's version has to rise.
const DIGEST: u64 = 0x136c_5709_3b93_ce88;

/// FNV-1a over bytes.
fn digest(words: impl Iterator<Item = u64>) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    words.flat_map(u64::to_le_bytes).fold(BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

/// All that a field of inputs of `width` numbers answers and learns.
fn run(width: usize, changes: &[(&str, f64)]) -> Vec<u64> {
    let parameters = Parameters::default().with(changes.iter().copied()).expect("valid parameters");
    let (rollouts, latent) = (parameters.rollouts(), parameters.latent_dim());
    let mut state = CoreState::new(SEED, width, parameters);
    let mut words = Vec::new();
    for k in 1..=STEPS {
        let input = draw::rollout_noise(SEED + 1, k, 1, width);
        let noise = draw::rollout_noise(SEED, k, rollouts, latent);
        let step = state.step(input.numbers(), &noise).expect("shapes fit");
        words.extend(step.metrics.to_array().map(f64::to_bits));
        words.extend([step.k, step.t.to_bits(), step.attention_gain.to_bits()]);
    }
    words.extend(state.transition().numbers().iter().map(|number| number.to_bits()));
    words
}

#[test]
fn two_thousand_steps_give_the_bits_that_they_always_gave() {
    // The defaults, and sizes that fill no lane.
    let words = run(16, &[]).into_iter().chain(run(7, &[("latent_dim", 13.0), ("N", 3.0), ("pe_high", 10.0)]));
    assert_eq!(format!("{:#x}", digest(words)), format!("{DIGEST:#x}"));
}
