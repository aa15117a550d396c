//! Strangers who write frames of HTTP/2 that no client library writes: it costs little, and honest calls do not fail.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use psi_tests::{
    DEADLINE, INCIDENT,
    process::{Launch, Process},
};

use crate::{
    PROGRAM,
    strangers::{GROWTH_KIB, resident_kib},
};

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// What a connection may not take in this time is written to another.
const STALLED: Duration = Duration::from_millis(500);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The headers of a call of `Step`, as HPACK has them without tables.
fn headers() -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).expect("a short text")][..], text.as_bytes()].concat();
    // The method POST and the scheme http, by their places in the static table; then a path and an authority.
    let mut block = vec![0x83, 0x86, 0x04];
    block.extend(text("/psi.v1.PsiFieldService/Step"));
    block.push(0x01);
    block.extend(text("n1"));
    for (name, value) in [("content-type", "application/grpc"), ("te", "trailers")] {
        block.push(0);
        block.extend([text(name), text(value)].concat());
    }
    block
}

/// Whether the node answers these frames by a frame of a kind: that they are right.
fn is_answered(to: SocketAddr, frames: &[u8], kind: u8) -> Result<bool> {
    let mut stream = Flood { to, reads: false, stalled: Vec::new() }.open()?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(frames)?;
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).is_err() {
            return Ok(false);
        }
        if head[3] == kind {
            return Ok(true);
        }
        let length = usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]]))?;
        stream.read_exact(&mut vec![0; length])?;
    }
}

/// One stranger's connections, one after the other.
struct Flood {
    to: SocketAddr,
    reads: bool,
    /// Those that took no more, of one who reads nothing; they stay open.
    stalled: Vec<TcpStream>,
}

impl Flood {
    fn open(&self) -> Result<TcpStream> {
        let mut stream = TcpStream::connect(self.to)?;
        stream.set_write_timeout(Some(STALLED))?;
        let settings = frame(SETTINGS, 0, 0, &[]);
        stream.write_all(&[&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings].concat())?;
        if self.reads {
            let mut answers = stream.try_clone()?;
            std::thread::spawn(move || while answers.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {});
        }
        Ok(stream)
    }

    /// Writes until so many batches are through: `batch` makes one, by how many the connection had before.
    fn write(&mut self, batches: usize, batch: impl Fn(usize) -> Vec<u8>) -> Result<()> {
        let mut written = 0;
        while written < batches {
            let mut stream = self.open()?;
            for before in 0.. {
                if written >= batches || stream.write_all(&batch(before)).is_err() {
                    break;
                }
                written += 1;
            }
            if !self.reads {
                self.stalled.push(stream);
            }
        }
        Ok(())
    }
}

/// Honest calls go on while a stranger writes; memory stays.
async fn is_unimpressed(reads: bool, batches: usize, batch: impl Fn(usize) -> Vec<u8> + Send + 'static) -> Result<()> {
    let node: Process = Launch::new(PROGRAM, "n1").start()?;
    node.ready().await?;
    node.step("", &INCIDENT).await?;
    let call = frame(HEADERS, END_HEADERS | END_STREAM, 1, &headers());
    for (frames, kind) in [(call, HEADERS), (frame(PING, 0, 0, &[7; 8]), PING)] {
        let to = node.grpc;
        let is_answered = tokio::task::spawn_blocking(move || is_answered(to, &frames, kind)).await??;
        ensure!(is_answered, "the node does not read frames of kind {kind}");
    }
    let (before, mut most, mut calls) = (resident_kib(&node)?, 0, 0);
    let mut flood = Flood { to: node.grpc, reads, stalled: Vec::new() };
    let stranger = tokio::task::spawn_blocking(move || flood.write(batches, batch).map(|()| flood));
    while !stranger.is_finished() || calls < 20 {
        node.step("", &INCIDENT).await.with_context(|| format!("an honest call, after {calls}"))?;
        calls += 1;
        most = most.max(resident_kib(&node)?);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let _flood = stranger.await??;
    let grown = most.saturating_sub(before);
    ensure!(grown < GROWTH_KIB, "grown by {grown} kB");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_reset_at_once_cost_little() -> Result<()> {
    const CALLS: usize = 100_000;
    const BATCH: usize = 100;
    const CANCEL: [u8; 4] = [0, 0, 0, 8];
    let block = headers();
    is_unimpressed(true, CALLS / BATCH, move |before| {
        let numbers = (before * BATCH..(before + 1) * BATCH).map(|call| u32::try_from(2 * call + 1).unwrap_or(1));
        let calls = numbers.map(|stream| {
            [frame(HEADERS, END_HEADERS, stream, &block), frame(RST_STREAM, 0, stream, &CANCEL)].concat()
        });
        calls.collect::<Vec<_>>().concat()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_never_end_cost_little() -> Result<()> {
    const FRAMES: usize = 8_000;
    let block = headers();
    // A header that is never whole, and then one after the other; in long frames and in short ones.
    for length in [16_384, 64] {
        let (block, name) = (block.clone(), [&[0, 1, b'x', 60][..], &[b'y'; 60]].concat());
        let filler: Vec<u8> = name.into_iter().cycle().take(length).collect();
        is_unimpressed(true, FRAMES, move |before| {
            let begin = if before == 0 { frame(HEADERS, 0, 1, &block) } else { Vec::new() };
            [begin, frame(CONTINUATION, 0, 1, &filler)].concat()
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_whose_answers_nobody_reads_cost_little() -> Result<()> {
    const PINGS: usize = 1_000_000;
    const BATCH: usize = 1_000;
    let batch = frame(PING, 0, 0, &[7; 8]).repeat(BATCH);
    is_unimpressed(false, PINGS / BATCH, move |_| batch.clone()).await
}
