//! What origins wrote of drift, in the oracle's words.

use bytes::Bytes;
use prost::Message;
use psi_replica::{Entry, Origin, Version};
use psi_state::{Replica, lanes, proto as values};
use psi_stats::drift::Histogram;

use crate::{
    compare::words::oracle_origin,
    oracle::{
        Oracle, OracleClock,
        components::drift::{
            DriftEntry, OracleAnchor, OracleBaseline, OracleColumn, OracleCounts, OraclePair, OracleSlot,
        },
    },
};

/// Indexes of a lane that one level of spans has.
const INDEXES: u64 = 64;
/// The index of a baseline that came by itself.
const AUTOMATIC: u64 = 0;

/// Tells the oracle what was written above `since`: where buckets lie first, for all else depends on it.
pub(super) fn check(oracle: &mut Oracle, replica: &Replica, origin: &Origin, since: Version) -> Result<(), String> {
    for lane in [lanes::ANCHOR, lanes::SLOTS, lanes::BASELINE] {
        let new = replica.entries(origin).filter(|entry| entry.key.lane == lane && entry.version > since);
        for entry in new {
            let field = entry.key.scope.field().map_or("", |field| field.as_str()).to_owned();
            let epoch = entry.key.scope.epoch().unwrap_or_default().0;
            let read = match lane {
                lanes::ANCHOR => anchor(&entry.value),
                lanes::SLOTS => slot(&entry).map(|slot| ((0, 0), DriftEntry::Slot(slot))),
                _ => baseline(&entry),
            };
            let (clock, what) = read.map_err(|error| format!("`{field}`: {error}"))?;
            let stamp = (oracle_origin(origin), entry.version.0, clock);
            oracle.record_drift(stamp, (&field, epoch), what)?;
        }
    }
    Ok(())
}

fn anchor(bytes: &Bytes) -> Result<(OracleClock, DriftEntry), String> {
    let value = values::AnchorValue::decode(bytes.clone()).map_err(|error| error.to_string())?;
    // Of what this version knows, and without an author.
    let name = short_hash(&values::AnchorValue { author: None, ..value.clone() }.encode_to_vec());
    let columns = value.columns.iter().map(|column| place(&column.center, column.unit_bits));
    let pairs = value.pairs.iter().map(|pair| {
        let columns = (number(pair.first.into()), number(pair.second.into()));
        Ok(OraclePair { columns, factor: pair.factor, place: place(&pair.center, pair.unit_bits)? })
    });
    let columns = columns.collect::<Result<_, String>>()?;
    let anchor = OracleAnchor { name, columns, pairs: pairs.collect::<Result<_, String>>()? };
    let clock = value.clock.map_or((0, 0), |clock| (clock.wall_ms, clock.counter));
    Ok((clock, DriftEntry::Anchor(anchor)))
}

fn place(center: &[u8], unit_bits: u32) -> Result<OracleColumn, String> {
    let center = center.try_into().map_err(|_| "a center has 16 bytes".to_owned())?;
    Ok(OracleColumn { center: i128::from_le_bytes(center), unit_bits })
}

fn short_hash(bytes: &[u8]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(bytes).as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

fn slot(entry: &Entry) -> Result<OracleSlot, String> {
    let values::SlotValue { number: at, counts } =
        values::SlotValue::decode(entry.value.clone()).map_err(|error| error.to_string())?;
    let [held] = &counts[..] else { return Err(format!("a span with the counts of {} anchors", counts.len())) };
    let level = number(entry.key.index / INDEXES);
    Ok(OracleSlot { level, number: at, anchor: held.anchor, counts: histogram(&held.histogram)? })
}

fn histogram(bytes: &[u8]) -> Result<OracleCounts, String> {
    let held = Histogram::decode(bytes).map_err(|error| error.to_string())?;
    let columns = held.columns().iter().map(|column| column.to_vec()).collect();
    Ok(OracleCounts { inputs: held.count(), columns })
}

fn baseline(entry: &Entry) -> Result<(OracleClock, DriftEntry), String> {
    let value = values::BaselineValue::decode(entry.value.clone()).map_err(|error| error.to_string())?;
    let clock = value.clock.map_or((0, 0), |clock| (clock.wall_ms, clock.counter));
    if value.cleared {
        return Ok((clock, DriftEntry::Caller(None)));
    }
    let held = OracleBaseline {
        title: value.version,
        anchor: value.anchor,
        level: number(value.level.into()),
        first: value.first,
        last: value.last,
        windows: value.windows.iter().map(|window| window.spans).collect(),
        counts: histogram(&value.histogram)?,
    };
    let is_automatic = entry.key.index == AUTOMATIC;
    Ok((clock, if is_automatic { DriftEntry::Automatic(held) } else { DriftEntry::Caller(Some(held)) }))
}

fn number(small: u64) -> usize {
    usize::try_from(small).unwrap_or(usize::MAX)
}
