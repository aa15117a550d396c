//! From when until when a certificate is valid, and when that is about to end.

use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage};

use super::chain::algorithms;
use crate::text::moment;

/// What is left of a certificate of a year when it is time to act, and at most of any.
const ENDING_S_MAX: u64 = 14 * 24 * 3_600;
/// The same as a share of the whole time: cert-manager renews when a third is left, SPIRE when half is.
const ENDING_SHARE: u64 = 5;

/// From when until when something is valid, seconds since 1970, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before_s: u64,
    /// The last second.
    pub not_after_s: u64,
}

impl Validity {
    /// That of a certificate, which need not be valid now.
    ///
    /// # Errors
    /// It is no certificate.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, Error> {
        let certificate = EndEntityCert::try_from(certificate)?;
        // webpki looks at the time first of all, and names the bounds in its errors alone.
        let verify = |time_s| {
            let time = UnixTime::since_unix_epoch(Duration::from_secs(time_s));
            certificate
                .verify_for_usage(algorithms().all, &[], &[], time, KeyUsage::server_auth(), None, None)
                .map(drop)
        };
        let not_before_s = match verify(0) {
            Err(Error::CertNotValidYet { not_before, .. }) => not_before.as_secs(),
            Err(error @ (Error::BadDer | Error::BadDerTime | Error::InvalidCertValidity)) => return Err(error),
            _ => 0,
        };
        match verify(u64::MAX) {
            Err(Error::CertExpired { not_after, .. }) => Ok(Self { not_before_s, not_after_s: not_after.as_secs() }),
            Err(error) => Err(error),
            Ok(()) => Err(Error::BadDerTime),
        }
    }

    /// From when the first of a chain is valid, and until when all of it is.
    ///
    /// # Errors
    /// One of it is no certificate, or there is none.
    pub fn of_chain(chain: &[CertificateDer<'_>]) -> Result<Self, Error> {
        let all = chain.iter().map(Self::of_certificate).collect::<Result<Vec<_>, _>>()?;
        let first = *all.first().ok_or(Error::BadDer)?;
        Ok(all.into_iter().fold(first, Self::until))
    }

    /// The same, but over no later than something else.
    #[must_use]
    pub(super) fn until(self, other: Self) -> Self {
        Self { not_after_s: self.not_after_s.min(other.not_after_s), ..self }
    }

    /// Whether it is over, or so little is left that what renews it must have failed: a fifth of the whole time, and no
    /// more than 14 days. The alert `PsiFieldCertificateExpires` goes by the same rule.
    #[must_use]
    pub fn is_ending(self, now_s: u64) -> bool {
        let whole_s = self.not_after_s.saturating_sub(self.not_before_s);
        self.not_after_s.saturating_sub(now_s) < ENDING_S_MAX.min(whole_s / ENDING_SHARE) || self.is_over(now_s)
    }

    /// The last second, as people read it.
    #[must_use]
    pub fn not_after(self) -> String {
        moment(self.not_after_s)
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(self, now_s: u64) -> bool {
        now_s > self.not_after_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{certificate::Authority, key::ClusterKey};

    const DAY: u64 = 24 * 3_600;

    #[test]
    fn the_bounds_are_those_in_the_certificate() {
        let authority = Authority::derive(&ClusterKey::from_random([1; 32]), "prod");
        let now_s = 1_800_000_000;
        let issued = authority.issue::<&str>("n1", &[], now_s, DAY).expect("issued");
        let want = Validity { not_before_s: now_s - 7 * DAY, not_after_s: now_s + DAY };
        assert_eq!(Validity::of_certificate(&issued.chain_der[0]), Ok(want));
        let whole = Validity { not_before_s: 1_577_836_800, not_after_s: 253_402_300_799 };
        assert_eq!(Validity::of_certificate(authority.certificate_der()), Ok(whole));
        assert!(Validity::of_certificate(&CertificateDer::from(vec![0x30, 0])).is_err());
    }

    #[test]
    fn a_certificate_is_ending_with_a_fifth_left_or_fourteen_days() {
        for (days, left_s, want) in [
            (365, 15 * DAY, false),
            (365, 14 * DAY - 1, true),
            // cert-manager's own, which it renews with 30 days left.
            (90, 30 * DAY, false),
            (90, 13 * DAY, true),
            // One that follows from a key has six days left at least.
            (14, 6 * DAY, false),
            (14, 2 * DAY, true),
            // SPIRE's, of an hour.
            (0, 1_800, false),
            (0, 700, true),
        ] {
            let whole_s = if days == 0 { 3_600 } else { days * DAY };
            let validity = Validity { not_before_s: 1_000, not_after_s: 1_000 + whole_s };
            assert_eq!(validity.is_ending(1_000 + whole_s - left_s), want, "{left_s} s left of {whole_s}");
        }
        let over = Validity { not_before_s: 5, not_after_s: 6 };
        assert!(over.is_ending(7) && over.is_over(7) && !over.is_over(6));
    }
}
