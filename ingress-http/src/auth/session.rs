//! `/auth/session`: a cookie for a bearer token, for browsers.
//!
//! A browser can't put a token into the headers of an `EventSource`, a WebSocket or a page load. So the page sends it once, in a header,
//! and gets a cookie that holds it, encrypted and authenticated with a key of this process (AES-256-GCM, by the crate `cookie`). No script
//! can read it, no other site can have it sent along, and nothing is remembered here. Every request brings the token back, to be checked
//! as any other, so that a token that is taken away takes its cookies with it.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use axum::extract::{OriginalUri, Request, State};
use axum::response::{IntoResponse as _, Response};
use cookie::{Cookie, CookieJar, Key, SameSite};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use ingress_core::clock::wall_now;
use serde::{Deserialize, Serialize};

use super::Scheme;
use crate::app::App;
use crate::client::is_secure;
use crate::problem::{Problem, ProblemType};
use crate::respond;

const NAME: &str = "ingress-session";
/// How long a session lasts at most: a working day, and then some.
const LASTS: Duration = Duration::from_secs(12 * 3600);
/// What a browser keeps of one cookie; a token that does not fit can't be put into one.
const MAX_COOKIE: usize = 4096;

/// The key that session cookies are encrypted with.
#[derive(Clone)]
pub struct CookieKey(Key);

impl fmt::Debug for CookieKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieKey(…)")
    }
}

/// A key that can't be read, or is too short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidKey(String);

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidKey {}

impl CookieKey {
    /// A key that nobody else has, and that is gone with the process: everybody signs in again after a restart.
    #[must_use]
    pub fn random() -> Self {
        Self(Key::generate())
    }

    /// Derives the key from a secret of at least 32 bytes, so that sessions outlive the process, and several processes share them.
    ///
    /// # Errors
    ///
    /// When the secret is shorter.
    pub fn derive(secret: &[u8]) -> Result<Self, InvalidKey> {
        if secret.len() < 32 {
            return Err(InvalidKey(
                "the secret must have at least 32 bytes: `openssl rand -hex 32` makes one".into(),
            ));
        }
        Ok(Self(Key::derive_from(secret)))
    }

    /// The same, from a file.
    ///
    /// # Errors
    ///
    /// When the file can't be read, or is shorter than 32 bytes.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, InvalidKey> {
        let path = path.as_ref();
        let named = |problem: String| InvalidKey(format!("{}: {problem}", path.display()));
        let secret = std::fs::read(path).map_err(|error| named(error.to_string()))?;
        Self::derive(secret.trim_ascii()).map_err(|InvalidKey(problem)| named(problem))
    }

    /// The token in the request's cookie, if there is one that was made here and is not too old.
    pub(super) fn token(&self, headers: &HeaderMap) -> Option<String> {
        let sealed = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| Cookie::split_parse(value).filter_map(Result::ok))
            .find(|cookie| cookie.name() == NAME)?;
        let mut jar = CookieJar::new();
        jar.add_original(sealed.into_owned());
        let opened = jar.private(&self.0).get(NAME)?;
        let Session { token, until } = serde_json::from_str(opened.value()).ok()?;
        (until > wall_now().as_second()).then_some(token)
    }

    fn cookie(&self, token: &str, path: String, secure: bool) -> Result<String, Problem> {
        let lasts = i64::try_from(LASTS.as_secs()).unwrap_or(i64::MAX);
        let session =
            Session { token: token.to_owned(), until: wall_now().as_second().saturating_add(lasts) };
        let cookie = Cookie::build((NAME, serde_json::to_string(&session)?))
            .http_only(true)
            .same_site(SameSite::Strict)
            .secure(secure)
            .path(path)
            .max_age(cookie::time::Duration::seconds(lasts));
        let mut jar = CookieJar::new();
        jar.private_mut(&self.0).add(cookie);
        let text = jar.get(NAME).map(|cookie| cookie.to_string()).unwrap_or_default();
        if text.len() > MAX_COOKIE {
            let detail = "this token is too long for a browser's cookie: programs can send it in the header `Authorization`";
            return Err(Problem::new(ProblemType::Unauthenticated, detail));
        }
        Ok(text)
    }
}

/// What a cookie holds.
#[derive(Serialize, Deserialize)]
struct Session {
    token: String,
    /// In seconds since the Unix epoch.
    until: i64,
}

