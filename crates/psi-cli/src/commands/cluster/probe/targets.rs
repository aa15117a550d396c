//! Which nodes to probe: the addresses that the names stand for at the moment.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use futures_util::future::join_all;

use super::fault::{Fault, Reason};

/// More are not probed: reads and their series grow with the square.
pub(super) const TARGETS_MAX: usize = 50;

/// A node to probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// What it is called in metrics and logs, and how it is dialled: `host:port`.
    pub(super) address: String,
    /// Why it can't be dialled.
    pub(super) fault: Option<Fault>,
}

/// The nodes that `names` (`host:port` each) stand for now, in their order and each once.
pub(super) async fn look_up(names: &[String], limit: Duration) -> Vec<Target> {
    let found = join_all(names.iter().map(async |name| {
        let found = tokio::time::timeout(limit, tokio::net::lookup_host(name)).await;
        match found {
            Ok(Ok(addresses)) => of_name(name, &addresses.collect::<Vec<_>>()),
            Ok(Err(error)) => vec![unresolved(name, &error.to_string())],
            Err(_) => vec![unresolved(name, &format!("no answer within {} ms", limit.as_millis()))],
        }
    }))
    .await;
    let mut seen = BTreeSet::new();
    found.into_iter().flatten().filter(|target| seen.insert(target.address.clone())).collect()
}

fn unresolved(name: &str, why: &str) -> Target {
    let fault = Fault::new(Reason::Unresolved, format!("{name}: the name can't be looked up: {why}"));
    Target { address: name.to_owned(), fault: Some(fault) }
}

/// The nodes behind a name that has these addresses. One address is one node, called by its name, so that it keeps the
/// name when the address changes. One of either family is the same node twice, and is dialled by the name too. Several
/// of a family are as many nodes, each called by its address.
fn of_name(name: &str, addresses: &[SocketAddr]) -> Vec<Target> {
    let family = |is_v4: bool| -> BTreeSet<SocketAddr> {
        addresses.iter().copied().filter(|address| address.is_ipv4() == is_v4).collect()
    };
    let (v4, v6) = (family(true), family(false));
    let most = if v6.len() > v4.len() { v6 } else { v4 };
    let target = |address: String| Target { address, fault: None };
    match most.len() {
        0 => vec![unresolved(name, "it has no address")],
        1 => vec![target(name.to_owned())],
        _ => most.iter().map(|address| target(address.to_string())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(addresses: &[&str]) -> Vec<String> {
        let addresses: Vec<SocketAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        of_name("n:5", &addresses).into_iter().map(|target| target.address).collect()
    }

    #[test]
    fn a_name_with_several_addresses_is_as_many_nodes() {
        for (addresses, want) in [
            (&["10.0.0.1:5"][..], &["n:5"][..]),
            (&["[::1]:5"], &["n:5"]),
            (&["[::1]:5", "127.0.0.1:5"], &["n:5"]),
            (&["10.0.0.2:5", "10.0.0.1:5", "10.0.0.2:5"], &["10.0.0.1:5", "10.0.0.2:5"]),
            (&["10.0.0.2:5", "[fd::2]:5", "10.0.0.1:5", "[fd::1]:5"], &["10.0.0.1:5", "10.0.0.2:5"]),
            (&["[fd::2]:5", "10.0.0.1:5", "[fd::1]:5"], &["[fd::1]:5", "[fd::2]:5"]),
        ] {
            assert_eq!(behind(addresses), want, "{addresses:?}");
        }
    }

    #[tokio::test]
    async fn a_name_that_nobody_knows_is_a_target_that_fails() {
        let names = ["127.0.0.1:5", "no-such-host.invalid:5", "127.0.0.1:5"].map(str::to_owned);
        let targets = look_up(&names, Duration::from_secs(20)).await;
        let reasons: Vec<_> = targets.iter().map(|target| target.fault.as_ref().map(|fault| fault.reason)).collect();
        assert_eq!(reasons, [None, Some(Reason::Unresolved)], "{targets:?}");
    }
}
