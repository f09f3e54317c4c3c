//! Faults between an engine and a real API server, and the contracts that must hold all the same.
//!
//! A [`proxy`] stands between the two. It ends the engine's TLS with a certificate of the test's authority,
//! passes requests on with the engine's own bearer token, and does to the answers what a [`plan`] says: cut,
//! stall, delay, cut up, replace, forge. A plan is data, and every choice left to chance has a seed.
//!
//! What stands in front of the proxy is any [`engine`]: this project's own, and kube-rs's reflector as a peer.
//! [`play`] lets one engine live through one [`Schedule`](plan::Schedule) while a seeded writer changes the
//! cluster behind the proxy, and judges what the engine showed; [`catalogue`] holds the schedules, [`soak`]
//! goes on for minutes. What speaks to something other than an API server has [`tcp`] in between.

pub mod catalogue;
pub mod engine;
pub mod forge;
pub mod journal;
pub mod ours;
pub mod peer;
pub mod plan;
pub mod play;
pub mod proxy;
pub mod relay;
pub mod site;
pub mod soak;
pub mod tcp;
pub mod writer;
