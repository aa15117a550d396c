//! Fields and their guardians as clients see them: made, changed, reset, watched.

mod drift;
mod versions;

use anyhow::{Context, Result};
use psi_api::v1::{
    ChangeFieldRequest, CreateFieldRequest, DropFieldRequest, Field, GetGuardianRequest, GuardianMode, GuardianState,
    Intervention, LabelFieldRequest, ListFieldsRequest, NameColumnsRequest, Parameter, ResetFieldRequest, Threat,
};
use psi_tests::{INCIDENT, Member, agreed, cluster, eventually, settings};
use tonic::{Code, Status};

fn parameter(name: &str, value: f64) -> Parameter {
    Parameter { name: name.to_owned(), value }
}

fn value(field: &Field, name: &str) -> f64 {
    field.parameters.iter().find(|parameter| parameter.name == name).expect(name).value
}

async fn create(member: &Member, request: CreateFieldRequest) -> Result<Field, Status> {
    Ok(member.field.clone().create_field(request).await?.into_inner())
}

async fn change(member: &Member, request: ChangeFieldRequest) -> Result<Field, Status> {
    Ok(member.field.clone().change_field(request).await?.into_inner())
}

async fn reset(member: &Member, request: ResetFieldRequest) -> Result<Field, Status> {
    Ok(member.field.clone().reset_field(request).await?.into_inner())
}

async fn guardian(member: &Member, field: &str) -> Result<GuardianState, Status> {
    let request = GetGuardianRequest { field: field.to_owned(), ..Default::default() };
    Ok(member.field.clone().get_guardian(request).await?.into_inner())
}

fn refused<T: std::fmt::Debug>(what: &str, result: Result<T, Status>, code: Code, reason: &str, says: &str) {
    let status = result.expect_err(what);
    let (got, _) = psi_api::cause_of(&status).expect(what);
    assert_eq!((status.code(), got.as_str()), (code, reason), "{what}: {status}");
    assert!(status.message().contains(says), "{what}: {status}");
}

