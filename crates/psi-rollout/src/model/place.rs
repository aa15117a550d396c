//! Items of short lists, written down as their places.

pub(super) fn place<T: PartialEq>(all: &[T], item: &T) -> u32 {
    all.iter().position(|other| other == item).and_then(|place| u32::try_from(place).ok()).unwrap_or(u32::MAX)
}

pub(super) fn at<T: Copy>(all: &[T], place: u32) -> Option<T> {
    all.get(place as usize).copied()
}
