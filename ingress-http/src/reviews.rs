//! Answers about people (whose a token is, what somebody may do) in a cache that replicas may share.
//!
//! Whoever can write to that cache must not be able to say who somebody is, nor give away permissions; and whoever can read it must not
//! find out who was asked about. So keys are made of what is asked with a secret that only the replicas have, and so is a seal on each
//! answer, which covers the key and the time at which was asked. What isn't sealed, or is older than it may be, is no answer.
//!
//! | of a value | |
//! |---|---|
//! | 32 bytes | seal: HMAC-SHA256 of all that follows, and of the key |
//! | 8 bytes | when it was asked, in milliseconds since 1970, big-endian |
//! | the rest | the answer |

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use ingress_cache::stats::ReadStats;
use ingress_cache::{Cache, Cached, Clock, Key, Policy, Use};
use ingress_core::SourceError;

use crate::shared_key::{Mac, SharedKey};

/// By how much replicas' clocks may differ before an answer seems to come from the future.
const CLOCKS_DIFFER: i64 = 5_000;

const SEAL: usize = 32;

/// Answers of one sort. A clone reads the same ones.
#[derive(Debug, Clone)]
pub(crate) struct Reviews {
    reader: Cached,
    mac: Arc<Mac>,
    longest: Duration,
    clock: Clock,
}

/// An answer, and how old it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reviewed {
    pub(crate) body: Bytes,
    pub(crate) age: Duration,
}

impl Reviews {
    /// Answers that are believed for so long, 10 s at most.
    pub(crate) fn new(
        of: Use,
        longest: Duration,
        cache: Arc<dyn Cache>,
        clock: Clock,
        key: &SharedKey,
    ) -> Self {
        let usual = Policy::ACCESS_REVIEWS;
        let longest = longest.min(usual.ttl());
        let policy = usual.change().ttl(longest).build().unwrap_or(usual);
        let reader = Cached::builder(of, policy, cache).clock(clock).build();
        Self { reader, mac: Arc::new(key.mac(of.as_str())), longest, clock }
    }

    /// The answer to a question: one that is known, else that of `load`, which gives its body.
    ///
    /// # Errors
    ///
    /// Whatever `load` failed with; that is not remembered.
    ///
    /// # Cancel safety
    ///
    /// Whoever waits may go away: the others get their answer.
    pub(crate) async fn ask<F, Fut>(&self, question: &[u8], load: F) -> Result<Reviewed, SourceError>
    where
        F: Fn() -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<u8>, SourceError>> + Send + 'static,
    {
        let key = self.reader.key(&hex(&self.mac.of(&[question])));
        // What somebody put there who has no business to is forgotten, once.
        for _ in 0..2 {
            let (this, of, load) = (self.clone_sealing(), key.clone(), load.clone());
            let sealed = move || async move {
                let asked = this.clock.now_ms();
                let body = load().await?;
                Ok(Some(this.seal(&of, asked, &body)))
            };
            let answer = self.reader.get_or_load(&key, sealed).await?;
            if let Some(reviewed) = answer.value.and_then(|value| self.open(&key, value)) {
                return Ok(reviewed);
            }
            tracing::warn!(
                of = self.reader.of().as_str(),
                "what the cache said was none of ours, or too old"
            );
            self.reader.invalidate(&key).await;
        }
        Ok(Reviewed { body: load().await?.into(), age: Duration::ZERO })
    }

    /// What was asked and answered so far.
    pub(crate) fn stats(&self) -> (Use, ReadStats) {
        (self.reader.of(), self.reader.stats())
    }

    /// What a load needs, which must not hold the reader that holds it.
    fn clone_sealing(&self) -> Sealing {
        Sealing { mac: self.mac.clone(), clock: self.clock }
    }

    fn open(&self, key: &Key, sealed: Bytes) -> Option<Reviewed> {
        let mut rest = sealed;
        if rest.len() < SEAL + 8 {
            return None;
        }
        let seal = rest.split_to(SEAL);
        if !self.mac.is_of(&seal, &[key.path().as_bytes(), &rest]) {
            return None;
        }
        let asked = rest.get_i64();
        let age = self.clock.now_ms().saturating_sub(asked);
        let longest = i64::try_from(self.longest.as_millis()).unwrap_or(i64::MAX);
        (-CLOCKS_DIFFER..=longest.saturating_add(CLOCKS_DIFFER))
            .contains(&age)
            .then(|| Reviewed { body: rest, age: Duration::from_millis(u64::try_from(age).unwrap_or(0)) })
    }
}

