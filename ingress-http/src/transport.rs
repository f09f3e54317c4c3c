//! How a request came in.

/// Whether a request's connection is encrypted up to this process; an extension of every request that
/// `Server` serves. A host that serves the router by other means may insert it itself.
///
/// What only makes sense under TLS (`Strict-Transport-Security`, `Secure` cookies) asks for it. Where it is missing, nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transport {
    /// Whether the connection is TLS.
    pub tls: bool,
}

impl Transport {
    /// A connection in clear text.
    pub const PLAIN: Self = Self { tls: false };
    /// A connection under TLS.
    pub const TLS: Self = Self { tls: true };
}
