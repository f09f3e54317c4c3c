//! From a request's cookies to who sent it, and back into cookies.

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use ingress_core::access::UserInfo;
use ingress_core::clock::wall_now;
use serde::Serialize;

use super::OpenIdConnect;
use super::provider::Signed;
use super::session::Session;
use crate::auth::gate::with_cookies;
use crate::auth::sealed::{MAX_PIECES, TooLong, headers_of, removal};
use crate::auth::session::{LASTS, NAME, attributes};
use crate::auth::{AuthenticationError, CookieKey};
use crate::client::is_secure;
use crate::problem::{Problem, ProblemType};
use crate::respond;

/// One router's sign-ins: the provider, and the key that its cookies are sealed with.
#[derive(Clone, Copy)]
pub(crate) struct SignIn<'a> {
    pub(super) oidc: &'a OpenIdConnect,
    pub(super) key: &'a CookieKey,
}

/// What `DELETE /auth/session` answers when there is more to do.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedOut {
    end_session: String,
}

/// Who a session is of.
pub(super) fn user_of(session: Option<&Session>) -> Result<Arc<UserInfo>, AuthenticationError> {
    match session {
        None => Err(AuthenticationError::missing("sign in at /auth/login")),
        Some(session) if session.is_expired() => {
            Err(AuthenticationError::invalid("the session has expired: sign in again at /auth/login"))
        }
        Some(session) => Ok(Arc::new(session.user())),
    }
}

impl<'a> SignIn<'a> {
    pub(crate) fn new(oidc: &'a OpenIdConnect, key: &'a CookieKey) -> Self {
        Self { oidc, key }
    }

    /// Who sent a request.
    pub(crate) fn user(self, request: &Parts) -> Result<Arc<UserInfo>, AuthenticationError> {
        match request.extensions.get::<Session>() {
            Some(session) => user_of(Some(session)),
            None => user_of(Session::open(self.key, &request.headers).as_ref()),
        }
    }

    /// Puts the request's session among its extensions, renewed if it has expired and can be; cookies of a renewed one.
    pub(crate) async fn renew(self, request: &mut Parts) -> Result<Vec<HeaderValue>, AuthenticationError> {
        let Some(mut session) = Session::open(self.key, &request.headers) else { return Ok(Vec::new()) };
        let mut cookies = Vec::new();
        if session.is_expired()
            && !session.is_over()
            && let Some(token) = session.refresh.clone()
        {
            let inner = &self.oidc.inner;
            let signed = inner.refreshes.of(&inner.provider, &session, &token).await?;
            // A provider that does not rotate them gives none again.
            let refresh = signed.refresh.clone().unwrap_or(token);
            session = Session { refresh: Some(refresh), ..session_of(signed, session.nonce, session.until) };
            cookies = self.cookies(&session, request)?;
        }
        request.extensions.insert(session);
        Ok(cookies)
    }

    /// The session of somebody who just signed in, as cookies.
    pub(super) fn begin(
        self,
        signed: Signed,
        nonce: String,
        request: &Parts,
    ) -> Result<Vec<HeaderValue>, AuthenticationError> {
        let lasts = i64::try_from(LASTS.as_secs()).unwrap_or(i64::MAX);
        let until = wall_now().as_second().saturating_add(lasts);
        self.cookies(&session_of(signed, nonce, until), request)
    }

    fn cookies(self, session: &Session, request: &Parts) -> Result<Vec<HeaderValue>, AuthenticationError> {
        let broken = || AuthenticationError::unavailable("the session could not be written");
        let text = serde_json::to_string(session).map_err(|_| broken())?;
        let mut attributes = attributes(self.oidc.base_path(), self.is_secure(request));
        let left = session.until.saturating_sub(wall_now().as_second());
        attributes.lasts = Duration::from_secs(u64::try_from(left).unwrap_or(0));
        let mut cookies = self.key.seal(NAME, &text, MAX_PIECES, attributes).map_err(|TooLong| {
            tracing::error!(bytes = text.len(), groups = session.groups.len(), "a session does not fit into cookies");
            AuthenticationError::invalid(
                "what the identity provider says about you is too long for cookies: it may tell fewer groups, or shorter tokens",
            )
        })?;
        // Pieces of a longer session would be sent along for nothing.
        cookies.extend(removal(NAME, cookies.len(), attributes));
        headers_of(cookies).map_err(|_| broken())
    }

    /// Forgets the session here; and says where to do so at the provider, if there is such a place.
    pub(crate) fn sign_out(self, request: &Parts) -> Result<Response, Problem> {
        let attributes = attributes(self.oidc.base_path(), self.is_secure(request));
        let cookies = headers_of(removal(NAME, 0, attributes))?;
        let answer = match self.oidc.inner.provider.sign_out_url() {
            Some(url) => respond::json(StatusCode::OK, &SignedOut { end_session: url.into() })?,
            None => StatusCode::NO_CONTENT.into_response(),
        };
        Ok(with_cookies(answer, cookies))
    }

    /// Whether cookies are for TLS only: browsers come to the redirect URL in the same way as to everything else here.
    pub(super) fn is_secure(self, request: &Parts) -> bool {
        self.oidc.inner.redirect.scheme() == "https" || is_secure(&request.extensions)
    }

    /// What somebody is told who could not sign in.
    pub(super) fn problem(self, error: &AuthenticationError) -> Problem {
        Problem::from(error).challenge(crate::auth::Scheme::Oidc.challenge())
    }

    /// There is nothing to sign in to here.
    pub(super) fn absent() -> Problem {
        Problem::new(ProblemType::NotFound, "nobody signs in here with an identity provider")
    }
}

fn session_of(signed: Signed, nonce: String, until: i64) -> Session {
    let Signed { user, subject, expires, refresh } = signed;
    Session { user: user.username, groups: user.groups, subject, nonce, expires, until, refresh }
}