/// Seals answers.
struct Sealing {
    mac: Arc<Mac>,
    clock: Clock,
}

impl Sealing {
    fn seal(&self, key: &Key, asked: i64, body: &[u8]) -> Bytes {
        let mut told = BytesMut::with_capacity(8 + body.len());
        told.put_i64(asked);
        told.put_slice(body);
        let seal = self.mac.of(&[key.path().as_bytes(), &told]);
        [&seal[..], &told].concat().into()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ingress_cache::{Entry, Lookup, MemoryCache};
    use ingress_core::ErrorKind;

    use super::*;

    const OF: Use = ingress_cache::uses::ACCESS_REVIEWS;

    struct Stage {
        cache: Arc<MemoryCache>,
        reviews: Reviews,
        asked: Arc<AtomicUsize>,
    }

    fn stage() -> Stage {
        let clock = Clock::tokio();
        let cache = Arc::new(MemoryCache::new(&Policy::ACCESS_REVIEWS, clock));
        let key = SharedKey::derive(&[7; 32]).unwrap();
        let reviews = Reviews::new(OF, Duration::from_secs(60), cache.clone(), clock, &key);
        Stage { cache, reviews, asked: Arc::default() }
    }

    impl Stage {
        async fn ask(&self, question: &'static [u8]) -> Reviewed {
            let asked = self.asked.clone();
            let load = move || {
                asked.fetch_add(1, Ordering::SeqCst);
                async move { Ok(question.to_vec()) }
            };
            self.reviews.ask(question, load).await.unwrap()
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }

        fn key(&self, question: &[u8]) -> Key {
            self.reviews.reader.key(&hex(&self.reviews.mac.of(&[question])))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_good_for_ten_seconds_and_tells_its_age() {
        let stage = stage();
        assert_eq!(stage.ask(b"ann").await.age, Duration::ZERO);
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(stage.ask(b"ann").await, Reviewed { body: "ann".into(), age: Duration::from_secs(4) });
        assert_eq!(stage.asked(), 1);
        tokio::time::advance(Duration::from_secs(6)).await;
        stage.ask(b"ann").await;
        stage.ask(b"bob").await;
        assert_eq!(stage.asked(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_somebody_else_put_there_is_no_answer() {
        let stage = stage();
        stage.ask(b"ann").await;
        stage.ask(b"bob").await;
        let (ann, bob) = (stage.key(b"ann"), stage.key(b"bob"));
        assert!(!ann.path().contains("ann"));
        let Lookup::Found(of_bob) = stage.cache.get(&bob).await else { panic!("it is kept") };
        let Lookup::Found(of_ann) = stage.cache.get(&ann).await else { panic!("it is kept") };
        let mut flipped = of_ann.value.clone().unwrap().to_vec();
        *flipped.last_mut().unwrap() ^= 1;
        let forged = [Some(Bytes::from(flipped)), of_bob.value, Some(Bytes::from_static(b"ann")), None];
        for (nth, value) in forged.into_iter().enumerate() {
            let Lookup::Found(now) = stage.cache.get(&ann).await else { panic!("it is kept") };
            let day = Duration::from_secs(5);
            stage.cache.put(&ann, Entry::new(value, now.version.next(), now.loaded_ms, day, day)).await;
            assert_eq!(&stage.ask(b"ann").await.body[..], b"ann");
            assert_eq!(stage.asked(), 3 + nth, "asked again");
            tokio::time::advance(ingress_cache::REMOVED_FOR).await;
            stage.ask(b"ann").await;
            stage.asked.store(3 + nth, Ordering::SeqCst);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_not_remembered() {
        let stage = stage();
        let fail = || async { Err(ingress_core::SourceError::new(ErrorKind::Unreachable, "gone")) };
        assert!(stage.reviews.ask(b"ann", fail).await.is_err());
        assert_eq!(&stage.ask(b"ann").await.body[..], b"ann");
    }

    #[tokio::test(start_paused = true)]
    async fn replicas_with_another_key_share_nothing() {
        let stage = stage();
        stage.ask(b"ann").await;
        let cache: Arc<dyn Cache> = stage.cache.clone();
        let other =
            Reviews::new(OF, Duration::from_secs(60), cache, stage.reviews.clock, &SharedKey::random());
        let stage = Stage { reviews: other, ..stage };
        stage.ask(b"ann").await;
        assert_eq!(stage.asked(), 2);
    }
}
