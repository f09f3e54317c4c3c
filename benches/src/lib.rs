//! The engine beside its peers, measured in one run: the same bytes, from the same server, counted at the same moment.
//!
//! [`data`] encodes objects and changes before anything is timed; [`server`] replays them on loopback; [`engine`] makes the
//! engines look alike; [`measure`] times them; [`report`] sets the results beside each other and beside their bars.
//!
//! [`fanout`] is about the other side: one server process, thousands of viewers in another.
//!
//! A change counts when the program that asked for it can see it: ours at the subscriber of a store, kube-rs at whoever polls
//! its reflector, after the reflector's store has it.

pub mod data;
pub mod engine;
#[cfg(target_os = "linux")]
pub mod fanout;
pub mod measure;
mod message;
pub mod redis;
pub mod report;
pub mod server;

/// The form in which a server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the API server has no third form for these kinds")]
pub enum Form {
    /// Newline-delimited JSON.
    Json,
    /// Kubernetes' protobuf, in frames.
    Protobuf,
}
