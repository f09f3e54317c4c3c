//! Who somebody is, and what they may do: the questions that a cluster's API server answers for others.
//!
//! The engine watches with its own permissions. A program that shows what it sees to other people asks the API server about
//! them: a *token review* (`authentication.k8s.io/v1`) tells whose token one is, and a *subject access review*
//! (`authorization.k8s.io/v1`) whether somebody may do something. Both are virtual resources: to create one is to ask a
//! question, and nothing is kept. Who asks needs the permission to create `tokenreviews` and `subjectaccessreviews`, which the
//! role `system:auth-delegator` holds.
//!
//! [`Hub::review_token`](crate::Hub::review_token) and [`Hub::review_access`](crate::Hub::review_access) ask, behind the cluster's
//! circuit breaker. Nothing is remembered here: how long an answer may be believed is for whoever uses it to say.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

use crate::key::Namespace;
use crate::kind::{Kind, Resource};

/// Somebody, as Kubernetes knows them (`authentication.k8s.io/v1`, `UserInfo`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct UserInfo {
    /// The name that role bindings use; never empty for somebody who is known.
    pub username: String,
    /// Tells apart people who had the same name at different times; empty where nobody says.
    pub uid: String,
    /// The groups, as role bindings name them; in order, each once.
    pub groups: Vec<String>,
    /// Whatever else whoever authenticated them says, for authorizers that want it.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl UserInfo {
    /// Somebody with this name, and these groups.
    #[must_use]
    pub fn new(username: impl Into<String>, groups: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut groups: Vec<String> = groups.into_iter().map(Into::into).collect();
        groups.sort_unstable();
        groups.dedup();
        Self { username: username.into(), groups, ..Self::default() }
    }
}

/// What somebody wants to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Attributes {
    /// Something with the objects of a kind.
    Resource {
        /// `get`, `list`, `watch`, …
        verb: &'static str,
        /// The API group; empty for the core group.
        group: Cow<'static, str>,
        /// The kind's plural, such as `ingresses`.
        resource: Cow<'static, str>,
        /// Where; `None` means in all namespaces, or that the kind has none.
        namespace: Option<Namespace>,
    },
    /// Something with a path that is no object, such as `/metrics`.
    NonResource {
        /// The HTTP method, lower-case.
        verb: &'static str,
        /// The path.
        path: &'static str,
    },
}

impl Attributes {
    /// To list the objects of a kind, in one namespace or in all.
    #[must_use]
    pub fn list<K: Kind>(namespace: Option<Namespace>) -> Self {
        let Resource { group, plural, .. } = K::resource();
        Self::Resource { verb: "list", group, resource: plural, namespace }
    }
}

/// A bearer token. Its text is in no message, and memory is wiped when it is dropped.
#[derive(Clone)]
pub struct Token(SecretString);

impl Token {
    /// Takes care of a token.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The token itself, for whoever sends it to the one place that may see it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_in_order_each_once() {
        assert_eq!(UserInfo::new("ann", ["b", "a", "b"]).groups, ["a", "b"]);
    }

    #[test]
    fn a_token_is_in_no_message() {
        assert_eq!(format!("{:?}", Token::new("s3cret")), "Token(…)");
    }
}
