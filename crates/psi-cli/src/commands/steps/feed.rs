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
    output::{Failure, Output},
    process::signals,
};
use report::Reporter;
use sending::Sender;
use supply::Supply;
use tally::Tally;
use targets::Targets;

/// What there is before the first step.
struct Preparation {
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

    async fn prepare(&self) -> Result<Preparation, Failure> {
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
        Ok(Preparation { supply, described, width })
    }

    async fn feed(&self, prepared: Preparation, output: Output) -> Result<(), Failure> {
        let Preparation { mut supply, described, width } = prepared;
        let tally = Arc::new(Mutex::new(Tally::new(&self.field.field, &described)));
        let targets = Targets::new(&self.nodes)?;
        let (requester, mut maker) = maker::maker();
        let requester = Some(requester).filter(|_| self.service && self.create);
        let sender = Arc::new(Sender::new(self, targets, tally.clone(), requester));
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
}
