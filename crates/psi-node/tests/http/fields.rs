//! Fields: chosen, created, changed, reset, dropped.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{FEEDER, Server};

#[tokio::test]
async fn fields_are_chosen_by_name_and_kept_apart() {
    let server = Server::start().await;
    server.create_field("narrow", 3).await;
    let x = json!({ "x": [1, 2, 6] });
    assert_eq!(server.post("/step?field=narrow", &x).await.ok()["field"], "narrow");
    let named = server.post("/step", &json!({ "x": [3, 2, 2], "field": "narrow" })).await.ok();
    assert_eq!((&named["k"], &named["engine"], &named["node"]), (&json!(2), &json!("synthetic"), &json!("n1")));
    assert_eq!(server.post("/step", &x).await.json()["error"]["want"], "16");
    server.post("/guardian/nigredo?field=narrow", &json!(null)).await.ok();
    let narrow = server.get("/state?field=narrow").await.ok();
    assert_eq!((&narrow["mean"], &narrow["variance"]), (&json!([2.0, 2.0, 4.0]), &json!([2.0, 0.0, 8.0])));
    assert_eq!((&narrow["noise"], &narrow["interventions"], &narrow["width"]), (&json!(1.5), &json!(1), &json!(3)));
    assert_eq!(narrow["window"]["steps"], 2);
    let default = server.get("/state").await.ok();
    assert_eq!((&default["k"], &default["noise"], &default["last_node"]), (&json!(0), &json!(0.0), &json!("")));
    assert_eq!((&default["mean"], &default["window"]), (&json!([]), &json!({ "steps": 0 })));
    assert_eq!(server.get("/params?field=narrow").await.ok()["field"], "narrow");
}

#[tokio::test]
async fn init_starts_a_field_over_in_a_new_epoch() {
    let server = Server::start().await;
    server.step(&FEEDER).await;
    server.post("/guardian/nigredo", &json!({})).await.ok();
    let before = server.get("/params").await.ok();
    // As curl -X POST sends it: no body, no type.
    let answer = server.send(server.client.post(server.url("/init"))).await.ok();
    assert_eq!((&answer["status"], &answer["params"]["dt"]), (&json!("initialized"), &json!(0.2)));
    assert!(!answer["token"].as_str().unwrap().is_empty());
    assert_eq!(
        server.post("/init", &json!({ "dt": 0.1, "N": 9.0, "lambda": 0.5 })).await.ok()["params"]["N"],
        json!(9)
    );
    let params = server.get("/params").await.ok();
    assert_eq!((&params["dt"], &params["lambda_"], &params["latent_dim"]), (&json!(0.1), &json!(0.5), &json!(32)));
    assert_ne!(params["epoch"], before["epoch"]);
    let state = server.get("/state").await.ok();
    assert_eq!((&state["k"], &state["dt_eff"], &state["noise"]), (&json!(0), &json!(0.1), &json!(0.0)));
    assert_eq!(state["steps_dropped"], 1);
    // As asked for here: nothing that anybody is to be warned of.
    let metrics = server.get("/metrics").await.text;
    assert!(metrics.contains("\npsi_node_steps_dropped_total 0\n"), "{metrics}");
}

