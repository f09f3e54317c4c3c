//! What this project's programs cache, by name. [`Policy`](crate::policy::Policy) has a policy for each.

use crate::cache::Use;

/// Which namespaces a cluster has; [`Policy::NAMESPACES`](crate::policy::Policy::NAMESPACES).
pub const NAMESPACES: Use = Use::new("namespaces");

/// A whole object on demand; [`Policy::INGRESS_DETAIL`](crate::policy::Policy::INGRESS_DETAIL).
pub const INGRESS_DETAIL: Use = Use::new("ingress-detail");

/// How a cluster is; [`Policy::HEALTH`](crate::policy::Policy::HEALTH).
pub const HEALTH: Use = Use::new("health");

/// Whose a token is, under [hashed](crate::cache::Key::hashed) keys; [`Policy::ACCESS_REVIEWS`](crate::policy::Policy::ACCESS_REVIEWS).
pub const TOKEN_REVIEWS: Use = Use::new("token-reviews");

/// What somebody may do, under [hashed](crate::cache::Key::hashed) keys; [`Policy::ACCESS_REVIEWS`](crate::policy::Policy::ACCESS_REVIEWS).
pub const ACCESS_REVIEWS: Use = Use::new("access-reviews");
