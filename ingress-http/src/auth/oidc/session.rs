//! What cookies hold between two requests.

use http::HeaderMap;
use ingress_core::access::UserInfo;
use ingress_core::clock::wall_now;
use serde::{Deserialize, Serialize};

use crate::auth::CookieKey;

/// The cookie of a sign-in that is under way.
pub(super) const LOGIN: &str = "ingress-login";

/// Somebody who signed in. Holds a refresh token, so it is shown in no message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(super) user: String,
    pub(super) groups: Vec<String>,
    /// Whom the provider calls so: a renewed ID token must be of the same person.
    pub(super) subject: String,
    /// That of the sign-in, which a renewed ID token may repeat.
    pub(super) nonce: String,
    /// When the ID token expires, in seconds since the Unix epoch.
    pub(super) expires: i64,
    /// When to sign in again in any case.
    pub(super) until: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) refresh: Option<String>,
}

impl Session {
    /// The session in a request's cookies, however old.
    pub(super) fn open(key: &CookieKey, headers: &HeaderMap) -> Option<Self> {
        serde_json::from_str(&key.open(headers, crate::auth::session::NAME)?).ok()
    }

    pub(super) fn is_expired(&self) -> bool {
        self.expires.min(self.until) <= wall_now().as_second()
    }

    /// Whether it was so long ago that somebody signed in that they do it again.
    pub(super) fn is_over(&self) -> bool {
        self.until <= wall_now().as_second()
    }

    pub(super) fn user(&self) -> UserInfo {
        UserInfo::new(self.user.clone(), self.groups.clone())
    }
}

/// A sign-in that is under way.
#[derive(Serialize, Deserialize)]
pub(super) struct Login {
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
    /// Where to go afterwards.
    pub(super) back: String,
    /// When it is too late, in seconds since the Unix epoch.
    pub(super) until: i64,
}

impl Login {
    /// The sign-in that this browser began, unless it took too long.
    pub(super) fn open(key: &CookieKey, headers: &HeaderMap) -> Option<Self> {
        let login: Self = serde_json::from_str(&key.open(headers, LOGIN)?).ok()?;
        (login.until > wall_now().as_second()).then_some(login)
    }
}
