//! What a viewer has to know of its stream, and no more: which changes came, and whether the snapshot is complete.
//!
//! HTTP chunks are taken apart, since they may end anywhere. Of what is in them, three texts are looked for, with memchr's
//! searchers; everything else is skipped. JSON has no line ends, so an event's name can't be mistaken.

use std::sync::LazyLock;

use anyhow::{Context as _, Result, bail, ensure};
use memchr::memmem::Finder;

use super::{DIGITS, NOTE};

/// Something that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seen {
    /// A change, by its number, and when it was made.
    Change {
        /// Its number.
        number: u64,
        /// When it was made, by [`now`](super::now).
        sent: u64,
    },
    /// The last piece of a snapshot.
    Complete,
    /// The server made it start anew.
    Reset,
}

#[derive(Debug, Clone, Copy)]
enum Http {
    Head,
    /// The hexadecimal digits of a chunk's size; the first of them may still have the last chunk's line end before it.
    Size(usize),
    Chunk(usize),
    /// What ends a chunk.
    LineEnd(usize),
}

/// One viewer's place in its stream.
#[derive(Debug)]
pub struct Parser {
    http: Http,
    /// The end of what was read, which may be the beginning of something.
    carry: Vec<u8>,
    in_change: bool,
}

/// The texts that are looked for, with what follows each.
static EVENT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("event: "));
static MARK: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(NOTE));
static DONE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("],\"done\":true"));
/// The quotes and the colon between an annotation's name and its value.
const BETWEEN: &[u8] = b"\":\"";
/// As long as the name of an event that matters.
const NAME: usize = 8;

impl Default for Parser {
    fn default() -> Self {
        Self { http: Http::Head, carry: Vec::new(), in_change: false }
    }
}

