//! Where every request says who sent it, before anything is answered.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderValue, header};
use ingress_cache::Use;
use ingress_cache::stats::ReadStats;
use ingress_core::access::UserInfo;

#[cfg(feature = "oidc")]
use super::oidc::{Session, SignIn};
use super::{AuthenticationError, AuthenticationErrorKind, Authenticator, CookieKey, Scheme};
use crate::limit::Limits;
use crate::problem::{Problem, ProblemType};
use crate::respond;

/// Finds out who sends requests. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Gate {
    authenticator: Option<Arc<dyn Authenticator>>,
    key: CookieKey,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("scheme", &self.scheme()).finish_non_exhaustive()
    }
}

impl Gate {
    pub(crate) fn new(authenticator: Option<Arc<dyn Authenticator>>, key: CookieKey) -> Self {
        Self { authenticator, key }
    }

    /// How people say who they are; `None` when nobody asks.
    pub(crate) fn scheme(&self) -> Option<Scheme> {
        self.authenticator.as_ref().map(|authenticator| authenticator.scheme())
    }

    /// What was read through a cache to find out who asks.
    pub(crate) fn reads(&self) -> Option<(Use, ReadStats)> {
        self.authenticator.as_ref()?.reads()
    }

    pub(super) fn key(&self) -> &CookieKey {
        &self.key
    }

    /// Who sent a request, and what their browser is to keep for the next one. What was found out stays with the request.
    async fn admit(&self, request: &mut Parts) -> Result<Admission, Problem> {
        #[cfg(feature = "oidc")]
        let cookies = match self.openid_connect() {
            Some(oidc) => oidc.renew(request).await.map_err(|error| self.refusal(&error))?,
            None => Vec::new(),
        };
        #[cfg(not(feature = "oidc"))]
        let cookies = Vec::new();
        Ok(Admission { user: self.who(request).await?, cookies })
    }

    /// Who sent a request. Nothing is renewed: a stream that asks with what it was opened with has no answer to put a cookie into.
    pub(crate) async fn who(&self, request: &Parts) -> Result<Arc<UserInfo>, Problem> {
        let Some(authenticator) = &self.authenticator else {
            // As Kubernetes calls somebody it does not know.
            return Ok(Arc::new(UserInfo::new("system:anonymous", ["system:unauthenticated"])));
        };
        #[cfg(feature = "oidc")]
        if let Some(oidc) = self.openid_connect() {
            return oidc.user(request).map_err(|error| self.refusal(&error));
        }
        let with_token = self.with_token_of_cookie(request, authenticator.scheme());
        let known = authenticator.authenticate(with_token.as_ref().unwrap_or(request)).await;
        known.map_err(|error| self.refusal(&error))
    }

    fn refusal(&self, error: &AuthenticationError) -> Problem {
        match self.scheme() {
            Some(scheme) => Problem::from(error).challenge(scheme.challenge()),
            None => Problem::from(error),
        }
    }

    /// Where people sign in, if they do that with an OpenID Connect provider.
    #[cfg(feature = "oidc")]
    pub(super) fn openid_connect(&self) -> Option<SignIn<'_>> {
        let oidc = self.authenticator.as_ref()?.openid_connect()?;
        Some(SignIn::new(oidc, &self.key))
    }

    /// The request with the token that its cookie holds; a header of its own wins.
    fn with_token_of_cookie(&self, request: &Parts, scheme: Scheme) -> Option<Parts> {
        if scheme != Scheme::Bearer || request.headers.contains_key(header::AUTHORIZATION) {
            return None;
        }
        let token = self.key.token(&request.headers)?;
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
        value.set_sensitive(true);
        let mut request = who_asks(request);
        request.headers.insert(header::AUTHORIZATION, value);
        Some(request)
    }
}

/// Somebody who is let in.
pub(super) struct Admission {
    pub(super) user: Arc<UserInfo>,
    /// What the answer is to say in `Set-Cookie`.
    pub(super) cookies: Vec<HeaderValue>,
}

