//! `Event` (core/v1): what went wrong lately, as far as somebody warned of it.
//!
//! Only warnings are watched. Events come in two styles: counted by their writer (`count`, `firstTimestamp`, `lastTimestamp`), and
//! as a series (`eventTime`, `series`), as `events.k8s.io` has them. The record has the first style; the second is folded into it.

use serde::{Deserialize, Serialize};

use super::plain::shorten;
use super::record::{Metadata, Time, record, settle};
use super::{ObjectReference, Resource};

/// How many bytes of an event's message are kept, and of what other objects say of themselves.
pub const MESSAGE_BYTES: usize = 512;

/// What is kept of a warning: about which object, what, how often and when.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Event {
    /// `metadata`, without labels and annotations.
    #[prost(message, required, tag = "1")]
    pub metadata: Metadata,
    /// `involvedObject`: what it is about.
    #[prost(message, required, tag = "2")]
    pub involved_object: ObjectReference,
    /// `reason`, such as `BackOff`.
    #[prost(string, tag = "3")]
    pub reason: String,
    /// `message`, its first [`MESSAGE_BYTES`].
    #[prost(string, tag = "4")]
    pub message: String,
    /// When it was seen first.
    #[prost(message, optional, tag = "6")]
    pub first_timestamp: Option<Time>,
    /// When it was seen last.
    #[prost(message, optional, tag = "7")]
    pub last_timestamp: Option<Time>,
    /// How often it was seen; at least 1.
    #[prost(int32, tag = "8")]
    pub count: i32,
    /// `type`: `Warning`.
    #[prost(string, tag = "9")]
    pub r#type: String,
    /// `reportingComponent`, else `source.component`: who says so.
    #[prost(string, tag = "14")]
    pub reporting_component: String,
    // What is folded into the fields above, and is empty after that.
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing)]
    source: Option<EventSource>,
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing)]
    event_time: Option<Time>,
    #[prost(message, optional, tag = "11")]
    #[serde(skip_serializing)]
    series: Option<EventSeries>,
}

#[derive(Clone, PartialEq, Eq, prost::Message, Deserialize)]
#[serde(default)]
struct EventSource {
    #[prost(string, tag = "1")]
    component: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct EventSeries {
    #[prost(int32, tag = "1")]
    count: i32,
    #[prost(message, optional, tag = "2")]
    last_observed_time: Option<Time>,
}

impl Event {
    fn tidy(&mut self) {
        self.metadata.labels.clear();
        self.metadata.annotations.clear();
        self.metadata.tidy();
        let source = self.source.take().unwrap_or_default();
        if self.reporting_component.is_empty() {
            self.reporting_component = source.component;
        }
        let mut series = self.series.take().unwrap_or_default();
        let mut at = self.event_time.take();
        for time in
            [&mut self.first_timestamp, &mut self.last_timestamp, &mut series.last_observed_time, &mut at]
        {
            settle(time);
        }
        self.first_timestamp = self.first_timestamp.or(at);
        self.last_timestamp = series.last_observed_time.or(self.last_timestamp).or(self.first_timestamp);
        self.count = self.count.max(series.count).max(1);
        shorten(&mut self.message);
    }
}

record!(
    Event,
    Resource::namespaced("", "v1", "Event", "events").with_fields("type=Warning"),
    "event/1",
    protobuf
);
