//! Rows of the table about versions of models, by the names that other programs know.

use axum::routing;

use super::{
    super::{
        properties::{AFTER, DEADLINE_MS},
        property::{Group, Kind, Property},
        route::Route,
    },
    parts::{NODE, OF_A_TOKEN, READ, TOKEN, answer, get},
};
use crate::http::fields::versions;

const STAGE: Property =
    Property::text("stage", "those of this stage: STAGING, CANARY, PRODUCTION, ARCHIVED or REJECTED").optional();

pub(super) const VERSIONS: Route = Route {
    path: "/api/v1/models/{name}/versions",
    operations: &[get(
        READ,
        "the versions of a model, that is, the fields `model@version`, and how their steps went",
        answer(&[Group::Each(&[
            Property::new(
                "content",
                Kind::Objects,
                "version, stage, field, steps, outcomes, errors, error_rate, and latency_ms with steps and mean; in the order of \
                 their names",
            ),
            Property::text("model", "without what X-Tenant-ID puts before it"),
            NODE,
            TOKEN,
        ])]),
        || routing::get(versions::list),
    )
    .query(&[STAGE, AFTER, DEADLINE_MS])
    .refuses(&[&["NOT_READY", "UNKNOWN_MODEL", "BAD_NAME", "BAD_QUERY"], OF_A_TOKEN])],
};
