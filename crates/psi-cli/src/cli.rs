//! The commands there are. To add one: a file in a folder of `commands/`, and one row here. Help, completions and the
//! check that every command shows an example follow from the row.

use clap::{Parser, Subcommand};

use crate::{
    commands::{
        cluster::{check_config, clock, health, members, node, probe},
        completions,
        experiments::{bench, demo, sim},
        fields::{drift, field, guardian, state, version},
        governance::{lease, ledger, plan, process, rollout},
        man,
        security::{ca, key, token},
        steps::{feed, record, replay, step},
    },
    output::{Failure, Output},
};

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("BUILT_FROM_COMMIT"), ")");

const AFTER_HELP: &str = "\
Examples:
  psi-field demo                        # see what it does
  psi-field node                        # a cluster of one, on this machine
  psi-field step --incident             # score a vector
  psi-field feed --walk --rate 100      # score 100 a second until Ctrl-C
  psi-field members                     # do all nodes agree?

Exit codes:
  0  done
  1  failed, or refused by the node
  2  wrong arguments or settings; nothing was done
  3  no node could be reached, or none was ready in time

With `--output json` the answer is JSON on standard output, and an error is one line of \
JSON on standard error.";

/// Scores streams of vectors for stability and drift; every node of a cluster gives the same answer.
#[derive(Debug, Parser)]
#[command(name = "psi-field", version = VERSION, after_help = AFTER_HELP)]
pub struct Cli {
    /// How to print: text for people, or JSON for programs
    #[arg(long, short, global = true, value_enum, default_value_t, help_heading = "Output")]
    pub(crate) output: Output,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Makes the list of commands and what runs each of them, from one row a command.
macro_rules! commands {
    ($($(#[$attribute:meta])* $name:ident($command:ty)),* $(,)?) => {
        #[derive(Debug, Subcommand)]
        pub(crate) enum Command {
            $($(#[$attribute])* $name($command),)*
        }

        impl Command {
            pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
                match self {
                    $(Self::$name(command) => command.run(output).await,)*
                }
            }
        }
    };
}

// In the order of `--help`.
commands! {
    Node(Box<node::Node>),
    CheckConfig(Box<check_config::CheckConfig>),
    Demo(demo::Demo),
    Step(step::Step),
    Feed(feed::Feed),
    State(state::State),
    Drift(drift::Drift),
    Version(version::VersionCommand),
    Members(members::Members),
    Field(field::Field),
    Guardian(guardian::Guardian),
    Health(health::Health),
    Clock(clock::ClockCommand),
    Probe(probe::Probe),
    Lease(lease::LeaseCommand),
    Process(process::ProcessCommand),
    Rollout(rollout::RolloutCommand),
    Plan(plan::PlanCommand),
    Ledger(ledger::Ledger),
    Key(key::KeyCommand),
    Token(token::TokenCommand),
    Ca(ca::CaCommand),
    Record(record::Record),
    Replay(Box<replay::Replay>),
    Sim(sim::Sim),
    Bench(bench::Bench),
    #[command(name = psi_bench::HANDLERS_COMMAND, hide = true)]
    BenchHandlers(bench::ServeHandlers),
    Completions(completions::Completions),
    Man(man::ManCommand),
}

impl Command {
    /// Threads that the command takes for its tasks; `None` for as many as there are cores.
    pub(crate) fn threads(&self) -> Option<usize> {
        matches!(self, Self::Bench(_)).then(psi_bench::threads)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    /// What is written out line by line must fit before it is shown: a broken example is none.
    #[test]
    fn help_fits_80_columns() {
        fn check(command: &mut clap::Command, path: &str) {
            for help in [command.render_long_help(), command.render_help()] {
                for line in help.to_string().lines() {
                    assert!(console::measure_text_width(line) <= 80, "{path}: {line}");
                }
            }
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in after.lines().filter(|line| line.starts_with("  psi-field")) {
                assert!(console::measure_text_width(line) <= 80, "{path}: {line}");
            }
            for inner in command.get_subcommands_mut() {
                let path = format!("{path} {}", inner.get_name());
                check(inner, &path);
            }
        }
        let mut command = Cli::command().term_width(80);
        command.build();
        check(&mut command, "psi-field");
    }

    #[test]
    fn every_command_shows_an_example() {
        fn check(command: &clap::Command, path: &str) {
            if command.get_name() == "help" {
                return;
            }
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains("Examples:"), "{path}");
            for inner in command.get_subcommands() {
                check(inner, &format!("{path} {}", inner.get_name()));
            }
        }
        check(&Cli::command(), "psi-field");
    }

    /// Lines as the documents have them.
    const DOCUMENTED: &[&str] = &[
        "step 0.1 -0.2 1e-3",
        "step --condition -- -1e-3 -inf -0.1,0.2",
        "step 0.1,-0.2,0.3",
        "step --field a --condition --incident",
        "step -",
        "step --node a:1,b --node [::1] --incident",
        "state --watch --interval-ms 20 -o json",
        "members --wait 5 --live 3",
        "members forget c --yes --node a:1 -o json",
        "field list",
        "field create a --width 4 --scale-exponent -3 --seed 7 --param dt=0.1 --param N=4",
        "field create a --engine synthetic --guardian watch",
        "field change default --param dt=0.1 --param N=4 --engine core --width 4 --scale-exponent -3 --seed 7",
        "field change a --guardian intervene",
        "field reset a --param dt=0.1 --yes",
        "field reset a --engine core --width 4 --scale-exponent -3 --seed 7 --guardian watch",
        "field drop a -y --output json",
        "field columns a",
        "field columns a --clear",
        "field columns a b,c --node a:1",
        "field create a --width 2 --names b,c",
        "field label a",
        "field label a --clear",
        "field label a hall3 --node a:1",
        "drift list",
        "drift show",
        "drift show a --after T -o json",
        "drift baseline set a --version v3 --source deploy --days 14 --set-by ann",
        "drift baseline set a --minutes 30",
        "drift baseline show a",
        "drift baseline clear a --node a:1",
        "guardian acknowledge --field a",
        "guardian nigredo",
        "guardian albedo --field a",
        "guardian status",
        "guardian statistics --field a --after T -o json",
        "feed --walk --field f --create --engine synthetic --guardian watch",
        "feed --walk --create --guardian-mode watch",
        "feed --walk --condition",
        "check-config",
        "check-config --config a.toml --grpc-listen 127.0.0.1:0 -o json",
        "feed --incident",
        "feed --csv x.csv --columns a,b --field f --create --rate max",
        "feed --walk --seed 3 --width 4 --rate 0.5 --count 10 --seconds 2.5",
        "feed --jsonl",
        "feed --incident --every 30 --service",
        "feed --host",
        "health --node a:1",
        "clock show --node a:1 -o json",
        "clock accept c --yes --drop-steps --node a:1",
        "probe --node a,b,c:1 --field f --every-ms 500 --deadline-ms 100 --listen [::]:9464 --log-format json",
        "probe --once --output json",
        "key",
        "key --show cluster.key -o json",
        "token --role step --name feeder --days 90",
        "token --key-file a.key --cluster-name b --role read --name c --field d --field e",
        "token --show psi-token-abc",
        "token --role read --name a --write a.token --force",
        "members --token-file a.token",
        "feed --walk --token-file none",
        "ca",
        "ca --key-file a.key --cluster-name b -o json",
        "record --node a:1,b --field f --count 10 --seconds 2.5 --force a.jsonl",
        "record -",
        "replay --engine core a.csv --columns a,b --seed 7 --guardian intervene -o json",
        "replay a.dat --format npz --parameters p.toml --param dt=0.1 --param N=4 --against q.toml --png a.png",
        "rollout replay a.csv --champion v1 --canary v2 --metric column:price=-2 --look 30s --png a.png --force",
        "rollout replay a.dat --format jsonl --rate 60 --schedule 10,50 --window 10m --latency 0 -o json",
        "completions bash",
        "man",
        "man members forget",
        "man --dir pages -o json",
        "sim --seeds 10000 --first-seed 7 --mode safety --nodes 5",
        "sim --seed 42 --trace",
        "sim --transcript hello -o json",
        "sim --nodes 1000",
        "sim --burst --nodes 128 --links 3 --loss 50 --seeds 20 --first-seed 7 -o json",
        "sim --burst --links full --nodes 8 --seed 3 --writes 20",
        "bench",
        "bench calls --rounds 3 --seconds 0.5 --save a.json -o json",
        "bench calls --quick",
        "bench propagation processes bytes capacity snapshot",
        "bench plot a.json pictures --force",
        "demo",
        "demo --nodes 5 --seconds 3 --keep --output json",
        "demo --drift --nodes 2",
        "demo --rollout --keep -o json",
        "node",
        "node --config a.toml --grpc-listen 127.0.0.1:0 --cluster-seeds a,b --replication-enabled false",
        "node --print-config",
    ];

    #[test]
    fn arguments_are_read_as_documented() {
        for line in DOCUMENTED {
            if let Err(error) = Cli::try_parse_from(std::iter::once("psi-field").chain(line.split(' '))) {
                panic!("{line}: {error}");
            }
        }
    }

    /// Lines that are no commands.
    const WRONG: &[&str] = &[
        "step",
        "step --incident 1",
        "feed",
        "feed --incident --walk",
        "feed --host --columns a",
        "feed --walk --rate 0",
        "feed --walk --rate 2 --every 3",
        "feed --walk --every 0",
        "feed --walk --in-flight 0",
        "field create a --param dt",
        "field create a --guardian sleep",
        "field change",
        "field change a",
        "field change a --guardian",
        "guardian status --replicate-to all",
        "feed --walk --engine core",
        "feed --walk --guardian watch",
        "feed --walk --create --guardian",
        "step --incident --guardian",
        "replay a.csv --guardian",
        "step --incident --request-id=",
        "state --after=",
        "step --node : --incident",
        "guardian",
        "node --grpc-lisen 1",
        "man members --dir pages",
        "members forget",
        "members forget .c",
        "clock accept",
        "clock accept .c",
        "members --live 2 forget c",
        "bench mood",
        "bench plot",
        "bench plot a.json",
        "bench calls plot a.json pictures",
        "bench --rounds 0",
        "bench --seconds 0",
        "bench --quick --rounds 2",
        "demo --nodes 1",
        "demo --seconds 0",
        "demo --rollout --drift",
        "demo --rollout --nodes 3",
        "probe --every-ms 0",
        "token",
        "token --role king --name a",
        "token --role read",
        "token --role read --name a --days 0",
        "token --role operator --name a --show b",
        "token --role read --name a --force",
        "members --token a --token-file b",
        "members --token-file a --key-file b",
        "probe --deadline-ms 60001",
        "probe --listen localhost",
        "probe --log-filter psi=loud",
        "record",
        "record --count 0 -",
        "record --seconds 0 -",
        "replay",
        "replay a.csv --engine mood",
        "replay a.csv --format xls",
        "sim --trace",
        "sim --seed 1 --seeds 2",
        "sim --nodes 1",
        "sim --links 3",
        "sim --burst --links some",
        "sim --transcript goodbye",
        "sim --transcript hello --seed 1",
        "sim --burst --loss 99",
        "sim --burst --mode safety",
    ];

    #[test]
    fn wrong_arguments_are_refused() {
        for line in WRONG {
            let parsed = Cli::try_parse_from(std::iter::once("psi-field").chain(line.split(' ')));
            assert!(parsed.is_err(), "{line}");
        }
    }
}
