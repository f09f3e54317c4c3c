//! Names of things: clusters, namespaces, objects, revisions, scopes.
//!
//! Each type is parsed once and can't hold a bad value afterwards, so nothing downstream validates again.
//! Cloning any of them bumps reference counts and copies no text.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// A name that was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} {problem}")]
pub struct InvalidName {
    what: &'static str,
    value: String,
    problem: &'static str,
}

impl InvalidName {
    fn new(what: &'static str, value: &str, problem: &'static str) -> Self {
        Self { what, value: value.chars().take(80).collect(), problem }
    }
}

/// Which cluster an object lives in, in the words of whoever configured it: a kubeconfig context, most often.
///
/// 1 to 253 characters, none of them white space or control characters. It may hold `/` and `:`, as the contexts
/// that cloud tools write do.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClusterId(Arc<str>);

// Keys of one cluster share its name, and a lookup compares a dozen of them: the same text need not be read each time.
impl Ord for ClusterId {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
    }
}

impl PartialOrd for ClusterId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl ClusterId {
    /// Parses a cluster's name.
    ///
    /// # Errors
    ///
    /// When it is empty, longer than 253 bytes, or holds white space or control characters.
    pub fn new(name: impl AsRef<str>) -> Result<Self, InvalidName> {
        let name = name.as_ref();
        if name.is_empty() || name.len() > 253 {
            return Err(InvalidName::new("cluster", name, "must be 1 to 253 bytes long"));
        }
        if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(InvalidName::new("cluster", name, "must not hold white space or control characters"));
        }
        Ok(Self(name.into()))
    }

    /// The same, for a name of unknown origin: offending characters become `-`, what is too long is cut.
    #[must_use]
    pub fn sanitized(name: &str) -> Self {
        let mut kept = String::new();
        for c in name.chars() {
            if kept.len() + c.len_utf8() > 253 {
                break;
            }
            kept.push(if c.is_whitespace() || c.is_control() { '-' } else { c });
        }
        if kept.is_empty() { Self("cluster".into()) } else { Self(kept.into()) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a namespace: an RFC 1123 label of 1 to 63 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(Arc<str>);

/// As text, for look-ups in sets and maps.
impl std::borrow::Borrow<str> for Namespace {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl Namespace {
    /// Parses a namespace's name.
    ///
    /// # Errors
    ///
    /// When it is not an RFC 1123 label: 1 to 63 of `a-z`, `0-9` and `-`, neither first nor last a `-`.
    pub fn new(name: impl AsRef<str>) -> Result<Self, InvalidName> {
        let name = name.as_ref();
        let problem = "must be an RFC 1123 label: 1 to 63 of a-z, 0-9 and -, neither first nor last a -";
        let fits = (1..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-');
        if fits { Ok(Self(name.into())) } else { Err(InvalidName::new("namespace", name, problem)) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Identifies one object of one kind: cluster, namespace (for namespaced kinds) and name.
///
/// Ordered by cluster, then namespace, then name, so that everything of one namespace lies together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    cluster: ClusterId,
    // Namespace and name in one allocation. NUL sorts before every character of a name, so that the order of
    // the joined text is the order of the pair.
    path: Arc<str>,
}

impl ObjectKey {
    /// The key of an object; `namespace` is `None` for cluster-scoped kinds.
    #[must_use]
    pub fn new(cluster: ClusterId, namespace: Option<&str>, name: &str) -> Self {
        let namespace = namespace.unwrap_or_default();
        let mut path = String::with_capacity(namespace.len() + 1 + name.len());
        path.push_str(namespace);
        path.push('\0');
        path.push_str(name);
        Self { cluster, path: path.into() }
    }

    /// The cluster the object lives in.
    #[must_use]
    pub fn cluster(&self) -> &ClusterId {
        &self.cluster
    }

    /// The object's namespace; `None` for cluster-scoped kinds.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.path.split_once('\0').map(|(namespace, _)| namespace).filter(|namespace| !namespace.is_empty())
    }

    /// The object's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.split_once('\0').map_or("", |(_, name)| name)
    }

    /// The least key of a cluster, or of one namespace in it: where a walk over all of it begins.
    #[must_use]
    pub(crate) fn first_of(cluster: ClusterId, namespace: Option<&Namespace>) -> Self {
        Self::new(cluster, namespace.map(Namespace::as_str), "")
    }
}

/// `cluster/namespace/name`, or `cluster/name` for cluster-scoped kinds.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cluster.as_str())?;
        if let Some(namespace) = self.namespace() {
            write!(f, "/{namespace}")?;
        }
        write!(f, "/{}", self.name())
    }
}

/// A source's own mark of a point in its history: for Kubernetes, a `resourceVersion`. Opaque.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Revision(Arc<str>);

impl Revision {
    /// Wraps a source's mark.
    #[must_use]
    pub fn new(mark: &str) -> Self {
        Self(mark.into())
    }

    /// The mark.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What of its clusters a hub watches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Scope {
    /// All namespaces: one cluster-wide lane, or, where that is forbidden, one lane per namespace.
    #[default]
    All,
    /// Just these, each by a lane of its own. Never empty.
    Namespaces(std::collections::BTreeSet<Namespace>),
}

impl Scope {
    /// Parses a list of namespaces; an empty list means all.
    ///
    /// # Errors
    ///
    /// When a name is no namespace's name.
    pub fn namespaces<I>(names: I) -> Result<Self, InvalidName>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let names =
            names.into_iter().map(Namespace::new).collect::<Result<std::collections::BTreeSet<_>, _>>()?;
        Ok(if names.is_empty() { Self::All } else { Self::Namespaces(names) })
    }

    /// Whether objects of this namespace are in view.
    #[must_use]
    pub fn contains(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Namespaces(names) => names.iter().any(|name| name.as_str() == namespace),
        }
    }
}

