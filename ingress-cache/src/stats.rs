//! What caches and their readers did, in numbers.
//!
//! Counters are kept per use. A use is a constant of the program, so they lie in a table of fixed size: counting takes no lock, and
//! no name comes from a stranger. All counts but sizes only ever go up, from zero at the start of the process.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cache::{Entry, Lookup, Stored, Use};

/// What a cache did for one use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Look-ups that found something, fresh or stale.
    pub hits: u64,
    /// Look-ups that found nothing, spoiled values included.
    pub misses: u64,
    /// Values that were there and couldn't be read: broken, or of another release.
    pub spoiled: u64,
    /// Look-ups while the cache couldn't be asked.
    pub unavailable: u64,
    /// Values that were kept.
    pub stores: u64,
    /// Values that were older than what was there.
    pub outdated: u64,
    /// Values that were not kept: too big, or the cache couldn't be asked.
    pub refused: u64,
    /// Removals of a key.
    pub removals: u64,
    /// Values thrown out to make place; a shared cache doesn't tell.
    pub evictions: u64,
    /// Bytes of values found.
    pub bytes_read: u64,
    /// Bytes of values kept.
    pub bytes_written: u64,
}

/// What the readers of one use were given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadStats {
    /// Answers from the cache, fresh.
    pub hits: u64,
    /// Answers from the cache, stale, while the value was loaded anew.
    pub stale: u64,
    /// Answers from the cache, stale, because loading failed.
    pub stale_if_error: u64,
    /// Answers that had to be waited for: the cache had nothing that could be served.
    pub misses: u64,
    /// Of these, the ones where the cache couldn't be asked.
    pub unavailable: u64,
    /// Answers that shared the load of somebody who asked before, in this process.
    pub collapsed: u64,
    /// Answers that another replica loaded meanwhile.
    pub from_others: u64,
    /// Calls to the origin.
    pub loads: u64,
    /// Of these, the ones that failed.
    pub failures: u64,
    /// Loads without a turn, because nobody could give one or because whoever had it took too long.
    pub without_turn: u64,
    /// Values kept by the cache.
    pub stores: u64,
    /// Values that came too late: a newer one, or a removal, was there.
    pub outdated: u64,
    /// Values that are not kept: heavier than the policy allows, or refused by the cache.
    pub refused: u64,
    /// Keys that were invalidated.
    pub invalidations: u64,
    /// Bytes of all values that were answered.
    pub bytes: u64,
}

/// Counts up. No count depends on another one, so no order between them is asked for.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is counted of one use in one cache.
#[derive(Debug, Default)]
pub(crate) struct CacheCounters {
    hits: Count,
    misses: Count,
    pub(crate) spoiled: Count,
    unavailable: Count,
    stores: Count,
    outdated: Count,
    refused: Count,
    pub(crate) removals: Count,
    pub(crate) evictions: Count,
    bytes_read: Count,
    bytes_written: Count,
}

impl CacheCounters {
    /// Counts a look-up, and hands it on.
    pub(crate) fn looked_up(&self, lookup: Lookup) -> Lookup {
        match &lookup {
            Lookup::Found(entry) => {
                self.hits.one();
                self.bytes_read.add(weight(entry));
            }
            Lookup::Missing => self.misses.one(),
            Lookup::Unavailable => self.unavailable.one(),
        }
        lookup
    }

    /// Counts what became of a value of so many bytes, and hands it on.
    pub(crate) fn put(&self, stored: Stored, bytes: u64) -> Stored {
        match stored {
            Stored::Kept => {
                self.stores.one();
                self.bytes_written.add(bytes);
            }
            Stored::Outdated => self.outdated.one(),
            Stored::Refused => self.refused.one(),
        }
        stored
    }

