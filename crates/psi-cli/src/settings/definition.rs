//! The table of settings.

use std::{path::PathBuf, time::Duration};

use psi_node::Webhook;
use psi_replica::{ClusterName, NodeId};
use psi_security::certificate::NamePattern;
use toml::Value;
use tracing_subscriber::EnvFilter;

use super::{
    all::AllSettings,
    kind::{Kind, NONE},
};
use crate::process::logs::LogFormat;

/// What there is to know of one setting.
pub(crate) struct Definition {
    /// The name in the file; the last dot divides section and name. Its unit stands last.
    pub(crate) key: &'static str,
    /// What values it takes, and where they go.
    pub(crate) kind: Kind,
    /// Its value, as the file would have it.
    pub(crate) show: fn(&AllSettings) -> Value,
    /// What it is, in a sentence that stands alone; then what too low and too high do where that is not plain.
    pub(crate) meaning: &'static str,
}

impl Definition {
    /// The section of the file that it stands in.
    pub(crate) fn section(&self) -> &'static str {
        self.key.split_once('.').map_or("", |(section, _)| section)
    }

    /// Its name within the section.
    pub(crate) fn name(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(_, name)| name)
    }

    /// Its environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("PSI_{}", self.key.replace('.', "_").to_uppercase())
    }

    /// Its flag, without the dashes before it.
    pub(crate) fn flag(&self) -> String {
        flag_name(self.key)
    }

    /// Its unit, by the end of its name; empty where it has none.
    pub(crate) fn unit(&self) -> &'static str {
        let units = [("_ms", "milliseconds"), ("_s", "seconds"), ("_bytes_max", "bytes")];
        units.into_iter().find(|(suffix, _)| self.key.ends_with(suffix)).map_or("", |(_, unit)| unit)
    }

    /// The default as the file would have it; of `node.id`, where it depends on the machine, in words.
    pub(crate) fn default_text(&self) -> String {
        if self.key == "node.id" {
            return "this machine's name, and -PORT where the gRPC port is not 50051".to_owned();
        }
        match (self.show)(&AllSettings::default()) {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }
}

/// `grpc.calls_per_connection_max` is `--grpc-calls-per-connection-max`.
pub(super) fn flag_name(key: &str) -> String {
    key.replace(['.', '_'], "-")
}

/// The setting of the address that a service listens on.
macro_rules! listen {
    ($service:ident, $key:literal, $what:literal) => {
        Definition {
            key: $key,
            kind: Kind::Address(|all, address| all.node.$service.listen = address),
            show: |all| Value::String(all.node.$service.listen.to_string()),
            meaning: concat!(
                "Where to listen for ",
                $what,
                ". Port 0 picks a free one. Beyond loopback it takes a cluster key, see security.key_file"
            ),
        }
    };
}

/// The setting of the address at which others reach a service.
macro_rules! advertise {
    ($service:ident, $key:literal, $what:literal) => {
        Definition {
            key: $key,
            kind: Kind::AddressOrNone(|all, address| all.node.$service.advertise = address),
            show: |all| or_none(all.node.$service.advertise.map(|address| Value::String(address.to_string()))),
            meaning: concat!(
                "Where others reach ",
                $what,
                ". None: the address listened on, or this machine's own if that is 0.0.0.0 or [::]"
            ),
        }
    };
}

const DAY_S: u64 = 24 * 60 * 60;

