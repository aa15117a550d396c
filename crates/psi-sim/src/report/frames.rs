//! Frames in one line, for traces and transcripts.

use psi_replica::{
    Epoch, Lane,
    proto::{Delta, Entry, Frame, FrontierUpdate, Origin, frame::Body},
};

/// A frame by its name in the link protocol, and its essentials.
pub(crate) fn describe(frame: &Frame) -> String {
    match &frame.body {
        Some(Body::Hello(hello)) => {
            format!("Hello from {}, {}", hello.node, if hello.ready { "ready" } else { "not ready" })
        }
        Some(Body::Heartbeat(beat)) => {
            let ready = if beat.ready { "ready" } else { "not ready" };
            let settled = if beat.settled { ", settled" } else { "" };
            let (frontier, digest) = (beat.frontier_hash >> 32, beat.digest >> 32);
            format!("Heartbeat {ready}{settled}: frontier {frontier:08x}, digest {digest:08x}")
        }
        Some(Body::Pull(pull)) => format!("Pull {} from {}", of(pull.origin.as_ref()), pull.have),
        Some(Body::Nack(nack)) => {
            format!("Nack {}: {} of {}, holds {}", nack.number, nack.reason, of(nack.origin.as_ref()), nack.held)
        }
        Some(Body::FrontierUpdate(update)) => frontier_update(update),
        Some(Body::FrontierAck(ack)) => {
            format!("FrontierAck {}{}", ack.number, if ack.restart { ", restart" } else { "" })
        }
        Some(Body::Delta(delta)) => describe_delta(delta),
        Some(Body::Ack(ack)) => format!("Ack {}", ack.number),
        None => "a body that nobody knows".to_owned(),
    }
}

fn frontier_update(update: &FrontierUpdate) -> String {
    let restart = if update.restart { ", restart" } else { "" };
    let complete = if update.complete { ", complete" } else { "" };
    let named = update.origins.iter().map(|origin| format!(" {}", of(Some(origin)))).collect::<String>();
    let moved = update.moved.chunks_exact(2).map(|pair| format!(" #{}+{}", pair[0], pair[1]));
    let moved_by_one = update.moved_by_one.iter().map(|number| format!(" #{number}+1"));
    let moved: String = moved.chain(moved_by_one).collect();
    format!("FrontierUpdate {}{restart}{complete}:{named}{moved}", update.number)
}

fn describe_delta(delta: &Delta) -> String {
    let part = match (delta.index, delta.last) {
        (0, true) => String::new(),
        (index, last) => format!(", frame {index}{}", if last { ", the last" } else { "" }),
    };
    let (origin, count) = (of(delta.origin.as_ref()), delta.entries.len());
    let entries = if count == 1 { "entry" } else { "entries" };
    format!("Delta {} of {origin} ({}, {}]: {count} {entries}{part}", delta.number, delta.base, delta.version)
}

/// An origin by its node and the last digits of its incarnation, milliseconds of virtual time.
pub(crate) fn of(origin: Option<&Origin>) -> String {
    origin.map_or_else(|| "?".to_owned(), |origin| short_origin(&origin.node, origin.incarnation))
}

/// An origin by its node and the second of the run in which it was minted.
pub(crate) fn short_origin(node: &str, incarnation: u64) -> String {
    let ms = i128::from(incarnation / 1000) - i128::from(crate::plan::WALL_MS);
    let (whole, rest) = (ms / 1000, (ms % 1000).abs());
    format!("{node}@{whole}.{rest:03}")
}

/// An entry of a delta: what it is about, when it was written, and how much it holds.
pub(crate) fn describe_entry(entry: &Entry) -> String {
    let Entry { field, epoch, lane, index, version, value } = entry;
    let lane = psi_state::lane_name(Lane(*lane)).trim_start_matches("LANE_").to_lowercase();
    // The milliseconds of virtual time in which the epoch was raised; of the first, 0.
    let raised = |epoch: &u64| Epoch(*epoch).wall_ms().saturating_sub(crate::plan::WALL_MS);
    let epoch = epoch.as_ref().map(|epoch| format!(" epoch {}", raised(epoch))).unwrap_or_default();
    format!("{field}{epoch} {lane} {index}: version {version}, {} bytes", value.len())
}