#[tokio::test]
async fn fields_are_made_shown_changed_reset_and_dropped() {
    let server = Server::start().await;
    let send = async |method: Method, path: &str, body: Value| {
        server.send(server.client.request(method, server.url(path)).json(&body)).await
    };
    let made = server.post("/fields", &json!({ "name": "f", "width": 2, "parameters": { "dt": 0.1 } })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let made = made.json();
    assert_eq!((&made["engine"], &made["guardian"], &made["seed"]), (&json!("core"), &json!("intervene"), &json!("0")));
    assert_eq!((&made["parameters"]["dt"], &made["parameters"]["N"]), (&json!(0.1), &json!(8)));
    assert!(made["epoch"].is_string() && made["token"].is_string(), "{made}");
    let listed = server.get("/fields").await.ok();
    let names: Vec<&Value> = listed["fields"].as_array().unwrap().iter().map(|field| &field["name"]).collect();
    assert_eq!(names, ["default", "f"]);
    server.post("/step?field=f", &json!({ "x": [1, 2] })).await.ok();
    let wanted = json!({ "guardian": "watch", "parameters": { "lambda": 0.5 } });
    let changed = send(Method::PATCH, "/fields/f", wanted).await.ok();
    assert_eq!((&changed["epoch"], &changed["guardian"]), (&made["epoch"], &json!("watch")));
    assert_eq!((&changed["parameters"]["dt"], &changed["parameters"]["lambda_"]), (&json!(0.1), &json!(0.5)));
    assert_eq!(server.get("/fields/f").await.ok()["parameters"], changed["parameters"]);
    assert_eq!(server.get("/state?field=f").await.ok()["k"], 1);
    let reset = json!({ "engine": "synthetic", "width": 3, "seed": u64::MAX.to_string(), "scale_exponent": -2 });
    let reset = server.post("/fields/f/reset", &reset).await.ok();
    let shown = (&reset["engine"], &reset["width"], &reset["scale_exponent"], &reset["guardian"]);
    assert_eq!(shown, (&json!("synthetic"), &json!(3), &json!(-2), &json!("watch")));
    assert_eq!((&reset["seed"], &reset["parameters"]["dt"]), (&json!("18446744073709551615"), &json!(0.2)));
    assert_eq!(server.get("/state?field=f").await.ok()["steps_dropped"], 1);
    // As curl -X POST sends it.
    server.send(server.client.post(server.url("/fields/f/reset"))).await.ok();
    assert_eq!(send(Method::DELETE, "/fields/f", json!(null)).await.ok()["dropped"], "f");
    assert_eq!(server.get("/fields/f").await.status, StatusCode::NOT_FOUND);
    // A field like any other, except that it can't be dropped.
    assert_eq!(send(Method::PATCH, "/fields/default", json!({ "engine": "core" })).await.ok()["engine"], "core");
}

#[tokio::test]
async fn a_label_is_put_shown_and_taken_away() {
    let server = Server::start().await;
    let put = async |body: Value| server.send(server.client.put(server.url("/fields/default/label")).json(&body)).await;
    assert_eq!(server.get("/fields/default").await.ok()["label"], json!(null));
    let labelled = put(json!({ "label": "Ψ of hall 3" })).await.ok();
    assert_eq!((&labelled["name"], &labelled["label"]), (&json!("default"), &json!("Ψ of hall 3")));
    for (body, reason, place) in [
        (json!({}), "BAD_BODY", "label"),
        (json!({ "label": 7 }), "BAD_BODY", "label"),
        (json!({ "lable": "x" }), "BAD_BODY", "lable"),
        (json!({ "label": "x".repeat(257) }), "BAD_LABEL", "label"),
        (json!({ "label": "a\tb" }), "BAD_LABEL", "label"),
    ] {
        let refused = put(body.clone()).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {}", refused.text);
        let refused = refused.json();
        let told = (&refused["error"]["reason"], &refused["detail"][0]["loc"]);
        assert_eq!(told, (&json!(reason), &json!(["body", place])), "{refused}");
    }
    let refused = put(json!({ "label": "a\tb" })).await;
    assert!(refused.text.contains("a text with U+0009; it has to be one line"), "{}", refused.text);
    server.post("/fields/default/reset", &json!({})).await.ok();
    assert_eq!(server.get("/fields").await.ok()["fields"][0]["label"], "Ψ of hall 3");
    assert_eq!(server.get("/state").await.ok()["label"], "Ψ of hall 3");
    assert_eq!(put(json!({ "label": null })).await.ok()["label"], json!(null));
    let unknown = server.client.put(server.url("/fields/nope/label")).json(&json!({ "label": "x" }));
    assert_eq!(server.send(unknown).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn names_are_put_shown_and_taken_away() {
    let server = Server::start().await;
    let create = async |body: Value| server.send(server.client.post(server.url("/fields")).json(&body)).await;
    let put = async |body: Value| server.send(server.client.put(server.url("/fields/f/names")).json(&body)).await;
    for names in [json!(["a", "b", "c"]), json!(["a", "a"])] {
        let refused = create(json!({ "name": "f", "width": 2, "names": names })).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.json()["error"]["reason"]),
            (422, &json!("BAD_NAMES")),
            "{names}"
        );
    }
    assert_eq!(server.get("/fields/f").await.status, StatusCode::NOT_FOUND, "nothing was made");
    let both = json!(["temp", "pressure"]);
    let made = create(json!({ "name": "f", "width": 2, "engine": "synthetic", "names": both })).await;
    assert_eq!((made.status, &made.json()["names"]), (StatusCode::CREATED, &both), "{}", made.text);
    let again = create(json!({ "name": "f", "width": 2, "names": ["x", "y"] })).await;
    assert_eq!((again.status.as_u16(), &again.json()["error"]["reason"]), (409, &json!("FIELD_EXISTS")));
    for (body, reason, says) in [
        (json!({}), "BAD_BODY", "names: required"),
        (json!({ "names": "a,b" }), "BAD_BODY", "an array of strings or null"),
        (json!({ "names": ["a", 7] }), "BAD_BODY", "an array of strings alone"),
        (json!({ "name": ["a", "b"] }), "BAD_BODY", "did you mean `names`?"),
        (json!({ "names": ["a"] }), "BAD_NAMES", "field `f` has 2 columns, and 1 name was given"),
        (json!({ "names": ["a", ""] }), "BAD_NAMES", "names: the name of column 2 has 0 bytes"),
        (json!({ "names": ["a,b", "c"] }), "BAD_NAMES", "names: the name of column 1 has U+002C"),
        (json!({ "names": ["p", "p"] }), "BAD_NAMES", "names: columns 1 and 2 are both called `p`"),
    ] {
        let refused = put(body.clone()).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {}", refused.text);
        assert!(refused.text.contains(says), "{body}: {}", refused.text);
        assert_eq!(refused.json()["error"]["reason"], json!(reason), "{body}");
    }
    for x in [[0.1, 0.2], [0.2, 0.2], [0.1, 0.3]] {
        server.post("/step?field=f", &json!({ "x": x })).await.ok();
    }
    let step = server.post("/step?field=f", &json!({ "x": [0.1, 9.0] })).await.ok();
    let farthest = &step["novel_columns"][0];
    assert_eq!((&farthest["column"], &farthest["name"]), (&json!(1), &json!("pressure")), "{step}");
    let batch = server.post("/steps?field=f", &json!({ "inputs": [[0.1, 0.2], [0.1, 9.0]] })).await.ok();
    let named = |place: usize| batch["steps"][place]["drift"].get("column_names").is_some();
    assert_eq!((named(0), named(1)), (false, true), "the last of a batch names them: {batch}");
    server.post("/fields/f/reset", &json!({})).await.ok();
    assert_eq!(server.get("/fields").await.ok()["fields"][1]["names"], both);
    assert_eq!(server.get("/state?field=f").await.ok()["names"], both);
    server.post("/fields/f/reset", &json!({ "width": 3 })).await.ok();
    assert_eq!(server.get("/fields/f").await.ok()["names"], json!(null), "names of two columns");
    server.post("/fields/f/reset", &json!({ "width": 2 })).await.ok();
    assert_eq!(put(json!({ "names": ["t", "p"] })).await.ok()["names"], json!(["t", "p"]));
    assert_eq!(put(json!({ "names": null })).await.ok()["names"], json!(null));
    let step = server.post("/step?field=f", &json!({ "x": [0.1, 9.0] })).await.ok();
    assert!(step["novel_columns"].as_array().unwrap().iter().all(|one| one.get("name").is_none()), "{step}");
}
