//! Origins of web pages.

use axum::http::{HeaderValue, Uri};

/// The origins whose web pages may call HTTP: none, some, or any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebOrigins(Vec<HeaderValue>);

impl WebOrigins {
    /// Stands for any.
    const ANY: &str = "*";

    /// Origins as browsers send them, such as `https://panel.example:8443`; `*` alone stands for any.
    ///
    /// # Errors
    /// For people: what an origin looks like.
    pub fn new<T: AsRef<str>>(origins: &[T]) -> Result<Self, String> {
        let any_among = origins.len() > 1 && origins.iter().any(|origin| origin.as_ref() == Self::ANY);
        if any_among {
            return Err("`*` stands for any origin: name it alone".to_owned());
        }
        origins.iter().map(|origin| checked(origin.as_ref())).collect::<Result<_, _>>().map(Self)
    }

    /// As they were named.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|origin| origin.to_str().ok())
    }

    /// As headers have them.
    pub(crate) fn headers(&self) -> Vec<HeaderValue> {
        self.0.clone()
    }

    /// Whether pages of this origin may call.
    pub(crate) fn allow(&self, origin: &HeaderValue) -> bool {
        self.are_any() || self.0.contains(origin)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any origin is meant.
    #[must_use]
    pub fn are_any(&self) -> bool {
        self.0.iter().any(|origin| origin == Self::ANY)
    }
}

fn checked(origin: &str) -> Result<HeaderValue, String> {
    let refused =
        || format!("`{origin}` is no origin such as https://panel.example:8443, without a path; or `*` for any");
    let is_origin = || {
        let uri: Uri = origin.parse().ok()?;
        let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
        (origin == format!("{scheme}://{authority}")).then_some(())
    };
    if origin != WebOrigins::ANY {
        is_origin().ok_or_else(refused)?;
    }
    HeaderValue::from_str(origin).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_perhaps_a_port() {
        for good in [&[][..], &["*"], &["https://a.example", "http://localhost:3000"], &["http://[::1]:80"]] {
            assert_eq!(WebOrigins::new(good).map(|origins| origins.iter().count()), Ok(good.len()), "{good:?}");
        }
        for bad in
            [&[""][..], &["a.example"], &["https://a.example/"], &["https://a/b"], &["*", "https://a"], &["null"]]
        {
            assert!(WebOrigins::new(bad).is_err(), "{bad:?}");
        }
    }
}