/// An input that no engine takes for usual after its opposite.
fn extreme(sign: f64) -> Vec<f64> {
    vec![4.0 * sign; 16]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_field_learns_and_is_guarded_and_default_stays_as_it_was() -> Result<()> {
    let member = Member::start(settings("n1", &[])).await?;
    let made = create(&member, CreateFieldRequest { name: "new".to_owned(), ..Default::default() }).await?;
    assert_eq!((made.engine.as_str(), made.width, made.guardian()), ("core", 16, GuardianMode::Intervene));
    // Else it may dissolve what the next step is to be scored against.
    let watch = GuardianMode::Watch.into();
    change(&member, ChangeFieldRequest { name: "new".to_owned(), guardian: watch, ..Default::default() }).await?;
    let step = member.step("new", &INCIDENT).await?;
    assert_eq!((step.engine.as_str(), step.novelty), ("core", 0.0));
    let dt_eff = step.metrics.context("metrics")?.time_dilation;
    assert!((step.time.context("core keeps the time")? - dt_eff).abs() < 1e-9);
    member.step("new", &INCIDENT).await?;
    let novel = member.step("new", &extreme(1.0)).await?;
    assert_eq!(novel.novelty, 2_f64.sqrt(), "no dimension had varied before: the most after two steps");
    assert!(member.step("new", &extreme(-1.0)).await?.novelty > 1.0);
    let state = member.state("new").await?;
    let learned = state.learned.context("core learns")?;
    assert_eq!((learned.updates, state.k, state.novelty.is_some()), (3, 4, true));
    assert!(state.time > step.time && learned.working_memories > 0, "{learned:?}");

    let default = member.state("").await?.field.context("a field")?;
    assert_eq!((default.engine.as_str(), default.guardian()), ("synthetic", GuardianMode::Watch));
    let step = member.step("", &INCIDENT).await?;
    assert_eq!((step.time, step.guardian), (None, None));
    let metrics = step.metrics.context("metrics")?;
    assert!((step.attention_gain - (1.0 + 0.5 * metrics.density - 0.2 * metrics.prediction_error)).abs() < 1e-12);
    let state = member.state("").await?;
    assert_eq!((state.learned, state.time, state.attention_gain), (None, None, Some(step.attention_gain)));
    Ok(())
}

/// What is wrong, the request, and how it is refused: code, reason, and words of the message.
type BadChange = (&'static str, ChangeFieldRequest, Code, &'static str, &'static str);

/// Changes of a field that has counted a step, each bad in its own way.
fn bad_changes() -> [BadChange; 11] {
    use Code::{FailedPrecondition, InvalidArgument, NotFound};
    let fixed = ChangeFieldRequest { name: "f".to_owned(), ..Default::default() };
    let with = |parameters| ChangeFieldRequest { parameters, ..fixed.clone() };
    [
        (
            "engine",
            ChangeFieldRequest { engine: Some("synthetic".to_owned()), ..fixed.clone() },
            FailedPrecondition,
            "FIELD_HAS_HISTORY",
            "(steps counted: 1), and engine can't",
        ),
        (
            "width and seed",
            ChangeFieldRequest { width: Some(4), seed: Some(7), ..fixed.clone() },
            FailedPrecondition,
            "FIELD_HAS_HISTORY",
            "width, seed",
        ),
        (
            "scale",
            ChangeFieldRequest { scale_exponent: Some(3), ..fixed.clone() },
            FailedPrecondition,
            "FIELD_HAS_HISTORY",
            "scale_exponent",
        ),
        ("latents", with(vec![parameter("latent_dim", 8.0)]), FailedPrecondition, "FIELD_HAS_HISTORY", "latent_dim"),
        (
            "no such engine",
            ChangeFieldRequest { engine: Some("cor".to_owned()), ..fixed.clone() },
            InvalidArgument,
            "UNKNOWN_ENGINE",
            "`core`?",
        ),
        ("no width", ChangeFieldRequest { width: Some(0), ..fixed.clone() }, InvalidArgument, "BAD_SHAPE", "not 0"),
        (
            "scale too large",
            ChangeFieldRequest { scale_exponent: Some(65), ..fixed.clone() },
            InvalidArgument,
            "BAD_SHAPE",
            "65",
        ),
        ("unknown parameter", with(vec![parameter("lamda", 1.0)]), InvalidArgument, "BAD_PARAMETER", "`lambda_`?"),
        ("order", with(vec![parameter("dt_min", 0.6)]), InvalidArgument, "BAD_PARAMETER", "`dt_max` = 0.5"),
        (
            "mode",
            ChangeFieldRequest { guardian: 9, ..fixed.clone() },
            InvalidArgument,
            "UNKNOWN_GUARDIAN_MODE",
            "1 (watch)",
        ),
        (
            "no such field",
            ChangeFieldRequest { name: "g".to_owned(), ..Default::default() },
            NotFound,
            "UNKNOWN_FIELD",
            "`g`",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_keeps_what_is_not_named_and_what_was_counted_on_all_nodes() -> Result<()> {
    let members = cluster(2).await?;
    let request =
        CreateFieldRequest { name: "f".to_owned(), parameters: vec![parameter("dt", 0.1)], ..Default::default() };
    let made = create(&members[0], request).await?;
    members[0].step("f", &INCIDENT).await?;
    let wanted = ChangeFieldRequest {
        name: "f".to_owned(),
        parameters: vec![parameter("lambda", 0.7)],
        guardian: GuardianMode::Watch.into(),
        ..Default::default()
    };
    let changed = change(&members[0], wanted).await?;
    assert_eq!((changed.epoch, changed.guardian(), changed.seed), (made.epoch, GuardianMode::Watch, made.seed));
    assert_eq!((value(&changed, "dt"), value(&changed, "lambda_")), (0.1, 0.7));
    agreed(&members).await?;
    let state = members[1].state("f").await?;
    let there = state.field.clone().context("a field")?;
    assert_eq!((state.k, &there.parameters, there.guardian()), (1, &changed.parameters, GuardianMode::Watch));

    let before = members[0].agreement().await?;
    for (what, request, code, reason, says) in bad_changes() {
        refused(what, change(&members[0], request).await, code, reason, says);
    }
    assert_eq!(members[0].agreement().await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_step_all_can_change_and_later_with_a_reset() -> Result<()> {
    let members = cluster(2).await?;
    let wanted = ChangeFieldRequest {
        name: "default".to_owned(),
        engine: Some("core".to_owned()),
        width: Some(4),
        scale_exponent: Some(-3),
        seed: Some(u64::MAX),
        guardian: GuardianMode::Intervene.into(),
        parameters: vec![parameter("latent_dim", 8.0), parameter("dt", 0.1)],
    };
    let changed = change(&members[0], wanted).await?;
    let shape = |field: &Field| (field.engine.clone(), field.width, field.scale_exponent, field.seed, field.guardian());
    let want = ("core".to_owned(), 4, -3, u64::MAX, GuardianMode::Intervene);
    assert_eq!((changed.name.as_str(), shape(&changed)), ("default", want.clone()));
    eventually("the other node knows", async || {
        Ok(members[1].state("").await?.field.is_some_and(|field| field.epoch == changed.epoch))
    })
    .await?;
    let step = members[1].step("", &[0.1, 0.2, 0.3, 0.4]).await?;
    assert_eq!((step.k, step.engine.as_str(), step.time.is_some()), (1, "core", true));
    agreed(&members).await?;

    let over =
        reset(&members[0], ResetFieldRequest { name: "default".to_owned(), seed: Some(7), ..Default::default() })
            .await?;
    assert_eq!(shape(&over), ("core".to_owned(), 4, -3, 7, GuardianMode::Intervene));
    assert_eq!(value(&over, "dt"), 0.2, "parameters that are not named start over too");
    assert!(over.epoch > changed.epoch);
    let back = ResetFieldRequest {
        name: "default".to_owned(),
        engine: Some("synthetic".to_owned()),
        width: Some(16),
        scale_exponent: Some(0),
        seed: Some(0),
        guardian: GuardianMode::Watch.into(),
        ..Default::default()
    };
    let back = reset(&members[0], back).await?;
    assert_eq!(shape(&back), ("synthetic".to_owned(), 16, 0, 0, GuardianMode::Watch));
    agreed(&members).await?;
    let state = members[1].state("").await?;
    assert_eq!((state.k, state.steps_dropped, state.time), (0, 1, None));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_reaches_every_node_and_outlives_resets_and_drops() -> Result<()> {
    let members = cluster(2).await?;
    let label_there = async |want: &str| {
        eventually("the other node shows the label", async || {
            let fields = members[1].field.clone().list_fields(ListFieldsRequest::default()).await?.into_inner().fields;
            Ok(fields.iter().any(|field| field.name == "f" && field.label == want))
        })
        .await
    };
    let new = CreateFieldRequest { name: "f".to_owned(), ..Default::default() };
    assert_eq!(create(&members[0], new.clone()).await?.label, "");
    let url = format!("http://{}/fields/f/label", members[0].node.addresses().http);
    let put = reqwest::Client::new().put(url).header("content-type", "application/json");
    let answer = put.body("{\"label\": \"Ψ of hall 3\"}").send().await?;
    assert_eq!(answer.status().as_u16(), 200);
    label_there("Ψ of hall 3").await?;
    members[1].step("f", &INCIDENT).await?;
    let over = reset(&members[1], ResetFieldRequest { name: "f".to_owned(), ..Default::default() }).await?;
    assert_eq!(over.label, "Ψ of hall 3");
    agreed(&members).await?;
    for member in &members {
        let state = member.state("f").await?;
        let field = state.field.context("a field")?;
        assert_eq!((state.k, field.epoch, field.label.as_str()), (0, over.epoch, "Ψ of hall 3"));
    }

    members[1].field.clone().drop_field(DropFieldRequest { name: "f".to_owned() }).await?;
    assert_eq!(create(&members[1], new).await?.label, "Ψ of hall 3");
    let label = |label: &str| LabelFieldRequest { name: "f".to_owned(), label: label.to_owned() };
    let cleared = members[1].field.clone().label_field(label("")).await?.into_inner();
    assert_eq!(cleared.label, "");
    agreed(&members).await?;
    assert_eq!(members[0].state("f").await?.field.context("a field")?.label, "");
    let before = members[0].agreement().await?;
    for (bad, says) in [("x".repeat(257), "257 bytes, at most 256"), ("a\nb".to_owned(), "U+000A")] {
        let answer = members[0].field.clone().label_field(label(&bad)).await;
        refused(&bad, answer, Code::InvalidArgument, "BAD_LABEL", says);
    }
    assert_eq!(members[0].agreement().await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_columns_reach_every_node_and_those_that_join_later() -> Result<()> {
    let members = cluster(2).await?;
    let strings = |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    let new = CreateFieldRequest {
        name: "f".to_owned(),
        width: 2,
        engine: "synthetic".to_owned(),
        names: strings(&["temp", "pressure"]),
        ..Default::default()
    };
    let made = create(&members[0], new.clone()).await?;
    assert_eq!(made.names, ["temp", "pressure"]);
    agreed(&members).await?;
    let again = CreateFieldRequest { names: strings(&["x", "y"]), ..new };
    refused("again", create(&members[1], again).await, Code::AlreadyExists, "FIELD_EXISTS", "exists already");
    for input in [[0.1, 0.2], [0.2, 0.2], [0.1, 0.3]] {
        members[1].step("f", &input).await?;
    }
    let step = members[1].step("f", &[0.1, 9.0]).await?;
    let farthest = step.novel_columns.first().context("a column")?;
    assert_eq!((farthest.column, farthest.name.as_str()), (1, "pressure"));

    let named = |names: &[&str]| NameColumnsRequest { name: "f".to_owned(), names: strings(names) };
    // Not the digest: what made the field is still on its way into the ledger.
    let listed =
        async || anyhow::Ok(members[1].field.clone().list_fields(ListFieldsRequest::default()).await?.into_inner());
    let before = listed().await?.fields;
    for (names, says) in [
        (&["a"][..], "field `f` has 2 columns, and 1 name was given"),
        (&["a", "a"], "columns 1 and 2 are both called `a`"),
        (&["a", "b\u{7}"], "the name of column 2 has U+0007"),
    ] {
        let answer = members[1].field.clone().name_columns(named(names)).await;
        refused(&format!("{names:?}"), answer, Code::InvalidArgument, "BAD_NAMES", says);
    }
    assert_eq!(listed().await?.fields, before);
    members[1].field.clone().name_columns(named(&["t", "p"])).await?;
    let late = Member::start(settings("n3", &[members[0].node.addresses().gossip])).await?;
    eventually("the joiner has the names", async || {
        let field = late.state("f").await.ok().and_then(|state| state.field);
        Ok(field.is_some_and(|field| field.names == ["t", "p"]))
    })
    .await?;
    agreed(&members).await?;
    let fields = members[0].field.clone().list_fields(ListFieldsRequest::default()).await?.into_inner().fields;
    assert!(fields.iter().any(|field| field.names == ["t", "p"]), "{fields:?}");
    assert!(members[0].field.clone().name_columns(named(&[])).await?.into_inner().names.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guardian_that_intervenes_says_so_and_one_that_watches_leaves_it_to_people() -> Result<()> {
    let members = cluster(2).await?;
    create(&members[0], CreateFieldRequest { name: "f".to_owned(), ..Default::default() }).await?;
    assert_eq!(guardian(&members[0], "f").await?.last_step, None);
    assert_eq!(members[0].step("f", &extreme(1.0)).await?.guardian, None);
    let step = members[0].step("f", &extreme(-1.0)).await?;
    let reaction = step.guardian.context("an intervention")?;
    assert_eq!((reaction.action(), reaction.threat()), (Intervention::Nigredo, Threat::HighPredictionError));
    agreed(&members).await?;
    let seen = guardian(&members[1], "f").await?;
    let shown = (seen.mode(), seen.history_size, seen.interventions, seen.automatic, seen.superseded, seen.last_step);
    assert_eq!(shown, (GuardianMode::Intervene, 2, 1, 1, 0, Some(2)));
    assert_eq!((seen.red_flag(), seen.current_threat()), (Threat::Unspecified, Threat::HighPredictionError));
    let thresholds = seen.thresholds.context("thresholds")?;
    let fixed = (thresholds.density_low, thresholds.prediction_error_high, thresholds.temporal_entropy_high);
    assert_eq!((fixed, thresholds.adaptive), ((0.25, 2.0, 2.2), false));
    let error = seen.prediction_error.context("a summary")?;
    let metrics = step.metrics.context("metrics")?;
    assert_eq!((error.min, error.max, error.mean), (0.0, metrics.prediction_error, metrics.prediction_error / 2.0));
    assert_eq!((seen.field.as_str(), seen.node.as_str()), ("f", "n2"));
    let state = members[1].state("f").await?;
    let learned = state.learned.context("core learns")?;
    assert_eq!((state.noise, learned.latents, learned.working_memories), (1.5, 0, 0), "nigredo clears them");
    let series = r#"psi_node_guardian_interventions_total{action="nigredo",threat="high_prediction_error"}"#;
    for (member, want) in members.iter().zip([1.0, 0.0]) {
        let http = member.node.addresses().http;
        assert_eq!(psi_tests::series(http, series).await?, Some(want), "{}", member.node.node_id());
        let automatic = psi_tests::series(http, r#"psi_field_guardian_interventions{engine="core",field="f"}"#);
        assert_eq!(automatic.await?, Some(1.0));
    }

    // `default` is watched only. The last number is far from the mean, so PE is above 2.
    let mut odd = [0.0; 16];
    odd[15] = 4.0;
    let step = members[0].step("", &odd).await?;
    assert_eq!(step.guardian, None);
    let seen = guardian(&members[0], "").await?;
    assert_eq!((seen.mode(), seen.interventions), (GuardianMode::Watch, 0));
    assert_eq!((seen.red_flag(), seen.current_threat()), (Threat::HighPredictionError, Threat::HighPredictionError));
    assert_eq!(members[0].state("").await?.red_flag(), Threat::HighPredictionError);
    let labels = r#"engine="synthetic",field="default""#;
    let http = members[0].node.addresses().http;
    for (series, want) in [
        (format!("psi_field_guardian_red_flag{{{labels}}}"), 1.0),
        (format!(r#"psi_field_guardian_threshold{{{labels},metric="density"}}"#), 0.25),
        (format!(r#"psi_field_guardian_threshold{{{labels},metric="prediction_error"}}"#), 2.0),
        (format!(r#"psi_field_guardian_threshold{{{labels},metric="temporal_entropy"}}"#), 2.2),
        (format!("psi_field_novelty{{{labels}}}"), 0.0),
    ] {
        assert_eq!(psi_tests::series(http, &series).await?, Some(want), "{series}");
    }
    members[0].intervene("", Intervention::Nigredo).await?;
    let seen = guardian(&members[0], "").await?;
    assert_eq!(
        (seen.red_flag(), seen.interventions, seen.automatic, seen.last_step),
        (Threat::Unspecified, 1, 0, Some(1))
    );
    Ok(())
}
