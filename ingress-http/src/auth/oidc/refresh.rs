//! Refreshing, once per session.
//!
//! A page asks several things at once, and all of its requests bring the same expired session. Providers that rotate refresh tokens take
//! a second use of one for theft, and end everything that came of it. So a refresh token is used by one task, whose answer is for all
//! requests that bring it; it is kept for a minute, because a browser may have sent more before it saw the newer cookie. The task
//! belongs to nobody's request: one that goes away must not take along the answer to a token that is used up.
//!
//! Processes that share a key don't know of each other's refreshes: with a provider that rotates tokens and takes no token twice, keep
//! a browser at one process (session affinity), or have the provider leave some time between.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::provider::{Provider, Signed};
use super::session::Session;
use crate::auth::{ASK_AGAIN, AuthenticationError, AuthenticationErrorKind};

/// How long an answer is kept, other than that the provider could not be asked.
const KEPT: Duration = Duration::from_secs(60);
/// How many sessions' answers are kept. Only who has a sealed session gets this far.
const SESSIONS: usize = 10_000;

type Outcome = Result<Signed, AuthenticationError>;

#[derive(Default)]
pub(super) struct Refreshes {
    /// By the hash of the token that was used.
    known: Mutex<HashMap<[u8; 32], Refresh>>,
    tasks: Mutex<JoinSet<()>>,
}

struct Refresh {
    begun: Instant,
    outcome: watch::Receiver<Option<Outcome>>,
}

impl Refresh {
    fn is_kept(&self) -> bool {
        let kept = match &*self.outcome.borrow() {
            // Under way, unless its task is gone.
            None => return self.outcome.has_changed().is_ok(),
            Some(Err(error)) if error.kind() == AuthenticationErrorKind::Unavailable => ASK_AGAIN,
            Some(_) => KEPT,
        };
        self.begun.elapsed() < kept
    }
}

impl Refreshes {
    /// What the session's refresh token gives.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing: the answer is there for whoever brings the same session.
    pub(super) async fn of(&self, provider: &Arc<Provider>, session: &Session, token: &str) -> Outcome {
        let mut outcome = self.begin(provider, session, token)?;
        let ended = outcome.wait_for(Option::is_some).await;
        ended.ok().and_then(|outcome| outcome.clone()).unwrap_or_else(|| Err(busy()))
    }

    fn begin(
        &self,
        provider: &Arc<Provider>,
        session: &Session,
        token: &str,
    ) -> Result<watch::Receiver<Option<Outcome>>, AuthenticationError> {
        let hash = Sha256::digest(token).into();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(refresh) = known.get(&hash).filter(|refresh| refresh.is_kept()) {
            return Ok(refresh.outcome.clone());
        }
        if known.len() >= SESSIONS {
            known.retain(|_, refresh| refresh.is_kept());
        }
        if known.len() >= SESSIONS {
            return Err(busy());
        }
        let (tell, outcome) = watch::channel(None);
        let (provider, token) = (provider.clone(), token.to_owned());
        let (nonce, subject) = (session.nonce.clone(), session.subject.clone());
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            tell.send_replace(Some(provider.renew(token, &nonce, &subject).await));
        });
        known.insert(hash, Refresh { begun: Instant::now(), outcome: outcome.clone() });
        Ok(outcome)
    }
}

fn busy() -> AuthenticationError {
    AuthenticationError::unavailable("too many sessions are being renewed")
}
