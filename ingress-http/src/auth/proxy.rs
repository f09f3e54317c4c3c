//! People whom a proxy in front knows.
//!
//! Headers say whatever their sender likes, so they are believed from listed addresses only: those of proxies that set them themselves
//! and take out what came with the request.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::ConnectInfo;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use ingress_core::access::UserInfo;

use super::{AuthenticationError, Authenticator, Scheme};
use crate::client::TrustedProxies;

/// How many groups somebody may be in.
const MAX_GROUPS: usize = 1000;

/// Knows people by headers that a trusted proxy sets: the user in `X-Remote-User`, `X-Forwarded-User` or `X-Forwarded-Email`, whichever is
/// there first; groups in any number of `X-Remote-Group`, or separated by commas in `X-Forwarded-Groups`. The first are those of
/// Kubernetes' own authenticating proxies, the others those of oauth2-proxy and its like.
///
/// The peer's address is taken from axum's [`ConnectInfo`]; without it, nobody is believed.
#[derive(Debug, Clone)]
pub struct ProxyHeaders {
    proxies: TrustedProxies,
}

const USER: [HeaderName; 3] = [
    HeaderName::from_static("x-remote-user"),
    HeaderName::from_static("x-forwarded-user"),
    HeaderName::from_static("x-forwarded-email"),
];
const GROUP: HeaderName = HeaderName::from_static("x-remote-group");
const GROUPS: HeaderName = HeaderName::from_static("x-forwarded-groups");

impl ProxyHeaders {
    /// Believes these proxies.
    #[must_use]
    pub fn from(proxies: TrustedProxies) -> Self {
        Self { proxies }
    }
}

#[async_trait]
impl Authenticator for ProxyHeaders {
    async fn authenticate(&self, request: &Parts) -> Result<Arc<UserInfo>, AuthenticationError> {
        let peer = request.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
        if !peer.is_some_and(|peer| self.proxies.contains(peer)) {
            return Err(AuthenticationError::invalid(
                "requests are taken from the authenticating proxy only",
            ));
        }
        let user = USER.iter().find_map(|name| one(&request.headers, name).transpose()).transpose()?;
        let user =
            user.ok_or_else(|| AuthenticationError::missing("the authenticating proxy named no user"))?;
        let mut groups = Vec::new();
        for value in request.headers.get_all(GROUP) {
            groups.push(text(value)?);
        }
        for value in request.headers.get_all(GROUPS) {
            groups.extend(text(value)?.split(',').map(str::trim));
        }
        groups.retain(|group| !group.is_empty());
        if groups.len() > MAX_GROUPS {
            return Err(AuthenticationError::invalid(format!(
                "somebody in more than {MAX_GROUPS} groups is not served"
            )));
        }
        Ok(Arc::new(UserInfo::new(user, groups)))
    }

    fn scheme(&self) -> Scheme {
        Scheme::Elsewhere
    }
}

/// The value of a header that may be there once. Of two, one is somebody else's.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, AuthenticationError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => Err(AuthenticationError::invalid(format!("there is more than one `{name}`"))),
        (Some(value), None) => Ok(Some(text(value)?).filter(|text| !text.is_empty())),
        (None, _) => Ok(None),
    }
}

fn text(value: &http::HeaderValue) -> Result<&str, AuthenticationError> {
    std::str::from_utf8(value.as_bytes())
        .map(str::trim)
        .map_err(|_| AuthenticationError::invalid("a header of the authenticating proxy is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(peer: &str, headers: &[(&str, &str)]) -> Result<UserInfo, AuthenticationError> {
        let mut request = http::Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        if let Ok(peer) = peer.parse::<SocketAddr>() {
            parts.extensions.insert(ConnectInfo(peer));
        }
        let proxies = ProxyHeaders::from(TrustedProxies::new(["10.0.0.0/8", "fd00::/8"]).unwrap());
        proxies.authenticate(&parts).await.map(|user| (*user).clone())
    }

    #[tokio::test]
    async fn only_listed_proxies_are_believed() {
        let ann = [("x-remote-user", "ann")];
        for (peer, believed) in [
            ("10.1.2.3:1", true),
            ("[::ffff:10.1.2.3]:1", true),
            ("[fd00::1]:1", true),
            ("11.1.2.3:1", false),
            ("[::1]:1", false),
            ("", false),
        ] {
            assert_eq!(ask(peer, &ann).await.is_ok(), believed, "{peer}");
        }
    }

    #[tokio::test]
    async fn user_and_groups_come_from_the_usual_headers() {
        let peer = "10.0.0.1:1";
        let remote = [("x-remote-user", "ann"), ("x-remote-group", "dev"), ("x-remote-group", "ops")];
        assert_eq!(ask(peer, &remote).await.unwrap(), UserInfo::new("ann", ["dev", "ops"]));
        let forwarded = [("x-forwarded-email", "ann@example.com"), ("x-forwarded-groups", "dev, ops,")];
        assert_eq!(ask(peer, &forwarded).await.unwrap(), UserInfo::new("ann@example.com", ["dev", "ops"]));
        assert!(ask(peer, &[("x-remote-user", " ")]).await.is_err());
        assert!(ask(peer, &[]).await.is_err());
        assert!(ask(peer, &[("x-remote-user", "ann"), ("x-remote-user", "root")]).await.is_err());
    }
}
