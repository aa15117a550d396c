//! What watching one field for drift takes, at 16 columns: `cargo run --release -p psi-state --example drift_memory`.
//!
//! One node takes steps for 16 days of its clock, until every span is kept that can be. Prints how many entries and bytes
//! drift has in its log, and all else of the field. Arguments: steps a second (1), days (16).

use psi_replica::{ClusterName, Config, FieldName, NodeId, Now, TickMs, WallMs};
use psi_state::{Replica, Setup, Shape, lanes};

const WIDTH: usize = 16;
/// A batch each second of the clock.
const SECOND_MS: u64 = 1000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let rate = arguments.next().transpose()?.unwrap_or(1);
    let days = arguments.next().transpose()?.unwrap_or(16);
    let at = |ms: u64| Now { tick: TickMs(ms), wall: WallMs(1_750_000_000_000 + ms) };
    let config =
        Config { join_ms: 0, end_after_ms: 0, ..Config::new(ClusterName::new("measured")?, NodeId::new("n")?) };
    let mut replica = Replica::new(config, at(0));
    replica.tick(at(0));
    let name = FieldName::new("watched")?;
    let setup: Setup = (Shape { width: WIDTH, ..Shape::default() }, psi_engine::Parameters::default()).into();
    replica.create_field(at(0), &name, setup)?;
    let mut state = 7;
    for second in 0..days * 86_400 {
        let inputs: Vec<Vec<f64>> = (0..rate).map(|_| vector(&mut state)).collect();
        let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
        replica.step_batch(at(second * SECOND_MS), &name, &inputs)?;
        if second % 20 == 0 {
            replica.tick(at(second * SECOND_MS));
        }
        if second % 86_400 == 0 {
            eprint!("\rday {} of {days}", second / 86_400 + 1);
        }
    }
    replica.flush();
    let own = replica.origin().cloned().ok_or("it has an origin")?;
    let of_drift = [lanes::ANCHOR, lanes::SLOTS, lanes::BASELINE];
    let (drift, others): (Vec<_>, Vec<_>) = replica.entries(&own).partition(|entry| of_drift.contains(&entry.key.lane));
    let bytes = |entries: &[psi_replica::Entry]| entries.iter().map(|entry| entry.value.len()).sum::<usize>();
    println!("\r{rate} steps a second for {days} days, {WIDTH} columns");
    println!(
        "drift: {} entries, {} bytes; all else: {} entries, {} bytes",
        drift.len(),
        bytes(&drift),
        others.len(),
        bytes(&others)
    );
    Ok(())
}

/// Columns that go together by twos.
fn vector(state: &mut u64) -> Vec<f64> {
    let mut common = 0.0;
    (0..WIDTH)
        .map(|column| {
            if column % 2 == 0 {
                common = normal(state);
            }
            0.9 * common + 0.4 * normal(state)
        })
        .collect()
}

/// About normal: the sum of twelve uniform numbers.
fn normal(state: &mut u64) -> f64 {
    (0..12).map(|_| uniform(state)).sum::<f64>() - 6.0
}

/// Splitmix64 (Steele et al., 2014), as a number of [0, 1).
#[expect(clippy::cast_precision_loss, reason = "53 bits")]
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}
