//! `GET /state/watch`: the state as server-sent events, as the HTML standard has them (section 9.2).

use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{Stream, StreamExt, stream};
use psi_api::Cause;
use psi_state::FieldView;
use serde::Deserialize;

use crate::{
    calls::ops::Ops,
    http::{
        answers::state::StateAnswer,
        refusal::{Refusal, record_refusal},
        requests::params::{RequestParams, bad_query},
    },
    node::connections::table::Activity,
};

/// A comment in this time, so that nobody takes a quiet stream for a dead one.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What the address asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct WatchParams {
    field: Option<String>,
    after: Option<String>,
    deadline_ms: Option<u64>,
    interval_ms: Option<u64>,
    events: Option<usize>,
    /// Of the connection, which stays busy for as long as the stream.
    #[serde(skip)]
    activity: Option<Arc<Activity>>,
}

impl FromRequestParts<Ops> for WatchParams {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, ops: &Ops) -> Result<Self, Refusal> {
        let known = "there are ?field=, after=, deadline_ms=, interval_ms=, events=";
        let activity = parts.extensions.get().cloned();
        let read = Query::<Self>::try_from_uri(&parts.uri).map(|Query(params)| Self { activity, ..params });
        record_refusal(ops, read.map_err(|error| bad_query(&error.body_text(), known)))
    }
}

pub(in crate::http) async fn watch(
    ops: Ops,
    asked: WatchParams,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let WatchParams { field, after, deadline_ms, interval_ms, events, activity } = asked;
    let params = record_refusal(&ops, RequestParams::for_watch(field, after, deadline_ms))?;
    let (field, options) = params.read(&ops)?;
    ops.state_after(&field, &options).await?;
    let (slot, call) = (ops.stream_slot()?, activity.map(|activity| activity.begin()));
    let end = ops.token_end();
    let states = until(end, ops.watch_state(field, interval_ms.unwrap_or_default()));
    let events = states.take(events.unwrap_or(usize::MAX)).map(move |state| {
        let _kept = (&slot, &call);
        Ok(event(&ops, state))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// The items of a stream until something ends it, and then its reason.
fn until<T>(
    end: Option<impl Future<Output = Cause>>,
    items: impl Stream<Item = Result<T, Cause>>,
) -> impl Stream<Item = Result<T, Cause>> {
    let end = async move {
        match end {
            Some(end) => end.await,
            None => std::future::pending().await,
        }
    };
    stream::unfold(Some((Box::pin(items), Box::pin(end))), |open| async {
        let (mut items, mut end) = open?;
        tokio::select! {
            biased;
            cause = &mut end => Some((Err(cause), None)),
            item = items.next() => item.map(|item| (item, Some((items, end)))),
        }
    })
}

/// A state, or under the name `refusal` why there are no more.
fn event(ops: &Ops, state: Result<Box<(FieldView, String)>, Cause>) -> Event {
    let event = match state {
        Ok(state) => {
            let (view, token) = *state;
            let node = ops.context.settings.node.as_str();
            Event::default().json_data(StateAnswer::new(&view, node, token, ops.context.now().wall.0))
        }
        Err(cause) => Event::default().event("refusal").json_data(Refusal::from(ops.record_cause(cause)).body()),
    };
    event.unwrap_or_else(|_| Event::default().event("refusal"))
}
