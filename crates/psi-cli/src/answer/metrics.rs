//! The metrics of a step.

use psi_api::v1;
use serde::Serialize;

macro_rules! answer {
    ($($(#[$documentation:meta])* $name:ident $symbol:literal $letter:literal $meaning:literal;)+) => {
        /// The metrics of a step, by their names.
        #[derive(Clone, Debug, Serialize)]
        pub(crate) struct Metrics {
            $(pub(crate) $name: f64,)+
        }

        impl Metrics {
            /// Letter, name and value of each.
            pub(crate) fn rows(&self) -> impl Iterator<Item = (&'static str, &'static str, f64)> {
                [$(($letter, stringify!($name), self.$name)),+].into_iter()
            }
        }

        impl From<v1::Metrics> for Metrics {
            fn from(v1::Metrics { $($name),+ }: v1::Metrics) -> Self {
                Self { $($name),+ }
            }
        }
    };
}
psi_engine::for_each_metric!(answer);
