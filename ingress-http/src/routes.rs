//! Routes: where requests go, whether they get there, and why not.
//!
//! Everything here is told of one state of the routes, as far as whoever asks may read what they are judged by, and that state's mark names the answer:
//! whoever asks the same at the same mark gets a 304 before anything was looked at.

pub(crate) mod certificates;
pub(crate) mod checks;
pub(crate) mod filter;
pub(crate) mod list;
pub(crate) mod matching;
pub(crate) mod one;
mod reply;
mod sort;
pub(crate) mod topology;
pub(crate) mod wire;
