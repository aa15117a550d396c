//! `host:port` as people write it: the port may be missing, and an IPv6 address may come without brackets.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// `text` as `host:port`, with `port` where it names none.
///
/// # Errors
/// A text for people: what is wrong with it.
pub(crate) fn with_default_port(text: &str, port: u16) -> Result<String, String> {
    let text = text.trim();
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address.to_string());
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(ip) = bare.parse::<Ipv6Addr>() {
        return Ok(SocketAddr::new(IpAddr::V6(ip), port).to_string());
    }
    let (host, port) = match text.split_once(':') {
        None => (text, port),
        Some((host, port)) => {
            let port = port.parse().map_err(|_| format!("`{port}` is not a port from 0 to 65535"))?;
            (host, port)
        }
    };
    if is_host(host) { Ok(format!("{host}:{port}")) } else { Err(format!("`{host}` is not a host name or address")) }
}

fn is_host(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_added_where_missing() {
        for (text, want) in [
            ("a", "a:7280"),
            ("a.b-c:1", "a.b-c:1"),
            ("127.0.0.1", "127.0.0.1:7280"),
            ("::1", "[::1]:7280"),
            ("[::1]", "[::1]:7280"),
            ("[::1]:5", "[::1]:5"),
            (" a ", "a:7280"),
        ] {
            assert_eq!(with_default_port(text, 7280).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", ":", ":1", "a:", "a:b", "a:65536", "a b", "http://a", "a:1:2"] {
            assert!(with_default_port(text, 1).is_err(), "{text}");
        }
    }
}
