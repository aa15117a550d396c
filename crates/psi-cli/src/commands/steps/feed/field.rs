//! The field that is fed: found, made if it may be, and checked.

use std::time::Duration;

use psi_api::v1::{CreateFieldRequest, Field};
use psi_state::ColumnNames;
use tokio::time::Instant;

use super::arguments::Feed;
use crate::{
    client,
    output::{self, Exit, Failure, pluralize},
    source::listed,
};

/// Time between two tries to find a node or the field.
pub(super) const LOOK: Duration = Duration::from_millis(500);

/// What a source gives.
#[derive(Clone, Debug)]
pub(super) struct SourceShape {
    /// Numbers a vector.
    pub(super) width: usize,
    /// What it calls them; empty if it does not say.
    pub(super) names: Vec<String>,
}

impl Feed {
    /// The field, created if it is missing and may be. Waits for a node, as long as the patience lasts.
    pub(super) async fn find_field(&self, shape: &SourceShape) -> Result<Field, Failure> {
        let begun = Instant::now();
        let patience = self.start_patience();
        let mut is_reported = false;
        loop {
            match self.field_now(shape).await {
                Err(failure) if is_passing(&failure) && patience.is_none_or(|patience| begun.elapsed() < patience) => {
                    if !is_reported {
                        is_reported = true;
                        match patience {
                            Some(most) => {
                                output::note(format_args!("waiting up to {} s: {}", most.as_secs(), failure.text()));
                            }
                            None => output::note(format_args!("waiting: {}", one_line(&failure.text()))),
                        }
                    }
                    tokio::time::sleep(LOOK).await;
                }
                found => return found,
            }
        }
    }

    pub(super) async fn field_now(&self, shape: &SourceShape) -> Result<Field, Failure> {
        let SourceShape { width, names } = shape;
        let fields = self.nodes.all_fields().await?;
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
            width: u32::try_from(*width).unwrap_or(u32::MAX),
            // Names that no field takes are no reason to do without the field.
            names: ColumnNames::new(names.clone()).map(|_| names.clone()).unwrap_or_default(),
            ..CreateFieldRequest::default()
        };
        let created = self.nodes.ask(async |channel| client::fields(channel).create_field(request.clone()).await);
        Ok(created.await?.answer)
    }

    /// What people should know of the names that the field's columns have, or lack.
    pub(super) fn warning_of_names(&self, field: &Field, shape: &SourceShape) -> Option<String> {
        let (name, names) = (&field.name, &shape.names);
        if names.is_empty() || *names == field.names {
            return None;
        }
        if !field.names.is_empty() {
            let list = |names: &[String]| listed(names.iter().map(String::as_str));
            let (of_field, of_source) = (list(&field.names), list(names));
            return Some(format!(
                "warning: field `{name}` calls its columns {of_field}; the source has {of_source}. Numbers go by their \
                 place, and the names of the field stay; `psi-field field columns {name}` changes them"
            ));
        }
        let refused = ColumnNames::new(names.clone()).err().filter(|_| self.create)?;
        Some(format!(
            "warning: the columns of field `{name}` get no names: {refused}; `psi-field field columns {name} A,B` names \
             them"
        ))
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
    let is_away = failure.exit == Exit::Unreachable && !failure.is_about_access();
    is_away || failure.reason() == Some("FIELD_EXISTS")
}

/// For logs.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" | ")
}