#[derive(Serialize)]
struct Answer<'a> {
    /// How people say who they are.
    authentication: &'static str,
    user: Option<&'a str>,
}

/// `GET /auth/session`: who asks, and how they could say so. Answered to everybody.
pub(crate) async fn show(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let Some(scheme) = app.entrance().gate().scheme() else {
        return respond::json(StatusCode::OK, &Answer { authentication: "none", user: None });
    };
    // Who says nothing is nobody; that is no failure.
    let says_something =
        [header::AUTHORIZATION, header::COOKIE].iter().any(|name| parts.headers.contains_key(name));
    let user = if says_something || scheme != Scheme::Bearer {
        app.entrance().admit(&parts).await.ok()
    } else {
        None
    };
    let user = user.as_ref().map(|user| user.username.as_str());
    respond::json(StatusCode::OK, &Answer { authentication: scheme.as_str(), user })
}

/// `POST /auth/session`: a cookie for the bearer token in `Authorization`.
pub(crate) async fn begin(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    let entrance = app.entrance();
    let gate = entrance.gate();
    if gate.scheme() != Some(Scheme::Bearer) {
        return Err(Problem::new(ProblemType::NotFound, "nobody signs in here with a token"));
    }
    // The token that is to be put into a cookie, not the one that is in it already.
    parts.headers.remove(header::COOKIE);
    entrance.admit(&parts).await?;
    let token = super::bearer(&parts).map_err(|error| Problem::from(&error))?;
    let cookie = gate.key().cookie(token, path_of(&uri), is_secure(&parts.extensions))?;
    answer_with(cookie)
}

/// `DELETE /auth/session`: takes the cookie back.
pub(crate) async fn end(OriginalUri(uri): OriginalUri, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let cookie = Cookie::build((NAME, ""))
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(is_secure(&parts.extensions))
        .path(path_of(&uri))
        .max_age(cookie::time::Duration::ZERO);
    answer_with(cookie.build().to_string())
}

fn answer_with(cookie: String) -> Result<Response, Problem> {
    let mut value = HeaderValue::try_from(cookie)
        .map_err(|_| Problem::new(ProblemType::Internal, "the cookie could not be written"))?;
    value.set_sensitive(true);
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().insert(header::SET_COOKIE, value);
    Ok(respond::with_header(response, header::CACHE_CONTROL, respond::NO_STORE))
}

/// Where the cookie is sent to: wherever the host nested the router, and nowhere else on its site.
fn path_of(uri: &http::Uri) -> String {
    uri.path().strip_suffix("auth/session").unwrap_or("/").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_back(set: &str) -> HeaderMap {
        let pair = set.split(';').next().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_str(&format!("a=b; {pair}; c=d")).unwrap());
        headers
    }

    #[test]
    fn a_cookie_holds_the_token_for_its_own_key_only() {
        let (key, other) = (CookieKey::random(), CookieKey::random());
        let cookie = key.cookie("s3cret", "/routes/".into(), true).unwrap();
        for part in ["; HttpOnly", "; SameSite=Strict", "; Secure", "; Path=/routes/", "; Max-Age=43200"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!cookie.contains("s3cret"));
        assert_eq!(key.token(&sent_back(&cookie)).as_deref(), Some("s3cret"));
        assert_eq!(other.token(&sent_back(&cookie)), None);
        assert_eq!(key.token(&sent_back(&cookie.replacen('=', "=A", 1))), None, "tampered with");
        assert_eq!(key.token(&HeaderMap::new()), None);
        assert!(key.cookie(&"x".repeat(4000), "/".into(), true).is_err());
    }

    #[test]
    fn a_shared_secret_makes_a_shared_key() {
        let secret = [7; 32];
        let (one, other) = (CookieKey::derive(&secret).unwrap(), CookieKey::derive(&secret).unwrap());
        let cookie = one.cookie("t", "/".into(), false).unwrap();
        assert_eq!(other.token(&sent_back(&cookie)).as_deref(), Some("t"));
        assert!(CookieKey::derive(&secret[1..]).is_err());
        assert!(
            CookieKey::read("/nonexistent/key").unwrap_err().to_string().starts_with("/nonexistent/key: ")
        );
    }
}
