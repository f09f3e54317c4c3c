//! Caches, and a fleet: an answer at once after a restart, and more viewers than one process holds without more load on the API
//! server.

pub mod cache;

pub use cache::{Cache, Entry, Key, Lookup, Use};
