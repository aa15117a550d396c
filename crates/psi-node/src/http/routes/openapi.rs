//! The interface as OpenAPI 3.1, built from the table of routes.

use std::collections::BTreeMap;

use axum::Json;
use psi_api::Reason;
use serde_json::{Map, Value, json};

use super::{
    property::{Property, object_schema},
    route::{Answer, Body, Operation, Route},
};

pub(super) async fn show(routes: &'static [Route]) -> Json<Value> {
    Json(document(routes))
}

/// The whole description.
fn document(routes: &[Route]) -> Value {
    let paths: Map<String, Value> = routes.iter().map(|route| (route.path.to_owned(), path_item(route))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "ψ-Field",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Any node takes any request. Every refusal names the value, the limit and the way out.",
        },
        "paths": paths,
        "components": { "schemas": { "Refusal": refusal_schema() } },
    })
}

fn path_item(route: &Route) -> Value {
    let operation = |operation: &Operation| {
        (operation.method.as_str().to_ascii_lowercase(), operation_object(route.path, operation))
    };
    let mut item: Map<String, Value> = route.operations.iter().map(operation).collect();
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<Value> = names.map(path_parameter).collect();
    if !parameters.is_empty() {
        item.insert("parameters".to_owned(), parameters.into());
    }
    item.into()
}

fn path_parameter(name: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
}

fn query_parameter(property: &Property) -> Value {
    json!({ "name": property.name, "in": "query", "required": !property.is_optional, "schema": property.schema() })
}

fn operation_object(path: &str, operation: &Operation) -> Value {
    let mut object = json!({
        "operationId": operation_id(path, operation.method.as_str()),
        "summary": operation.help,
        "responses": responses(operation),
    });
    if !operation.query.is_empty() {
        object["parameters"] = operation.query.iter().map(query_parameter).collect();
    }
    let body = match operation.body {
        Body::Ignored => return object,
        Body::Json(groups) => (true, object_schema(groups, false)),
        Body::Changes(groups) => (false, object_schema(groups, true)),
    };
    let (required, schema) = body;
    object["requestBody"] = json!({ "required": required, "content": { "application/json": { "schema": schema } } });
    object
}

/// `get_fields_name` for `GET /fields/{name}`: a word that is a name in any language.
fn operation_id(path: &str, method: &str) -> String {
    let words = path.split(['/', '{', '}', '.', '-']).filter(|word| !word.is_empty());
    words.fold(method.to_ascii_lowercase(), |id, word| format!("{id}_{word}"))
}

fn responses(operation: &Operation) -> Value {
    let (status, content) = match operation.answer {
        Answer::Json(status, groups) => {
            (status, json!({ "application/json": { "schema": object_schema(groups, false) } }))
        }
        Answer::Text(media_type) => (200, json!({ media_type: { "schema": { "type": "string" } } })),
    };
    let mut responses = Map::new();
    responses.insert(status.to_string(), json!({ "description": operation.help, "content": content }));
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for reason in operation.reasons.iter().copied().flatten() {
        if let Some(status) = Reason::find(reason).and_then(Reason::http_status) {
            by_status.entry(status).or_default().push(reason);
        }
    }
    for (status, reasons) in by_status {
        let schema = json!({ "$ref": "#/components/schemas/Refusal" });
        let refusal = json!({
            "description": reasons.join(", "),
            "content": { "application/json": { "schema": schema } },
        });
        responses.insert(status.to_string(), refusal);
    }
    responses.into()
}

/// As [`crate::http::refusal`] writes it.
fn refusal_schema() -> Value {
    let problem = json!({
        "type": "object",
        "required": ["loc", "msg", "type"],
        "properties": {
            "loc": { "type": "array", "items": { "type": ["string", "integer"] } },
            "msg": { "type": "string" },
            "type": { "type": "string" },
        },
    });
    json!({
        "type": "object",
        "required": ["detail", "error"],
        "properties": {
            "detail": {
                "description": "the message; with 422, the list of problems",
                "anyOf": [{ "type": "string" }, { "type": "array", "items": problem }],
            },
            "error": {
                "type": "object",
                "required": ["reason", "message"],
                "properties": { "reason": { "type": "string" }, "message": { "type": "string" } },
                "additionalProperties": { "type": "string" },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    // A circle of this test alone: the table has a row for this description of the table.
    use crate::http::routes::table::ROUTES;

    #[test]
    fn every_row_is_described_under_an_id_of_its_own() {
        let document = document(ROUTES);
        let mut ids = BTreeSet::new();
        for route in ROUTES {
            for operation in route.operations {
                let described = &document["paths"][route.path][operation.method.as_str().to_ascii_lowercase()];
                assert_eq!(described["summary"], operation.help, "{}", route.path);
                let id = described["operationId"].as_str().expect("an id").to_owned();
                assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && ids.insert(id), "{described}");
                let statuses = described["responses"].as_object().expect("responses");
                assert!(statuses.keys().any(|status| status.starts_with('2')), "{described}");
            }
        }
        assert_eq!(document["paths"].as_object().map(Map::len), Some(ROUTES.len()));
    }
}
