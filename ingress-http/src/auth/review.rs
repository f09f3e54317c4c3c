//! Bearer tokens that the cluster knows: of service accounts, or of people, if its API server has them sign in with an identity provider.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::request::Parts;
use ingress_cache::stats::ReadStats;
use ingress_cache::{Cache, Clock, Use, uses};
use ingress_core::access::{Token, UserInfo};
use ingress_core::{ClusterId, Hub, SourceError};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::{ASK_AGAIN, AuthenticationError, Authenticator, HOLD, Scheme, bearer};
use crate::reviews::{self, Reviews};
use crate::shared_key::SharedKey;

/// How long an answer is believed.
const MAX_AGE: Duration = Duration::from_secs(10);
/// Of how many tokens the answer is remembered.
const TOKENS: usize = 10_000;

/// Knows people by bearer tokens, of which it asks a cluster whose they are (`TokenReview`). An answer is believed for 10 s, also one
/// that it is nobody's; while the cluster can't be asked, a good one for five minutes. What is remembered is a hash of the token.
///
/// The process needs the permission to create `tokenreviews`, as in the role `system:auth-delegator`.
pub struct TokenReviews {
    hub: Hub,
    cluster: ClusterId,
    audiences: Vec<String>,
    /// What the cluster said lately to another replica.
    shared: Option<Reviews>,
    known: Mutex<HashMap<[u8; 32], Arc<Reviewed>>>,
}

/// What is known of one token. Locked while it is asked about, so that requests at the same time make one question of it.
#[derive(Default)]
struct Reviewed(tokio::sync::Mutex<Option<Answer>>);

struct Answer {
    at: Instant,
    /// When it was asked about again, in vain.
    failed: Option<Instant>,
    user: Option<Arc<UserInfo>>,
}

impl fmt::Debug for TokenReviews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenReviews").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

impl TokenReviews {
    /// Asks a cluster of the hub.
    #[must_use]
    pub fn new(hub: Hub, cluster: ClusterId) -> Self {
        Self { hub, cluster, audiences: Vec::new(), shared: None, known: Mutex::default() }
    }

    /// Takes only tokens that are meant for one of these audiences; the cluster's own, unless set.
    #[must_use]
    pub fn audiences(mut self, audiences: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.audiences = audiences.into_iter().map(Into::into).collect();
        self
    }

    /// Shares answers with replicas that have the same cache and key. What lies there is neither the token nor the name of whose it is; and
    /// nobody without the key can put an answer there. How long an answer is believed is the same, whoever asked.
    #[must_use]
    pub fn cache(mut self, cache: Arc<dyn Cache>, key: &SharedKey) -> Self {
        self.shared = Some(Reviews::new(uses::TOKEN_REVIEWS, MAX_AGE, cache, Clock::wall(), key));
        self
    }

    /// Whose a token is, and how long ago the cluster said so.
    async fn ask(&self, token: &str) -> Result<(Option<UserInfo>, Duration), SourceError> {
        let Some(shared) = &self.shared else {
            let user = self.hub.review_token(&self.cluster, &Token::new(token), &self.audiences).await?;
            return Ok((user, Duration::ZERO));
        };
        // Lengths tell where each part ends.
        let parts =
            [self.cluster.as_str(), token].into_iter().chain(self.audiences.iter().map(String::as_str));
        let question: Vec<u8> = parts
            .flat_map(|part| (part.len() as u64).to_be_bytes().into_iter().chain(part.bytes()))
            .collect();
        let of =
            Arc::new((self.hub.clone(), self.cluster.clone(), Token::new(token), self.audiences.clone()));
        let load = move || {
            let of = of.clone();
            async move {
                let (hub, cluster, token, audiences) = &*of;
                Ok(written(hub.review_token(cluster, token, audiences).await?.as_ref()))
            }
        };
        let reviews::Reviewed { body, age } = shared.ask(&question, load).await?;
        Ok((read(&body), age))
    }

    fn reviewed(&self, hash: [u8; 32]) -> Arc<Reviewed> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(&hash) && known.len() >= TOKENS {
            // Strangers can fill this with tokens that they make up; those that somebody waits for stay.
            known.retain(|_, reviewed| Arc::strong_count(reviewed) > 1);
        }
        known.entry(hash).or_default().clone()
    }
}

#[async_trait]
impl Authenticator for TokenReviews {
    async fn authenticate(&self, request: &Parts) -> Result<Arc<UserInfo>, AuthenticationError> {
        let token = bearer(request)?;
        let reviewed = self.reviewed(Sha256::digest(token).into());
        let mut answer = reviewed.0.lock().await;
        let is_fresh = |answer: &Answer| {
            answer.at.elapsed() < MAX_AGE || answer.failed.is_some_and(|failed| failed.elapsed() < ASK_AGAIN)
        };
        if !answer.as_ref().is_some_and(is_fresh) {
            let asked = Instant::now();
            match self.ask(token).await {
                Ok((user, age)) => {
                    let at = asked.checked_sub(age).unwrap_or(asked);
                    *answer = Some(Answer { at, failed: None, user: user.map(Arc::new) });
                }
                Err(error) => {
                    answer.take_if(|answer| answer.user.is_none() || answer.at.elapsed() >= HOLD);
                    match &mut *answer {
                        Some(held) => held.failed = Some(Instant::now()),
                        None => return Err(unavailable(&error)),
                    }
                }
            }
        }
        let user = answer.as_ref().and_then(|answer| answer.user.clone());
        user.ok_or_else(|| AuthenticationError::invalid("the cluster does not know this bearer token"))
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }

