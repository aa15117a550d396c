//! The numbers in answers.

use psi_api::v1::{GetStateRequest, StepRequest, psi_field_service_client::PsiFieldServiceClient};
use serde_json::json;

use crate::server::{FEEDER, Server};

#[tokio::test]
async fn the_figures_of_the_incident_are_shown_to_four_digits() {
    let figures = [
        ("Psi", "density", 0.5259),
        ("Phi", "phase_coherence", 0.1535),
        ("C", "continuity", 0.7757),
        ("U", "futurity", 0.6370),
        ("H", "temporal_entropy", 0.6332),
        ("PE", "prediction_error", 0.8625),
    ];
    let server = Server::start().await;
    assert_eq!(server.post("/guardian/nigredo", &json!(null)).await.ok()["noise"], 1.5);
    assert_eq!(server.post("/guardian/albedo", &json!(null)).await.ok()["noise"], 0.8);
    for _ in 0..3 {
        server.step(&FEEDER).await;
    }
    let state = server.get("/state").await.ok();
    let scrape = server.get("/metrics").await;
    assert_eq!(scrape.header("content-type"), "text/plain; version=0.0.4");
    for (symbol, gauge, want) in figures {
        let series = format!("psi_field_{gauge}{{engine=\"synthetic\",field=\"default\"}} ");
        let gauged = scrape.text.lines().find_map(|line| line.strip_prefix(&series)).expect(gauge);
        let shown =
            [state[symbol].as_f64().unwrap(), state["window"][symbol].as_f64().unwrap(), gauged.parse().unwrap()];
        for got in shown {
            assert_eq!((got * 1e4).round() / 1e4, want, "{symbol}");
        }
    }
    let federation = server.get("/federation/metrics").await.ok();
    assert_eq!((&federation["agent_id"], &federation["metrics"]["PE"]), (&json!("n1"), &state["PE"]));
}

#[tokio::test]
async fn the_swarm_is_the_merged_view_of_its_members() {
    let server = Server::start().await;
    let empty = server.get("/federation/swarm").await.ok();
    let zeros = json!({ "C_swarm": 0.0, "Phi_swarm": 0.0, "U_swarm": 0.0, "H_swarm": 0.0, "Psi_swarm": 0.0 });
    assert_eq!((&empty["swarm_metrics"], &empty["members"]), (&zeros, &json!(1)));
    let step = server.step(&FEEDER).await;
    let swarm = server.post("/federation/swarm", &json!(null)).await.ok()["swarm_metrics"].clone();
    assert_eq!((&swarm["C_swarm"], &swarm["U_swarm"], &swarm["H_swarm"]), (&step["C"], &step["U"], &step["H"]));
    let [c, u, h] = ["C", "U", "H"].map(|symbol| step[symbol].as_f64().unwrap());
    let density = 1.0 / (1.0 + (-(0.7 * c + 0.6 + 0.5 * u - 0.4 * h)).exp());
    assert!((swarm["Psi_swarm"].as_f64().unwrap() - density).abs() < 1e-12, "{swarm}");
}

#[tokio::test]
async fn a_number_has_the_same_bits_over_http_and_grpc() {
    let server = Server::start().await;
    for name in ["http", "grpc"] {
        server.create_field(name, 6).await;
    }
    let input = [0.1 + 0.2, 1.0 / 3.0, -2.0_f64.powi(-40) * 0.7, 1e-17, 16_777_215.999_999_998, 5e-324];
    let http = server.post("/step?field=http", &json!({ "x": input })).await.ok();
    let mut fields = PsiFieldServiceClient::new(server.channel().await);
    let request = StepRequest { field: "grpc".to_owned(), input: input.to_vec(), ..Default::default() };
    let grpc = fields.step(request).await.unwrap().into_inner().metrics.unwrap();
    for (symbol, want) in [("Psi", grpc.density), ("H", grpc.temporal_entropy), ("M", grpc.memory)] {
        assert_eq!(http[symbol].as_f64().unwrap().to_bits(), want.to_bits(), "{symbol}");
    }
    let means = server.get("/state?field=http").await.ok()["mean"].clone();
    let state = fields
        .get_state(GetStateRequest { field: "grpc".to_owned(), ..Default::default() })
        .await
        .unwrap()
        .into_inner();
    let bits = |numbers: &[f64]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
    let means: Vec<f64> = serde_json::from_value(means).unwrap();
    assert_eq!(bits(&means), bits(&state.mean));
}

#[tokio::test]
async fn a_guardian_is_shown_from_the_first_moment_and_says_what_it_did() {
    let server = Server::start().await;
    let before = server.get("/guardian/statistics").await.ok();
    assert_eq!((&before["interventions"]["last_step"], &before["history_size"]), (&json!(-100), &json!(0)));
    assert_eq!(before["statistics"]["h"], json!({ "mean": 0.0, "std": 0.0, "min": 0.0, "max": 0.0, "p95": 0.0 }));
    assert_eq!(
        (&before["mode"], &before["field"], &before["node"]),
        (&json!("watch"), &json!("default"), &json!("n1"))
    );
    // The last number is 3.75 from the mean, and 2 is too much.
    let mut odd = [0.0; 16];
    odd[15] = 4.0;
    let step = server.step(&odd).await;
    let token = step["token"].as_str().unwrap();
    assert_eq!((&step["guardian"], &step["t"], &step["novelty"]), (&json!(null), &json!(null), &json!(0.0)));
    let status = server.get(&format!("/guardian/status?after={token}&deadline_ms=100")).await.ok();
    let reason = json!("high_prediction_error");
    assert_eq!((&status["red_flag"], &status["reason"]), (&json!(true), &reason));
    assert_eq!((&status["current_threat"], &status["current_threat_reason"]), (&json!(true), &reason));
    assert_eq!(server.get("/state").await.ok()["red_flag"], true);
    server.post("/guardian/albedo", &json!(null)).await.ok();
    let status = server.get("/guardian/status").await.ok();
    assert_eq!((&status["red_flag"], &status["reason"]), (&json!(false), &json!(null)));

    server.post("/fields", &json!({ "name": "f" })).await;
    server.post("/step?field=f", &json!({ "x": vec![4.0; 16] })).await.ok();
    let step = server.post("/step?field=f", &json!({ "x": vec![-4.0; 16] })).await.ok();
    assert_eq!(step["guardian"], json!({ "action": "nigredo", "threat": "high_prediction_error" }));
    let state = server.get("/state?field=f").await.ok();
    assert_eq!((&state["t"], &state["novelty"], &state["att_gain"]), (&step["t"], &step["novelty"], &step["att_gain"]));
    assert_eq!((&state["red_flag"], &state["noise"]), (&json!(false), &json!(1.5)));
    let learned = &state["learned"];
    let shown = (&learned["updates"], &learned["latents"], &learned["working_memories"]);
    assert_eq!(shown, (&json!(1), &json!(0), &json!(0)), "nigredo clears what was retained");
    assert!(learned["episodic_memories"].is_u64(), "{state}");
    let shown = server.get("/guardian/statistics?field=f").await.ok();
    let done = &shown["interventions"];
    assert_eq!((&done["total"], &done["automatic"], &done["last_step"]), (&json!(1), &json!(1), &json!(2)));
    for path in ["/guardian/status?field=nope", "/guardian/statistics?request_id=a"] {
        assert!(server.get(path).await.status.is_client_error(), "{path}");
    }
}
