//! Bytes that many are sent.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::{Coding, Piece};

/// Bytes that go into many bodies, compressed once per coding, by whoever needs them so first. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    plain: Bytes,
    gzip: OnceLock<Piece>,
    brotli: OnceLock<Piece>,
    zstd: OnceLock<Piece>,
}

impl Shared {
    pub(crate) fn new(plain: Bytes) -> Self {
        Self(Arc::new(Inner { plain, ..Inner::default() }))
    }

    pub(crate) fn plain(&self) -> &Bytes {
        &self.0.plain
    }

    /// What all forms that are held take.
    pub(crate) fn cost(&self) -> usize {
        let coded = [&self.0.gzip, &self.0.brotli, &self.0.zstd].into_iter().filter_map(OnceLock::get);
        self.0.plain.len() + coded.map(|piece| piece.bytes.len()).sum::<usize>()
    }

    /// Coded. Whoever else wants the same meanwhile waits: it would only do the same work.
    pub(super) fn coded(&self, coding: Coding) -> Piece {
        let Inner { plain, gzip, brotli, zstd } = &*self.0;
        let known = match coding {
            Coding::Identity => return Piece { bytes: plain.clone(), checksum: 0 },
            Coding::Gzip => gzip,
            Coding::Brotli => brotli,
            Coding::Zstd => zstd,
        };
        known.get_or_init(|| coding.compress(plain)).clone()
    }
}
