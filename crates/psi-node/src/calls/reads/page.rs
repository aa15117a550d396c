//! Lists that come in pages, so that an answer stays below what a client takes: 4 MB is usual over gRPC.

use psi_api::Cause;
use psi_replica::FieldName;
use tonic::Code;

use crate::calls::{answer::FieldSummary, ops::Ops, readiness::readable};

/// Most fields of a page, and the default. A field takes up to 1.5 kB, and what the names of its columns take.
const PAGE_MAX: usize = 1_000;
/// Of a page with longer names, what comes after is left to the next. A name takes three bytes beside its own.
const NAMES_BYTES_MAX: usize = 2 << 20;

/// What a caller asks for.
#[derive(Debug, Default)]
pub(crate) struct PageRequest {
    /// 0 stands for as many as there may be.
    pub(crate) size: u64,
    /// The token of the page before; empty for the first page.
    pub(crate) token: String,
}

/// Some of the fields, in the order of their names.
#[derive(Debug)]
pub(crate) struct FieldPage {
    pub(crate) fields: Vec<FieldSummary>,
    /// The token of the page after; `None` at the end.
    pub(crate) next: Option<String>,
}

impl Ops {
    /// Fields that the caller may use, page by page. One that is made or dropped meanwhile is shown or not; all others
    /// are shown once.
    pub(crate) fn fields(&self, page: &PageRequest) -> Result<FieldPage, Cause> {
        let after = self.record_refusal(last_shown(&page.token))?;
        let size = usize::try_from(page.size).unwrap_or(PAGE_MAX).min(PAGE_MAX);
        let size = if size == 0 { PAGE_MAX } else { size };
        let found = self.context.read(|replica| {
            readable(replica)?;
            let specs = replica.current_specs(after.as_ref());
            let specs = specs.filter(|spec| self.may_use(spec.field.as_str())).take(size + 1);
            Ok(specs.map(|spec| FieldSummary::of(replica, spec)).collect())
        });
        let mut fields: Vec<FieldSummary> = self.record_refusal(found)?;
        let all = fields.len();
        fields.truncate(size.min(fitting(fields.iter().map(names_bytes))));
        let is_last = fields.len() == all;
        let next = fields.last().filter(|_| !is_last).map(|last| last.spec.field.to_string());
        Ok(FieldPage { fields, next })
    }
}

/// How many of them fit a page, at least one: as long as their names do.
fn fitting(names_bytes: impl Iterator<Item = usize>) -> usize {
    let mut room = NAMES_BYTES_MAX;
    let fits = names_bytes.take_while(|bytes| match room.checked_sub(*bytes) {
        Some(rest) => {
            room = rest;
            true
        }
        None => false,
    });
    fits.count().max(1)
}

fn names_bytes(field: &FieldSummary) -> usize {
    field.names.iter().flat_map(|names| names.iter()).map(|name| name.len() + 3).sum()
}

/// A token is the name of the last field of its page: it outlives the field, and any node takes it.
fn last_shown(token: &str) -> Result<Option<FieldName>, Cause> {
    if token.is_empty() {
        return Ok(None);
    }
    FieldName::new(token).map(Some).map_err(|_| {
        let message =
            "page_token: send what the page before gave as next_page_token, or leave it out for the first page";
        Cause::new(Code::InvalidArgument, "BAD_PAGE", message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_before_its_names_are_too_long() {
        for (bytes, want) in [
            (vec![0; 1_000], 1_000),
            (vec![NAMES_BYTES_MAX / 4; 9], 4),
            (vec![5, NAMES_BYTES_MAX, 5], 1),
            (vec![NAMES_BYTES_MAX + 1; 3], 1),
        ] {
            assert_eq!(fitting(bytes.into_iter()), want);
        }
    }
}
