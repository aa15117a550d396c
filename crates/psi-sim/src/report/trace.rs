//! What happened in a run: a hash of all of it, and readable lines for people.

/// Widest line, in characters.
const WIDTH: usize = 120;

/// Where readable lines go.
pub type Sink<'a> = &'a mut dyn FnMut(&str);

/// The record of a run.
pub(crate) struct Trace<'a> {
    hasher: blake3::Hasher,
    sink: Option<Sink<'a>>,
}

impl<'a> Trace<'a> {
    pub(crate) fn new(sink: Option<Sink<'a>>) -> Self {
        Self { hasher: blake3::Hasher::new(), sink }
    }

    /// Notes that something happened: `kind` and `numbers` and `bytes` say what, `line` says it to people.
    pub(crate) fn record(&mut self, at: u64, kind: &str, numbers: &[u64], bytes: &[u8], line: impl FnOnce() -> String) {
        self.hasher.update(&at.to_le_bytes()).update(kind.as_bytes());
        for number in numbers {
            self.hasher.update(&number.to_le_bytes());
        }
        self.hasher.update(bytes);
        if let Some(sink) = &mut self.sink {
            let text = format!("{:>4}.{:03}  {}", at / 1000, at % 1000, line());
            sink(&shortened(&text));
        }
    }

    /// The hash of everything noted so far.
    pub(crate) fn hash(&self) -> [u8; 32] {
        *self.hasher.finalize().as_bytes()
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= WIDTH {
        return text.to_owned();
    }
    let head: String = text.chars().take(WIDTH - 1).collect();
    format!("{head}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_to_the_width_and_the_hash_to_the_order() {
        let mut lines = Vec::new();
        let mut sink = |line: &str| lines.push(line.to_owned());
        let mut trace = Trace::new(Some(&mut sink));
        trace.record(1_234, "a", &[1], &[], || "x".repeat(500));
        trace.record(70_000, "b", &[2], &[], || "short".to_owned());
        let hash = trace.hash();
        let mut other = Trace::new(None);
        other.record(70_000, "b", &[2], &[], String::new);
        other.record(1_234, "a", &[1], &[], String::new);
        assert_ne!(hash, other.hash());
        assert_eq!(lines.first().map(|line| line.chars().count()), Some(WIDTH));
        assert_eq!(lines.last().map(String::as_str), Some("  70.000  short"));
    }
}
