//! One load where many ask.

pub mod turns;

pub use self::turns::{Turn, Turns};
