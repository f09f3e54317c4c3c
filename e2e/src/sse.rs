//! A client of the stream that believes nothing.
//!
//! [`parser`] turns bytes into events as the HTML specification says, [`model`] folds them into what a page
//! would show and notes every broken promise, and [`SseClient`] does both over a connection that a test can
//! close and resume.

pub mod client;
pub mod model;
pub mod parser;

pub use client::SseClient;
pub use model::Model;
pub use parser::Event;
