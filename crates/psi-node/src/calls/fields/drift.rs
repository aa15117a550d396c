//! Drift: baselines that callers set and take away, and the verdicts on all fields.

use psi_api::Cause;
use psi_ledger::record::Kind;
use psi_replica::{FieldName, Now};
use psi_state::{BaselineRequest, BaselineTitle, FieldView, Label, Replica, ValueError, WriteError};
use tonic::Code;

use crate::{
    calls::{
        ops::Ops,
        readiness::{readable, writable},
    },
    sessions::options::CallOptions,
};

/// Longest time that a baseline may be asked to cover.
const SECONDS_MAX: u64 = 36_500 * DAY_SECONDS;
pub(crate) const DAY_SECONDS: u64 = 86_400;

/// What a caller says of a baseline, unchecked.
#[derive(Clone, Debug, Default)]
pub(crate) struct BaselineCall {
    pub(crate) version: String,
    pub(crate) source: String,
    pub(crate) set_by: String,
    /// 0: as much as is kept.
    pub(crate) window_seconds: u64,
}

impl BaselineCall {
    fn checked(self) -> Result<BaselineRequest, Cause> {
        let Self { version, source, set_by, window_seconds } = self;
        if window_seconds > SECONDS_MAX {
            let (days, most) = (window_seconds / DAY_SECONDS, SECONDS_MAX / DAY_SECONDS);
            let message = format!("a window of {days} days; at most {most} are taken, 0 for all that is kept");
            return Err(bad(message).with("got", window_seconds).with("limit", SECONDS_MAX));
        }
        let title = BaselineTitle {
            version: label("version", version)?,
            source: label("source", source)?,
            set_by: label("set_by", set_by)?,
        };
        let seconds = Some(window_seconds).filter(|seconds| *seconds > 0);
        Ok(BaselineRequest { title, seconds })
    }
}

fn label(name: &'static str, text: String) -> Result<Label, Cause> {
    let got = text.len();
    let refused = |error: ValueError| bad(format!("{name}: {error}")).with("got", got).with("limit", Label::BYTES_MAX);
    Label::new(text).map_err(refused)
}

fn bad(message: String) -> Cause {
    Cause::new(Code::InvalidArgument, "BAD_BASELINE", message)
}

impl Ops {
    /// Makes what is kept of a field's inputs its baseline.
    pub(crate) async fn set_baseline(
        &self,
        name: &str,
        call: BaselineCall,
        options: &CallOptions,
    ) -> Result<(FieldView, String), Cause> {
        self.record_object(name);
        self.record_kind(Kind::BaselineSetting);
        let request = self.record_refusal(call.checked())?;
        let set = |replica: &mut Replica, now: Now, field: &FieldName| {
            let set = replica.set_baseline(now, field, request.clone())?;
            tracing::info!(%field, version = set.title.version.as_str(), inputs = set.inputs, "baseline set");
            Ok(())
        };
        self.write_baseline(name, options, set).await
    }

    /// Takes the baseline of a field away.
    pub(crate) async fn clear_baseline(
        &self,
        name: &str,
        set_by: String,
        options: &CallOptions,
    ) -> Result<(FieldView, String), Cause> {
        self.record_object(name);
        self.record_kind(Kind::BaselineRemoval);
        let title = BaselineTitle { set_by: self.record_refusal(label("set_by", set_by))?, ..BaselineTitle::default() };
        let clear = |replica: &mut Replica, now: Now, field: &FieldName| {
            replica.clear_baseline(now, field, title.clone())?;
            tracing::info!(%field, "baseline cleared");
            Ok(())
        };
        self.write_baseline(name, options, clear).await
    }

    /// Writes, once no batch of the field is in the way.
    async fn write_baseline(
        &self,
        name: &str,
        options: &CallOptions,
        write: impl Fn(&mut Replica, Now, &FieldName) -> Result<(), WriteError>,
    ) -> Result<(FieldView, String), Cause> {
        let field = self.record_refusal(self.operator_field(name))?;
        self.record_refusal(self.reach(options).await)?;
        // A node that has not caught up says so, and does not say that there is no such field.
        self.record_refusal(self.context.read(writable))?;
        let attempt = || self.context.write(|replica, now| write(replica, now, &field));
        let written = self.when_free(options, || std::future::ready(attempt())).await;
        self.record_refusal(written.map_err(Cause::from))?;
        self.record_refusal(self.state(name))
    }

    /// Every field as it stands, and a token for them.
    pub(crate) fn states(&self) -> Result<(Vec<FieldView>, String), Cause> {
        let names = self.context.read(|replica| {
            readable(replica)?;
            Ok((replica.field_names().collect::<Vec<_>>(), replica.token().to_string()))
        });
        let (names, token) = self.record_refusal(names)?;
        // One at a time: many fields must not hold up steps.
        let views = names.iter().filter_map(|name| self.context.read(|replica| replica.view(name))).collect();
        Ok((views, token))
    }
}
