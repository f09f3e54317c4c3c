//! Who asks.
//!
//! An [`Authenticator`] finds out who sent a request; what they may see is another question ([`Authorization`](crate::Authorization)).
//! A dashboard has one of them, or none: then everybody is `system:anonymous`, as Kubernetes calls somebody it does not know.
//!
//! | | knows people by |
//! |---|---|
//! | [`StaticTokens`] | bearer tokens whose hashes lie in a file |
//! | [`TokenReviews`] | bearer tokens that the cluster knows |
//! | [`ProxyHeaders`] | headers that a trusted proxy sets |
//! | `OpenIdConnect` (feature `oidc`) | an OpenID Connect provider, with which they sign in |
//! | [`HostAuthentication`] | whatever the program around the router found out |
//!
//! Browsers can't put a token into the headers of a stream. So whoever has a token can have it put into a cookie
//! (`POST /auth/session`): encrypted with a key of this process, out of reach of scripts, and never sent to other sites. A token is in
//! no URL, no message and no log.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderValue;
use http::request::Parts;
use ingress_cache::Use;
use ingress_cache::stats::ReadStats;
use ingress_core::access::UserInfo;

mod gate;
mod host;
#[cfg(feature = "oidc")]
pub(crate) mod oidc;
mod proxy;
mod review;
mod sealed;
pub(crate) mod session;
mod tokens;

pub(crate) use gate::{Admitted, Entrance, Gate, authenticate, who_asks};
pub use host::HostAuthentication;
#[cfg(feature = "oidc")]
pub use oidc::{InvalidOpenIdConnect, OpenIdConnect, OpenIdConnectBuilder};
pub use proxy::ProxyHeaders;
pub use review::TokenReviews;
pub(crate) use session::read_secret;
pub use session::{CookieKey, InvalidKey};
pub use tokens::{InvalidTokens, StaticTokens};

/// How long it is believed who somebody is while nobody can be asked.
pub(crate) const HOLD: Duration = Duration::from_secs(300);
/// When to ask again who somebody is, or what they may see, after nobody could tell. Clients are told the same.
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Finds out who sent a request.
///
/// A stream asks again every now and then, with the head of the request that it was opened with: its headers, and those of its extensions
/// that say where it came from ([`ConnectInfo`](axum::extract::ConnectInfo)) or what the host found out ([`UserInfo`]).
#[async_trait]
pub trait Authenticator: Send + Sync + 'static {
    /// Finds out who sent a request.
    ///
    /// # Errors
    ///
    /// When the request says nothing about that, or something that is not true, or when nobody can tell at the moment.
    ///
    /// # Cancel safety
    ///
    /// Must be safe to drop: what asks goes away with its request.
    async fn authenticate(&self, request: &Parts) -> Result<Arc<UserInfo>, AuthenticationError>;

    /// How people say who they are: what the page offers, and what a 401 asks for.
    fn scheme(&self) -> Scheme;

    /// What it read through a cache, for metrics; `None` if there is none.
    fn reads(&self) -> Option<(Use, ReadStats)> {
        None
    }

    /// Where people sign in, if they do that with an OpenID Connect provider. Then the router answers `/auth/login` and
    /// `/auth/callback`, and keeps what they brought from there in an encrypted cookie; [`authenticate`](Self::authenticate) is not asked.
    #[cfg(feature = "oidc")]
    fn openid_connect(&self) -> Option<&OpenIdConnect> {
        None
    }
}

/// How people say who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme {
    /// With a bearer token (RFC 6750), or the cookie that was given for one.
    Bearer,
    /// With an OpenID Connect provider, at `/auth/login`.
    Oidc,
    /// Somewhere else: what comes here was authenticated on its way.
    Elsewhere,
}

impl Scheme {
    /// The scheme's name, as it stands in the HTTP API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Oidc => "oidc",
            Self::Elsewhere => "elsewhere",
        }
    }

    /// What a 401 says in `WWW-Authenticate` (RFC 9110, section 11.6.1).
    pub(crate) fn challenge(self) -> HeaderValue {
        match self {
            Self::Bearer => HeaderValue::from_static("Bearer realm=\"ingress\""),
            Self::Oidc => HeaderValue::from_static("OpenIdConnect realm=\"ingress\""),
            Self::Elsewhere => HeaderValue::from_static("Proxy realm=\"ingress\""),
        }
    }
}

/// Why it is not known who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticationError {
    kind: AuthenticationErrorKind,
    detail: String,
}

/// What kind of reason it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthenticationErrorKind {
    /// The request says nothing about who sent it.
    Missing,
    /// What it says is not, or no longer, true.
    Invalid,
    /// Nobody can tell at the moment.
    Unavailable,
}

impl AuthenticationError {
    /// The request says nothing about who sent it; `detail` is for people, and says what it should.
    #[must_use]
    pub fn missing(detail: impl Into<String>) -> Self {
        Self { kind: AuthenticationErrorKind::Missing, detail: detail.into() }
    }

    /// What the request says is not, or no longer, true; `detail` is for people, and must not quote it.
    #[must_use]
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self { kind: AuthenticationErrorKind::Invalid, detail: detail.into() }
    }

    /// Nobody can tell at the moment; `detail` is for people, and says why.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self { kind: AuthenticationErrorKind::Unavailable, detail: detail.into() }
    }

    /// What kind of reason it is.
    #[must_use]
    pub fn kind(&self) -> AuthenticationErrorKind {
        self.kind
    }
}

impl fmt::Display for AuthenticationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for AuthenticationError {}

/// How long a bearer token may be, in bytes.
const MAX_TOKEN: usize = 16 * 1024;

/// The bearer token of a request (RFC 6750, section 2.1).
fn bearer(request: &Parts) -> Result<&str, AuthenticationError> {
    let missing = || {
        AuthenticationError::missing(
            "a bearer token is needed: `Authorization: Bearer TOKEN`, or the cookie that POST /auth/session gives for one",
        )
    };
    let value = request.headers.get(http::header::AUTHORIZATION).ok_or_else(missing)?;
    let text = value.to_str().map_err(|_| AuthenticationError::invalid("the bearer token is none"))?;
    let (scheme, token) = text.split_once(' ').ok_or_else(missing)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(missing());
    }
    if token.len() > MAX_TOKEN {
        return Err(AuthenticationError::invalid(format!(
            "the bearer token is longer than {MAX_TOKEN} bytes"
        )));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(authorization: Option<&str>) -> Parts {
        let mut request = http::Request::new(());
        if let Some(value) = authorization {
            request.headers_mut().insert("authorization", HeaderValue::from_str(value).unwrap());
        }
        request.into_parts().0
    }

    #[test]
    fn a_bearer_token_is_found_or_asked_for() {
        for (value, token) in [("Bearer abc", "abc"), ("bearer  a.b-c= ", "a.b-c=")] {
            assert_eq!(bearer(&request(Some(value))).unwrap(), token);
        }
        for value in [None, Some("abc"), Some("Basic YTpi"), Some("Bearer "), Some("Bearer")] {
            let error = bearer(&request(value)).unwrap_err();
            assert_eq!(error.kind(), AuthenticationErrorKind::Missing, "{value:?}");
        }
        let long = format!("Bearer {}", "x".repeat(MAX_TOKEN + 1));
        let error = bearer(&request(Some(&long))).unwrap_err();
        assert_eq!(error.kind(), AuthenticationErrorKind::Invalid);
        assert!(!error.to_string().contains("xxx"), "nothing is quoted");
    }
}