/// What one lane watches: the whole cluster, or one namespace of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LaneScope {
    /// Every namespace, or a kind that has none.
    Cluster,
    /// One namespace.
    Namespace(Namespace),
}

impl LaneScope {
    /// The namespace, when it is one.
    #[must_use]
    pub fn namespace(&self) -> Option<&Namespace> {
        match self {
            Self::Cluster => None,
            Self::Namespace(namespace) => Some(namespace),
        }
    }
}

macro_rules! text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), self.as_str())
            }
        }
    )*};
}
text!(ClusterId, Namespace, Revision);

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectKey({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_rfc_1123_labels() {
        for good in ["a", "shop", "kube-system", "0x1"] {
            assert!(Namespace::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "Shop", "a.b", "a/b", &"x".repeat(64)] {
            assert!(Namespace::new(bad).is_err(), "{bad}");
        }
        let message = Namespace::new("Shop").unwrap_err().to_string();
        assert!(message.starts_with("namespace \"Shop\" must be an RFC 1123 label"), "{message}");
    }

    #[test]
    fn clusters_keep_what_cloud_contexts_hold() {
        let arn = "arn:aws:eks:eu-west-1:123456789012:cluster/prod";
        assert_eq!(ClusterId::new(arn).unwrap().as_str(), arn);
        assert!(ClusterId::new("a b").is_err());
        assert_eq!(ClusterId::sanitized("a b\n").as_str(), "a-b-");
        assert_eq!(ClusterId::sanitized("").as_str(), "cluster");
    }

    #[test]
    fn keys_sort_by_cluster_then_namespace_then_name() {
        let cluster = ClusterId::new("c").unwrap();
        let key = |namespace, name| ObjectKey::new(cluster.clone(), Some(namespace), name);
        let mut keys = [key("a-b", "x"), key("a", "z"), key("a", "a"), key("b", "a")];
        keys.sort();
        let shown: Vec<_> = keys.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["c/a/a", "c/a/z", "c/a-b/x", "c/b/a"]);
        assert_eq!(keys[0].namespace(), Some("a"));
        assert_eq!(keys[0].name(), "a");
        let namespace = Namespace::new("a").unwrap();
        assert!(ObjectKey::first_of(cluster.clone(), Some(&namespace)) < keys[0]);
        let global = ObjectKey::new(cluster, None, "shop");
        assert_eq!((global.namespace(), global.name(), global.to_string()), (None, "shop", "c/shop".into()));
    }

    #[test]
    fn an_empty_list_of_namespaces_means_all() {
        assert_eq!(Scope::namespaces(Vec::<&str>::new()).unwrap(), Scope::All);
        let two = Scope::namespaces(["b", "a"]).unwrap();
        assert!(two.contains("a") && !two.contains("c"));
        assert!(Scope::namespaces(["A"]).is_err());
    }
}