/// The answer with cookies, which nobody but its browser may keep.
pub(super) fn with_cookies(mut response: Response, cookies: Vec<HeaderValue>) -> Response {
    if !cookies.is_empty() {
        response.headers_mut().insert(header::CACHE_CONTROL, respond::NO_STORE);
    }
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// What of a request tells who sent it: all of its headers, and those extensions that say where it came from or what the host found out.
pub(crate) fn who_asks(request: &Parts) -> Parts {
    let (mut kept, ()) = http::Request::new(()).into_parts();
    kept.method = request.method.clone();
    kept.headers = request.headers.clone();
    if let Some(peer) = request.extensions.get::<ConnectInfo<SocketAddr>>() {
        kept.extensions.insert(*peer);
    }
    if let Some(user) = request.extensions.get::<UserInfo>() {
        kept.extensions.insert(user.clone());
    }
    #[cfg(feature = "oidc")]
    if let Some(session) = request.extensions.get::<Session>() {
        kept.extensions.insert(session.clone());
    }
    kept
}

/// The gate, and how often strangers may knock.
#[derive(Debug, Clone)]
pub(crate) struct Entrance {
    gate: Gate,
    limits: Arc<Limits>,
    known: Arc<Known>,
}

/// About how many credentials are remembered to have been good.
const KNOWN: usize = 10_000;

/// The credentials that were good lately, by a hash that nobody outside can compute: whoever has one of them is not kept waiting by what
/// others behind the same address try.
#[derive(Debug, Default)]
struct Known {
    hasher: RandomState,
    hashes: Mutex<HashSet<u64>>,
}

impl Known {
    fn hash(&self, request: &Parts) -> Option<u64> {
        let headers = [header::AUTHORIZATION, header::COOKIE].map(|name| request.headers.get(name));
        headers.iter().any(Option::is_some).then(|| self.hasher.hash_one(headers))
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, hash: u64) {
        let mut hashes = self.lock();
        if hashes.len() >= KNOWN {
            hashes.clear();
        }
        hashes.insert(hash);
    }
}

impl Entrance {
    pub(crate) fn new(gate: Gate, limits: Arc<Limits>) -> Self {
        Self { gate, limits, known: Arc::default() }
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Who sent a request. An address from which too many came whose sender is not known waits before it is asked again.
    pub(super) async fn admit(&self, request: &mut Parts) -> Result<Admission, Problem> {
        let hash = self.known.hash(request);
        if !hash.is_some_and(|hash| self.known.lock().contains(&hash)) {
            self.limits.may_authenticate(&request.extensions)?;
        }
        let who = self.gate.admit(request).await;
        match (&who, hash) {
            (Ok(_), Some(hash)) if self.gate.scheme().is_some() => self.known.insert(hash),
            (Err(problem), _) if problem.kind() == ProblemType::Unauthenticated => {
                if let Some(hash) = hash {
                    self.known.lock().remove(&hash);
                }
                self.limits.authentication_failed(&request.extensions);
            }
            _ => {}
        }
        who
    }
}

/// Lets a request in whose sender is known, and says to everything behind who that is.
pub(crate) async fn authenticate(State(entrance): State<Entrance>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match entrance.admit(&mut parts).await {
        Ok(Admission { user, cookies }) => {
            // Of somebody whom nobody was asked about, nothing is known but the address, and limits are kept by that.
            if entrance.gate.scheme().is_some() {
                parts.extensions.insert(user.clone());
            }
            parts.extensions.insert(Admitted(user));
            with_cookies(next.run(Request::from_parts(parts, body)).await, cookies)
        }
        Err(problem) => problem.into_response(),
    }
}

/// Who sent a request that came through the gate; `system:anonymous` where nobody is asked.
#[derive(Debug, Clone)]
pub(crate) struct Admitted(pub(crate) Arc<UserInfo>);

impl From<&AuthenticationError> for Problem {
    fn from(error: &AuthenticationError) -> Self {
        match error.kind() {
            AuthenticationErrorKind::Missing | AuthenticationErrorKind::Invalid => {
                Self::new(ProblemType::Unauthenticated, error.to_string())
            }
            AuthenticationErrorKind::Unavailable => Self::access_unknown(error.to_string()),
        }
    }
}
