//! `psi-field feed`: sends the vectors of a source to nodes, at a rate, until it is stopped.

mod arguments;
mod field;
mod maker;
mod pace;
mod report;
mod sending;
mod supply;
mod tally;
mod targets;

use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use arguments::Feed;

use crate::{
    output::{self, Failure, Output, pluralize},
    process::signals,
};
use field::SourceShape;
use report::Reporter;
use sending::Sender;
use supply::{SourceStart, Supply};
use tally::Tally;
use targets::Targets;

/// What there is before the first step.
struct Preparation {
    supply: Supply,
    /// The source, for people.
    described: String,
    /// What people should know of it.
    notes: Vec<String>,
    shape: SourceShape,
    /// What was passed over before the first vector.
    unreadable: u64,
}

/// Why a feed ends.
enum End {
    /// The source has no more vectors, or as many as were asked for are sent.
    Source,
    /// The time that was asked for is over.
    Time,
    Signal,
    /// No node accepts the access token.
    LockedOut(Failure),
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

    async fn prepare(&self) -> Result<Preparation, Failure> {
        let source = self.source.open().map_err(|error| Failure::usage(error.to_string()))?;
        let described = source.describe();
        let mut notes: Vec<String> = source.notes().into_iter().map(|note| format!("note: {note}")).collect();
        let (width, names) = (source.width(), source.names());
        let mut supply = Supply::start(source, self.source.ahead());
        let beginning = match width {
            Some(_) => SourceStart { width, names, unreadable: 0 },
            None => supply.beginning().await,
        };
        let SourceStart { width: Some(width), names, unreadable } = beginning else {
            return Err(no_vector(beginning.unreadable));
        };
        let shape = SourceShape { width, names };
        let field = self.find_field(&shape).await?;
        self.check_width(&field, width, &described)?;
        notes.extend(self.warning_of_names(&field, &shape));
        Ok(Preparation { supply, described, notes, shape, unreadable })
    }

    async fn feed(&self, prepared: Preparation, output: Output) -> Result<(), Failure> {
        let Preparation { mut supply, described, notes, shape, unreadable } = prepared;
        let tally = Arc::new(Mutex::new(Tally::new(&self.field.field, &described, notes, unreadable)));
        let targets = Targets::new(&self.nodes, self.is_in_order())?;
        let (requester, mut maker) = maker::maker();
        let requester = Some(requester).filter(|_| self.service && self.create);
        let sender = Arc::new(Sender::new(self, targets, tally.clone(), requester));
        if self.service {
            output::note(format_args!("feeding field {}: {described}", self.field.field));
        }
        let reporter = Reporter::start(output, tally.clone(), self.service);
        let end = tokio::select! {
            // First: the source may end with the same step.
            biased;
            refusal = sender.locked_out() => End::LockedOut(refusal),
            () = sender.send_all(&mut supply, self) => End::Source,
            () = self.time_limit() => End::Time,
            () = maker.keep(self, &shape) => End::Source,
            () = signals::stop() => End::Signal,
        };
        let interrupted = matches!(end, End::Signal);
        drop(maker);
        sender.finish().await;
        reporter.stop().await;
        let summary = tally.lock().unwrap_or_else(PoisonError::into_inner).summary(interrupted);
        output.print(&summary, report::text)?;
        match end {
            End::LockedOut(refusal) => Err(refusal),
            End::Signal if self.service => Ok(()),
            End::Signal | End::Source | End::Time => summary.verdict(),
        }
    }

    async fn time_limit(&self) {
        match self.seconds {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    }
}

fn no_vector(unreadable: u64) -> Failure {
    Failure::failed(match unreadable {
        0 => "standard input has no vector".to_owned(),
        lines => format!("standard input has no vector that can be read; {} left out", pluralize(lines, "line")),
    })
}
