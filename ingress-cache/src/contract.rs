//! What every [`Cache`] keeps to, as one suite: run it against each implementation, and against your own (feature `test-util`).
//!
//! A contract that is broken panics, as tests do, and says which one. Each has a cache of its own, from the factory. The suite waits for values to
//! pass, on tokio's clock: a cache in memory runs it in paused time, a real one takes some seconds.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _, join_all};
use tokio::time::{sleep, timeout};

use crate::cache::{Cache, Entry, Key, Lookup, Stored, Use, Version};
use crate::clock::Clock;

const OF: Use = Use::new("contract");
const LONG: Duration = Duration::from_secs(60);
/// As short as what a real cache needs to answer in time allows.
const SHORT: Duration = Duration::from_millis(400);

/// Checks all contracts on caches of this factory; how many held, which is how many there are. The clock is the one that the caches go by; what
/// one of them keeps is not seen by the others if `factory` empties what they share.
pub async fn suite<C, F, Fut>(clock: Clock, factory: F) -> usize
where
    C: Cache,
    F: Fn() -> Fut,
    Fut: Future<Output = C>,
{
    let contracts = contracts::<C>();
    let mut held = 0;
    for (name, contract) in contracts {
        tracing::debug!(name, "a cache's contract");
        let case = Case { cache: factory().await, clock, name };
        contract(&case).await;
        held += 1;
    }
    held
}

type Contract<C> = for<'a> fn(&'a Case<C>) -> BoxFuture<'a, ()>;

fn contracts<C: Cache>() -> Vec<(&'static str, Contract<C>)> {
    vec![
        ("nothing is there at first", |case| case.nothing_is_there_at_first().boxed()),
        ("what is put is found as it was", |case| case.what_is_put_is_found_as_it_was().boxed()),
        ("that there is none is a value", |case| case.that_there_is_none_is_a_value().boxed()),
        ("all bytes are values", |case| case.all_bytes_are_values().boxed()),
        ("a megabyte is a value", |case| case.a_megabyte_is_a_value().boxed()),
        ("all text is a key", |case| case.all_text_is_a_key().boxed()),
        ("uses are apart", |case| case.uses_are_apart().boxed()),
        ("the newer one is kept", |case| case.the_newer_one_is_kept().boxed()),
        ("of one version the later one is kept", |case| case.of_one_version_the_later_is_kept().boxed()),
        ("what is stale is found", |case| case.what_is_stale_is_found().boxed()),
        ("what is gone is not found", |case| case.what_is_gone_is_not_found().boxed()),
        ("what is gone already is not kept", |case| case.what_is_gone_already_is_not_kept().boxed()),
        ("a newer value has its own time", |case| case.a_newer_value_has_its_own_time().boxed()),
        ("what is removed is not found", |case| case.what_is_removed_is_not_found().boxed()),
        ("a removal removes whatever is there", |case| case.a_removal_removes_whatever_is_there().boxed()),
        ("what is older than a removal is refused", |case| {
            case.what_is_older_than_a_removal_is_refused().boxed()
        }),
        ("a removal takes nothing else along", |case| case.a_removal_takes_nothing_else_along().boxed()),
        ("the newest of many at once is kept", |case| case.the_newest_of_many_at_once_is_kept().boxed()),
        ("no value is ever seen in parts", |case| case.no_value_is_ever_seen_in_parts().boxed()),
        ("who gives up breaks nothing", |case| case.who_gives_up_breaks_nothing().boxed()),
        ("staleness is bounded", |case| case.staleness_is_bounded().boxed()),
    ]
}

struct Case<C> {
    cache: C,
    clock: Clock,
    name: &'static str,
}

impl<C: Cache> Case<C> {
    fn key(&self, text: &str) -> Key {
        Key::new(OF, &format!("{}/{text}", self.name))
    }

