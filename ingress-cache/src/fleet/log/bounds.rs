//! How much a log keeps.

/// How much of a log is kept for followers that are behind; whoever is further behind loads the snapshots anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogBounds {
    pub(super) entries: u32,
    pub(super) bytes: u64,
}

/// A bound that was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the log's {field} must be {bounds}")]
pub struct InvalidBounds {
    field: &'static str,
    bounds: &'static str,
}

impl Default for LogBounds {
    fn default() -> Self {
        Self { entries: 16_384, bytes: 64 << 20 }
    }
}

impl LogBounds {
    /// Keeps this many entries at most; 16,384 by default. An entry holds what one append brought, be it one change or hundreds.
    ///
    /// # Errors
    ///
    /// When it is not 16 to 1,000,000.
    pub fn entries(mut self, entries: u32) -> Result<Self, InvalidBounds> {
        if !(16..=1_000_000).contains(&entries) {
            return Err(InvalidBounds { field: "entries", bounds: "16 to 1,000,000" });
        }
        self.entries = entries;
        Ok(self)
    }

    /// Keeps this many bytes of payload at most; 64 MiB by default. Redis takes some percent more, and a kilobyte per entry at worst.
    ///
    /// # Errors
    ///
    /// When it is not 1 MiB to 4 GiB.
    pub fn bytes(mut self, bytes: u64) -> Result<Self, InvalidBounds> {
        if !(1 << 20..=1 << 32).contains(&bytes) {
            return Err(InvalidBounds { field: "bytes", bounds: "1 MiB to 4 GiB" });
        }
        self.bytes = bytes;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_have_bounds() {
        let bounds = LogBounds::default();
        assert!(
            bounds.entries(15).is_err() && bounds.entries(1_000_001).is_err() && bounds.entries(16).is_ok()
        );
        assert!(bounds.bytes((1 << 20) - 1).is_err() && bounds.bytes(1 << 32).is_ok());
        assert_eq!(bounds.bytes(0).unwrap_err().to_string(), "the log's bytes must be 1 MiB to 4 GiB");
    }
}
