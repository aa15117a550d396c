//! A machine with six sensors, healthy or with a fault. One seed: every run of the demo sees the same readings.

use std::f64::consts::TAU;

use psi_api::v1;

/// What the sensors measure.
pub(super) const COLUMNS: [&str; 6] = ["load", "temperature", "vibration", "pressure", "flow", "current"];

const READINGS_A_DAY: f64 = 1440.0;

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// It vibrates more, and more unevenly.
    Bearing,
    /// The temperature stays at one value.
    Frozen,
    /// The flow does not follow the pressure any more, though each looks as before.
    Apart,
}

impl Fault {
    /// In the order of the demo.
    pub(super) const ALL: [Self; 3] = [Self::Bearing, Self::Frozen, Self::Apart];

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::None => "healthy",
            Self::Bearing => "A bearing goes",
            Self::Frozen => "A temperature sensor freezes",
            Self::Apart => "Flow and pressure come apart",
        }
    }

    /// The columns that show it.
    fn columns(self) -> &'static [u32] {
        match self {
            Self::None => &[],
            Self::Bearing => &[2],
            Self::Frozen => &[1],
            Self::Apart => &[3, 4],
        }
    }

    /// Whether a verdict names a column that shows it.
    pub(super) fn is_named(self, drift: &v1::Drift) -> bool {
        drift.columns.iter().any(|column| self.columns().contains(column))
    }
}

/// The machine, and how many readings were taken.
#[derive(Debug)]
pub(super) struct Machine {
    random: u64,
    taken: u64,
}

impl Machine {
    pub(super) fn new() -> Self {
        Self { random: 7, taken: 0 }
    }

    /// The next reading.
    pub(super) fn reading(&mut self, fault: Fault) -> Vec<f64> {
        let day = (self.taken as f64 / READINGS_A_DAY * TAU).sin();
        self.taken += 1;
        let load = 60.0 + 2.0 * day + 6.0 * self.normal();
        let mut temperature = 41.0 + 0.4 * load + 0.8 * self.normal();
        let mut vibration = 2.1 + 0.15 * self.normal();
        let pressure = 6.2 + 0.25 * self.normal();
        let mut follows = pressure;
        let current = 11.0 + 0.09 * load + 0.2 * self.normal();
        match fault {
            Fault::None => {}
            Fault::Bearing => vibration += 0.15 + 0.1 * self.normal(),
            Fault::Frozen => temperature = 65.25,
            Fault::Apart => follows = 6.2 + 0.25 * self.normal(),
        }
        let flow = 18.0 * follows + 0.9 * self.normal();
        vec![load, temperature, vibration, pressure, flow, current]
    }

    /// About normal: the sum of twelve uniform numbers.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// Splitmix64 (Steele et al., 2014), as a number of [0, 1).
    fn uniform(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
