//! The arguments that say how a rollout goes.

use clap::Args;
use jiff::SignedDuration;
use psi_api::v1::RolloutPlan;

/// How a rollout goes. What is left out has the default of the nodes.
#[derive(Clone, Debug, Args)]
pub(in crate::commands::governance) struct PlanArguments {
    /// Percentages, rising [default: 5,10,25,50,100]
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    schedule: Vec<f64>,
    /// How long each percentage lasts at least [default: 1h]
    #[arg(long, value_parser = span, value_name = "TIME")]
    window: Option<u64>,
    /// Steps that each version needs at each percentage [default: 100]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    minimum_predictions: Option<u64>,
    /// Greatest excess of errors, as a share of steps; 0: no gate [default: 0.05]
    #[arg(long, value_name = "SHARE")]
    error_rate: Option<f64>,
    /// Multiple of the champion's mean latency; 0: no gate [default: 1.5]
    #[arg(long, value_name = "FACTOR")]
    latency: Option<f64>,
    /// How far the canary's mean of a metric, novelty or column may lie above the champion's or, below 0, below it
    #[arg(long = "metric", value_name = "NAME=MARGIN", value_parser = metric)]
    metrics: Vec<(String, f64)>,
    /// Severity of drift of the canary's inputs alone that fails [default: no gate]
    #[arg(long, value_name = "SEVERITY", default_value_t, hide_default_value = true)]
    drift_severity: f64,
}

impl PlanArguments {
    /// What was given; `None` if nothing was.
    pub(in crate::commands::governance) fn given(self) -> Option<RolloutPlan> {
        let Self { schedule, window, minimum_predictions, error_rate, latency, metrics, drift_severity } = self;
        let (window_ms, minimum_predictions) = (window.unwrap_or_default(), minimum_predictions.unwrap_or_default());
        let metrics = metrics.into_iter().collect();
        let plan =
            RolloutPlan { schedule, window_ms, minimum_predictions, error_rate, latency, metrics, drift_severity };
        (plan != RolloutPlan::default()).then_some(plan)
    }
}

/// A time such as `90s`, `10m` or `1h`, in milliseconds.
pub(super) fn span(text: &str) -> Result<u64, String> {
    let duration: SignedDuration = text.parse().map_err(|error| format!("{error}; give one such as 10m or 1h"))?;
    let ms = u64::try_from(duration.as_millis()).ok().filter(|ms| *ms > 0);
    ms.ok_or_else(|| "give a time above 0, such as 10m or 1h".to_owned())
}

/// A value that steps have and a margin, such as `prediction_error=0.05`.
fn metric(text: &str) -> Result<(String, f64), String> {
    let example = "give one such as prediction_error=0.05 or column:price=-2";
    let (name, margin) = text.rsplit_once('=').ok_or(example)?;
    let margin = margin.parse().map_err(|_| format!("`{margin}` is no number; {example}"))?;
    Ok((name.to_owned(), margin))
}
