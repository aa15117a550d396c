//! The advertised address, where no setting gives one: this machine's own, which may change while the node runs. A
//! container that is disconnected from its network and connected again can get another; so can a machine with DHCP.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::net::UdpSocket;

use crate::settings::{Addresses, Endpoint, Settings};

/// A name has this long to be looked up; gossip goes on trying.
const LOOK_UP: Duration = Duration::from_secs(1);

/// The advertised address of an endpoint that is `bound`.
pub(crate) async fn advertised(endpoint: Endpoint, bound: SocketAddr, seeds: &[String]) -> SocketAddr {
    if let Some(advertise) = endpoint.advertise {
        return advertise;
    }
    if !bound.ip().is_unspecified() {
        return bound;
    }
    let own_ip = own_ip(seeds, bound.ip()).await;
    let loopback = match bound {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(own_ip.unwrap_or(loopback), bound.port())
}

/// The addresses to advertise instead of `advertised_now`; `None` while those are right. An address that this machine
/// still has is kept, even if another would be found now.
pub(crate) async fn changed_addresses(settings: &Settings, advertised_now: Addresses) -> Option<Addresses> {
    let found = |endpoint: Endpoint| endpoint.advertise.is_none() && endpoint.listen.ip().is_unspecified();
    let mut now = advertised_now;
    let endpoints =
        [(settings.grpc, &mut now.grpc), (settings.http, &mut now.http), (settings.gossip, &mut now.gossip)];
    for (endpoint, address) in endpoints.into_iter().filter(|(endpoint, _)| found(*endpoint)) {
        // Loopback was advertised because nothing else was found.
        if address.ip().is_loopback() || UdpSocket::bind((address.ip(), 0)).await.is_err() {
            address.set_ip(own_ip(&settings.seeds, endpoint.listen.ip()).await?);
        }
    }
    (now != advertised_now).then_some(now)
}

/// This machine's address as others see it: the address of the interface towards a seed, or of the host's name. Its
/// family is one that `listen` accepts: 0.0.0.0 accepts IPv4 only, [::] both. Nothing is sent.
async fn own_ip(seeds: &[String], listen: IpAddr) -> Option<IpAddr> {
    let is_answered = |address: &SocketAddr| listen.is_ipv6() || address.is_ipv4();
    for seed in seeds {
        let look_up = tokio::time::timeout(LOOK_UP, tokio::net::lookup_host(seed));
        let Ok(Ok(addresses)) = look_up.await else { continue };
        for address in addresses.filter(is_answered) {
            if let Some(ip) = ip_towards(address).await {
                return Some(ip);
            }
        }
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let mut addresses = tokio::net::lookup_host((host.trim(), 0)).await.ok()?.filter(is_answered);
    addresses.find(|address| !address.ip().is_loopback()).map(|address| address.ip())
}

async fn ip_towards(address: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    socket.connect(address).await.ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use psi_replica::NodeId;

    use super::*;

    /// What a node advertises that listens on `listen`, has the setting `advertise`, and started with the address
    /// `ip`.
    async fn changed_from(ip: &str, listen: &str, advertise: Option<&str>) -> Option<Addresses> {
        let endpoint =
            Endpoint { listen: listen.parse().unwrap(), advertise: advertise.map(|address| address.parse().unwrap()) };
        let seeds = vec!["127.0.0.1:1".to_owned()];
        let node = NodeId::new("a").unwrap();
        let settings = Settings { grpc: endpoint, http: endpoint, gossip: endpoint, seeds, ..Settings::new(node) };
        let address = SocketAddr::new(ip.parse().unwrap(), 7);
        changed_addresses(&settings, Addresses { grpc: address, http: address, gossip: address }).await
    }

    #[tokio::test]
    async fn an_address_that_the_machine_has_no_more_is_replaced() {
        // Kept for documentation (RFC 5737): no machine has it.
        let gone = "203.0.113.1";
        let own = SocketAddr::from(([127, 0, 0, 1], 7));
        let want = Addresses { grpc: own, http: own, gossip: own };
        assert_eq!(changed_from(gone, "0.0.0.0:7", None).await, Some(want));
    }

    #[tokio::test]
    async fn the_advertised_address_is_of_a_family_that_the_node_listens_on() {
        // As where a name has an address of either family: the one of IPv6 comes first.
        let seeds = ["[::1]:1", "127.0.0.1:1"].map(str::to_owned);
        let endpoint = |listen: &str| Endpoint { listen: listen.parse().unwrap(), advertise: None };
        let advertised_now = advertised(endpoint("0.0.0.0:7"), "0.0.0.0:7".parse().unwrap(), &seeds).await;
        assert_eq!(advertised_now, SocketAddr::from(([127, 0, 0, 1], 7)));
        let settings = Settings { seeds: seeds.to_vec(), ..Settings::new(NodeId::new("a").unwrap()) };
        let all = endpoint("0.0.0.0:7");
        let settings = Settings { grpc: all, http: all, gossip: all, ..settings };
        let gone = SocketAddr::from(([203, 0, 113, 1], 7));
        let now = changed_addresses(&settings, Addresses { grpc: gone, http: gone, gossip: gone }).await;
        assert_eq!(now, Some(Addresses { grpc: advertised_now, http: advertised_now, gossip: advertised_now }));
    }

    #[tokio::test]
    async fn an_address_that_holds_or_was_set_is_kept() {
        for (ip, listen, advertise) in [
            ("127.0.0.1", "0.0.0.0:7", None),
            ("203.0.113.1", "0.0.0.0:7", Some("203.0.113.1:7")),
            ("203.0.113.1", "203.0.113.1:7", None),
        ] {
            assert_eq!(changed_from(ip, listen, advertise).await, None, "{ip} {listen} {advertise:?}");
        }
    }
}
