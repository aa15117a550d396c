//! What one turn of a row gave.

/// What one turn of a row gave.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    /// In the row's unit.
    pub(crate) figure: f64,
    /// Half of all took at most this, microseconds; where single calls were timed.
    pub(crate) p50_us: Option<f64>,
    /// 99 of 100 took at most this.
    pub(crate) p99_us: Option<f64>,
    /// Steps accepted each second, where the row asks for a rate.
    pub(crate) rate: Option<f64>,
    /// CPU time that the node took for each call or step, microseconds; where it was looked at.
    pub(crate) cpu_us: Option<f64>,
}

/// The sample, or why there is none.
pub(crate) type Turn = Result<Sample, String>;
