//! The last minute, from any number of origins.

use proptest::collection::vec;
use proptest::prelude::*;
use psi_stats::{BUCKETS, FixedPoint, Moments, MomentsError, SPAN_SECONDS, Scale, Window, WindowTotals};

use crate::inputs::{Dealer, WIDTH, moments, moments_of, vectors};

type Record = (u64, Vec<FixedPoint>);

fn value(x: f64) -> Vec<FixedPoint> {
    vec![FixedPoint::from_f64(x, Scale::default()).expect("in range")]
}

/// Records of up to 150 seconds, in the order of a clock that never goes back.
fn records() -> impl Strategy<Value = Vec<Record>> {
    vectors(1..40).prop_flat_map(|vectors| {
        let steps = vec(prop_oneof![3 => 0..3u64, 1 => 0..70u64], vectors.len());
        (0..1_000_000u64, steps).prop_map(move |(start, steps)| {
            let mut second = start;
            let mut record = |(vector, step): (&Vec<FixedPoint>, u64)| {
                second += step;
                (second, vector.clone())
            };
            vectors.iter().zip(steps).map(&mut record).collect()
        })
    })
}

/// Deals the records to `origins` windows; each keeps the order.
fn dealt(records: &[Record], origins: usize, seed: u64) -> Vec<Window> {
    let mut dealer = Dealer(seed);
    let mut windows = vec![Window::new(WIDTH); origins];
    for (second, values) in records {
        let origin = dealer.below(origins);
        windows[origin].record(*second, values).expect("a clock that never goes back");
    }
    windows
}

fn folded(windows: &[Window]) -> WindowTotals {
    let mut totals = WindowTotals::new(WIDTH);
    for (second, bucket) in windows.iter().flat_map(Window::buckets) {
        totals.add(second, bucket).expect("one width");
    }
    totals
}

/// The vectors in (last − 60, last], added one by one.
fn expected_over(records: &[Record], last: u64) -> Moments {
    let within = |second: u64| second <= last && second + SPAN_SECONDS > last;
    let vectors: Vec<_> = records.iter().filter(|(second, _)| within(*second)).map(|(_, v)| v.clone()).collect();
    moments_of(&vectors)
}

proptest! {
    #[test]
    fn however_records_are_dealt_the_last_minute_is_the_same(records in records(), origins in 1..6usize, seed: u64) {
        let last = records[records.len() - 1].0;
        let mut windows = dealt(&records, origins, seed);
        Dealer(seed).shuffle(&mut windows);
        let totals = folded(&windows);
        for last in last.saturating_sub(BUCKETS - SPAN_SECONDS)..=last + 70 {
            prop_assert_eq!(totals.over(last), Ok(expected_over(&records, last)), "over {}", last);
        }
    }

    /// As replicas do: at each change, the origin's old bucket goes and its new one comes.
    #[test]
    fn buckets_replaced_one_by_one_are_the_fold_of_what_is_left(records in records(), origins in 1..4usize, seed: u64) {
        let mut dealer = Dealer(seed);
        let mut windows = vec![Window::new(WIDTH); origins];
        let mut totals = WindowTotals::new(WIDTH);
        for (second, values) in &records {
            let window = &mut windows[dealer.below(origins)];
            if let Some((old_second, old)) = window.bucket(second % BUCKETS) {
                totals.remove(old_second, old).unwrap();
            }
            let slot = window.record(*second, values).unwrap();
            let (new_second, new) = window.bucket(slot).unwrap();
            totals.add(new_second, new).unwrap();
        }
        prop_assert_eq!(totals, folded(&windows));
    }

    #[test]
    fn changes_in_any_order_forget_what_they_cancel(buckets in vec((0..5u64, moments()), 0..8), seed: u64) {
        let mut changes: Vec<_> =
            buckets.iter().flat_map(|(second, bucket)| [(true, *second, bucket), (false, *second, bucket)]).collect();
        Dealer(seed).shuffle(&mut changes);
        let mut totals = WindowTotals::new(WIDTH);
        for (added, second, bucket) in changes {
            if added { totals.add(second, bucket).unwrap() } else { totals.remove(second, bucket).unwrap() }
        }
        prop_assert!(totals.is_empty());
        prop_assert_eq!(totals, WindowTotals::new(WIDTH));
    }
}

#[test]
fn the_span_starts_after_the_second_sixty_before() {
    let mut window = Window::new(1);
    for second in [40, 41, 100] {
        window.record(second, &value(1.0)).unwrap();
    }
    let mut totals = WindowTotals::new(1);
    for (second, bucket) in window.buckets() {
        totals.add(second, bucket).unwrap();
    }
    assert_eq!(totals.last_second(), Some(100));
    for (last, count) in [(39, 0), (40, 1), (41, 2), (99, 2), (100, 2), (101, 1), (159, 1), (160, 0), (u64::MAX, 0)] {
        assert_eq!(totals.over(last).unwrap().count(), count, "over {last}");
    }
}

#[test]
fn a_slot_goes_on_to_the_next_second_that_it_holds_and_never_back() {
    let mut window = Window::new(1);
    assert_eq!(window.record(7, &value(1.0)), Ok(7));
    assert_eq!(window.record(7, &value(2.0)), Ok(7));
    assert_eq!(window.bucket(7).map(|(second, bucket)| (second, bucket.count())), Some((7, 2)));
    assert_eq!(window.record(7 + BUCKETS, &value(3.0)), Ok(7));
    assert_eq!(window.bucket(7).map(|(second, bucket)| (second, bucket.count())), Some((71, 1)));
    let before = window.clone();
    assert_eq!(window.record(7, &value(4.0)), Err(MomentsError::OlderThanBucket { second: 7, held: 71 }));
    assert_eq!(window.record(135, &[]), Err(MomentsError::WidthMismatch { got: 0, want: 1 }));
    assert_eq!(window, before);
    assert_eq!(window.record(u64::MAX, &value(5.0)), Ok(63));
}

#[test]
fn slots_that_hold_nothing_or_do_not_exist_are_empty() {
    let mut window = Window::new(1);
    window.record(3, &value(1.0)).unwrap();
    assert_eq!(window.buckets().count(), 1);
    for slot in [0, 4, 63, 64, 67, u64::MAX] {
        assert_eq!(window.bucket(slot), None);
    }
    window.clear();
    assert_eq!(window, Window::new(1));
}

#[test]
fn buckets_of_another_width_are_refused() {
    let mut totals = WindowTotals::new(2);
    let refused = Err(MomentsError::WidthMismatch { got: 1, want: 2 });
    assert_eq!(totals.add(0, &Moments::new(1)), refused);
    assert_eq!(totals.remove(0, &Moments::new(1)), refused);
    assert_eq!((totals.is_empty(), totals.width()), (true, 2));
    assert_eq!(totals.over(0), Ok(Moments::new(2)));
}
