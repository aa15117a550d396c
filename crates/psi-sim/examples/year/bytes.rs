//! What all that has ended costs: bytes of base, snapshot, listing and join.

use prost::Message;
use psi_replica::{LinkId, NodeId, Now, TickMs, WallMs, proto::frame::Body};
use psi_sim::WALL_MS;
use psi_state::Replica;

use crate::{days::Days, machine::Machine};

/// The link of the probe; no other has its number.
const PROBE: LinkId = LinkId(u64::MAX);
/// A probe that takes longer has got stuck.
const JOIN_MS_MAX: u64 = 60_000;

/// What one replica holds, and what it costs to hand it to a newcomer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Runs that have not ended.
    pub(crate) origins: usize,
    /// Names of ended runs that are kept.
    pub(crate) names: usize,
    /// Bytes of the base, names included.
    pub(crate) base: usize,
    /// Bytes of all values that are held.
    pub(crate) state: usize,
    pub(crate) snapshot: usize,
    /// Bytes of the frontier as a new link lists it.
    pub(crate) listing: usize,
    /// Bytes of all frames to a newcomer until it has caught up.
    pub(crate) join: usize,
}

/// Measures the first machine, by a newcomer that only it meets, and that goes before it writes anything.
pub(crate) fn measured(days: &mut Days) -> Sizes {
    let (now, end_after_ms) = (days.cluster.now, days.options.end_after_ms);
    let Some(process) = &mut days.cluster.machines[0].process else { panic!("the first machine is down") };
    let status = process.replica.end_status();
    let name = NodeId::new("newcomer").expect("letters");
    let mut newcomer = Replica::new(Machine::config(&name, end_after_ms, 0), moment(0, now));
    let (mut listing, mut join) = (0, 0);
    let begun = process.now(now);
    newcomer.link_up(moment(0, now), PROBE);
    process.replica.link_up(begun, PROBE);
    for ms in 0..JOIN_MS_MAX {
        let there = moment(ms, now + ms);
        newcomer.tick(there);
        // Hand-over is at one moment for the member: nothing else happens to it meanwhile.
        let here = Now { tick: TickMs(begun.tick.0 + ms), wall: there.wall };
        while let Some(frame) = process.replica.poll_frame(here, PROBE) {
            let bytes = frame.encoded_len();
            join += bytes;
            listing += if matches!(frame.body, Some(Body::FrontierUpdate(_))) { bytes } else { 0 };
            newcomer.handle_frame(there, PROBE, frame).expect("peers are honest");
        }
        if newcomer.origin().is_some() {
            break;
        }
        while let Some(frame) = newcomer.poll_frame(there, PROBE) {
            process.replica.handle_frame(here, PROBE, frame).expect("peers are honest");
        }
    }
    assert!(newcomer.origin().is_some(), "the newcomer does not catch up");
    process.replica.link_down(begun, PROBE);
    Sizes {
        origins: process.origins(),
        names: status.ended,
        base: status.base_bytes,
        state: process.replica.size().1,
        snapshot: process.replica.snapshot().len(),
        listing,
        join,
    }
}

fn moment(tick: u64, now: u64) -> Now {
    Now { tick: TickMs(tick), wall: WallMs(WALL_MS + now) }
}
