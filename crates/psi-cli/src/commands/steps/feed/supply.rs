//! The source on a thread of its own, since most block; a thread that still waits for input when we are done ends
//! with the process.

use std::thread;

use tokio::sync::mpsc;

use crate::source::{Source, SourceError};

type Vectors = Result<Vec<f64>, SourceError>;

/// Vectors, read when asked for and a few ahead.
pub(super) struct Supply {
    /// One for each vector that the thread may read.
    requests: mpsc::UnboundedSender<()>,
    vectors: mpsc::UnboundedReceiver<Vectors>,
    /// Read to know the width, and not handed out yet.
    first: Option<Vectors>,
}

impl Supply {
    /// Starts reading `ahead` vectors.
    pub(super) fn start(mut source: Box<dyn Source>, ahead: usize) -> Self {
        let (requests, mut requested) = mpsc::unbounded_channel();
        let (sender, vectors) = mpsc::unbounded_channel();
        for _ in 0..ahead {
            let _ = requests.send(());
        }
        thread::spawn(move || {
            while requested.blocking_recv().is_some() {
                let Some(vector) = source.next().transpose() else { break };
                if sender.send(vector).is_err() {
                    break;
                }
            }
        });
        Self { requests, vectors, first: None }
    }

    /// How many numbers the first vector has, once it can be read. `None` if there is none.
    pub(super) async fn first_width(&mut self) -> Option<usize> {
        loop {
            match self.next().await? {
                Ok(vector) => {
                    let width = vector.len();
                    self.first = Some(Ok(vector));
                    return Some(width);
                }
                Err(error) => eprintln!("left out: {error}"),
            }
        }
    }

    /// The next vector, or `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Vectors> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        // At its end the thread is gone, and what it read is still here.
        let _ = self.requests.send(());
        self.vectors.recv().await
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
            assert_eq!(supply.first_width().await, Some(1), "{ahead}");
            for want in [1.0, 2.0, 3.0] {
                assert_eq!(supply.next().await.unwrap().unwrap(), [want], "{ahead}");
            }
            assert!(supply.next().await.is_none(), "{ahead}");
        }
    }

    #[tokio::test]
    async fn a_line_that_can_not_be_read_does_not_end_the_supply() {
        let mut supply = supply("[1]\nx\n[2]", 1);
        assert!(supply.next().await.unwrap().is_ok());
        assert!(supply.next().await.unwrap().is_err());
        assert!(supply.next().await.unwrap().is_ok());
        assert!(supply.next().await.is_none());
    }
}
