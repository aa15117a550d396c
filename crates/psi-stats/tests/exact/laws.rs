//! What merging, subtracting and folding must obey.

use num_bigint::BigInt;
use proptest::collection::vec;
use proptest::prelude::*;
use psi_stats::{COUNT_LIMIT, Moments, MomentsError, Scale, SumsFault, Totals, quantize};

use crate::encoding::claimed;
use crate::inputs::{Dealer, WIDTH, moments, moments_of, moments_of_numbers, vectors};

fn merged(mut left: Moments, right: &Moments) -> Moments {
    left.merge(right).expect("one width, few vectors");
    left
}

fn totals_of(parts: &[Moments]) -> Totals {
    let mut totals = Totals::new(WIDTH);
    for part in parts {
        totals.add(part).expect("one width");
    }
    totals
}

/// The moments of `count` vectors of one dimension with these sums.
fn with_sums(count: u64, sum: i128, squares: u64) -> Moments {
    Moments::decode(&claimed(count, sum, &BigInt::from(squares))).expect("possible sums")
}

proptest! {
    #[test]
    fn merging_commutes(a in moments(), b in moments()) {
        prop_assert_eq!(merged(a.clone(), &b), merged(b, &a));
    }

    #[test]
    fn merging_associates(a in moments(), b in moments(), c in moments()) {
        prop_assert_eq!(merged(merged(a.clone(), &b), &c), merged(a, &merged(b, &c)));
    }

    #[test]
    fn merging_is_adding_the_same_vectors(vectors in vectors(0..20), cut in 0..20usize) {
        let (left, right) = vectors.split_at(cut.min(vectors.len()));
        prop_assert_eq!(merged(moments_of(left), &moments_of(right)), moments_of(&vectors));
    }

    #[test]
    fn subtracting_undoes_merging(a in moments(), b in moments()) {
        let mut both = merged(a.clone(), &b);
        both.subtract(&b).unwrap();
        prop_assert_eq!(&both, &a);
        both.subtract(&a).unwrap();
        prop_assert_eq!(both, Moments::new(WIDTH));
    }

    #[test]
    fn what_subtracting_allows_is_possible_and_what_it_refuses_changes_nothing(a in moments(), b in moments()) {
        let mut rest = a.clone();
        match rest.subtract(&b) {
            Ok(()) => {
                prop_assert_eq!(&Moments::decode(&rest.encode()).unwrap(), &rest);
                prop_assert_eq!(merged(rest, &b), a);
            }
            Err(_) => prop_assert_eq!(rest, a),
        }
    }

    #[test]
    fn totals_in_any_order_are_the_merge(parts in vec(moments(), 0..8), seed: u64) {
        let whole = parts.iter().fold(Moments::new(WIDTH), merged);
        let mut shuffled = parts.clone();
        Dealer(seed).shuffle(&mut shuffled);
        let totals = totals_of(&shuffled);
        prop_assert_eq!(totals.moments(), Ok(whole));
        prop_assert_eq!(totals, totals_of(&parts));
    }

    /// Each part that leaves is added once and removed once, at random moments: the removal may come first.
    #[test]
    fn removals_in_any_order_leave_the_merge_of_the_rest(
        stay in vec(moments(), 0..6),
        leave in vec(moments(), 0..6),
        seed: u64,
    ) {
        let stays = stay.iter().map(|part| (true, part));
        let leaves = leave.iter().flat_map(|part| [(true, part), (false, part)]);
        let mut changes: Vec<_> = stays.chain(leaves).collect();
        Dealer(seed).shuffle(&mut changes);
        let mut totals = Totals::new(WIDTH);
        for (added, part) in changes {
            if added { totals.add(part).unwrap() } else { totals.remove(part).unwrap() }
        }
        prop_assert_eq!(totals.is_empty(), stay.iter().all(Moments::is_empty));
        prop_assert_eq!(totals.count(), stay.iter().map(|part| u128::from(part.count())).sum::<u128>());
        prop_assert_eq!(&totals, &totals_of(&stay));
        prop_assert_eq!(totals.moments(), Ok(stay.iter().fold(Moments::new(WIDTH), merged)));
    }

    #[test]
    fn part_of_the_dimensions_is_what_their_components_give(vectors in vectors(0..20)) {
        let second = vectors.iter().map(|vector| vec![vector[1]]);
        let mut want = Moments::new(1);
        for vector in second {
            want.add(&vector).unwrap();
        }
        prop_assert_eq!(moments_of(&vectors).dimensions(1..2), want);
    }
}

