//! The watch engine: lanes, and the aggregator that merges them into a store.

pub(crate) mod aggregate;
mod doubt;
pub(crate) mod lane;
