//! What a cache is: a place for bytes that may be gone at any moment.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// What values of one sort are for: it names their part of the cache, in keys, metrics and `Cache-Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Use(&'static str);

impl Use {
    /// Names a use: a short word of `a-z` and `-`.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// Names one value of one use.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    of: Use,
    text: Box<str>,
}

impl Key {
    /// A key of text that may be read by whoever reads the cache; for anything secret there is [`hashed`](Self::hashed).
    #[must_use]
    pub fn new(of: Use, text: &str) -> Self {
        Self { of, text: text.into() }
    }

    /// A key of parts that nobody is to read: their SHA-256, each with its length.
    #[must_use]
    pub fn hashed<'a>(of: Use, parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        use sha2::{Digest as _, Sha256};
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let text: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Self::new(of, &text)
    }

    /// The use.
    #[must_use]
    pub fn of(&self) -> Use {
        self.of
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// A value as it lies in a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The value; `None` says that there is none (negative caching), which is worth remembering as well.
    pub value: Option<Bytes>,
    /// When it was loaded from its origin, in milliseconds since 1970: replicas share it.
    pub loaded_ms: i64,
    /// Until when it is fresh.
    pub fresh_until_ms: i64,
    /// Until when it may be served stale at all (while it is loaded anew, or while that fails); then it is gone.
    pub gone_at_ms: i64,
}

/// What a cache says of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lookup {
    /// There is this; whether it is fresh is for the reader to tell.
    Found(Entry),
    /// There is nothing, or nothing that can be read.
    Missing,
    /// The cache can't be asked just now: as good as nothing, but worth telling.
    Unavailable,
}

/// A place for bytes that may be gone at any moment. Nothing here fails: what goes wrong is a miss, counted.
#[async_trait]
pub trait Cache: Send + Sync + 'static {
    /// Looks a key up.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the look-up.
    async fn get(&self, key: &Key) -> Lookup;

    /// Keeps a value until it is gone at the latest. Whether it is kept is the cache's own affair.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the old value or the new one.
    async fn put(&self, key: &Key, entry: Entry);

    /// Forgets a key, here and in every replica within the cache's documented staleness.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the value or none.
    async fn remove(&self, key: &Key);

    /// How long a removed or replaced value may still be seen through this cache, in the worst case.
    fn staleness(&self) -> Duration;
}
