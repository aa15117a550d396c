//! By which names HTTP is called where the cluster has no key.
//!
//! The name in a request is what a browser believes to talk to. If it is a name of a stranger's that leads to this node,
//! a page of that stranger's may send anything and read the answers: to the browser both are one origin (DNS rebinding).
//! So only those names are accepted that no stranger can make lead here.

use std::net::IpAddr;

use axum::http::{Request, StatusCode, header, uri::Authority};

use crate::{
    http::refusal::{Refusal, shorten},
    settings::{Settings, comparable},
};

/// Refuses a request for a host that is not this node. One that names none is no browser's.
///
/// # Errors
/// If a host that the request names is neither an address, `localhost`, the node's name, nor in the setting.
pub(super) fn check_host<B>(settings: &Settings, request: &Request<B>) -> Result<(), Refusal> {
    let hosts = &settings.web_hosts;
    // With `security.insecure` other machines call, by names that only their network knows.
    let is_open = hosts.is_empty() && settings.security.insecure;
    if is_open || hosts.are_any() || settings.web_origins.are_any() {
        return Ok(());
    }
    let of_headers = request.headers().get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or("?"));
    let of_address = request.uri().authority().map(Authority::as_str);
    match of_headers.chain(of_address).find(|host| !is_own(settings, host)) {
        None => Ok(()),
        Some(host) => Err(refusal(settings, host)),
    }
}

/// Whether a host, perhaps with a port, is this node.
fn is_own(settings: &Settings, host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if host.contains('@') {
        return false;
    }
    let name = comparable(authority.host());
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
    // A name that ends in a number is an address, however it is written (WHATWG URL, section 3.5).
    let is_number = || name.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    // What browsers take for this machine without asking anyone (RFC 6761, section 6.3).
    let is_local = || name == "localhost" || name.ends_with(".localhost");
    address.parse::<IpAddr>().is_ok()
        || is_number()
        || is_local()
        || name == comparable(settings.node.as_str())
        || settings.web_hosts.allow(&name)
}

fn refusal(settings: &Settings, host: &str) -> Refusal {
    let shown = shorten(host);
    let message = format!(
        "`{shown}` is no name of this node, which has no key: it is called by an address, `localhost`, its own name \
         `{}`, or a name in http.hosts; add this one there if it leads here",
        settings.node
    );
    Refusal::new(StatusCode::MISDIRECTED_REQUEST, "HOST_NOT_ALLOWED", message).with("host", shown)
}

#[cfg(test)]
mod tests {
    use psi_replica::NodeId;

    use super::*;
    use crate::settings::{WebHosts, WebOrigins};

    fn settings(hosts: &[&str]) -> Settings {
        let web_hosts = WebHosts::new(hosts).expect("names");
        Settings { web_hosts, ..Settings::new(NodeId::new("Node-1").expect("a name")) }
    }

    fn answer(settings: &Settings, address: &str, hosts: &[&str]) -> Result<(), &'static str> {
        let mut request = Request::get(address);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        check_host(settings, &request.body(()).expect("a request")).map_err(|refusal| refusal.reason())
    }

    #[test]
    fn only_names_that_no_stranger_can_make_lead_here_are_accepted() {
        let settings = settings(&["psi.example"]);
        for host in [
            "127.0.0.1:8000",
            "127.0.0.1",
            "10.1.2.3:80",
            "127.1:8000",
            "2130706433",
            "[::1]:8000",
            "[::1]",
            "localhost",
            "LocalHost:8000",
            "localhost.",
            "a.localhost:1",
            "node-1:8000",
            "NODE-1",
            "psi.example",
            "psi.example.:9",
        ] {
            assert_eq!(answer(&settings, "/", &[host]), Ok(()), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:8000",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "notlocalhost",
            "node-1.evil.example",
            "a.psi.example",
            "127.0.0.1@evil.example",
            "evil.example@127.0.0.1",
            "::1",
            "a b",
            "[::1",
            "ψ.example",
            "*",
        ] {
            assert_eq!(answer(&settings, "/", &[host]), Err("HOST_NOT_ALLOWED"), "{host}");
        }
    }

    #[test]
    fn every_host_of_a_request_counts_and_none_is_no_browsers() {
        let settings = settings(&[]);
        assert_eq!(answer(&settings, "/", &[]), Ok(()));
        assert_eq!(answer(&settings, "/", &["127.0.0.1", "evil.example"]), Err("HOST_NOT_ALLOWED"));
        assert_eq!(answer(&settings, "http://evil.example/", &["127.0.0.1"]), Err("HOST_NOT_ALLOWED"));
        assert_eq!(answer(&settings, "http://127.0.0.1/", &["127.0.0.1"]), Ok(()));
    }

    #[test]
    fn who_listens_for_others_is_not_locked_out_unless_names_are_set() {
        let insecure = |hosts: &[&str]| {
            let mut settings = settings(hosts);
            settings.security.insecure = true;
            settings
        };
        let any_page = Settings { web_origins: WebOrigins::new(&["*"]).expect("any"), ..settings(&[]) };
        for (settings, want) in [
            (settings(&[]), Err("HOST_NOT_ALLOWED")),
            (settings(&["*"]), Ok(())),
            (insecure(&[]), Ok(())),
            (insecure(&["node-2"]), Err("HOST_NOT_ALLOWED")),
            (any_page, Ok(())),
        ] {
            assert_eq!(answer(&settings, "/", &["psi-field.default.svc:8000"]), want);
        }
    }
}