impl Parser {
    /// Whether the answer's head was read.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        !matches!(self.http, Http::Head)
    }

    /// Takes what came, and tells what was in it.
    ///
    /// # Errors
    ///
    /// When it is no such stream.
    pub fn take(&mut self, mut bytes: &[u8], seen: &mut impl FnMut(Seen)) -> Result<()> {
        while !bytes.is_empty() {
            match self.http {
                Http::Head => {
                    self.carry.extend_from_slice(bytes);
                    let Some(end) = memchr::memmem::find(&self.carry, b"\r\n\r\n") else { return Ok(()) };
                    let head = std::mem::take(&mut self.carry);
                    ensure!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
                    let left = head.len() - end - 4;
                    bytes = bytes.get(bytes.len() - left..).context("a head")?;
                    self.http = Http::Size(0);
                }
                Http::Size(size) => {
                    let (first, rest) = bytes.split_first().context("a size")?;
                    bytes = rest;
                    self.http = match first {
                        b'\n' if size == 0 => bail!("the stream ended"),
                        b'\n' => Http::Chunk(size),
                        b'\r' => Http::Size(size),
                        digit => {
                            let digit = char::from(*digit).to_digit(16).context("a size that is none")?;
                            Http::Size(size * 16 + usize::try_from(digit)?)
                        }
                    };
                }
                Http::Chunk(left) => {
                    let (chunk, rest) = bytes.split_at(left.min(bytes.len()));
                    self.look(chunk, seen)?;
                    bytes = rest;
                    self.http =
                        if chunk.len() == left { Http::LineEnd(2) } else { Http::Chunk(left - chunk.len()) };
                }
                Http::LineEnd(left) => {
                    bytes = bytes.get(1..).unwrap_or_default();
                    self.http = if left == 1 { Http::Size(0) } else { Http::LineEnd(left - 1) };
                }
            }
        }
        Ok(())
    }

    /// Looks for the three texts, with what the last look left over before it.
    fn look(&mut self, chunk: &[u8], seen: &mut impl FnMut(Seen)) -> Result<()> {
        if self.carry.is_empty() {
            let used = self.scan(chunk, seen)?;
            self.carry.extend_from_slice(chunk.get(used..).unwrap_or_default());
            return Ok(());
        }
        let mut text = std::mem::take(&mut self.carry);
        text.extend_from_slice(chunk);
        let used = self.scan(&text, seen)?;
        self.carry.extend_from_slice(text.get(used..).unwrap_or_default());
        Ok(())
    }

    /// Tells what is in a text, and how much of it need not be looked at again.
    fn scan(&mut self, text: &[u8], seen: &mut impl FnMut(Seen)) -> Result<usize> {
        let mut used = 0;
        loop {
            let rest = text.get(used..).unwrap_or_default();
            let found = [&EVENT, &MARK, &DONE].into_iter().filter_map(|finder| {
                let at = finder.find(rest)?;
                Some((at, finder.needle()))
            });
            let Some((at, needle)) = found.min_by_key(|(at, _)| *at) else { break };
            let after = rest.get(at + needle.len()..).unwrap_or_default();
            let Some(follows) = self.follows(needle, after, seen)? else {
                // Not all of it is there.
                return Ok(used + at);
            };
            used += at + needle.len() + follows;
        }
        // No needle is whole in the rest, but one may begin at its end.
        let longest = DONE.needle().len().max(MARK.needle().len()).max(EVENT.needle().len());
        Ok(used.max(text.len().saturating_sub(longest - 1)))
    }

    /// What follows a text that was found; how long that is, or `None` if not all of it is there.
    fn follows(&mut self, needle: &[u8], after: &[u8], seen: &mut impl FnMut(Seen)) -> Result<Option<usize>> {
        if needle == EVENT.needle() {
            let Some(name) = after.get(..NAME) else { return Ok(None) };
            self.in_change = name == b"modified";
            if name.starts_with(b"reset\n") {
                seen(Seen::Reset);
            }
            // Not all of these were the name; what follows is looked at.
            return Ok(Some(0));
        }
        if needle == DONE.needle() {
            seen(Seen::Complete);
            return Ok(Some(0));
        }
        let Some(value) = after.get(..BETWEEN.len() + 2 * DIGITS) else { return Ok(None) };
        if self.in_change {
            let (number, sent) = value.get(BETWEEN.len()..).unwrap_or_default().split_at(DIGITS);
            let read = |digits: &[u8]| anyhow::Ok(std::str::from_utf8(digits)?.parse::<u64>()?);
            seen(Seen::Change { number: read(number)?, sent: read(sent)? });
        }
        Ok(Some(value.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fanout::note;

    fn chunked(parts: &[&str]) -> Vec<u8> {
        let mut stream = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_vec();
        for part in parts {
            stream.extend_from_slice(format!("{:X}\r\n{part}\r\n", part.len()).as_bytes());
        }
        stream
    }

    #[test]
    fn everything_is_seen_however_it_is_cut() {
        let item =
            |number| format!(r#"{{"name":"a","annotations":{{"{NOTE}":"{}"}}}}"#, note(number, number + 1));
        let change = |number| format!("event: modified\nid: a:{number}\ndata: {}\n\n", item(number));
        let stream = chunked(&[
            "retry: 2000\n\n",
            &format!("event: snapshot\ndata: {{\"items\":[{}", item(1)),
            "],\"done\":fal",
            "se}\n\nevent: snapshot\ndata: {\"items\":[],\"done\":true}\n\n",
            &change(2),
            &format!("{}{}", change(3), change(4)),
            ": heartbeat\n\nevent: reset\ndata: {}\n\n",
            &change(5),
        ]);
        let changed = |number| Seen::Change { number, sent: number + 1 };
        let expected = [Seen::Complete, changed(2), changed(3), changed(4), Seen::Reset, changed(5)].to_vec();
        for size in 1..=stream.len() {
            let (mut parser, mut seen) = (Parser::default(), Vec::new());
            for piece in stream.chunks(size) {
                parser.take(piece, &mut |what| seen.push(what)).unwrap();
            }
            assert_eq!(seen, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_stream_is_an_error() {
        let mut none = |_| {};
        assert!(Parser::default().take(b"HTTP/1.1 503 No\r\n\r\n", &mut none).is_err());
        let mut parser = Parser::default();
        assert!(parser.take(&chunked(&["", ""]), &mut none).is_err(), "it ended");
    }
}