    fn reads(&self) -> Option<(Use, ReadStats)> {
        self.shared.as_ref().map(Reviews::stats)
    }
}

/// Somebody, or nobody, as a cache holds them.
type Written = Option<(String, String, Vec<String>, BTreeMap<String, Vec<String>>)>;

fn written(user: Option<&UserInfo>) -> Vec<u8> {
    let user = user.map(|UserInfo { username, uid, groups, extra, .. }| (username, uid, groups, extra));
    serde_json::to_vec(&user).unwrap_or_default()
}

/// What was sealed can be read; if not, it is nobody.
fn read(body: &[u8]) -> Option<UserInfo> {
    let (username, uid, groups, extra) = serde_json::from_slice::<Written>(body).ok()??;
    let mut user = UserInfo::new(username, groups);
    (user.uid, user.extra) = (uid, extra);
    Some(user)
}

fn unavailable(error: &SourceError) -> AuthenticationError {
    tracing::warn!(%error, "nobody says whose a token is");
    AuthenticationError::unavailable(format!(
        "the cluster does not say whose a token is: {}",
        error.kind().as_str()
    ))
}

#[cfg(test)]
mod tests {
    use ingress_core::resilience::backoff::BackoffPolicy;
    use ingress_core::resilience::retry::RetryPolicy;
    use ingress_core::source::scripted::{self, ClusterHandle};
    use ingress_core::{ClusterInfo, Origin};

    use super::*;
    use crate::auth::AuthenticationErrorKind;
    use crate::fixture::{bearing, cluster};

    fn stage() -> (TokenReviews, ClusterHandle) {
        let (source, handle) = scripted::cluster(ClusterInfo::new(cluster("c"), Origin::Custom));
        let one_try = RetryPolicy::new(1, BackoffPolicy::calls()).unwrap();
        (TokenReviews::new(Hub::builder(source).retry(one_try).start(), cluster("c")), handle)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_believed_for_a_while_and_held_through_an_outage() {
        let (reviews, handle) = stage();
        let error = reviews.authenticate(&bearing("t")).await.unwrap_err();
        assert_eq!(error.kind(), AuthenticationErrorKind::Unavailable);
        handle.set_tokens([("t".into(), UserInfo::new("ann", ["dev"]))]);
        let (good, bad) = (bearing("t"), bearing("x"));
        for _ in 0..3 {
            assert_eq!(reviews.authenticate(&good).await.unwrap().username, "ann");
            assert_eq!(
                reviews.authenticate(&bad).await.unwrap_err().kind(),
                AuthenticationErrorKind::Invalid
            );
        }
        assert_eq!(handle.reviews(), 3, "one that failed, and one for each token");
        handle.set_tokens([]);
        tokio::time::advance(MAX_AGE).await;
        assert!(reviews.authenticate(&good).await.is_err(), "taken away");
        assert_eq!(reviews.known.lock().unwrap().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn equal_questions_at_the_same_time_are_one() {
        let (reviews, handle) = stage();
        handle.set_tokens([("t".into(), UserInfo::new("ann", ["dev"]))]);
        let request = bearing("t");
        let all = futures::future::join_all((0..50).map(|_| reviews.authenticate(&request))).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(handle.reviews(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn replicas_ask_once_and_no_token_lies_in_what_they_share() {
        let clock = Clock::wall();
        let cache = Arc::new(ingress_cache::MemoryCache::new(&ingress_cache::Policy::ACCESS_REVIEWS, clock));
        let key = SharedKey::derive(&[7; 32]).unwrap();
        let (one, handle) = stage();
        let mut ann = UserInfo::new("ann", ["dev", "ops"]);
        ann.extra.insert("scopes".into(), vec!["a".into()]);
        handle.set_tokens([("t".into(), ann.clone())]);
        let other = TokenReviews::new(one.hub.clone(), cluster("c")).cache(cache.clone(), &key);
        let stranger =
            TokenReviews::new(one.hub.clone(), cluster("c")).cache(cache.clone(), &SharedKey::random());
        let elsewhere =
            TokenReviews::new(one.hub.clone(), cluster("c")).audiences(["x"]).cache(cache.clone(), &key);
        let one = one.cache(cache, &key);
        assert_eq!(*one.authenticate(&bearing("t")).await.unwrap(), ann);
        assert_eq!(*other.authenticate(&bearing("t")).await.unwrap(), ann);
        assert!(
            one.authenticate(&bearing("x")).await.is_err()
                && other.authenticate(&bearing("x")).await.is_err()
        );
        assert_eq!(handle.reviews(), 2);
        assert_eq!(*stranger.authenticate(&bearing("t")).await.unwrap(), ann);
        assert_eq!(handle.reviews(), 3, "who has another key asks");
        drop(elsewhere.authenticate(&bearing("t")).await);
        assert_eq!(handle.reviews(), 4, "for others it is another question");
        assert_eq!(other.reads().unwrap().1.hits, 2);
    }

    #[tokio::test]
    async fn strangers_do_not_fill_the_memory() {
        let (reviews, handle) = stage();
        handle.set_tokens([]);
        for number in 0..TOKENS + 100 {
            drop(reviews.reviewed(Sha256::digest(number.to_string()).into()));
        }
        assert!(reviews.known.lock().unwrap().len() <= TOKENS);
    }
}
