//! Events as bytes.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use crate::coding::{Chunk, Shared};
use crate::metrics::http_side::{EventType, Reset, Written};
use crate::view::{Event, Mark};
use crate::wire::{BreakerOf, Deleted, Item, Lane, Text};

/// How much is written before it is sent.
const FULL: usize = 64 * 1024;

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Form {
    /// Server-sent events.
    #[default]
    Events,
    /// Messages of a WebSocket, each a line.
    Messages,
}

impl Form {
    pub(super) const COUNT: usize = 2;
}

/// What waits to be sent to one client. Nothing more is asked for once it is full; what exceeds it is one chunk of a
/// snapshot, or one event.
///
/// Bytes that many clients are sent are lent, not copied; what is written for this client alone lies in between.
#[derive(Debug, Default)]
pub(super) struct Frames {
    form: Form,
    ready: VecDeque<Chunk>,
    ready_bytes: usize,
    bytes: Vec<u8>,
    written: Written,
}

#[derive(Serialize)]
struct Reason {
    reason: &'static str,
    /// In milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<u128>,
}

#[derive(Serialize)]
struct Id<T: Serialize> {
    id: T,
}

impl Frames {
    pub(super) fn new(form: Form) -> Self {
        Self { form, ..Self::default() }
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.bytes.is_empty()
    }

    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.ready_bytes + self.bytes.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= FULL
    }

    /// The next bytes to send; `None` when everything was taken. What is empty then holds no memory.
    pub(super) fn take(&mut self) -> Option<Chunk> {
        if let Some(chunk) = self.ready.pop_front() {
            self.ready_bytes -= chunk.len();
            return Some(chunk);
        }
        self.ready = VecDeque::new();
        let bytes = std::mem::take(&mut self.bytes);
        (!bytes.is_empty()).then_some(Chunk::Own(bytes))
    }

    /// What was written, all at once, for others to be lent.
    pub(super) fn into_shared(mut self) -> (Shared, Written) {
        let written = self.written();
        (Shared::new(self.bytes.into()), written)
    }

    /// How much memory is held.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.ready.capacity() + self.bytes.capacity()
    }

    /// What was written since the last time that this was asked.
    pub(super) fn written(&mut self) -> Written {
        std::mem::take(&mut self.written)
    }

    /// Counts states that are not sent since newer ones are.
    pub(super) fn skipped(&mut self, states: u64) {
        self.written.skipped(states);
    }

    /// Bytes that others are sent, too, and which events they are.
    pub(super) fn lend(&mut self, shared: Shared, written: &Written) {
        self.written.add(written);
        if shared.plain().is_empty() {
            return;
        }
        let own = Chunk::Own(std::mem::take(&mut self.bytes));
        for chunk in [own, Chunk::Lent(shared)] {
            if chunk.len() > 0 {
                self.ready_bytes += chunk.len();
                self.ready.push_back(chunk);
            }
        }
    }

    /// The first thing that is sent: how long to wait before reconnecting.
    pub(super) fn retry(&mut self, wait: Duration) {
        let wait = wait.as_millis();
        match self.form {
            Form::Events => self.text(&format!("retry: {wait}\n\n")),
            Form::Messages => {
                self.text(&format!("{{\"event\":\"heartbeat\",\"data\":{{\"retry\":{wait}}}}}\n"));
            }
        }
    }

    /// Says that what follows goes on from where the client was.
    pub(super) fn resumed(&mut self) {
        match self.form {
            Form::Events => self.text(": resumed\n\n"),
            Form::Messages => self.text("{\"event\":\"resumed\",\"data\":{}}\n"),
        }
    }

    /// A sign of life, with a new resume point when there is one: a block without data is no event, but its `id` counts.
    pub(super) fn heartbeat(&mut self, mark: Option<Mark>) {
        match (self.form, mark) {
            (Form::Events, None) => self.text(": heartbeat\n\n"),
            (Form::Events, Some(mark)) => self.text(&format!(": heartbeat\nid: {mark}\n\n")),
            (Form::Messages, None) => self.text("{\"event\":\"heartbeat\",\"data\":{}}\n"),
            (Form::Messages, Some(mark)) => {
                self.text(&format!("{{\"event\":\"heartbeat\",\"id\":\"{mark}\",\"data\":{{}}}}\n"));
            }
        }
    }

    /// An event.
    pub(super) fn event(
        &mut self,
        event: EventType,
        id: Option<Mark>,
        data: &impl Serialize,
    ) -> Result<(), serde_json::Error> {
        self.begin(event, id);
        // JSON escapes line ends within strings and has none outside them, so this is always one line.
        serde_json::to_writer(&mut self.bytes, data)?;
        self.finish();
        Ok(())
    }

    /// An event up to its data. A mark has nothing that JSON would escape.
    pub(super) fn begin(&mut self, event: EventType, id: Option<Mark>) {
        self.written.event(event);
        let name = event.as_str();
        match (self.form, id) {
            (Form::Events, None) => self.text(&format!("event: {name}\ndata: ")),
            (Form::Events, Some(id)) => self.text(&format!("event: {name}\nid: {id}\ndata: ")),
            (Form::Messages, None) => self.text(&format!("{{\"event\":\"{name}\",\"data\":")),
            (Form::Messages, Some(id)) => {
                self.text(&format!("{{\"event\":\"{name}\",\"id\":\"{id}\",\"data\":"));
            }
        }
    }

    /// An event after its data.
    pub(super) fn finish(&mut self) {
        self.text(match self.form {
            Form::Events => "\n\n",
            Form::Messages => "}\n",
        });
    }

    /// A change of the store, as one lens shows it.
    pub(super) fn change(
        &mut self,
        event: &Event<'_>,
        id: Option<Mark>,
        breaker_of: &BreakerOf,
    ) -> Result<(), serde_json::Error> {
        match event {
            Event::Added(key, ingress) => {
                self.event(EventType::Added, id, &Item { key, ingress, demo: false })
            }
            Event::Modified(key, ingress) => {
                self.event(EventType::Modified, id, &Item { key, ingress, demo: false })
            }
            Event::Deleted(key, last) => self.event(EventType::Deleted, id, &Deleted::new(key, last)),
            Event::Lane(status, sight) => {
                let breaker = breaker_of(&status.id.cluster);
                self.event(EventType::Lane, id, &Lane::new(status, *sight, breaker))
            }
            Event::LaneRemoved(lane) => self.event(EventType::LaneRemoved, id, &Id { id: Text(lane) }),
        }
    }

    /// Tells the client to forget everything, the resume point included: until the snapshot is complete, there is nothing
    /// to go on from.
    pub(super) fn reset(&mut self, reason: Reset) -> Result<(), serde_json::Error> {
        self.written.reset(reason);
        let reason = Reason { reason: reason.as_str(), retry: None };
        match self.form {
            Form::Events => {
                self.text("id:\n");
                self.event(EventType::Reset, None, &reason)
            }
            Form::Messages => {
                self.written.event(EventType::Reset);
                self.text("{\"event\":\"reset\",\"id\":\"\",\"data\":");
                serde_json::to_writer(&mut self.bytes, &reason)?;
                self.finish();
                Ok(())
            }
        }
    }

    /// The last event: why, and how long to wait before reconnecting.
    pub(super) fn end(&mut self, reason: &'static str, wait: Duration) -> Result<(), serde_json::Error> {
        let wait = wait.as_millis();
        if self.form == Form::Events {
            self.text(&format!("retry: {wait}\n"));
        }
        self.event(EventType::End, None, &Reason { reason, retry: Some(wait) })
    }

    pub(super) fn text(&mut self, text: &str) {
        self.raw(text.as_bytes());
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Data within an event.
    pub(super) fn json(&mut self, data: &impl Serialize) -> Result<(), serde_json::Error> {
        serde_json::to_writer(&mut self.bytes, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Frames)) -> String {
        let mut frames = Frames::default();
        write(&mut frames);
        let all: Vec<u8> = std::iter::from_fn(|| frames.take()).flat_map(Chunk::into_plain).collect();
        assert!(frames.is_empty() && frames.ready_bytes == 0);
        String::from_utf8(all).unwrap()
    }

    fn shared(text: impl Into<bytes::Bytes>) -> Shared {
        Shared::new(text.into())
    }

    #[test]
    fn what_is_lent_stays_in_its_place() {
        let all = written(|frames| {
            frames.lend(shared("1"), &Written::default());
            frames.text("2");
            frames.lend(shared(""), &Written::default());
            frames.lend(shared("3"), &Written::default());
            frames.text("4");
        });
        assert_eq!(all, "1234");
        let mut frames = Frames::default();
        frames.lend(shared(vec![0; FULL]), &Written::default());
        assert!(frames.is_full());
    }

    #[test]
    fn frames_are_as_the_standard_says() {
        let position = Mark::Plain(ingress_core::Position::new(0xab, 7));
        assert_eq!(written(|frames| frames.retry(Duration::from_secs(2))), "retry: 2000\n\n");
        assert_eq!(written(|frames| frames.heartbeat(None)), ": heartbeat\n\n");
        assert_eq!(written(|frames| frames.heartbeat(Some(position))), ": heartbeat\nid: ab:7\n\n");
        let event = written(|frames| frames.event(EventType::Added, Some(position), &"a\nb\r").unwrap());
        assert_eq!(event, "event: added\nid: ab:7\ndata: \"a\\nb\\r\"\n\n");
        let reset = written(|frames| frames.reset(Reset::Lagged).unwrap());
        assert_eq!(reset, "id:\nevent: reset\ndata: {\"reason\":\"lagged\"}\n\n");
        assert_eq!(
            written(|frames| frames.end("shutdown", Duration::from_secs(3)).unwrap()),
            "retry: 3000\nevent: end\ndata: {\"reason\":\"shutdown\",\"retry\":3000}\n\n"
        );
    }
}
