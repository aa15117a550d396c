//! Metric families: a row each, from which registration, `/metrics` and `docs/reference.md` follow.

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, core::Collector,
};

/// Upper bounds in seconds: a step takes microseconds, a stalled machine seconds.
const LATENCY_SECONDS: [f64; 14] =
    [1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.25, 1.0];

/// What Prometheus calls a family's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeriesKind {
    Counter,
    Gauge,
    Histogram,
}

impl SeriesKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The row of one family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) kind: SeriesKind,
    pub(crate) labels: &'static [&'static str],
    pub(crate) help: &'static str,
}

/// The series of one family.
pub(super) trait Series: Collector + Clone + 'static {
    const KIND: SeriesKind;

    fn create(family: &Family) -> prometheus::Result<Self>;

    /// Creates the series in a registry.
    ///
    /// # Panics
    /// If the name or a label is no valid one, or the registry has the name: both are constants here.
    fn register(registry: &Registry, family: &Family) -> Self {
        let series = Self::create(family).expect("a valid name and labels");
        registry.register(Box::new(series.clone())).expect("a name of its own");
        series
    }
}

fn options(family: &Family) -> Opts {
    Opts::new(family.name, family.help)
}

/// What voters decide and people wait for takes longer than a step.
const REMEDY_SECONDS: [f64; 11] = [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0];

fn latency(family: &Family) -> HistogramOpts {
    let buckets = if family.name.starts_with("psi_remediation_") { &REMEDY_SECONDS[..] } else { &LATENCY_SECONDS };
    HistogramOpts::new(family.name, family.help).buckets(buckets.to_vec())
}

macro_rules! series {
    ($($series:ident: $kind:ident, $family:ident => $create:expr;)+) => {
        $(impl Series for $series {
            const KIND: SeriesKind = SeriesKind::$kind;

            fn create($family: &Family) -> prometheus::Result<Self> {
                $create
            }
        })+
    };
}

series! {
    IntCounter: Counter, family => Self::with_opts(options(family));
    IntCounterVec: Counter, family => Self::new(options(family), family.labels);
    IntGauge: Gauge, family => Self::with_opts(options(family));
    IntGaugeVec: Gauge, family => Self::new(options(family), family.labels);
    Gauge: Gauge, family => Self::with_opts(options(family));
    GaugeVec: Gauge, family => Self::new(options(family), family.labels);
    Histogram: Histogram, family => Self::with_opts(latency(family));
    HistogramVec: Histogram, family => Self::new(latency(family), family.labels);
}

/// A struct of series, a row each: `member: Type = "name" [labels] "help";`. It gets `FAMILIES` and `register`.
macro_rules! families {
    (
        $(#[$meta:meta])*
        $visibility:vis struct $name:ident {
            $($member:ident: $series:ident = $metric:literal [$($label:literal),*] $help:literal;)+
        }
    ) => {
        $(#[$meta])*
        $visibility struct $name {
            $(pub(in crate::metrics) $member: prometheus::$series,)+
        }

        impl $name {
            pub(in crate::metrics) const FAMILIES: &'static [$crate::metrics::family::Family] = &[
                $($crate::metrics::family::Family {
                    name: $metric,
                    kind: <prometheus::$series as $crate::metrics::family::Series>::KIND,
                    labels: &[$($label),*],
                    help: $help,
                },)+
            ];

            /// Creates every series in a registry.
            pub(in crate::metrics) fn register(registry: &prometheus::Registry) -> Self {
                let mut rows = Self::FAMILIES.iter();
                let mut row = || rows.next().expect("a row for each member");
                Self { $($member: <prometheus::$series as $crate::metrics::family::Series>::register(registry, row()),)+ }
            }
        }
    };
}
pub(super) use families;
