//! Options that every call may carry: a token to reach first, a deadline, a replication level, and a name by which a
//! repetition is recognised.

use std::time::Duration;

use psi_api::Cause;
use psi_replica::Token;
use tokio::time::Instant;
use tonic::Code;

use super::level::Level;

/// The timeout of a call that asks for none.
const DEADLINE_DEFAULT: Duration = Duration::from_secs(2);
/// The longest timeout that a call may ask for.
const DEADLINE_MAX: Duration = Duration::from_secs(60);
/// Most characters of a request's name.
const REQUEST_ID_MAX: usize = 128;

/// Options as a client wrote them; those that it left out are empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RequestedOptions {
    pub(crate) after: String,
    pub(crate) deadline_ms: u64,
    /// The timeout that the transport sets, if it does.
    pub(crate) transport_timeout: Option<Duration>,
    pub(crate) replicate_to: Option<Level>,
    pub(crate) request_id: String,
}

/// Options that were checked.
#[derive(Clone, Debug)]
pub(crate) struct CallOptions {
    /// What the node must have reached first.
    pub(crate) after: Option<Token>,
    pub(crate) deadline: Instant,
    /// From the call's arrival to its deadline.
    pub(crate) timeout: Duration,
    pub(crate) replicate_to: Option<Level>,
    pub(crate) request_id: Option<String>,
}

impl CallOptions {
    /// Whether nothing has to be looked up or waited for before a write.
    pub(crate) fn are_met_at_once(&self) -> bool {
        self.after.is_none() && self.request_id.is_none()
    }
}

impl RequestedOptions {
    /// Checks them; the deadline counts from now.
    ///
    /// # Errors
    /// [`Cause`] of the first bad one.
    pub(crate) fn check(self) -> Result<CallOptions, Cause> {
        let timeout = timeout(self.deadline_ms, self.transport_timeout)?;
        let after = (!self.after.is_empty()).then(|| self.after.parse::<Token>()).transpose();
        Ok(CallOptions {
            after: after.map_err(|error| Cause::from(&error))?,
            deadline: Instant::now() + timeout,
            timeout,
            replicate_to: self.replicate_to,
            request_id: request_id(self.request_id)?,
        })
    }
}

/// How long a call may take. The transport's timeout is cut a little, so that the refusal with its reason
/// arrives before the transport gives up.
fn timeout(deadline_ms: u64, transport_timeout: Option<Duration>) -> Result<Duration, Cause> {
    /// For the way back, a guess.
    const ON_THE_WAY: Duration = Duration::from_millis(50);
    let requested = Duration::from_millis(deadline_ms);
    if requested > DEADLINE_MAX {
        let limit = DEADLINE_MAX.as_millis();
        let message = format!("a call may wait for at most {limit} ms, not {deadline_ms}; ask for less, or none");
        return Err(Cause::new(Code::InvalidArgument, "BAD_DEADLINE", message)
            .with("got", deadline_ms)
            .with("limit", limit));
    }
    let transport_timeout = transport_timeout
        .map(|transport_timeout| (transport_timeout - ON_THE_WAY.min(transport_timeout / 10)).min(DEADLINE_MAX));
    Ok(match (requested.is_zero(), transport_timeout) {
        (true, transport_timeout) => transport_timeout.unwrap_or(DEADLINE_DEFAULT),
        (false, transport_timeout) => {
            transport_timeout.map_or(requested, |transport_timeout| transport_timeout.min(requested))
        }
    })
}

fn request_id(id: String) -> Result<Option<String>, Cause> {
    let length = id.chars().count();
    if length > REQUEST_ID_MAX {
        let message = format!("a request_id has at most {REQUEST_ID_MAX} characters, this one {length}; use a UUID");
        return Err(Cause::new(Code::InvalidArgument, "BAD_REQUEST_ID", message)
            .with("got", length)
            .with("limit", REQUEST_ID_MAX));
    }
    if let Some(other) = id.chars().find(|letter| !matches!(letter, ' '..='~')) {
        let message = format!("a request_id has printable ASCII characters only, not {other:?}; use a UUID");
        return Err(Cause::new(Code::InvalidArgument, "BAD_REQUEST_ID", message).with("got", other.escape_default()));
    }
    Ok(Some(id).filter(|id| !id.is_empty()))
}

/// What gRPC's header `grpc-timeout` says: at most eight digits and a unit.
pub(crate) fn grpc_timeout(header: &str) -> Option<Duration> {
    let (digits, unit) = header.split_at_checked(header.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_call_takes_the_shorter_of_its_own_timeout_and_that_of_the_transport() {
        for (requested, transport_timeout, want) in [
            (0, None, Some(2_000)),
            (300, None, Some(300)),
            (60_000, None, Some(60_000)),
            (60_001, None, None),
            (u64::MAX, None, None),
            (0, Some(100), Some(90)),
            (0, Some(10_000), Some(9_950)),
            (0, Some(3_600_000), Some(60_000)),
            (300, Some(10_000), Some(300)),
            (3_000, Some(1_000), Some(950)),
            (0, Some(0), Some(0)),
        ] {
            assert_eq!(
                timeout(requested, transport_timeout.map(ms)).ok(),
                want.map(ms),
                "{requested} {transport_timeout:?}"
            );
        }
    }

    #[test]
    fn the_header_of_grpc_is_read() {
        for (header, want) in [
            ("2S", Some(ms(2_000))),
            ("150m", Some(ms(150))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("1M", Some(ms(60_000))),
            ("1H", Some(ms(3_600_000))),
            ("", None),
            ("S", None),
            ("5", None),
            ("-1S", None),
            ("123456789S", None),
            ("1é", None),
        ] {
            assert_eq!(grpc_timeout(header), want, "{header}");
        }
    }

    #[test]
    fn a_request_id_is_short_and_can_be_printed() {
        assert_eq!(request_id(String::new()).unwrap(), None);
        assert_eq!(request_id("~ ".repeat(64)).unwrap(), Some("~ ".repeat(64)));
        for (id, named) in
            [("x".repeat(129).as_str(), "129"), ("é", "'é'"), ("a\nb", "'\\n'"), ("\u{7f}", "7f"), ("\0", "'\\0'")]
        {
            let error = request_id(id.to_owned()).unwrap_err();
            assert_eq!((error.reason, error.message.contains(named)), ("BAD_REQUEST_ID", true), "{}", error.message);
        }
    }
}
