//! One body, piece by piece.

use bytes::Bytes;
use crc32fast::Hasher;

use super::{Chunk, Coding, Piece, STORED, Shared, brotli, gzip, zstd};

/// Puts a body together from pieces that are coded each by itself. Holds no buffers.
#[derive(Debug)]
pub(crate) struct Coder {
    coding: Coding,
    begun: bool,
    /// Of gzip alone.
    checksum: Hasher,
    length: u32,
}

impl Coder {
    pub(crate) fn new(coding: Coding) -> Self {
        Self { coding, begun: false, checksum: Hasher::new(), length: 0 }
    }

    /// The next part of the body; not empty.
    pub(crate) fn code(&mut self, chunk: Chunk) -> Bytes {
        match chunk {
            Chunk::Own(text) => self.own(text),
            Chunk::Lent(shared) => self.lent(&shared),
        }
    }

    fn own(&mut self, text: Vec<u8>) -> Bytes {
        if self.coding == Coding::Identity {
            return text.into();
        }
        let piece = if text.len() > STORED {
            self.coding.compress(&text)
        } else {
            let bytes = match self.coding {
                Coding::Identity => text.clone(),
                Coding::Gzip => gzip::stored(&text),
                Coding::Brotli => brotli::stored(&text),
                Coding::Zstd => zstd::stored(&text),
            };
            Piece { bytes: bytes.into(), checksum: crc32fast::hash(&text) }
        };
        self.append(piece, text.len())
    }

    fn lent(&mut self, shared: &Shared) -> Bytes {
        let piece = shared.coded(self.coding);
        self.append(piece, shared.plain().len())
    }

    fn append(&mut self, piece: Piece, length: usize) -> Bytes {
        if self.coding == Coding::Gzip {
            self.checksum.combine(&Hasher::new_with_initial_len(piece.checksum, length as u64));
            // The length is that modulo 2^32 (RFC 1952, section 2.3.1).
            let length = u32::try_from(length as u64 % (1 << 32)).unwrap_or(0);
            self.length = self.length.wrapping_add(length);
        }
        if std::mem::replace(&mut self.begun, true) || self.coding.begin().is_empty() {
            return piece.bytes;
        }
        [self.coding.begin(), &piece.bytes].concat().into()
    }

    /// What comes after everything; perhaps nothing.
    pub(crate) fn finish(&mut self) -> Bytes {
        if !self.begun {
            return self.coding.empty().into();
        }
        self.coding.end(self.checksum.clone().finalize(), self.length).into_owned().into()
    }
}
