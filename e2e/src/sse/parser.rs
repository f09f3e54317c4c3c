//! The event stream format of the HTML specification, section 9.2.6, fed with whatever arrives.

/// One dispatched event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The event's name; `message` when the stream gives none.
    pub name: String,
    /// The id that this very event carries. (The specification's "last event ID" also lives on after events
    /// without one; [`Parser::last_id`] has that.)
    pub id: Option<String>,
    /// The data lines, joined by line feeds.
    pub data: String,
}

/// What a piece of the stream meant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Piece {
    /// An event.
    Event(Event),
    /// A comment, without its colon.
    Comment(String),
    /// How long to wait before reconnecting, in milliseconds.
    Retry(u64),
}

/// Keeps what has arrived of an unfinished line or event.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    after_return: bool,
    name: String,
    id: Option<String>,
    data: Option<String>,
    last_id: String,
}

impl Parser {
    /// Of a connection that goes on after an event with this id, which is the last one until another comes.
    #[must_use]
    pub fn after(id: &str) -> Self {
        Self { last_id: id.to_owned(), ..Self::default() }
    }

    /// What a browser would send as `Last-Event-ID`.
    #[must_use]
    pub fn last_id(&self) -> &str {
        &self.last_id
    }

    /// Takes the next bytes, cut anywhere.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for &byte in bytes {
            // CR, LF and CR LF all end a line.
            let second_half = byte == b'\n' && self.after_return;
            self.after_return = byte == b'\r';
            if second_half {
                continue;
            }
            if byte == b'\n' || byte == b'\r' {
                let line = std::mem::take(&mut self.line);
                pieces.extend(self.line(&String::from_utf8_lossy(&line)));
            } else {
                self.line.push(byte);
            }
        }
        pieces
    }

    fn line(&mut self, line: &str) -> Option<Piece> {
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => return Some(Piece::Comment(value.to_owned())),
            "event" => value.clone_into(&mut self.name),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "retry" => return value.parse().ok().map(Piece::Retry),
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Piece> {
        let (name, id, data) = (std::mem::take(&mut self.name), self.id.take(), self.data.take());
        if let Some(id) = &id {
            id.clone_into(&mut self.last_id);
        }
        // An event without data is not dispatched, says the specification.
        let data = data?;
        let name = if name.is_empty() { "message".to_owned() } else { name };
        Some(Piece::Event(Event { name, id, data }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, id: Option<&str>, data: &str) -> Piece {
        Piece::Event(Event { name: name.into(), id: id.map(str::to_owned), data: data.into() })
    }

    #[test]
    fn fields_comments_and_retry() {
        let text = b"retry: 2000\n\n: heartbeat\n\nevent: added\nid: e:1\ndata: {\"a\":\ndata: 1}\n\n";
        assert_eq!(
            Parser::default().feed(text),
            [
                Piece::Retry(2000),
                Piece::Comment("heartbeat".into()),
                event("added", Some("e:1"), "{\"a\":\n1}")
            ]
        );
    }

    #[test]
    fn any_cut_gives_the_same() {
        let text = "event: lane\r\ndata: \u{e9}\r\rid: 7\ndata:x\r\n\r\n:c\n".as_bytes();
        let whole = Parser::default().feed(text);
        assert_eq!(
            whole,
            [event("lane", None, "\u{e9}"), event("message", Some("7"), "x"), Piece::Comment("c".into())]
        );
        for cut in 0..=text.len() {
            let mut parser = Parser::default();
            let (first, second) = text.split_at(cut);
            let mut pieces = parser.feed(first);
            pieces.extend(parser.feed(second));
            assert_eq!(pieces, whole, "cut at {cut}");
        }
    }

    #[test]
    fn the_last_id_outlives_events_without_one() {
        let mut parser = Parser::default();
        parser.feed(b"id: e:5\ndata: x\n\nevent: lane\ndata: y\n\n");
        assert_eq!(parser.last_id(), "e:5");
    }

    #[test]
    fn an_unfinished_event_is_not_an_event() {
        assert_eq!(Parser::default().feed(b"event: added\ndata: x\n"), []);
    }
}