/// Every setting, in the order of the sections of a file.
pub(crate) static DEFINITIONS: [Definition; 39] = [
    Definition {
        key: "node.id",
        kind: Kind::Name(|all, text| NodeId::new(text).map(|id| all.node.node = id)),
        show: |all| Value::String(all.node.node.to_string()),
        meaning: "Name of this node. It is unique in its cluster and the same after a restart. A node that starts \
                  while another one answers under its name waits until that has ended",
    },
    Definition {
        key: "cluster.name",
        kind: Kind::Name(|all, text| ClusterName::new(text).map(|name| all.node.cluster = name)),
        show: |all| Value::String(all.node.cluster.to_string()),
        meaning: "Name of the cluster. Nodes of different clusters refuse each other",
    },
    Definition {
        key: "cluster.seeds",
        kind: Kind::Seeds(|all, seeds| all.node.seeds = seeds),
        show: |all| {
            let seeds: Vec<Value> = all.node.seeds.iter().cloned().map(Value::String).collect();
            or_none((!seeds.is_empty()).then_some(Value::Array(seeds)))
        },
        meaning: "Gossip addresses of one or more other nodes. The default port is 7280. None: this node may start \
                  a cluster of its own",
    },
    Definition {
        key: "cluster.join_ms",
        kind: Kind::Whole { min: 0, max: 600_000, put: |all, ms| all.node.join = Duration::from_millis(ms) },
        show: |all| millis(all.node.join),
        meaning: "How long a node waits for members before it starts a cluster. Too low: a restarted seed serves \
                  an empty state for a moment. Too high: a first start takes as long",
    },
    Definition {
        key: "cluster.end_after_s",
        kind: Kind::WholeOrNone {
            min: 10,
            max: 365 * DAY_S,
            put: |all, s| all.node.end_after = Duration::from_secs(s),
        },
        show: |all| seconds(all.node.end_after),
        meaning: "How long a run of a node that nobody hears is waited for until the others may end it, that is, add \
                  up what it wrote and keep its name only. Names are kept for 7 times as long. 0: never. The same on \
                  every node; otherwise the longest holds. Too low: a node that was cut off for longer loses steps \
                  that nobody else saw; below a minute, a paused machine is enough. Too high: runs of nodes that \
                  died take memory for as long",
    },
    listen!(grpc, "grpc.listen", "gRPC: programs and replication"),
    advertise!(grpc, "grpc.advertise", "gRPC"),
    Definition {
        key: "grpc.calls_per_connection_max",
        kind: Kind::Whole { min: 1, max: 100_000, put: |all, calls| all.node.calls_per_connection_max = size(calls) },
        show: |all| whole(all.node.calls_per_connection_max),
        meaning: "Most calls in progress on one gRPC connection, open streams included; more are refused. Too low: \
                  busy clients are refused. Too high: one client can take all memory",
    },
    Definition {
        key: "limits.connections_max",
        kind: Kind::Whole { min: 16, max: 1_000_000, put: |all, count| all.node.connections_max = size(count) },
        show: |all| whole(all.node.connections_max),
        meaning: "Most connections of clients and peers, over gRPC and HTTP together. For one more, the one that has \
                  been quiet for longest is closed. Too low: busy clients connect again and again. Too high: \
                  strangers can take all memory or all files that the process may open",
    },
    Definition {
        key: "limits.streams_max",
        kind: Kind::Whole { min: 1, max: 1_000_000, put: |all, count| all.node.streams_max = size(count) },
        show: |all| whole(all.node.streams_max),
        meaning: "Most open streams of all clients together: watches and streams of steps; more are refused. Too low: \
                  clients are refused. Too high: clients that don't read can take all memory, 100 kB each",
    },
    Definition {
        key: "limits.fields_max",
        kind: Kind::Whole { min: 1, max: 10_000_000, put: |all, fields| all.node.capacity.fields_max = size(fields) },
        show: |all| whole(all.node.capacity.fields_max),
        meaning: "Most fields; this node makes no more. The same on every node. Too low: a field can't be made. Too high: \
                  a caller that makes fields without end takes memory, about 40 kB each",
    },
    Definition {
        key: "limits.state_bytes_max",
        kind: Kind::Whole { min: 1 << 20, max: 1 << 40, put: |all, bytes| all.node.capacity.bytes_max = size(bytes) },
        show: |all| whole(all.node.capacity.bytes_max),
        meaning: "Most bytes of what nodes hold for all fields, as psi_replica_entry_bytes shows it. At that, this node makes \
                  no field and takes no step in, until fields are dropped or reset. The same on every node. Too low: \
                  steps are refused early. Too high: all nodes run out of memory together",
    },
    listen!(http, "http.listen", "HTTP: programs, Prometheus and health checks"),
    advertise!(http, "http.advertise", "HTTP"),
    Definition {
        key: "http.body_bytes_max",
        kind: Kind::Whole { min: 1024, max: 64 << 20, put: |all, bytes| all.node.body_bytes_max = size(bytes) },
        show: |all| whole(all.node.body_bytes_max),
        meaning: "Largest HTTP body that is accepted; one with evidence of a process may have 1.5 MiB in any case. Too \
                  low: long vectors are refused. Too high: one client can take all memory",
    },
    Definition {
        key: "http.cors_origins",
        kind: Kind::Origins(|all, origins| all.node.web_origins = origins),
        show: |all| {
            let origins: Vec<Value> =
                all.node.web_origins.iter().map(|origin| Value::String(origin.to_owned())).collect();
            or_none((!origins.is_empty()).then_some(Value::Array(origins)))
        },
        meaning: "Origins whose web pages may call HTTP from a browser (CORS). * alone: those of any origin, which may \
                  then do all that programs may. None: no page but those of the node itself",
    },
    Definition {
        key: "http.hosts",
        kind: Kind::Hosts(|all, hosts| all.node.web_hosts = hosts),
        show: |all| {
            let hosts: Vec<Value> = all.node.web_hosts.iter().map(|host| Value::String(host.to_owned())).collect();
            or_none((!hosts.is_empty()).then_some(Value::Array(hosts)))
        },
        meaning: "Names by which HTTP may be called where the cluster has no key, beside addresses, localhost and \
                  node.id; others are refused, as a web page could lead them here. * alone: any. None: no \
                  other name, but with security.insecure any",
    },
    listen!(gossip, "gossip.listen", "gossip between nodes, UDP"),
    advertise!(gossip, "gossip.advertise", "gossip (UDP)"),
    Definition {
        key: "gossip.interval_ms",
        kind: Kind::Whole { min: 20, max: 60_000, put: |all, ms| all.node.gossip_interval = Duration::from_millis(ms) },
        show: |all| millis(all.node.gossip_interval),
        meaning: "Time between gossip rounds; a dead node is noticed after five to eight. Too low: nodes of a busy \
                  machine are sometimes declared dead. Too high: dead nodes stay listed as live",
    },
    Definition {
        key: "gossip.phi_threshold",
        kind: Kind::Whole { min: 3, max: 100, put: |all, phi| all.node.phi_threshold = phi.try_into().unwrap_or(100) },
        show: |all| Value::Integer(all.node.phi_threshold.into()),
        meaning: "How many times longer than usual a node must be silent to count as dead. Too low: live nodes on \
                  a lossy network or a stalled machine are declared dead. Too high: dead nodes stay listed as live",
    },
    Definition {
        key: "gossip.dead_node_grace_s",
        kind: Kind::Whole { min: 1, max: 7 * DAY_S, put: |all, s| all.node.dead_node_grace = Duration::from_secs(s) },
        show: |all| seconds(all.node.dead_node_grace),
        meaning: "How long a dead node remains a member; a node that starts learns of those that died in the last sixth \
                  of it. Too low: majorities are soon counted without nodes that crashed. Too high: `members` lists \
                  nodes that are long gone",
    },
    Definition {
        key: "security.key_file",
        kind: Kind::FileOrNone(|all, file| all.node.security.key_file = file),
        show: |all| file_or_none(all.node.security.key_file.as_ref()),
        meaning: "File of the cluster key, the same on every node; `psi-field key` makes one. With it gossip is sealed, \
                  connections are encrypted, nodes know each other, and clients show access tokens. It is read again \
                  when it changes. None: anyone may do anything who reaches the node, so it listens on loopback alone",
    },
    Definition {
        key: "security.revoked_file",
        kind: Kind::FileOrNone(|all, file| all.node.security.revoked_file = file),
        show: |all| file_or_none(all.node.security.revoked_file.as_ref()),
        meaning: "File of access tokens that are refused, by name or id, one a line; the same on every node. It is read \
                  again when it changes, and streams of such tokens end. A file that is not there yet revokes nothing",
    },
    Definition {
        key: "security.insecure",
        kind: Kind::Switch(|all, on| all.node.security.insecure = on),
        show: |all| Value::Boolean(all.node.security.insecure),
        meaning: "Whether to listen beyond loopback without a cluster key. true: anyone who reaches the node can read \
                  and change everything; for networks that nobody else reaches",
    },
    Definition {
        key: "tls.cert",
        kind: Kind::FileOrNone(|all, file| all.node.security.tls.cert = file),
        show: |all| file_or_none(all.node.security.tls.cert.as_ref()),
        meaning: "File of this node's certificate, in PEM, where others issue certificates: cert-manager or SPIRE. After \
                  it stands what is between it and its authority. It goes with tls.key, tls.ca and security.key_file. All \
                  are read again when they change. None: the node makes its own from the cluster key",
    },
    Definition {
        key: "tls.key",
        kind: Kind::FileOrNone(|all, file| all.node.security.tls.key = file),
        show: |all| file_or_none(all.node.security.tls.key.as_ref()),
        meaning: "File of the private key of tls.cert, in PEM, without a passphrase",
    },
    Definition {
        key: "tls.ca",
        kind: Kind::FileOrNone(|all, file| all.node.security.tls.ca = file),
        show: |all| file_or_none(all.node.security.tls.ca.as_ref()),
        meaning: "File of the authorities that the certificates of nodes come from, in PEM. Clients take it too",
    },
    Definition {
        key: "tls.name",
        kind: Kind::Text(|all, text| {
            // The name of the cluster has no letters that matter.
            let checked = NamePattern::new(text, "x").map_err(|error| error.to_string());
            checked.map(|_| text.clone_into(&mut all.node.security.tls.name))
        }),
        show: |all| Value::String(all.node.security.tls.name.clone()),
        meaning: "How certificates of tls.ca name nodes: a URI with {node} for node.id, and perhaps {cluster} for \
                  cluster.name. It is the one URI among the subject's alternative names. The same on every node",
    },
    Definition {
        key: "replication.enabled",
        kind: Kind::Switch(|all, on| all.node.replication = on),
        show: |all| Value::Boolean(all.node.replication),
        meaning: "Whether to replicate to and from other nodes. false: the node keeps to itself and drifts from \
                  the others. For demonstrations and tests",
    },
    Definition {
        key: "replication.full_mesh_max",
        kind: Kind::Whole { min: 2, max: 1000, put: |all, members| all.node.full_mesh_max = size(members) },
        show: |all| whole(all.node.full_mesh_max),
        meaning: "Most live members that are all linked to each other; in a larger cluster each has about six \
                  links, and entries are relayed. The same on every node. Too low: a write takes more hops to \
                  arrive. Too high: every node keeps as many connections",
    },
    Definition {
        key: "notify.webhook",
        kind: Kind::WebhookOrNone(|all, webhook| all.node.notify.webhook = webhook),
        show: |all| Value::String(all.node.notify.webhook.as_ref().map_or_else(|| NONE.to_owned(), Webhook::address)),
        meaning: "Where to post what happens to models: drift that was found, rollouts, stages. CloudEvents in JSON, signed \
                  with the secret of notify.secret_file, at least once each; the same on every node. None: nowhere",
    },
    Definition {
        key: "notify.secret_file",
        kind: Kind::FileOrNone(|all, file| all.node.notify.secret_file = file),
        show: |all| file_or_none(all.node.notify.secret_file.as_ref()),
        meaning: "File of the secret that posts are signed with, as Standard Webhooks has it: whsec_ and 24 bytes or more in \
                  base64. It is read for each post",
    },
    Definition {
        key: "notify.ca",
        kind: Kind::Text(|all, text| {
            all.node.notify.ca = PathBuf::from(text);
            Ok(())
        }),
        show: |all| Value::String(all.node.notify.ca.display().to_string()),
        meaning: "File of the authorities that an https webhook's certificate may come from, in PEM. It is read for each post",
    },
    Definition {
        key: "data.dir",
        kind: Kind::DirectoryOrNone(|all, directory| all.node.data_directory = directory),
        show: |all| file_or_none(all.node.data_directory.as_ref()),
        meaning: "Directory for snapshots of what the node holds, so that it survives a restart of the whole \
                  cluster. It is made if it is missing, belongs to this node alone, and needs room for three \
                  snapshots. None: a node that starts gets everything from the others",
    },
    Definition {
        key: "data.snapshot_interval_ms",
        kind: Kind::Whole {
            min: 100,
            max: 3_600_000,
            put: |all, ms| all.node.snapshot_interval = Duration::from_millis(ms),
        },
        show: |all| millis(all.node.snapshot_interval),
        meaning: "Time between snapshots while anything changes; one more is written at the end. Too low: the disk \
                  is busy. Too high: a crash of all nodes at once loses as much",
    },
    Definition {
        key: "metrics.field_series_max",
        kind: Kind::Whole { min: 0, max: 100_000, put: |all, fields| all.node.field_series_max = size(fields) },
        show: |all| whole(all.node.field_series_max),
        meaning: "Fields with metric series of their own; the others share one. Too low: several fields are \
                  one series. Too high: Prometheus holds about 20 series for each field and node",
    },
    Definition {
        key: "log.format",
        kind: Kind::Choice(&["text", "json"], |all, choice| {
            all.log.format = if choice == "json" { LogFormat::Json } else { LogFormat::Text };
        }),
        show: |all| {
            Value::String(if all.log.format == LogFormat::Json { "json".to_owned() } else { "text".to_owned() })
        },
        meaning: "How log lines look on standard error",
    },
    Definition {
        key: "log.filter",
        kind: Kind::Text(|all, filter| match EnvFilter::try_new(filter) {
            Ok(_) => {
                filter.clone_into(&mut all.log.filter);
                Ok(())
            }
            Err(error) => Err(format!("is not a log filter such as `info` or `info,psi_node=debug`: {error}")),
        }),
        show: |all| Value::String(all.log.filter.clone()),
        meaning: "Which log lines are written: a level (error, warn, info, debug), or several by module. Too \
                  low: the cause of a problem is missing. Too high: the disk fills",
    },
];

fn or_none(value: Option<Value>) -> Value {
    value.unwrap_or_else(|| Value::String(NONE.to_owned()))
}

fn file_or_none(file: Option<&PathBuf>) -> Value {
    or_none(file.map(|file| Value::String(file.display().to_string())))
}

fn millis(duration: Duration) -> Value {
    Value::Integer(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

fn seconds(duration: Duration) -> Value {
    Value::Integer(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX))
}

fn whole(number: usize) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
