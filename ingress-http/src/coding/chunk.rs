//! Bytes that are for one client alone, or not.

use bytes::Bytes;

use super::Shared;

/// Some bytes to send.
#[derive(Debug)]
pub(crate) enum Chunk {
    /// Written for this client.
    Own(Vec<u8>),
    /// Lent to it. Never empty.
    Lent(Shared),
}

impl Chunk {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Own(bytes) => bytes.len(),
            Self::Lent(shared) => shared.plain().len(),
        }
    }

    /// The bytes as they are.
    pub(crate) fn into_plain(self) -> Bytes {
        match self {
            Self::Own(bytes) => bytes.into(),
            Self::Lent(shared) => shared.plain().clone(),
        }
    }
}
