//! From bytes to events: framing and decoding, without any IO.
//!
//! [`json`] is the API server's newline-delimited JSON, which every kind has; [`proto`] its protobuf, which built-in kinds have
//! and which costs about a third. Both give the same records. Sources choose by the answer's content type.

pub mod json;
pub mod proto;

/// The longest event of a watch that is accepted, unless configured otherwise: 8 MiB. etcd refuses objects above 1.5 MiB by
/// default; JSON with escapes can be several times that.
pub const MAX_FRAME: usize = 8 * 1024 * 1024;
