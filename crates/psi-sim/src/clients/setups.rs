//! What clients want fields to be: shapes, engines, parameters and guardians, small enough that runs stay quick.

use psi_engine::{EngineKind, Parameters, guardian::Mode};
use psi_state::{Setup, Shape};
use psi_stats::Scale;

use crate::plan::{Habits, rng::Rng};

/// Name of the engine that learns.
pub(crate) const CORE: &str = EngineKind::Core.as_str();

/// Widths on both sides of one moments entry, and the default's.
const WIDTHS: [usize; 8] = [1, 2, 3, 3, 4, 16, 16, 515];

/// Most numbers in an input of those who stream.
const STREAMED_WIDTH: usize = 4;

/// A field to create, or to reset one to: its shape from one stream, the rest from another.
pub(crate) fn draw(shapes: &mut Rng, rng: &mut Rng, habits: Habits) -> Setup {
    let mut shape = shape(shapes);
    let parameters = Parameters::default().with([("dt", step(shapes))]).unwrap_or_default();
    let guardian = if rng.chance(habits.guarded) { Mode::Intervene } else { Mode::Watch };
    if !rng.chance(habits.core) {
        return Setup { shape, parameters, guardian };
    }
    CORE.clone_into(&mut shape.engine);
    let latent = number(rng, 2, 8);
    Setup { shape, parameters: learning(rng, &parameters.with([("latent_dim", latent)]).unwrap_or_default()), guardian }
}

/// A change of a field, and whether it touches what is fixed while the field has history.
pub(crate) fn changed(rng: &mut Rng, held: &Setup) -> (Setup, bool) {
    let mut setup = held.clone();
    let parameters = held.parameters.with([("dt", step(rng))]).unwrap_or_default();
    setup.parameters = learning(rng, &parameters);
    if rng.chance(500) {
        setup.guardian = if rng.chance(700) { Mode::Intervene } else { Mode::Watch };
    }
    let is_fixed = rng.chance(250);
    if is_fixed {
        let shape = &mut setup.shape;
        match rng.below(5) {
            0 => shape.width += 1,
            1 => shape.seed += 1,
            2 => shape.scale = Scale::new(shape.scale.exponent() + 1).unwrap_or_default(),
            3 if held.latent().is_some() => {
                let latent = if held.parameters.latent_dim() == 2 { 3.0 } else { 2.0 };
                setup.parameters = setup.parameters.with([("latent_dim", latent)]).unwrap_or_default();
            }
            _ => {
                let other = if shape.engine == CORE { EngineKind::Synthetic } else { EngineKind::Core };
                other.as_str().clone_into(&mut shape.engine);
                // The default's latents would take long.
                setup.parameters = setup.parameters.with([("latent_dim", 2.0)]).unwrap_or_default();
            }
        }
    }
    (setup, is_fixed)
}

/// The setup, watched for drift in one way or another.
pub(crate) fn watched(rng: &mut Rng, mut setup: Setup, habits: Habits) -> Setup {
    if habits.is_streaming {
        setup.shape.width = setup.shape.width.min(STREAMED_WIDTH);
    }
    let after = [0.0, 100.0, 100.0, 400.0, 2000.0][usize::try_from(rng.below(5)).unwrap_or(0)];
    let watches = if rng.chance(930) { 1.0 } else { 0.0 };
    let parameters = setup.parameters.with([("baseline_after", after), ("drift", watches)]);
    Setup { parameters: parameters.unwrap_or_else(|_| setup.parameters.clone()), ..setup }
}

fn shape(rng: &mut Rng) -> Shape {
    let width = rng.pick(&WIDTHS).copied().unwrap_or(1);
    let exponent = [0, 0, 0, -8, 5][usize::try_from(rng.below(5)).unwrap_or(0)];
    let scale = Scale::new(exponent).unwrap_or_default();
    Shape { width, scale, seed: rng.below(3), ..Shape::default() }
}

fn step(rng: &mut Rng) -> f64 {
    [0.01, 0.02, 0.05][usize::try_from(rng.below(3)).unwrap_or(0)]
}

/// Few rollouts, little memory, a short past.
fn learning(rng: &mut Rng, parameters: &Parameters) -> Parameters {
    let window = parameters.dt() * number(rng, 1, 20);
    let changes = [("N", number(rng, 1, 3)), ("C_w", number(rng, 2, 6)), ("W_r", window)];
    parameters.with(changes).unwrap_or_default()
}

fn number(rng: &mut Rng, least: u32, most: u32) -> f64 {
    let drawn = rng.between(least.into(), most.into());
    u32::try_from(drawn).map_or(1.0, f64::from)
}
