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
use cookie::{Key, SameSite};
use http::{HeaderMap, StatusCode, header};
use ingress_core::clock::wall_now;
use serde::{Deserialize, Serialize};

use super::Scheme;
use super::gate::with_cookies;
use super::sealed::{Attributes, TooLong, headers_of, removal};
use crate::app::App;
use crate::client::is_secure;
use crate::problem::{Problem, ProblemType};
use crate::respond;
use crate::shared_key::MIN_SECRET;

pub(super) const NAME: &str = "ingress-session";
/// How long a session lasts at most: a working day, and then some.
pub(super) const LASTS: Duration = Duration::from_secs(12 * 3600);

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

impl InvalidKey {
    pub(crate) fn unless_long(secret: &[u8]) -> Result<(), Self> {
        if secret.len() >= MIN_SECRET {
            return Ok(());
        }
        Err(Self(format!(
            "the secret must have at least {MIN_SECRET} bytes: `openssl rand -hex 32` makes one"
        )))
    }
}

/// Makes a key of what is in a file, without white space around it.
pub(crate) fn read_secret<K>(
    path: &Path,
    derive: impl FnOnce(&[u8]) -> Result<K, InvalidKey>,
) -> Result<K, InvalidKey> {
    let named = |problem: String| InvalidKey(format!("{}: {problem}", path.display()));
    let secret = std::fs::read(path).map_err(|error| named(error.to_string()))?;
    derive(secret.trim_ascii()).map_err(|InvalidKey(problem)| named(problem))
}

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
        InvalidKey::unless_long(secret)?;
        Ok(Self(Key::derive_from(secret)))
    }

    /// The same, from a file.
    ///
    /// # Errors
    ///
    /// When the file can't be read, or is shorter than 32 bytes.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, InvalidKey> {
        read_secret(path.as_ref(), Self::derive)
    }

    pub(super) fn key(&self) -> &Key {
        &self.0
    }

    /// The token in the request's cookie, if there is one that was made here and is not too old.
    pub(super) fn token(&self, headers: &HeaderMap) -> Option<String> {
        let Session { token, until } = serde_json::from_str(&self.open(headers, NAME)?).ok()?;
        (until > wall_now().as_second()).then_some(token)
    }

    fn cookie(&self, token: &str, path: &str, secure: bool) -> Result<Vec<String>, Problem> {
        let lasts = i64::try_from(LASTS.as_secs()).unwrap_or(i64::MAX);
        let session =
            Session { token: token.to_owned(), until: wall_now().as_second().saturating_add(lasts) };
        let sealed = self.seal(NAME, &serde_json::to_string(&session)?, 1, attributes(path, secure));
        sealed.map_err(|TooLong| {
            let detail = "this token is too long for a browser's cookie: programs can send it in the header `Authorization`";
            Problem::new(ProblemType::Unauthenticated, detail)
        })
    }
}

/// Those of a cookie that holds a session: out of reach of scripts, and not sent along from other sites.
pub(super) fn attributes(path: &str, secure: bool) -> Attributes<'_> {
    Attributes { path, secure, same_site: SameSite::Strict, lasts: LASTS }
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
    let (mut parts, _) = request.into_parts();
    let Some(scheme) = app.entrance().gate().scheme() else {
        return respond::json(StatusCode::OK, &Answer { authentication: "none", user: None });
    };
    // Who says nothing is nobody; that is no failure.
    let says_something =
        [header::AUTHORIZATION, header::COOKIE].iter().any(|name| parts.headers.contains_key(name));
    let admission = if says_something || scheme == Scheme::Elsewhere {
        app.entrance().admit(&mut parts).await.ok()
    } else {
        None
    };
    let user = admission.as_ref().map(|admission| admission.user.username.as_str());
    let answer = respond::json(StatusCode::OK, &Answer { authentication: scheme.as_str(), user })?;
    Ok(with_cookies(answer, admission.map(|admission| admission.cookies).unwrap_or_default()))
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
    entrance.admit(&mut parts).await?;
    let token = super::bearer(&parts).map_err(|error| Problem::from(&error))?;
    answer_with(gate.key().cookie(token, path_of(&uri), is_secure(&parts.extensions))?)
}

/// `DELETE /auth/session`: takes the cookie back.
pub(crate) async fn end(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    #[cfg(feature = "oidc")]
    if let Some(oidc) = app.entrance().gate().openid_connect() {
        return oidc.sign_out(&parts);
    }
    // Only where people sign in elsewhere does it matter how they do.
    drop(app);
    answer_with(removal(NAME, 0, attributes(path_of(&uri), is_secure(&parts.extensions))))
}

fn answer_with(cookies: Vec<String>) -> Result<Response, Problem> {
    let mut response = StatusCode::NO_CONTENT.into_response();
    for value in headers_of(cookies)? {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(respond::with_header(response, header::CACHE_CONTROL, respond::NO_STORE))
}

/// Where the cookie is sent to: wherever the host nested the router, and nowhere else on its site.
fn path_of(uri: &http::Uri) -> &str {
    uri.path().strip_suffix("auth/session").unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

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
        let cookie = key.cookie("s3cret", "/routes/", true).unwrap().remove(0);
        for part in ["; HttpOnly", "; SameSite=Strict", "; Secure", "; Path=/routes/", "; Max-Age=43200"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!cookie.contains("s3cret"));
        assert_eq!(key.token(&sent_back(&cookie)).as_deref(), Some("s3cret"));
        assert_eq!(other.token(&sent_back(&cookie)), None);
        assert_eq!(key.token(&sent_back(&cookie.replacen("=1.", "=1.A", 1))), None, "tampered with");
        assert_eq!(key.token(&HeaderMap::new()), None);
        assert!(key.cookie(&"x".repeat(4000), "/", true).is_err());
    }

    #[test]
    fn a_shared_secret_makes_a_shared_key() {
        let secret = [7; 32];
        let (one, other) = (CookieKey::derive(&secret).unwrap(), CookieKey::derive(&secret).unwrap());
        let cookie = one.cookie("t", "/", false).unwrap().remove(0);
        assert_eq!(other.token(&sent_back(&cookie)).as_deref(), Some("t"));
        assert!(CookieKey::derive(&secret[1..]).is_err());
        assert!(
            CookieKey::read("/nonexistent/key").unwrap_err().to_string().starts_with("/nonexistent/key: ")
        );
    }
}