    fn read(&self) -> CacheStats {
        CacheStats {
            hits: self.hits.get(),
            misses: self.misses.get(),
            spoiled: self.spoiled.get(),
            unavailable: self.unavailable.get(),
            stores: self.stores.get(),
            outdated: self.outdated.get(),
            refused: self.refused.get(),
            removals: self.removals.get(),
            evictions: self.evictions.get(),
            bytes_read: self.bytes_read.get(),
            bytes_written: self.bytes_written.get(),
        }
    }
}

/// The bytes of a value.
pub(crate) fn weight(entry: &Entry) -> u64 {
    entry.value.as_ref().map_or(0, |value| value.len() as u64)
}

/// What a cache counts, per use. The first uses have counters of their own, in the order in which they come; what is
/// beyond them is counted together.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    uses: [OnceLock<(Use, CacheCounters)>; Self::MOST],
    others: CacheCounters,
}

impl Tally {
    const MOST: usize = 16;
    const OTHERS: Use = Use::new("others");

    pub(crate) fn of(&self, of: Use) -> &CacheCounters {
        for place in &self.uses {
            let (held, counters) = place.get_or_init(|| (of, CacheCounters::default()));
            if *held == of {
                return counters;
            }
        }
        &self.others
    }

    /// What was counted, for each use that was ever asked for.
    pub(crate) fn read(&self) -> Vec<(Use, CacheStats)> {
        let uses = self.uses.iter().filter_map(OnceLock::get);
        let others = Some(self.others.read()).filter(|stats| *stats != CacheStats::default());
        uses.map(|(of, counters)| (*of, counters.read()))
            .chain(others.map(|stats| (Self::OTHERS, stats)))
            .collect()
    }
}

/// What is counted of the readers of one use.
#[derive(Debug, Default)]
pub(crate) struct ReadCounters {
    pub(crate) hits: Count,
    pub(crate) stale: Count,
    pub(crate) stale_if_error: Count,
    pub(crate) misses: Count,
    pub(crate) unavailable: Count,
    pub(crate) collapsed: Count,
    pub(crate) from_others: Count,
    pub(crate) loads: Count,
    pub(crate) failures: Count,
    pub(crate) without_turn: Count,
    stores: Count,
    outdated: Count,
    refused: Count,
    pub(crate) invalidations: Count,
    pub(crate) bytes: Count,
}

impl ReadCounters {
    pub(crate) fn put(&self, stored: Stored) -> Stored {
        match stored {
            Stored::Kept => self.stores.one(),
            Stored::Outdated => self.outdated.one(),
            Stored::Refused => self.refused.one(),
        }
        stored
    }

    pub(crate) fn read(&self) -> ReadStats {
        ReadStats {
            hits: self.hits.get(),
            stale: self.stale.get(),
            stale_if_error: self.stale_if_error.get(),
            misses: self.misses.get(),
            unavailable: self.unavailable.get(),
            collapsed: self.collapsed.get(),
            from_others: self.from_others.get(),
            loads: self.loads.get(),
            failures: self.failures.get(),
            without_turn: self.without_turn.get(),
            stores: self.stores.get(),
            outdated: self.outdated.get(),
            refused: self.refused.get(),
            invalidations: self.invalidations.get(),
            bytes: self.bytes.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_has_its_counters_and_what_is_too_many_shares_one() {
        let tally = Tally::default();
        let names: Vec<&'static str> =
            (0..20).map(|n| &*Box::leak(format!("use-{n}").into_boxed_str())).collect();
        for _ in 0..2 {
            for name in &names {
                tally.of(Use::new(name)).looked_up(Lookup::Missing);
            }
        }
        let read = tally.read();
        assert_eq!(read.len(), Tally::MOST + 1);
        assert!(read.iter().take(Tally::MOST).all(|(_, stats)| stats.misses == 2));
        assert_eq!(read.last().map(|(of, stats)| (of.as_str(), stats.misses)), Some(("others", 8)));
    }

    #[test]
    fn nothing_is_counted_of_what_never_happened() {
        assert!(Tally::default().read().is_empty());
    }
}
