//! How keys are called in Redis.
//!
//! | key | holds |
//! |---|---|
//! | `PREFIX:{PATH}` | a value |
//! | `PREFIX:turn:{PATH}` | whose turn it is to load it |
//! | `PREFIX:changed` | a channel: paths of what changed |
//!
//! The braces are a hash tag: in a Cluster, a value and its turn lie on the same node, so that scripts can see both and one clock gives all
//! their versions. They also tell values from everything else that begins with the prefix, which is what invalidations are asked for.

use crate::cache::Key;

/// Where a value lies.
pub(super) fn value(prefix: &str, key: &Key) -> String {
    [prefix, ":{", key.path(), "}"].concat()
}

/// Where its turn lies.
pub(super) fn turn(prefix: &str, key: &Key) -> String {
    [prefix, ":turn:{", key.path(), "}"].concat()
}

/// Where changes are told.
pub(super) fn channel(prefix: &str) -> String {
    [prefix, ":changed"].concat()
}

/// What the keys of values begin with, and nothing else.
pub(super) fn values(prefix: &str) -> String {
    [prefix, ":{"].concat()
}

/// The path of a value that lies there.
pub(super) fn path<'a>(prefix: &str, place: &'a str) -> Option<&'a str> {
    place.strip_prefix(prefix)?.strip_prefix(":{")?.strip_suffix('}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Use;

    #[test]
    fn a_value_is_found_by_its_path_and_lies_beside_its_turn() {
        for text in ["prod/shop/web", "a}b{c", "{x}", ""] {
            let key = Key::new(Use::new("detail"), text);
            let (value, turn) = (value("p", &key), turn("p", &key));
            assert_eq!(path("p", &value), Some(key.path()));
            assert_eq!(path("p", &turn), None);
            let tag = |place: &str| {
                let rest = place.split_once('{').unwrap().1;
                rest.split_once('}').unwrap().0.to_owned()
            };
            assert_eq!(tag(&value), tag(&turn));
            assert!(!tag(&value).is_empty());
        }
    }
}