/// Others drop a delta of one sample, because it has no variance.
#[test]
fn a_delta_of_one_vector_counts() {
    let whole = moments_of_numbers(&[1.0, 2.0, 6.0], Scale::default());
    let delta = moments_of_numbers(&[6.0], Scale::default());
    assert_eq!(merged(moments_of_numbers(&[1.0, 2.0], Scale::default()), &delta), whole);
    assert_eq!(merged(delta, &moments_of_numbers(&[1.0, 2.0], Scale::default())), whole);
    let singles = [1.0, 2.0, 6.0].map(|number| moments_of_numbers(&[number], Scale::default()));
    let mut totals = Totals::new(1);
    for single in &singles {
        totals.add(single).unwrap();
    }
    assert_eq!(totals.moments(), Ok(whole));
}

/// Others average two means as if both had been taken of equally many.
#[test]
fn merged_means_weigh_by_their_counts() {
    let three = moments_of_numbers(&[0.0, 0.0, 0.0], Scale::default());
    let one = moments_of_numbers(&[4.0], Scale::default());
    assert_eq!(merged(three, &one).mean(Scale::default()), Some(vec![1.0]));
}

#[test]
fn merging_nothing_changes_nothing() {
    let some = moments_of_numbers(&[1.0, 2.0], Scale::default());
    assert_eq!(merged(some.clone(), &Moments::new(1)), some);
    assert_eq!(merged(Moments::new(1), &some), some);
}

#[test]
fn another_width_is_refused_everywhere() {
    let refused = Err(MomentsError::WidthMismatch { got: 3, want: 2 });
    let wide = Moments::new(3);
    let mut moments = Moments::new(2);
    assert_eq!(moments.add(&quantize(&[1.0; 3], Scale::default()).unwrap()), refused);
    assert_eq!(moments.merge(&wide), refused);
    assert_eq!(moments.subtract(&wide), refused);
    assert_eq!(moments, Moments::new(2));
    let mut totals = Totals::new(2);
    assert_eq!(totals.add(&wide), refused);
    assert_eq!(totals.remove(&wide), refused);
    assert_eq!(totals.merge(&Totals::new(3)), refused);
    assert_eq!(totals, Totals::new(2));
}

#[test]
fn counts_stop_right_below_the_limit() {
    let one = moments_of_numbers(&[0.0], Scale::default());
    let full = with_sums(COUNT_LIMIT - 1, 0, 0);
    let refused = Err(MomentsError::CountLimit { count: u128::from(COUNT_LIMIT) });
    let mut moments = with_sums(COUNT_LIMIT - 2, 0, 0);
    moments.merge(&one).unwrap();
    assert_eq!(moments, full);
    assert_eq!(moments.merge(&one), refused);
    assert_eq!(moments.add(&quantize(&[1.0], Scale::default()).unwrap()), refused);
    assert_eq!(moments, full);
}

/// The largest sums of eight full origins leave 128 bits, and come back.
#[test]
fn totals_lose_nothing_when_they_overflow_on_the_way() {
    let count = COUNT_LIMIT - 1;
    let largest = (1 << 80) - 1;
    let squares = BigInt::from(largest).pow(2) * count;
    let full = Moments::decode(&claimed(count, largest * i128::from(count), &squares)).unwrap();
    let small = moments_of_numbers(&[1.0, 2.0], Scale::default());
    let mut totals = Totals::new(1);
    totals.add(&small).unwrap();
    for _ in 0..8 {
        totals.add(&full).unwrap();
    }
    let too_many = u128::from(count) * 8 + 2;
    assert_eq!(totals.moments(), Err(MomentsError::CountLimit { count: too_many }));
    for _ in 0..8 {
        totals.remove(&full).unwrap();
    }
    assert_eq!(totals.moments(), Ok(small));
}

#[test]
fn what_is_not_contained_is_refused_by_name_and_changes_nothing() {
    use MomentsError::{CountUnderflow, Impossible, SquaresUnderflow};
    for (from, taken, want) in [
        (with_sums(1, 0, 0), with_sums(2, 0, 0), CountUnderflow { count: 1, taken: 2 }),
        (with_sums(2, 0, 5), with_sums(1, 0, 6), SquaresUnderflow { dimension: 0 }),
        (with_sums(1, 1, 1), with_sums(1, 0, 0), Impossible { dimension: 0, fault: SumsFault::SumsWithoutCount }),
        (with_sums(2, 4, 8), with_sums(1, 0, 0), Impossible { dimension: 0, fault: SumsFault::SquaresTooSmall }),
    ] {
        let mut moments = from.clone();
        assert_eq!(moments.subtract(&taken), Err(want));
        assert_eq!(moments, from);
    }
}

#[test]
fn totals_that_no_inputs_could_have_are_refused_when_read() {
    let mut totals = Totals::new(1);
    totals.remove(&with_sums(1, 1, 1)).unwrap();
    assert_eq!(totals.moments(), Err(MomentsError::CountLimit { count: u128::MAX }));
    totals.add(&with_sums(1, 2, 4)).unwrap();
    assert!(!totals.is_empty());
    let fault = SumsFault::SumsWithoutCount;
    assert_eq!(totals.moments(), Err(MomentsError::Impossible { dimension: 0, fault }));
}
