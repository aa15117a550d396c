//! `psi-field feed`: sends the vectors of a source to nodes, at a rate, until told to stop.

mod arguments;
mod maker;
mod pace;
mod report;
mod sending;
mod supply;
mod tally;
mod targets;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use psi_api::v1::{CreateFieldRequest, Field, ListFieldsRequest};
use tokio::time::Instant;

pub(crate) use arguments::Feed;

use crate::{
    client,
    failure::{Exit, Failure},
    output::{Output, pluralize},
    signals,
};
use report::Reporter;
use sending::Sender;
use supply::Supply;
use tally::Tally;
use targets::Targets;

/// Time between two tries to find a node at the start.
const LOOK: Duration = Duration::from_millis(500);

/// What there is before the first step.
struct Prepared {
    supply: Supply,
    /// The source, for people.
    described: String,
    width: usize,
}

impl Feed {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        if !self.service {
            let prepared = self.prepare().await?;
            return self.feed(prepared, output).await;
        }
        // The first process of a container must ask for signals, else it gets none.
        let prepared = tokio::select! {
            prepared = self.prepare() => prepared?,
            () = signals::stop() => return Ok(()),
        };
        self.feed(prepared, output).await
    }

    async fn prepare(&self) -> Result<Prepared, Failure> {
        let source = self.source.open().map_err(|error| Failure::usage(error.to_string()))?;
        let described = source.describe();
        let width = source.width();
        let mut supply = Supply::start(source, self.source.ahead());
        let width = match width {
            Some(width) => width,
            None => supply.first_width().await.ok_or_else(|| Failure::failed("standard input has no vector"))?,
        };
        let field = self.find_field(width).await?;
        self.check_width(&field, width, &described)?;
        Ok(Prepared { supply, described, width })
    }

    async fn feed(&self, prepared: Prepared, output: Output) -> Result<(), Failure> {
        let Prepared { mut supply, described, width } = prepared;
        let tally = Arc::new(Mutex::new(Tally::new(&self.field.field, &described)));
        let targets = Targets::new(&self.nodes)?;
        let (asking, mut maker) = maker::maker();
        let asking = Some(asking).filter(|_| self.service && self.create);
        let sender = Arc::new(Sender::new(self, targets, tally.clone(), asking));
        if self.service {
            eprintln!("feeding field {}: {described}", self.field.field);
        }
        let reporter = Reporter::start(output, tally.clone(), self.service);
        let interrupted = tokio::select! {
            () = sender.send_all(&mut supply, self) => false,
            () = self.time_limit() => false,
            () = maker.keep(self, width) => false,
            () = signals::stop() => true,
        };
        drop(maker);
        sender.finish().await;
        reporter.stop().await;
        let summary = tally.lock().unwrap_or_else(PoisonError::into_inner).summary(interrupted);
        output.print(&summary, report::text)?;
        if self.service && interrupted { Ok(()) } else { summary.verdict() }
    }

    async fn time_limit(&self) {
        match self.seconds {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    }

    /// The field, made if it is missing and may be. Waits for a node, as long as the patience lasts.
    async fn find_field(&self, width: usize) -> Result<Field, Failure> {
        let begun = Instant::now();
        let patience = self.start_patience();
        let mut told = false;
        loop {
            match self.field_now(width).await {
                Err(failure) if is_passing(&failure) && patience.is_none_or(|patience| begun.elapsed() < patience) => {
                    if !told {
                        told = true;
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

    async fn field_now(&self, width: usize) -> Result<Field, Failure> {
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

    fn check_width(&self, field: &Field, width: usize, source: &str) -> Result<(), Failure> {
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
/// the node that was asked first has not heard of that.
fn is_passing(failure: &Failure) -> bool {
    failure.exit == Exit::Unreachable || failure.reason() == Some("FIELD_EXISTS")
}

/// For logs.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" | ")
}
