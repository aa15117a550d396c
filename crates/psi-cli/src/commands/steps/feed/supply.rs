//! The source on a thread of its own, since most block; a thread that still waits for input when we are done ends
//! with the process.

use std::thread;

use tokio::sync::mpsc;

use crate::{
    output,
    source::{Source, SourceError},
};

/// A source that gives this many errors in a row has no more to give.
pub(super) const UNREADABLE_MAX: u64 = 1000;

/// What was read, or the error in its place, and where that leaves the source.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) vector: Result<Vec<f64>, SourceError>,
    /// When the vector was, seconds, if the source says so.
    pub(super) time: Option<f64>,
    /// Of the source, 0 to 1, if that is known.
    pub(super) share: Option<f64>,
    /// What the source calls its numbers, with the first vector alone.
    pub(super) names: Vec<String>,
    /// Vectors that the source has left out as the user wants it.
    pub(super) skipped: u64,
}

/// Vectors, read when asked for and a few ahead.
pub(super) struct Supply {
    /// One for each vector that the thread may read.
    requests: mpsc::UnboundedSender<()>,
    deliveries: mpsc::UnboundedReceiver<Delivery>,
    /// Read to know the width, and not handed out yet.
    first: Option<Delivery>,
}

/// What the first vector says, and what had to be passed over to reach it.
#[derive(Debug, PartialEq)]
pub(super) struct SourceStart {
    /// `None` if there is no vector, or none that can be read.
    pub(super) width: Option<usize>,
    /// What the source calls its numbers; empty if it does not say.
    pub(super) names: Vec<String>,
    pub(super) unreadable: u64,
}

impl Supply {
    /// Starts reading `ahead` vectors.
    pub(super) fn start(mut source: Box<dyn Source>, ahead: usize) -> Self {
        let (requests, mut requested) = mpsc::unbounded_channel();
        let (sender, deliveries) = mpsc::unbounded_channel();
        for _ in 0..ahead {
            let _ = requests.send(());
        }
        thread::spawn(move || {
            let mut is_first = true;
            while requested.blocking_recv().is_some() {
                let Some(vector) = source.next().transpose() else { break };
                let (time, share, skipped) = (source.time(), source.share(), source.skipped());
                let names = if is_first && vector.is_ok() { source.names() } else { Vec::new() };
                is_first &= vector.is_err();
                if sender.send(Delivery { vector, time, share, names, skipped }).is_err() {
                    break;
                }
            }
        });
        Self { requests, deliveries, first: None }
    }

    /// How many numbers the first vector has, once one can be read.
    pub(super) async fn beginning(&mut self) -> SourceStart {
        let mut unreadable = 0;
        while unreadable < UNREADABLE_MAX {
            let Some(mut delivery) = self.next().await else { break };
            match &delivery.vector {
                Ok(vector) => {
                    let (width, names) = (Some(vector.len()), std::mem::take(&mut delivery.names));
                    self.first = Some(delivery);
                    return SourceStart { width, names, unreadable };
                }
                Err(error) => {
                    if unreadable == 0 {
                        output::note(format_args!("left out: {error}"));
                    }
                    unreadable += 1;
                }
            }
        }
        SourceStart { width: None, names: Vec::new(), unreadable }
    }

    /// The next vector, or `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Delivery> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        // At its end the thread is gone, and what it read is still here.
        let _ = self.requests.send(());
        self.deliveries.recv().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::JsonLines;

    fn supply(text: &'static str, ahead: usize) -> Supply {
        Supply::start(Box::new(JsonLines::new("test", text.as_bytes())), ahead)
    }

    #[tokio::test]
    async fn every_vector_is_handed_out_once_and_in_order() {
        for ahead in [0, 1, 10] {
            let mut supply = supply("[1]\n[2]\n[3]", ahead);
            let want = SourceStart { width: Some(1), names: Vec::new(), unreadable: 0 };
            assert_eq!(supply.beginning().await, want, "{ahead}");
            for want in [1.0, 2.0, 3.0] {
                assert_eq!(supply.next().await.unwrap().vector.unwrap(), [want], "{ahead}");
            }
            assert!(supply.next().await.is_none(), "{ahead}");
        }
    }

    #[tokio::test]
    async fn a_line_that_can_not_be_read_does_not_end_the_supply() {
        let mut supply = supply("[1]\nx\n[2]", 1);
        assert!(supply.next().await.unwrap().vector.is_ok());
        assert!(supply.next().await.unwrap().vector.is_err());
        assert!(supply.next().await.unwrap().vector.is_ok());
        assert!(supply.next().await.is_none());
    }

    #[tokio::test]
    async fn what_is_left_out_before_the_first_vector_counts() {
        for (text, width, unreadable) in
            [("[1,2,null]\nx\n[4,5,6]\n", Some(3), 2), ("x\ny\n", None, 2), ("", None, 0), ("\n[1]\n", Some(1), 0)]
        {
            let want = SourceStart { width, names: Vec::new(), unreadable };
            assert_eq!(supply(text, 1).beginning().await, want, "{text:?}");
        }
    }

    #[tokio::test]
    async fn names_of_a_record_come_with_its_first_vector() {
        let text = "{\"width\":2,\"names\":[\"temp\",\"pressure\"]}\n[1]x\n[1,2]\n[3,4]\n";
        let names = vec!["temp".to_owned(), "pressure".to_owned()];
        let start = supply(text, 1).beginning().await;
        assert_eq!(start, SourceStart { width: Some(2), names, unreadable: 1 });
    }
}
