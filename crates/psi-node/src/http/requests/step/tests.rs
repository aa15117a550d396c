use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{batch::BatchBody, *};
use crate::{
    calls::steps::inputs::{Remarks, RequestedOutcome},
    http::requests::{json::MEMBERS_MAX, params::RequestParams},
};

fn refused(body: &str) -> Refusal {
    StepBody::parse(body.as_bytes()).expect_err(body)
}

#[test]
fn every_way_to_write_a_number_gives_its_nearest_float() {
    let body =
        StepBody::parse(b"{\"x\": [1, -0, 0.1, 1e-400, 9007199254740993, 123456789012345678901234567890, -7.0E+1]}");
    let x = body.expect("valid").x;
    let want = [1.0, -0.0, 0.1, 0.0, 9_007_199_254_740_992.0, 123_456_789_012_345_678_901_234_567_890.0, -70.0];
    assert_eq!(x.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), want.map(f64::to_bits));
}

#[test]
fn bodies_are_refused_for_what_is_wrong_with_them() {
    for (body, reason) in [
        ("", "BAD_BODY"),
        ("{}", "BAD_BODY"),
        ("{\"y\": 1}", "BAD_BODY"),
        ("[[0.1], true]", "BAD_BODY"),
        (" [[0.1], null, null, null]", "BAD_BODY"),
        ("[[0.1], true, \"a\", \"t\"]", "BAD_BODY"),
        ("7", "BAD_BODY"),
        ("{\"x\": 7}", "BAD_BODY"),
        ("{\"x\": {\"x\": [1]}}", "BAD_BODY"),
        ("{\"x\": [\"a\"]}", "BAD_BODY"),
        ("{\"x\": [null, [1], true, {}]}", "BAD_BODY"),
        ("{\"x\": [1], \"apply_guardian\": \"yes\"}", "BAD_BODY"),
        ("{\"x\": [1], \"field\": 3}", "BAD_BODY"),
        ("{\"x\": [1], \"after\": 3}", "BAD_BODY"),
        ("{\"x\": [1], \"replicate_to\": true}", "BAD_BODY"),
        ("{\"x\": [1], \"request_id\": []}", "BAD_BODY"),
        ("{\"x\": [1], \"deadline_ms\": \"5\"}", "BAD_BODY"),
        ("{\"x\": [1], \"deadline_ms\": 0.5}", "BAD_BODY"),
        ("{\"x\": [1], \"deadline_ms\": -1}", "BAD_BODY"),
        ("{\"x\": [1], \"deadline_ms\": 1e300}", "BAD_BODY"),
        ("{\"x\": [1e999]}", "NOT_FINITE"),
        ("{\"x\": [-1e999]}", "NOT_FINITE"),
        ("{\"x\": [0.1, NaN]}", "NOT_FINITE"),
        ("{\"x\": [\n0.1,\n  -Infinity]}", "NOT_FINITE"),
        ("{\"x\": [Infinity]}", "NOT_FINITE"),
        ("{\"x\": [0.1,]}", "BAD_JSON"),
        ("{\"x\": [0.1]", "BAD_JSON"),
        ("{\"x\": [0.1]} {}", "BAD_JSON"),
        ("{'x': [0.1]}", "BAD_JSON"),
        ("{\u{feff}\"x\": [0.1]}", "BAD_JSON"),
    ] {
        assert_eq!(refused(body).reason(), reason, "{body}");
    }
}

#[test]
fn a_byte_order_mark_is_passed_over_or_named() {
    for body in ["\u{feff}{\"x\": [0.5]}", "\u{feff} {\"x\": [0.5], \"unknown\": 1}"] {
        assert_eq!(StepBody::parse(body.as_bytes()).expect(body).x, [0.5]);
    }
    let utf_16: Vec<u8> = "\u{feff}{\"x\": [0.5]}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let refusal = StepBody::parse(&utf_16).expect_err("UTF-16");
    assert!(refusal.reason() == "BAD_JSON" && format!("{refusal:?}").contains("UTF-16"), "{refusal:?}");
}

#[test]
fn size_and_depth_are_refused_without_harm() {
    let nested = |open: &str, close: &str| format!("{{\"x\": {}{}}}", open.repeat(50_000), close.repeat(50_000));
    assert_eq!(refused(&nested("[", "]")).reason(), "BAD_JSON");
    // What is not looked at is skipped, to any depth.
    assert_eq!(refused(&nested("{\"a\":", "}").replace(":}", ":1}")).reason(), "BAD_BODY");
    let wide = format!("{{\"x\": [{}0]}}", "0,".repeat(WIDTH_MAX));
    assert_eq!(refused(&wide).reason(), "WRONG_WIDTH");
    let strings = format!("{{\"x\": [{}0]}}", "\"a\",".repeat(100_000));
    assert!(format!("{:?}", refused(&strings)).len() < 20_000);
    let members = format!("{{{}\"x\": [1]}}", "\"a\": 1,".repeat(MEMBERS_MAX));
    assert_eq!(refused(&members).reason(), "BAD_BODY");
}

