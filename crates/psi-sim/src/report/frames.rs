//! Frames in one line, for traces.

use psi_replica::proto::{Frame, Origin, frame::Body};

/// A frame and its essentials.
pub(crate) fn describe(frame: &Frame) -> String {
    match &frame.body {
        Some(Body::Open(open)) => format!("open {} ready={}", open.node, open.ready),
        Some(Body::Pass(pass)) => {
            let part = if pass.last && pass.index == 0 {
                String::new()
            } else {
                format!(" part {}{}", pass.index, if pass.last { ", the last" } else { "" })
            };
            let entries = pass.entries.len();
            format!(
                "pass {} of {} ({}→{}] {entries} entries{part}",
                pass.pass,
                of(pass.origin.as_ref()),
                pass.base,
                pass.version
            )
        }
        Some(Body::Ack(ack)) => format!("ack of pass {}", ack.pass),
        Some(Body::Refusal(refusal)) => {
            let origin = of(refusal.origin.as_ref());
            format!("refusal of pass {} of {origin}: {}, held {}", refusal.pass, refusal.reason, refusal.held)
        }
        Some(Body::Request(request)) => format!("request {} from {}", of(request.origin.as_ref()), request.have),
        Some(Body::Beat(beat)) => {
            let settled = if beat.settled { ", settled" } else { "" };
            format!("beat frontier {:08x} digest {:08x}{settled}", beat.frontier_hash >> 32, beat.digest >> 32)
        }
        Some(Body::News(news)) => {
            let restart = if news.restart { ", anew" } else { "" };
            let complete = if news.complete { ", complete" } else { "" };
            let moved = news.moved.chunks_exact(2).map(|pair| format!(" #{}={}", pair[0], pair[1])).collect::<String>();
            let named = news.origins.iter().map(|origin| format!(" {}", of(Some(origin)))).collect::<String>();
            format!("news {}{restart}{complete}:{named}{moved}", news.number)
        }
        Some(Body::Heard(heard)) => format!("heard {}{}", heard.number, if heard.again { ", again" } else { "" }),
        None => "a body that nobody knows".to_owned(),
    }
}

/// An origin by its node and the last digits of its incarnation, milliseconds of virtual time.
fn of(origin: Option<&Origin>) -> String {
    origin.map_or_else(|| "?".to_owned(), |origin| short_origin(&origin.node, origin.incarnation))
}

/// An origin by its node and the second of the run in which it was minted.
pub(crate) fn short_origin(node: &str, incarnation: u64) -> String {
    let ms = i128::from(incarnation / 1000) - i128::from(crate::plan::WALL_MS);
    let (whole, rest) = (ms / 1000, (ms % 1000).abs());
    format!("{node}@{whole}.{rest:03}")
}
