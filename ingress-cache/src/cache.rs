//! What a cache is: a place for bytes that may be gone at any moment.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::clock;
use crate::place::Place;

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
///
/// Whoever can read the cache can read keys, so nothing secret may be in them: what is derived from a token, a name of a person or a
/// request's headers goes through [`hashed`](Self::hashed).
#[derive(Debug, Clone)]
pub struct Key {
    of: Use,
    path: Box<str>,
}

impl Key {
    /// A key of text that may be read by whoever reads the cache; for anything secret there is [`hashed`](Self::hashed).
    #[must_use]
    pub fn new(of: Use, text: &str) -> Self {
        let path = [of.as_str(), ":", text].concat().into_boxed_str();
        Self { of, path }
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
        self.path.get(self.of.as_str().len() + 1..).unwrap_or_default()
    }

    /// The name of the use, a colon, and the text: what tells this key from all others. Keys are equal when their paths are.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.path.hash(state);
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.path
    }
}

/// Tells which of two values of a key is newer, whoever loaded them: the time at which loading began, in microseconds since 1970.
///
/// Whoever loads by turn has it from the clock of whoever gives the turns (see [`Turns`](crate::flight::Turns)), so that replicas need no common
/// clock; it is the fencing token of the turn. It stays below 2^53, which is the year 2255 and what a Lua number holds exactly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u64);

impl Version {
    const LAST: u64 = (1 << 53) - 1;

    /// The version of what began to be loaded then, in microseconds since 1970.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(if micros < Self::LAST { micros } else { Self::LAST })
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::from_micros(self.0.saturating_add(1))
    }

    /// Microseconds since 1970.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }
}

/// A value as it lies in a cache. It holds no secret, and no more than everybody may see who is told of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The value; `None` says that there is none (negative caching), which is worth remembering as well.
    pub value: Option<Bytes>,
    /// Which of two is newer.
    pub version: Version,
    /// When it was loaded from its origin, in milliseconds since 1970: replicas share it.
    pub loaded_ms: i64,
    /// Until when it is fresh, in milliseconds since 1970.
    pub fresh_until_ms: i64,
    /// Until when it may be served stale at all (while it is loaded anew, or while that fails); then it is gone.
    pub gone_at_ms: i64,
}

impl Entry {
    /// A value that was loaded at this time (milliseconds since 1970), is fresh for so long, and may be served stale for so long after.
    #[must_use]
    pub fn new(
        value: Option<Bytes>,
        version: Version,
        loaded_ms: i64,
        fresh: Duration,
        stale: Duration,
    ) -> Self {
        let fresh_until_ms = clock::after(loaded_ms, fresh);
        Self { value, version, loaded_ms, fresh_until_ms, gone_at_ms: clock::after(fresh_until_ms, stale) }
    }

    /// What a cache keeps in place of a value that was removed, for [`REMOVED_FOR`]: it is gone already, so nobody is told of it, and
    /// its version refuses what was loaded before the removal and arrives after it.
    #[must_use]
    pub fn removed(version: Version) -> Self {
        Self { value: None, version, loaded_ms: 0, fresh_until_ms: 0, gone_at_ms: 0 }
    }

    /// Whether it needs no loading yet.
    #[must_use]
    pub fn is_fresh(&self, now_ms: i64) -> bool {
        now_ms < self.fresh_until_ms && !self.is_gone(now_ms)
    }

    /// For how long it stays fresh from now on.
    #[must_use]
    pub fn fresh_for(&self, now_ms: i64) -> Duration {
        clock::until(now_ms, self.fresh_until_ms.min(self.gone_at_ms))
    }

    /// For how long a cache has to keep it from now on; what is gone already is a removal, which is remembered for [`REMOVED_FOR`].
    #[must_use]
    pub fn kept_for(&self, now_ms: i64) -> Duration {
        if self.is_gone(now_ms) { REMOVED_FOR } else { clock::until(now_ms, self.gone_at_ms) }
    }

    /// Whether it may not be served any more: a cache has nothing for its key.
    #[must_use]
    pub fn is_gone(&self, now_ms: i64) -> bool {
        now_ms >= self.gone_at_ms
    }
}

/// For how long a removal is remembered, so that a load which began before it doesn't bring the old value back.
pub const REMOVED_FOR: Duration = Duration::from_secs(30);

/// What became of a value that was handed to a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stored {
    /// It is kept, for as long as the cache sees fit.
    Kept,
    /// The cache knows of a newer value or removal of this key, and stays with it.
    Outdated,
    /// It is not kept: too big, or the cache can't be asked just now. What was there before may be there still.
    Refused,
}

/// What a cache says of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lookup {
    /// There is this, and it isn't gone; whether it is fresh is for the reader to tell.
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

    /// Keeps a value until it is gone at the latest, unless what is there has a higher [`Version`]; of the same version, the later
    /// one is kept. Comparing and writing are one step. Whether it is kept is the cache's own affair.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the old value or the new one.
    async fn put(&self, key: &Key, entry: Entry) -> Stored;

    /// Forgets a key, whatever its version, here and in every replica within the cache's documented staleness. For [`REMOVED_FOR`], a value
    /// is refused that is older than what was removed or than the removal, by the cache's own clock: see [`Entry::removed`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the value or none.
    async fn remove(&self, key: &Key);

    /// How long a removed or replaced value may still be seen through this cache, in the worst case.
    fn staleness(&self) -> Duration;

    /// The places in which its values lie, and how they are doing; the nearest first. None, unless a cache says so.
    fn places(&self) -> Vec<Place> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_knows_its_use_its_text_and_its_path() {
        let key = Key::new(Use::new("detail"), "prod/shop/web:1");
        assert_eq!(
            (key.of().as_str(), key.as_str(), key.path()),
            ("detail", "prod/shop/web:1", "detail:prod/shop/web:1")
        );
        assert_eq!(Key::new(Use::new("detail"), "").as_str(), "");
        assert_ne!(Key::new(Use::new("a"), "b"), Key::new(Use::new("b"), "b"));
    }

    #[test]
    fn a_hashed_key_tells_how_its_parts_were_cut() {
        let of = Use::new("access");
        let hashed = |parts: &[&str]| Key::hashed(of, parts.iter().map(|part| part.as_bytes()));
        assert_ne!(hashed(&["ab", "c"]), hashed(&["a", "bc"]));
        assert_ne!(hashed(&["a"]), hashed(&["a", ""]));
        assert_eq!(hashed(&["secret"]), hashed(&["secret"]));
        assert!(!hashed(&["secret"]).path().contains("secret"));
    }

    #[test]
    fn an_entry_is_fresh_then_stale_then_gone() {
        let second = Duration::from_secs(1);
        let entry = Entry::new(None, Version::from_micros(5), 10_000, second, second * 2);
        let at = |ms| (entry.is_fresh(ms), entry.is_gone(ms));
        assert_eq!(
            [at(10_999), at(11_000), at(12_999), at(13_000)],
            [(true, false), (false, false), (false, false), (false, true)]
        );
        assert_eq!(
            [entry.fresh_for(10_400), entry.kept_for(10_400)].map(|left| left.as_millis()),
            [600, 2600]
        );
        assert_eq!((entry.fresh_for(20_000), entry.kept_for(20_000)), (Duration::ZERO, REMOVED_FOR));
        assert!(Entry::removed(Version::from_micros(5)).is_gone(1));
    }
}
