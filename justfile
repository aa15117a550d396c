# Commands for people; CI runs the same ones, and more, in `.ci/run`.

# Lists the commands.
default:
    @just --list

# Runs all tests.
test *arguments:
    cargo test --workspace {{ arguments }}

# Formats the code.
fmt:
    cargo fmt --all

# Checks format and lints; warnings are errors.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Builds the documentation; warnings are errors.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# Measures the shape of the code: functions, files, folders, type names, circles of imports. `--check` fails on a limit.
shape *arguments:
    tests/shape/measure.py {{ arguments }}

# Checks licences, banned crates and sources of dependencies. Needs cargo-deny 0.20.
deny:
    cargo deny check --hide-inclusion-graph licenses bans sources

# Checks dependencies against the advisory database, which this downloads. Needs cargo-deny 0.20.
advisories:
    cargo deny check advisories

# Shows the incident, the remedy, and a node that goes and returns.
demo *arguments:
    cargo run --release -- demo {{ arguments }}

# Simulates clusters under faults; an optimized build for many seeds.
sim *arguments:
    cargo run --release -- sim {{ arguments }}

# Measures what steps cost, on this machine; leave it alone meanwhile.
bench *arguments:
    cargo run --release -- bench {{ arguments }}

# Measures all that BENCHMARKS.md shows, and redraws its pictures. Takes seven minutes.
benchmarks:
    cargo run --release -- bench --rounds 5 --seconds 0.5 --save docs/benchmarks/run.json
    cargo run --release -- bench plot --force docs/benchmarks/run.json docs/benchmarks

# Loads nodes with h2load and wrk, beside services that share Redis. Needs both, and redis-server.
load *arguments:
    cargo build --release --package psi-field --package psi-redis-service
    tests/load/compare.py target/release {{ arguments }}

# Attacks three nodes as strangers would, beside an honest client: memory, failures, latency. Takes a quarter of an hour.
attacks *arguments:
    cargo build --release --package psi-field
    tests/load/attacks.py {{ arguments }}

# Puts errors into the code on purpose and shows that the simulator notices each. Takes minutes.
mutants *names:
    crates/psi-sim/mutants/run {{ names }}

# Counts the instructions of the hot path and compares them with the record. Needs valgrind.
instructions *words:
    crates/psi-instructions/check {{ words }}

# Counts what a row costs in the program that `just image` makes and that is released. `--record` writes a new record.
released-instructions program *arguments:
    crates/psi-instructions/check --released {{ program }} {{ arguments }}

# Records again how many instructions the hot path takes.
record-instructions:
    crates/psi-instructions/check --record

# Measures how long the inner crates take: all benchmarks, or those whose names contain a word.
microbench *words:
    cargo bench -p psi-stats -p psi-engine -p psi-state --bench moments --bench synthetic --bench core --bench step -- {{ words }}

# Tests the alerts, firing and silent, and checks Alertmanager's configuration. Needs promtool and amtool (Debian:
# prometheus, prometheus-alertmanager).
rules:
    promtool check config --syntax-only deploy/prometheus/prometheus.yml deploy/prometheus/local.yml
    promtool test rules deploy/prometheus/tests/*.yml
    amtool check-config deploy/alertmanager/alertmanager.yml

# Writes the dashboards of Grafana again.
dashboards:
    python3 deploy/grafana/generate.py

# Writes manual pages and completions below a folder, as packages install them below /usr/share.
pages dir="target/share":
    cargo build --release --locked
    target/release/psi-field man --dir {{ dir }}/man/man1
    mkdir -p {{ dir }}/bash-completion/completions {{ dir }}/zsh/vendor-completions {{ dir }}/fish/vendor_completions.d
    target/release/psi-field completions bash > {{ dir }}/bash-completion/completions/psi-field
    target/release/psi-field completions zsh > {{ dir }}/zsh/vendor-completions/_psi-field
    target/release/psi-field completions fish > {{ dir }}/fish/vendor_completions.d/psi-field.fish

# Tests deploy/systemd on three hosts that are namespaces of this machine, each with a systemd. Needs root.
hosts:
    deploy/tests/hosts.py

# Builds the container image `psi-field`.
image:
    docker build -f deploy/Dockerfile -t psi-field --build-arg GIT_COMMIT="$(git rev-parse --short=12 HEAD)" .

# Tests deploy/compose.yaml with the image: starts it, kills, cuts off, adds nodes. Needs docker and docker-compose.
compose *names:
    deploy/tests/compose.py {{ names }}

# Follows the seed's runbook for drift on three nodes, command by command. Takes a minute.
runbook:
    cargo build
    deploy/tests/runbook.py --program target/debug/psi-field

# Runs everything that must hold of a commit.
ci:
    .ci/run
