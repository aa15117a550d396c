//! The field that is fed: found, made if it may be, and checked.

use std::time::Duration;

use psi_api::v1::{CreateFieldRequest, Field, ListFieldsRequest};
use tokio::time::Instant;

use super::arguments::Feed;
use crate::{
    client,
    output::{Exit, Failure, pluralize},
};

/// Time between two tries to find a node or the field.
pub(super) const LOOK: Duration = Duration::from_millis(500);

impl Feed {
    /// The field, created if it is missing and may be. Waits for a node, as long as the patience lasts.
    pub(super) async fn find_field(&self, width: usize) -> Result<Field, Failure> {
        let begun = Instant::now();
        let patience = self.start_patience();
        let mut is_reported = false;
        loop {
            match self.field_now(width).await {
                Err(failure) if is_passing(&failure) && patience.is_none_or(|patience| begun.elapsed() < patience) => {
                    if !is_reported {
                        is_reported = true;
                        match patience {
                            Some(most) => eprintln!("waiting up to {} s: {}", most.as_secs(), failure.text()),
                            None => eprintln!("waiting: {}", one_line(&failure.text())),
                        }
                    }
                    tokio::time::sleep(LOOK).await;
                }
                found => return found,
            }
        }
    }

    pub(super) async fn field_now(&self, width: usize) -> Result<Field, Failure> {
        let listed = self.nodes.ask(async |channel| client::fields(channel).list_fields(ListFieldsRequest {}).await);
        let fields = listed.await?.answer.fields;
        if let Some(field) = fields.into_iter().find(|field| field.name == self.field.field) {
            return Ok(field);
        }
        let name = &self.field.field;
        if !self.create {
            return Err(Failure::failed(format!(
                "no field is called `{name}`; make it with --create, or with `psi-field field create {name} --width \
                 {width}`"
            )));
        }
        let request = CreateFieldRequest {
            name: name.clone(),
            engine: self.engine.clone().unwrap_or_default(),
            guardian: self.guardian_mode().into(),
            width: u32::try_from(width).unwrap_or(u32::MAX),
            ..CreateFieldRequest::default()
        };
        let created = self.nodes.ask(async |channel| client::fields(channel).create_field(request.clone()).await);
        Ok(created.await?.answer)
    }

    pub(super) fn check_width(&self, field: &Field, width: usize, source: &str) -> Result<(), Failure> {
        if usize::try_from(field.width) == Ok(width) {
            return Ok(());
        }
        Err(Failure::failed(format!(
            "field `{}` takes {}, the source gives {width} ({source}); feed another field with --field NAME --create",
            field.name,
            pluralize(u64::from(field.width), "number"),
        )))
    }
}

/// Whether the next look may find another answer: no node is there yet, or another client has just made the field and
/// the node that was asked first does not know it yet.
fn is_passing(failure: &Failure) -> bool {
    failure.exit == Exit::Unreachable || failure.reason() == Some("FIELD_EXISTS")
}

/// For logs.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" | ")
}
