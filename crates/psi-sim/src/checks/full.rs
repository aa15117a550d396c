//! Whether what a replica keeps up to date is what its entries come to.

use psi_replica::Digest;
#[cfg(feature = "testing")]
use psi_replica::{FieldName, Origin};
use psi_state::Replica;

/// Everything folded and hashed again is what is kept up to date.
pub(super) fn check_full(replica: &mut Replica) -> Result<(), String> {
    let mut digest = replica.ended_digest();
    for (origin, _) in replica.frontier().iter() {
        for entry in replica.entries(origin) {
            digest = digest.plus(Digest::of_entry(origin, &entry.key, entry.version, &entry.value));
        }
    }
    if digest != replica.digest() {
        return Err("its digest is not that of its entries".to_owned());
    }
    if replica.is_dirty() {
        return Ok(());
    }
    check_folded_again(replica)
}

/// Every view is what the entries fold to from the start.
#[cfg(feature = "testing")]
fn check_folded_again(replica: &mut Replica) -> Result<(), String> {
    for field in replica.field_names().collect::<Vec<_>>() {
        if replica.view(&field) != replica.view_from_entries(&field) {
            return Err(format!("its view of {field} is not what its entries fold to"));
        }
        if replica.learned_fingerprint(&field) != replica.learned_fingerprint_from_entries(&field) {
            return Err(format!("what it learned in {field} is not what its entries fold to"));
        }
        check_ended(replica, &field)?;
    }
    Ok(())
}

/// Every view is the same if some origins end.
#[cfg(feature = "testing")]
fn check_ended(replica: &mut Replica, field: &FieldName) -> Result<(), String> {
    // Any will do: the digest picks others each time.
    let picked = replica.digest().to_bytes();
    let origins: Vec<_> = replica.frontier().iter().map(|(origin, _)| origin.clone()).collect();
    let has_ended = |origin: &Origin| {
        let place = origins.iter().position(|held| held == origin).unwrap_or_default();
        picked[place % picked.len()].is_multiple_of(2)
    };
    let shown = (replica.view(field), replica.learned_fingerprint(field));
    if replica.shown_with_ended(field, has_ended) != shown {
        return Err(format!("its view of {field} is another if some origins end"));
    }
    Ok(())
}

/// A release does not fold again; see the feature `testing`.
#[cfg(not(feature = "testing"))]
#[expect(clippy::unnecessary_wraps, reason = "so that both have one shape")]
fn check_folded_again(_: &mut Replica) -> Result<(), String> {
    Ok(())
}
