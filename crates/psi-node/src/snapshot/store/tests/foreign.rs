//! Claims about snapshots of other clusters, and about what was set aside and fits again.

use super::*;

#[test]
fn a_directory_of_another_cluster_is_refused_and_nothing_in_it_changes() {
    let of = |cluster: &str, steps| snapshot_of(ClusterName::new(cluster).unwrap(), steps);
    for (latest, previous) in [
        (of("prod", 3), of("prod", 2)),
        (of("prod", 3), b"damaged".to_vec()),
        (b"damaged".to_vec(), of("prod", 2)),
        (of("prod", 3), of("staging", 2)),
    ] {
        let store = Store::new(FaultyDisk::new());
        store.disk.put(LATEST, &latest);
        store.disk.put(PREVIOUS, &previous);
        assert_eq!(store.load(&cluster(), 7).unwrap_err().theirs, "prod");
        assert_eq!(store.disk.names().unwrap(), [LATEST, PREVIOUS]);
        assert_eq!((store.disk.bytes(LATEST), store.disk.bytes(PREVIOUS)), (Some(latest), Some(previous)));
    }
}

#[test]
fn what_was_set_aside_and_fits_again_is_used_again() {
    let foreign = snapshot_of(ClusterName::new("prod").unwrap(), 9);
    for in_the_way in [b"damaged".to_vec(), foreign] {
        let store = settled();
        store.disk.put("snapshot.refused-5", &snapshot_of(cluster(), 5));
        store.disk.put("snapshot.refused-6", &snapshot_of(cluster(), 6));
        store.disk.put("snapshot.refused-7", b"damaged");
        store.disk.put(LATEST, &in_the_way);
        store.disk.put(PREVIOUS, &in_the_way);
        let loaded = store.load(&cluster(), 77).unwrap();
        assert_eq!(loaded.snapshot.as_ref().unwrap().0, "snapshot.refused-6", "the latest that is whole");
        assert_eq!(steps_of(loaded), Some(6));
        assert_eq!(steps_of(store.load(&cluster(), 78).unwrap()), Some(6), "it is the latest snapshot from now on");
        save(&store, 8, None).unwrap();
        assert_eq!(steps_of(store.load(&cluster(), 79).unwrap()), Some(8));
        assert_eq!(store.disk.bytes("snapshot.refused-77"), Some(in_the_way));
    }
}

#[test]
fn the_last_copy_of_a_cluster_is_never_removed() {
    let store = settled();
    let foreign = snapshot_of(ClusterName::new("prod").unwrap(), 9);
    let older = snapshot_of(ClusterName::new("prod").unwrap(), 8);
    for start in [10, 20, 30] {
        // Of another cluster, beside one of this: as after somebody restored a backup to the wrong directory.
        store.disk.put(PREVIOUS, if start == 30 { &foreign } else { &older });
        let loaded = store.load(&cluster(), start).unwrap();
        assert_eq!((loaded.refused[0].name, loaded.refused[0].error.reason()), (PREVIOUS, "wrong_cluster"));
        assert_eq!(steps_of(loaded), Some(2));
    }
    for start in 41..=49 {
        store.disk.put(LATEST, b"damaged");
        store.disk.put(PREVIOUS, b"damaged");
        store.load(&cluster(), start).unwrap();
    }
    let names = store.disk.names().unwrap();
    let kept = names.iter().filter(|name| store.disk.bytes(name).is_some_and(|bytes| bytes == foreign)).count();
    assert_eq!((kept, names.iter().filter(|name| name.starts_with(ASIDE)).count()), (1, 1 + ASIDE_KEPT), "{names:?}");
}