#[test]
fn unknown_members_of_a_step_are_named_and_nulls_are_defaults() {
    let body = StepBody::parse(
        b"{\"x\": [1], \"apply_guardian\": null, \"field\": null, \"seed\": {\"a\": [[]]}, \"apply_gaurdian\": true}",
    );
    let StepBody { x, members } = body.expect("valid");
    let ignored = json!([
        { "member": "seed", "did_you_mean": null },
        { "member": "apply_gaurdian", "did_you_mean": "apply_guardian" },
    ]);
    assert_eq!(json!(members.ignored), ignored);
    assert_eq!((x, StepMembers { ignored: Vec::new(), ..members }), (vec![1.0], StepMembers::default()));
}

#[test]
fn a_batch_says_how_each_step_went() {
    let body = BatchBody::parse(
        b"{\"inputs\": [[1], [2]], \"keys\": [\"a\", \"b\"], \"outcomes\": [{\"error\": true}, {\"latency_ms\": 7}]}",
    );
    let Remarks { keys, outcomes } = body.expect("valid").members.remarks;
    assert_eq!(keys, ["a", "b"]);
    let outcome = |error, latency_ms| RequestedOutcome { error, latency_ms };
    assert_eq!(outcomes, [outcome(true, None), outcome(false, Some(7.0))]);
    for (members, place, words) in [
        ("\"keys\": [\"a\", 7]", "keys", "keys takes an array of strings, one for each input"),
        ("\"keys\": \"a\"", "keys", "keys takes an array, not a string"),
        ("\"outcomes\": [{}, true]", "outcomes", "outcomes takes an array of objects, one for each input"),
        ("\"outcomes\": [{}, {\"error\": 1}]", "outcomes", "error of the outcome takes a boolean, not a number"),
        ("\"outcomes\": [{\"latency\": 1}, {}]", "outcomes", "outcome has no `latency`"),
    ] {
        let body = format!("{{\"inputs\": [[1], [2]], {members}}}");
        let refusal = format!("{:?}", BatchBody::parse(body.as_bytes()).expect_err(&body));
        assert!(refusal.contains(place) && refusal.contains(words), "{refusal}");
    }
    // One step has neither: it would be misread.
    let step = StepBody::parse(b"{\"x\": [1], \"keys\": [\"a\"]}").expect("it is ignored");
    assert!(step.members.remarks.keys.is_empty() && step.members.ignored.len() == 1);
}

/// What a body may hold, and some that it may not.
fn json() -> impl Strategy<Value = Json> {
    let numbers =
        prop::collection::vec(prop_oneof![any::<f64>().prop_map(Json::from), Just(json!(1)), Just(json!("1"))], 0..5);
    let text = || prop_oneof![Just(json!("")), Just(json!("a")), Just(json!(null)), Just(json!(7))];
    let truth = prop_oneof![Just(json!(true)), Just(json!(null)), Just(json!("yes"))];
    let other = prop_oneof![Just("deadline_ms"), Just("request_id"), Just("replicate_to"), Just("unknown")];
    let others = prop::collection::vec((other, text()), 0..2);
    let parts =
        (prop::option::of(numbers), prop::option::of(truth), prop::option::of(text()), prop::option::of(text()));
    (parts, others, any::<bool>()).prop_map(|((x, guardian, field, after), others, is_list)| {
        let x = x.map(Json::from);
        let known = [("x", x), ("apply_guardian", guardian), ("field", field), ("after", after)];
        let members = known.into_iter().filter_map(|(name, value)| Some((name, value?))).chain(others);
        if is_list {
            members.map(|(_, value)| value).collect()
        } else {
            members.map(|(name, value)| (name.to_owned(), value)).collect::<serde_json::Map<_, _>>().into()
        }
    })
}

/// All that matters of what was read, or of why not.
fn seen(parsed: Result<StepBody, Refusal>) -> Result<(Vec<u64>, bool, RequestParams), String> {
    let body = parsed.map_err(|refusal| format!("{refusal:?}"))?;
    Ok((body.x.iter().map(|x| x.to_bits()).collect(), body.members.apply_guardian, body.members.params))
}

proptest! {
    #[test]
    fn the_usual_body_is_read_as_any(body in json()) {
        let body = body.to_string();
        prop_assert_eq!(seen(StepBody::parse(body.as_bytes())), seen(StepBody::parse_any(body.as_bytes())), "{}", body);
    }
}

#[test]
fn unusual_bodies_are_read_as_any() {
    let wide = format!("{{\"x\": [{}1]}}", "0.25,".repeat(WIDTH_MAX));
    for body in [
        "{\"x\": []}",
        "{\"x\": [1, -0, 0.1, 1e-400, -7.0E+1]}",
        "{\"x\": [0.5], \"apply_guardian\": true, \"field\": \"a\", \"after\": \"t\"}",
        "{\"x\": [0.5], \"apply_guardian\": null, \"field\": null}",
        "{\"x\": [0.5], \"field\": \"\"}",
        "{\"x\": [0.5], \"x\": [0.25]}",
        "{\"x\": [0.5], \"unknown\": {\"x\": 1}}",
        "{\"x\": [0.5], \"deadline_ms\": 5, \"request_id\": \"r\", \"replicate_to\": \"all\"}",
        "{\"x\": [1e999]}",
        "{\"x\": null}",
        &wide,
    ] {
        let (usual, any) = (StepBody::parse(body.as_bytes()), StepBody::parse_any(body.as_bytes()));
        assert_eq!(seen(usual), seen(any), "{}", &body[..body.len().min(80)]);
    }
}
