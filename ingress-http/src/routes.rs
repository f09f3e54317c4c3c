//! Routes: where requests go, whether they get there, and why not.
//!
//! Everything here is told of one [`RouteSnapshot`](ingress_core::routes::RouteSnapshot), whose revision names the answer: whoever asks the
//! same at the same revision gets a 304 before anything was looked at.

pub(crate) mod certificates;
pub(crate) mod checks;
mod filter;
pub(crate) mod list;
pub(crate) mod matching;
pub(crate) mod one;
mod sort;
mod wire;