    fn entry(&self, value: impl Into<Bytes>) -> Entry {
        Entry::new(Some(value.into()), self.clock.version(), self.clock.now_ms(), LONG, LONG)
    }

    /// A version so much earlier (below zero) or later than now, in milliseconds.
    fn version(&self, ms: i64) -> Version {
        let micros = self.clock.now_ms().saturating_add(ms).saturating_mul(1000);
        Version::from_micros(u64::try_from(micros).unwrap_or(0))
    }

    async fn put(&self, key: &Key, entry: &Entry) {
        let stored = self.cache.put(key, entry.clone()).await;
        assert_eq!(stored, Stored::Kept, "{}: {}", self.name, key.path());
    }

    async fn finds(&self, key: &Key, entry: &Entry) {
        let lookup = self.cache.get(key).await;
        assert_eq!(lookup, Lookup::Found(entry.clone()), "{}: {}", self.name, key.path());
    }

    async fn misses(&self, key: &Key) {
        assert_eq!(self.cache.get(key).await, Lookup::Missing, "{}: {}", self.name, key.path());
    }

    async fn keeps(&self, key: &Key, entry: &Entry) {
        self.put(key, entry).await;
        self.finds(key, entry).await;
        // Whatever lies over a shared cache may have a copy by now.
        self.finds(key, entry).await;
    }

    async fn nothing_is_there_at_first(&self) {
        self.misses(&self.key("a")).await;
        self.misses(&self.key("")).await;
    }

    async fn what_is_put_is_found_as_it_was(&self) {
        let now_ms = self.clock.now_ms();
        let entry = Entry::new(Some("value".into()), self.version(-7), now_ms - 3, LONG, SHORT);
        self.keeps(&self.key("a"), &entry).await;
        self.misses(&self.key("b")).await;
    }

    async fn that_there_is_none_is_a_value(&self) {
        let none = Entry { value: None, ..self.entry("") };
        self.keeps(&self.key("none"), &none).await;
        self.keeps(&self.key("empty"), &self.entry("")).await;
        self.finds(&self.key("none"), &none).await;
    }

    async fn all_bytes_are_values(&self) {
        let all: Vec<u8> = (0..=255).collect();
        self.keeps(&self.key("all"), &self.entry(all)).await;
        for value in [&b"\0"[..], b"\r\n", b"$-1\r\n", b"igc\x01", b"\xff\xfe"] {
            let key = self.key(&format!("{value:?}"));
            self.keeps(&key, &self.entry(Bytes::copy_from_slice(value))).await;
        }
    }

