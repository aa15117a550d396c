//! Names by which web pages may call HTTP.

/// Names in the `Host` of a request that are this node's, beside addresses, `localhost` and the node's own name: none, some,
/// or any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebHosts(Vec<String>);

impl WebHosts {
    /// Stands for any.
    const ANY: &str = "*";
    /// Longest name (RFC 1035, section 2.3.4).
    const BYTES_MAX: usize = 253;

    /// Names of hosts without ports, such as `psi.example`; `*` alone stands for any. Case and a dot at the end do not count.
    ///
    /// # Errors
    /// For people: what a name looks like.
    pub fn new<T: AsRef<str>>(names: &[T]) -> Result<Self, String> {
        let any_among = names.len() > 1 && names.iter().any(|name| name.as_ref() == Self::ANY);
        if any_among {
            return Err("`*` stands for any host: name it alone".to_owned());
        }
        names.iter().map(|name| checked(name.as_ref())).collect::<Result<_, _>>().map(Self)
    }

    /// As they count.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether requests for this host may come, by a name as [`comparable`] makes it.
    pub(crate) fn allow(&self, host: &str) -> bool {
        self.are_any() || self.0.iter().any(|name| name == host)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any host is meant.
    #[must_use]
    pub fn are_any(&self) -> bool {
        self.0.iter().any(|name| name == Self::ANY)
    }
}

/// A name by which it can be compared with others.
pub(crate) fn comparable(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn checked(name: &str) -> Result<String, String> {
    let is_name = |name: &str| {
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        (1..=WebHosts::BYTES_MAX).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(of_name)
    };
    let name = comparable(name);
    if name == WebHosts::ANY || is_name(&name) {
        return Ok(name);
    }
    Err(format!("`{name}` is no name of a host such as psi.example, without a port, and in ASCII; or `*` for any"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_without_a_port() {
        for good in [&[][..], &["*"], &["psi.example", "Node-1", "a_b."], &["10.0.0.1"]] {
            assert_eq!(WebHosts::new(good).map(|hosts| hosts.iter().count()), Ok(good.len()), "{good:?}");
        }
        for bad in
            [&[""][..], &["a:80"], &["http://a"], &["*", "a"], &["*.example"], &[".example"], &["ψ.example"], &["."]]
        {
            assert!(WebHosts::new(bad).is_err(), "{bad:?}");
        }
        let hosts = WebHosts::new(&["Psi.Example."]).expect("a name");
        assert!(hosts.allow(&comparable("psi.EXAMPLE")) && !hosts.allow("example"), "{hosts:?}");
    }
}
