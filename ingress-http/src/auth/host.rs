//! People whom the program around the router knows.

use std::sync::Arc;

use async_trait::async_trait;
use http::request::Parts;
use ingress_core::access::UserInfo;

use super::{AuthenticationError, Authenticator, Scheme};

/// Takes it from the host who sent a request: a layer of its own puts a [`UserInfo`] into the request's extensions. A request without
/// one is refused. A stream keeps the one that it was opened with: to end it, the host has to close it.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct HostAuthentication;

impl HostAuthentication {
    /// The only one.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl Authenticator for HostAuthentication {
    async fn authenticate(&self, request: &Parts) -> Result<Arc<UserInfo>, AuthenticationError> {
        let user = request.extensions.get::<UserInfo>().filter(|user| !user.username.is_empty());
        user.cloned()
            .map(Arc::new)
            .ok_or_else(|| AuthenticationError::missing("nobody said who sent this request"))
    }

    fn scheme(&self) -> Scheme {
        Scheme::Elsewhere
    }
}
