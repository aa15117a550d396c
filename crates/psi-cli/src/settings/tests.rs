//! Claims about reading settings.

use super::{
    all::AllSettings,
    definition::DEFINITIONS,
    kind::Kind,
    load::{Inputs, LoadedSettings, load},
    place::Place,
    problem::Problem,
    *,
};

const FILE: &str = "psi.toml";

fn loaded(
    file: &str,
    variables: &[(&str, &str)],
    flags: &[(&'static str, &str)],
) -> Result<LoadedSettings, Vec<Problem>> {
    let variables = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    load(Inputs { file: Some((FILE, file)), variables, flags: &SettingFlags::of(flags), machine: "m" })
}

fn problems(file: &str, variables: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Vec<String> {
    loaded(file, variables, flags).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_needs_to_be_set() {
    let loaded = loaded("", &[], &[]).unwrap();
    let commit = env!("BUILT_FROM_COMMIT");
    let want = psi_node::Settings { commit, ..psi_node::Settings::new(psi_replica::NodeId::new("m").unwrap()) };
    assert_eq!(format!("{:?}", loaded.effective.node), format!("{want:?}"));
}

#[test]
fn flags_come_before_variables_before_the_file() {
    let file = "[gossip]\ninterval_ms = 100\n[cluster]\njoin_ms = 100\nname = \"a\"";
    let variables = [("PSI_GOSSIP_INTERVAL_MS", "200"), ("PSI_CLUSTER_JOIN_MS", "200")];
    let loaded = loaded(file, &variables, &[("gossip.interval_ms", "300")]).unwrap();
    let node = &loaded.effective.node;
    assert_eq!(node.gossip_interval.as_millis(), 300);
    assert_eq!(node.join.as_millis(), 200);
    assert_eq!(node.cluster.as_str(), "a");
    for (key, want) in [
        ("gossip.interval_ms", "--gossip-interval-ms"),
        ("cluster.join_ms", "PSI_CLUSTER_JOIN_MS"),
        ("cluster.name", "psi.toml, line 5"),
        ("http.listen", "default"),
    ] {
        assert_eq!(loaded.place(key).to_string(), want, "{key}");
    }
}

#[test]
fn one_run_reports_everything_that_is_wrong() {
    let file = "\
[grcp]
listen = \"127.0.0.1:1\"

[gossip]
interval_ms = 5
listen = 7280
[node]
id = \"a b\"
";
    let variables = [("PSI_HTTP_LISTN", "x"), ("PSI_HTTP_LISTEN", "localhost"), ("HOME", "/")];
    let flags = [("log.filter", "psi_node=loud"), ("replication.enabled", "no"), ("cluster.seeds", "a,:1")];
    let want = [
        "no setting has the variable PSI_HTTP_LISTN; did you mean `PSI_HTTP_LISTEN`?",
        "psi.toml, line 2: no setting is called `grcp.listen`; did you mean `grpc.listen`?",
        "psi.toml, line 5: gossip.interval_ms = 5: takes a whole number from 20 to 60000",
        "psi.toml, line 6: gossip.listen = 7280: takes a text, in quotes",
        "psi.toml, line 8: node.id = \"a b\": node name `a b` must be 1 to 64 characters of A-Z a-z 0-9 . _ -, \
         the first of them no dot",
        "PSI_HTTP_LISTEN: http.listen = \"localhost\": takes an IP address and a port, such as 127.0.0.1:7000 or \
         [::1]:7000",
        "--log-filter: log.filter = \"psi_node=loud\": is not a log filter such as `info` or `info,psi_node=debug`: \
         error parsing level filter: expected one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or a \
         number 0-5",
        "--replication-enabled: replication.enabled = \"no\": takes true or false",
        "--cluster-seeds: cluster.seeds = [\"a\", \":1\"]: `` is not a host name or address",
    ];
    let mut got = problems(file, &variables, &flags);
    got.sort();
    let mut want = want.map(str::to_owned);
    want.sort();
    assert_eq!(got, want);
}

#[test]
fn a_value_is_checked_even_where_it_is_overridden() {
    let got = problems("gossip.interval_ms = 5", &[], &[("gossip.interval_ms", "100")]);
    assert_eq!(got.len(), 1, "{got:?}");
}

#[test]
fn broken_toml_is_reported_with_its_line_beside_other_problems() {
    let got = problems("[node]\nid = \n", &[("PSI_X", "1")], &[]);
    assert!(got.iter().any(|problem| problem.starts_with("psi.toml, line 2: ")), "{got:?}");
    assert!(got.iter().any(|problem| problem.contains("PSI_X")), "{got:?}");
}

#[test]
fn a_section_is_distinguished_from_a_setting() {
    let got = problems("grpc = 5", &[], &[]);
    assert_eq!(got, ["psi.toml, line 1: `grpc` is a section, not a setting; write `[grpc]` and its settings below"]);
}

#[test]
fn whole_numbers_have_both_limits() {
    for definition in &DEFINITIONS {
        let Kind::Whole { min, max, .. } = definition.kind else { continue };
        for (number, taken) in [(min, true), (max, true), (max + 1, false)] {
            let got = loaded("", &[], &[(definition.key, &number.to_string())]);
            assert_eq!(got.is_ok(), taken, "{} = {number}", definition.key);
        }
        assert!(loaded("", &[], &[(definition.key, "-1")]).is_err(), "{}", definition.key);
    }
}

#[test]
fn zero_stands_for_none_where_small_numbers_are_refused() {
    for definition in &DEFINITIONS {
        let Kind::WholeOrNone { min, max, .. } = definition.kind else { continue };
        for (number, taken) in [(0, true), (1, false), (min - 1, false), (min, true), (max, true), (max + 1, false)] {
            let got = loaded("", &[], &[(definition.key, &number.to_string())]);
            assert_eq!(got.is_ok(), taken, "{} = {number}", definition.key);
        }
    }
}

#[test]
fn seeds_are_read_from_lists_and_from_commas() {
    let want = ["a:7280", "[::1]:7", "b:9"];
    let by_file = loaded("cluster.seeds = [\"a\", \"[::1]:7\", \"b:9\"]", &[], &[]).unwrap();
    let by_variable = loaded("", &[("PSI_CLUSTER_SEEDS", "a, [::1]:7,b:9,")], &[]).unwrap();
    assert_eq!(by_file.effective.node.seeds, want);
    assert_eq!(by_variable.effective.node.seeds, want);
    assert!(loaded("", &[("PSI_CLUSTER_SEEDS", "none")], &[]).unwrap().effective.node.seeds.is_empty());
    let missing = problems("", &[("PSI_CLUSTER_SEEDS", "a,,b")], &[]);
    assert!(missing[0].contains("`` is not a host name or address"), "a name is missing there: {missing:?}");
}

#[test]
fn advertised_addresses_can_be_dialled() {
    for (text, taken) in
        [("none", true), ("10.0.0.1:5", true), ("0.0.0.0:5", false), ("10.0.0.1:0", false), ("a:1", false)]
    {
        assert_eq!(loaded("", &[], &[("grpc.advertise", text)]).is_ok(), taken, "{text}");
    }
}

#[test]
fn grpc_and_http_need_a_port_each() {
    let got = problems("http.listen = \"127.0.0.1:50051\"", &[], &[]);
    assert_eq!(
        got,
        [
            "http.listen = 127.0.0.1:50051 (psi.toml, line 1) is also grpc.listen (default); give each service a port of \
          its own"
        ]
    );
}

#[test]
fn names_of_nodes_in_certificates_have_a_place_for_the_node() {
    for (text, taken) in [
        ("spiffe://example.org/psi/{node}", true),
        ("spiffe://{cluster}/node/{node}", true),
        ("spiffe://example.org/psi", false),
        ("{node}", false),
    ] {
        let got = loaded("", &[], &[("tls.name", text)]);
        assert_eq!(got.is_ok(), taken, "{text}");
        if let Err(problems) = got {
            assert!(format!("{problems:?}").contains("{node}"), "{problems:?}");
        }
    }
}

#[test]
fn nodes_of_one_machine_are_named_by_their_port() {
    let named = |flags: &[(&'static str, &str)]| loaded("", &[], flags).unwrap().effective.node.node.to_string();
    assert_eq!(named(&[]), "m");
    assert_eq!(named(&[("grpc.listen", "127.0.0.1:50052")]), "m-50052");
    assert_eq!(named(&[("grpc.listen", "127.0.0.1:50052"), ("node.id", "x")]), "x");
}

#[test]
fn what_is_printed_reads_back_as_the_same_settings() {
    let flags = [
        ("node.id", "x"),
        ("cluster.seeds", "a,b:1"),
        ("http.cors_origins", "https://a.example,http://localhost:3000"),
        ("http.hosts", "a.example,b"),
        ("grpc.advertise", "10.0.0.1:5"),
        ("replication.enabled", "false"),
        ("log.format", "json"),
        ("gossip.dead_node_grace_s", "60"),
        ("replication.full_mesh_max", "8"),
    ];
    let first = loaded("", &[], &flags).unwrap();
    let text = to_toml(&first);
    assert!(text.contains("--cluster-seeds") && text.contains("# default"), "{text}");
    let second = loaded(&text, &[], &[]).unwrap();
    assert_eq!(format!("{:?}", first.effective), format!("{:?}", second.effective));
    for definition in &DEFINITIONS {
        assert!(matches!(second.place(definition.key), Place::File { .. }), "{}", definition.key);
    }
}

#[test]
fn every_default_is_a_value_that_is_taken() {
    for definition in &DEFINITIONS {
        let mut all = AllSettings::default();
        let value = (definition.show)(&all);
        assert_eq!(definition.kind.put(&mut all, &value), Ok(()), "{}", definition.key);
        assert_eq!((definition.show)(&all), value, "{}", definition.key);
        assert!(!definition.meaning.is_empty() && !definition.name().is_empty());
    }
}

/// The settings that may have no value, and what their values are otherwise.
const OPTIONAL: [(&str, &str); 14] = [
    ("cluster.seeds", "a:7280"),
    ("grpc.advertise", "10.0.0.1:5"),
    ("http.advertise", "10.0.0.1:5"),
    ("http.cors_origins", "https://panel.example"),
    ("http.hosts", "psi.example"),
    ("gossip.advertise", "10.0.0.1:5"),
    ("security.key_file", "/run/cluster.key"),
    ("security.revoked_file", "/run/revoked"),
    ("tls.cert", "/run/tls.crt"),
    ("tls.key", "/run/tls.key"),
    ("tls.ca", "/run/ca.crt"),
    ("notify.webhook", "https://hooks.example/psi"),
    ("notify.secret_file", "/run/webhook.secret"),
    ("data.dir", "/data"),
];

/// The settings whose values are lists.
const LISTS: [&str; 3] = ["cluster.seeds", "http.cors_origins", "http.hosts"];

#[test]
fn what_is_empty_is_refused_wherever_it_is_given() {
    for definition in &DEFINITIONS {
        let (key, variable) = (definition.key, definition.variable());
        let lists: &[&str] = if LISTS.contains(&key) { &["[]", "[\"\"]"] } else { &[] };
        let by_file =
            ["\"\"", "\" \""].iter().chain(lists).map(|empty| problems(&format!("{key} = {empty}"), &[], &[]));
        let commas: &[&str] = if LISTS.contains(&key) { &[",", " , "] } else { &[] };
        let texts = || ["", " "].iter().chain(commas);
        let by_variable = texts().map(|empty| problems("", &[(&variable, empty)], &[]));
        let by_flag = texts().map(|empty| problems("", &[], &[(key, empty)]));
        for got in by_file.chain(by_variable).chain(by_flag) {
            let [problem] = &got[..] else { panic!("{key}: {got:?}") };
            let way_out = format!("is empty; it takes {}; leave it out for the default", definition.kind.takes());
            assert!(problem.contains(key) && problem.contains(&way_out), "{problem}");
        }
    }
}

#[test]
fn none_undoes_what_was_given_before_and_is_printed_as_it_was_written() {
    for definition in &DEFINITIONS {
        let Some((key, value)) = OPTIONAL.iter().find(|(key, _)| *key == definition.key) else {
            assert!(!definition.kind.takes().contains("none"), "{}", definition.key);
            continue;
        };
        let (variable, default) = (definition.variable(), loaded("", &[], &[]).unwrap());
        let given = loaded("", &[(&variable, value)], &[]).unwrap();
        let shown = |loaded: &LoadedSettings| (definition.show)(&loaded.effective);
        assert_ne!(shown(&given), shown(&default), "{key}");
        let by_flag = loaded("", &[(&variable, value)], &[(key, "none")]).unwrap();
        let by_variable = loaded(&to_toml(&given), &[(&variable, "none")], &[]).unwrap();
        let by_file = loaded(&format!("{key} = \"none\""), &[], &[]).unwrap();
        for none in [by_flag, by_variable, by_file] {
            assert_eq!(shown(&none), shown(&default), "{key}");
            assert_eq!(shown(&none).as_str(), Some("none"), "{key}");
        }
    }
}
