//! Which records of a run differ from the list of their hashes, and how.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::hash::TreeHash;

/// How the records differ from the list. Numbers count from the first in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// In place of the record that is listed there stands another.
    Changed { listed: usize, at: usize },
    /// It is listed and not there; it should stand before the record at `at`.
    Dropped { listed: usize, at: usize },
    /// It stands at another place.
    Reordered { listed: usize, at: usize },
    /// It is not listed; if `copy_of` is, it is a copy of that.
    Added { at: usize, copy_of: Option<usize> },
    /// From there on all are listed, and none is there.
    TailCut { listed: usize },
}

/// All differences.
pub(super) fn differences(listed: &[TreeHash], records: &[TreeHash]) -> Vec<Difference> {
    if listed == records {
        return Vec::new();
    }
    let mut places: BTreeMap<TreeHash, VecDeque<usize>> = BTreeMap::new();
    for (index, hash) in listed.iter().enumerate() {
        places.entry(*hash).or_default().push_back(index);
    }
    let mut found: Vec<Option<usize>> =
        records.iter().map(|hash| places.get_mut(hash).and_then(VecDeque::pop_front)).collect();
    let mut missing: BTreeSet<usize> = places.into_values().flatten().collect();
    let mut differences = Vec::new();
    let first_of: BTreeMap<_, _> = listed.iter().enumerate().rev().map(|(index, hash)| (*hash, index)).collect();
    let mut expected = 0;
    for (at, place) in found.iter_mut().enumerate() {
        if place.is_none() {
            let copy_of = first_of.get(&records[at]).copied();
            if copy_of.is_none() && missing.remove(&expected) {
                differences.push(Difference::Changed { listed: expected, at });
                *place = Some(expected);
            } else {
                differences.push(Difference::Added { at, copy_of });
            }
        }
        expected = place.map_or(expected, |listed| listed + 1);
    }
    differences.extend(reordered(&found));
    differences.extend(missing_from(listed.len(), &found, missing));
    differences
}

/// Those that stand at another place among those that are there.
fn reordered(found: &[Option<usize>]) -> impl Iterator<Item = Difference> {
    let present: Vec<(usize, usize)> =
        found.iter().enumerate().filter_map(|(at, place)| Some((at, (*place)?))).collect();
    let mut sorted: Vec<usize> = present.iter().map(|(_, listed)| *listed).collect();
    sorted.sort_unstable();
    let moved = present.into_iter().zip(sorted).filter(|((_, listed), sorted)| listed != sorted);
    moved.map(|((at, listed), _)| Difference::Reordered { listed, at })
}

/// What is listed and not there: the tail as one, all else one by one.
fn missing_from(count: usize, found: &[Option<usize>], mut missing: BTreeSet<usize>) -> Vec<Difference> {
    let mut tail = count;
    while tail > 0 && missing.remove(&(tail - 1)) {
        tail -= 1;
    }
    // The greatest number so far only rises, so the records after a number are found by halving.
    let mut end = 0;
    let mut end_at = |place: &Option<usize>| {
        end = place.map_or(end, |place| end.max(place + 1));
        end
    };
    let ends: Vec<usize> = found.iter().map(&mut end_at).collect();
    let where_it_was = |listed: usize| Difference::Dropped { listed, at: ends.partition_point(|end| *end <= listed) };
    let mut differences: Vec<_> = missing.into_iter().map(where_it_was).collect();
    if tail < count {
        differences.push(Difference::TailCut { listed: tail });
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(text: &str) -> Vec<TreeHash> {
        text.bytes().map(|byte| TreeHash::of_leaf(&[byte])).collect()
    }

    #[test]
    fn differences_are_named_for_what_they_are() {
        use Difference::{Added, Changed, Dropped, Reordered, TailCut};
        for (listed, records, want) in [
            ("abcd", "abcd", vec![]),
            ("abcd", "abXd", vec![Changed { listed: 2, at: 2 }]),
            ("abcd", "abcX", vec![Changed { listed: 3, at: 3 }]),
            ("abcd", "acd", vec![Dropped { listed: 1, at: 1 }]),
            ("abcd", "ad", vec![Dropped { listed: 1, at: 1 }, Dropped { listed: 2, at: 1 }]),
            ("abcd", "abdc", vec![Reordered { listed: 3, at: 2 }, Reordered { listed: 2, at: 3 }]),
            ("abcd", "abbcd", vec![Added { at: 2, copy_of: Some(1) }]),
            ("abcd", "abXcd", vec![Added { at: 2, copy_of: None }]),
            ("abcd", "abcdX", vec![Added { at: 4, copy_of: None }]),
            ("abcd", "ab", vec![TailCut { listed: 2 }]),
            ("abcd", "", vec![TailCut { listed: 0 }]),
            ("", "a", vec![Added { at: 0, copy_of: None }]),
            ("aab", "ab", vec![Dropped { listed: 1, at: 1 }]),
            ("abcd", "aXc", vec![Changed { listed: 1, at: 1 }, TailCut { listed: 3 }]),
        ] {
            assert_eq!(differences(&hashes(listed), &hashes(records)), want, "{listed} {records}");
        }
    }
}
