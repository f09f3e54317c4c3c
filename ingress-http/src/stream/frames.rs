//! Events as bytes.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use crate::metrics::http_side::{EventType, Reset, Written};
use crate::view::{Event, Mark};
use crate::wire::{BreakerOf, Deleted, Item, Lane, Text};

/// How much is written before it is sent.
const FULL: usize = 64 * 1024;

/// What waits to be sent to one client. Nothing more is asked for once it is full; what exceeds it is one chunk of a
/// snapshot, or one event.
///
/// Bytes that many clients are sent are lent, not copied; what is written for this client alone lies in between.
#[derive(Debug, Default)]
pub(super) struct Frames {
    ready: VecDeque<Bytes>,
    ready_bytes: usize,
    bytes: Vec<u8>,
    written: Written,
}

#[derive(Serialize)]
struct Reason {
    reason: &'static str,
}

#[derive(Serialize)]
struct Id<T: Serialize> {
    id: T,
}

impl Frames {
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.bytes.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.ready_bytes + self.bytes.len() >= FULL
    }

    /// The next bytes to send; `None` when everything was taken.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        if let Some(bytes) = self.ready.pop_front() {
            self.ready_bytes -= bytes.len();
            return Some(bytes);
        }
        let bytes = std::mem::take(&mut self.bytes);
        (!bytes.is_empty()).then(|| bytes.into())
    }

    /// What was written since the last time that this was asked.
    pub(super) fn written(&mut self) -> Written {
        std::mem::take(&mut self.written)
    }

    /// Bytes that others are sent, too, and which events they are.
    pub(super) fn lend(&mut self, bytes: Bytes, written: &Written) {
        self.written.add(written);
        let own = std::mem::take(&mut self.bytes);
        for bytes in [own.into(), bytes] {
            if !bytes.is_empty() {
                self.ready_bytes += bytes.len();
                self.ready.push_back(bytes);
            }
        }
    }

    /// How long to wait before reconnecting.
    pub(super) fn retry(&mut self, wait: Duration) {
        self.text(&format!("retry: {}\n\n", wait.as_millis()));
    }

    /// A comment, which clients skip.
    pub(super) fn comment(&mut self, text: &str) {
        self.text(&format!(": {text}\n\n"));
    }

    /// A sign of life, with a new resume point when there is one: a block without data is no event, but its `id` counts.
    pub(super) fn heartbeat(&mut self, mark: Option<Mark>) {
        self.text(": heartbeat\n");
        if let Some(mark) = mark {
            self.text(&format!("id: {mark}\n"));
        }
        self.text("\n");
    }

    /// An event.
    pub(super) fn event(
        &mut self,
        event: EventType,
        id: Option<Mark>,
        data: &impl Serialize,
    ) -> Result<(), serde_json::Error> {
        self.begin(event);
        if let Some(id) = id {
            self.text(&format!("id: {id}\n"));
        }
        self.text("data: ");
        // JSON escapes line ends within strings and has none outside them, so this is always one line.
        serde_json::to_writer(&mut self.bytes, data)?;
        self.text("\n\n");
        Ok(())
    }

    /// The first line of an event.
    pub(super) fn begin(&mut self, event: EventType) {
        self.written.event(event);
        self.text(&format!("event: {}\n", event.as_str()));
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
        self.text("id:\n");
        self.written.reset(reason);
        self.event(EventType::Reset, None, &Reason { reason: reason.as_str() })
    }

    /// The last event.
    pub(super) fn end(&mut self) -> Result<(), serde_json::Error> {
        self.event(EventType::End, None, &Reason { reason: "shutdown" })
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Frames)) -> String {
        let mut frames = Frames::default();
        write(&mut frames);
        let all: Vec<u8> = std::iter::from_fn(|| frames.take()).flatten().collect();
        assert!(frames.is_empty() && frames.ready_bytes == 0);
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn what_is_lent_stays_in_its_place() {
        let all = written(|frames| {
            frames.lend(Bytes::from_static(b"1"), &Written::default());
            frames.text("2");
            frames.lend(Bytes::new(), &Written::default());
            frames.lend(Bytes::from_static(b"3"), &Written::default());
            frames.text("4");
        });
        assert_eq!(all, "1234");
        let mut frames = Frames::default();
        frames.lend(vec![0; FULL].into(), &Written::default());
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
            written(|frames| frames.end().unwrap()),
            "event: end\ndata: {\"reason\":\"shutdown\"}\n\n"
        );
    }
}