    async fn a_megabyte_is_a_value(&self) {
        let mut state = 1_u32;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()
        });
        let value: Vec<u8> = noise.take(256 * 1024).flatten().collect();
        self.keeps(&self.key("a"), &self.entry(value)).await;
    }

    async fn all_text_is_a_key(&self) {
        let long = "k".repeat(4096);
        let texts = [
            "a",
            "A",
            "a ",
            " a",
            "a:b",
            "a/b",
            "a*",
            "a?",
            "[a]",
            "{a}b",
            "{a}c",
            "{}",
            "a\0",
            "a\0b",
            "\r\n",
            "ä",
            "日本",
            "\u{1f511}",
            &long,
        ];
        let mut entries = Vec::new();
        for text in texts {
            let entry = self.entry(text.to_owned());
            self.put(&self.key(text), &entry).await;
            entries.push((self.key(text), entry));
        }
        for (key, entry) in &entries {
            self.finds(key, entry).await;
        }
    }

    async fn uses_are_apart(&self) {
        let [one, other] = ["contract-one", "contract-other"].map(|of| Key::new(Use::new(of), self.name));
        self.keeps(&one, &self.entry("x")).await;
        self.misses(&other).await;
    }

    async fn the_newer_one_is_kept(&self) {
        let key = self.key("a");
        let of = |version| Entry { version, ..self.entry(format!("{version:?}")) };
        let [old, middle, new] = [-2000, -1000, 0].map(|ms| of(self.version(ms)));
        self.keeps(&key, &middle).await;
        assert_eq!(self.cache.put(&key, old).await, Stored::Outdated, "{}", self.name);
        self.finds(&key, &middle).await;
        self.keeps(&key, &new).await;
        assert_eq!(self.cache.put(&key, middle).await, Stored::Outdated, "{}", self.name);
        self.finds(&key, &new).await;
        // By one microsecond, where neighbours differ in the last bits only.
        self.keeps(&key, &of(new.version.next())).await;
        assert_eq!(self.cache.put(&key, new).await, Stored::Outdated, "{}", self.name);
    }

    async fn of_one_version_the_later_is_kept(&self) {
        let key = self.key("a");
        let version = self.version(0);
        for value in ["x", "y"] {
            self.keeps(&key, &Entry { version, ..self.entry(value) }).await;
        }
    }

    async fn what_is_stale_is_found(&self) {
        let key = self.key("a");
        let entry = Entry::new(None, self.clock.version(), self.clock.now_ms(), SHORT / 2, LONG);
        self.put(&key, &entry).await;
        sleep(SHORT).await;
        self.finds(&key, &entry).await;
    }

    async fn what_is_gone_is_not_found(&self) {
        let [gone, stays] = ["gone", "stays"].map(|text| self.key(text));
        self.keeps(&stays, &self.entry("x")).await;
        let entry = Entry::new(None, self.clock.version(), self.clock.now_ms(), SHORT / 2, SHORT / 2);
        self.keeps(&gone, &entry).await;
        sleep(SHORT + SHORT / 8).await;
        self.misses(&gone).await;
        assert!(matches!(self.cache.get(&stays).await, Lookup::Found(_)), "{}", self.name);
        self.keeps(&gone, &self.entry("anew")).await;
    }

    async fn what_is_gone_already_is_not_kept(&self) {
        let key = self.key("a");
        let entry = Entry::new(None, self.clock.version(), self.clock.now_ms() - 10_000, SHORT, SHORT);
        self.cache.put(&key, entry).await;
        self.misses(&key).await;
    }

    async fn a_newer_value_has_its_own_time(&self) {
        let [longer, shorter] = ["longer", "shorter"].map(|text| self.key(text));
        let of = |ms, fresh| Entry::new(None, self.version(ms), self.clock.now_ms(), fresh, SHORT / 2);
        self.put(&longer, &of(-10, SHORT / 2)).await;
        let lasting = of(0, LONG);
        self.put(&longer, &lasting).await;
        self.put(&shorter, &of(-10, LONG)).await;
        self.put(&shorter, &of(0, SHORT / 2)).await;
        sleep(SHORT + SHORT / 8).await;
        self.finds(&longer, &lasting).await;
        self.misses(&shorter).await;
    }

    async fn what_is_removed_is_not_found(&self) {
        let key = self.key("a");
        self.cache.remove(&key).await;
        self.misses(&key).await;
        self.keeps(&key, &Entry { version: self.version(2000), ..self.entry("x") }).await;
        self.cache.remove(&key).await;
        self.misses(&key).await;
        self.cache.remove(&key).await;
        self.misses(&key).await;
    }

    async fn a_removal_removes_whatever_is_there(&self) {
        let key = self.key("a");
        let ahead = Entry { version: self.version(5000), ..self.entry("x") };
        self.keeps(&key, &ahead).await;
        self.cache.remove(&key).await;
        self.misses(&key).await;
        let before = Entry { version: self.version(4000), ..self.entry("y") };
        assert_eq!(self.cache.put(&key, before).await, Stored::Outdated, "{}", self.name);
        self.misses(&key).await;
        self.keeps(&key, &Entry { version: self.version(6000), ..self.entry("z") }).await;
    }

    async fn what_is_older_than_a_removal_is_refused(&self) {
        let [known, unknown] = ["known", "unknown"].map(|text| self.key(text));
        let early = Entry { version: self.version(-1000), ..self.entry("x") };
        self.put(&known, &early).await;
        for key in [&known, &unknown] {
            self.cache.remove(key).await;
            assert_eq!(self.cache.put(key, early.clone()).await, Stored::Outdated, "{}", self.name);
            self.misses(key).await;
            self.keeps(key, &Entry { version: self.version(1000), ..self.entry("y") }).await;
        }
    }

    async fn a_removal_takes_nothing_else_along(&self) {
        let [removed, stays] = ["a", "ab"].map(|text| self.key(text));
        let entry = self.entry("x");
        self.keeps(&removed, &entry).await;
        self.keeps(&stays, &entry).await;
        self.cache.remove(&removed).await;
        self.misses(&removed).await;
        self.finds(&stays, &entry).await;
    }

    async fn the_newest_of_many_at_once_is_kept(&self) {
        let key = self.key("a");
        // Every order is as good as another: 29 and 64 have no common divisor.
        let entries = (0..64_i64).map(|number| {
            let version = self.version(-(number * 29 % 64));
            Entry { version, ..self.entry(format!("{version:?}")) }
        });
        let entries: Vec<Entry> = entries.collect();
        let stored = join_all(entries.iter().map(|entry| self.cache.put(&key, entry.clone()))).await;
        assert!(stored.iter().all(|stored| *stored != Stored::Refused), "{}: {stored:?}", self.name);
        let newest = entries.iter().max_by_key(|entry| entry.version);
        assert_eq!(
            self.cache.get(&key).await,
            newest.cloned().map_or(Lookup::Missing, Lookup::Found),
            "{}",
            self.name
        );
    }

    async fn no_value_is_ever_seen_in_parts(&self) {
        let key = self.key("a");
        let writes = (0..20_u8).map(|byte| {
            let value = vec![byte; 1000 + 1000 * usize::from(byte)];
            let entry = Entry { version: self.version(i64::from(byte) - 100), ..self.entry(value) };
            let write = async {
                self.cache.put(&key, entry).await;
            };
            write.boxed()
        });
        let reads = (0..100).map(|_| {
            let read = async {
                if let Lookup::Found(entry) = self.cache.get(&key).await {
                    let value = entry.value.unwrap_or_default();
                    let bytes: HashSet<u8> = value.iter().copied().collect();
                    let whole = value.first().map(|byte| 1000 + 1000 * usize::from(*byte));
                    assert!(
                        bytes.len() == 1 && whole == Some(value.len()),
                        "{}: {} bytes",
                        self.name,
                        value.len()
                    );
                }
            };
            read.boxed()
        });
        join_all(writes.chain(reads)).await;
    }

    async fn who_gives_up_breaks_nothing(&self) {
        let key = self.key("a");
        let old = Entry { version: self.version(-100), ..self.entry("old") };
        let new = Entry { version: self.version(0), ..self.entry("new") };
        self.put(&key, &old).await;
        // Each is polled once, and dropped unless it is done by then.
        drop(timeout(Duration::ZERO, self.cache.get(&key)).await);
        drop(timeout(Duration::ZERO, self.cache.put(&key, new.clone())).await);
        // What was sent before it was dropped may yet arrive.
        sleep(SHORT).await;
        let found = self.cache.get(&key).await;
        assert!(found == Lookup::Found(old) || found == Lookup::Found(new), "{}: {found:?}", self.name);
        drop(timeout(Duration::ZERO, self.cache.remove(&key)).await);
        sleep(SHORT).await;
        self.keeps(&key, &Entry { version: self.version(1000), ..self.entry("x") }).await;
    }

    async fn staleness_is_bounded(&self) {
        assert!(self.cache.staleness() < LONG, "{}: {:?}", self.name, self.cache.staleness());
    }
}
