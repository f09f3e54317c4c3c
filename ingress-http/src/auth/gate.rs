//! Where every request says who sent it, before anything is answered.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderValue, header};
use ingress_core::access::UserInfo;

use super::{AuthenticationError, AuthenticationErrorKind, Authenticator, CookieKey, Scheme};
use crate::problem::{Problem, ProblemType};

/// When to ask again while nobody can tell who somebody is.
const ASK_AGAIN: Duration = Duration::from_secs(5);

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

    pub(super) fn key(&self) -> &CookieKey {
        &self.key
    }

    /// Who sent a request.
    pub(crate) async fn who(&self, request: &Parts) -> Result<Arc<UserInfo>, Problem> {
        let Some(authenticator) = &self.authenticator else {
            // As Kubernetes calls somebody it does not know.
            return Ok(Arc::new(UserInfo::new("system:anonymous", ["system:unauthenticated"])));
        };
        let with_token = self.with_token_of_cookie(request, authenticator.scheme());
        let known = authenticator.authenticate(with_token.as_ref().unwrap_or(request)).await;
        known.map_err(|error| Problem::from(&error).challenge(authenticator.scheme().challenge()))
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
    kept
}

/// Lets a request in whose sender is known, and says to everything behind who that is.
pub(crate) async fn authenticate(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match gate.who(&parts).await {
        Ok(user) => {
            parts.extensions.insert(user);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => problem.into_response(),
    }
}

impl From<&AuthenticationError> for Problem {
    fn from(error: &AuthenticationError) -> Self {
        match error.kind() {
            AuthenticationErrorKind::Missing | AuthenticationErrorKind::Invalid => {
                Self::new(ProblemType::Unauthenticated, error.to_string())
            }
            AuthenticationErrorKind::Unavailable => {
                Self::new(ProblemType::AccessUnknown, error.to_string()).retry_after(ASK_AGAIN)
            }
        }
    }
}
