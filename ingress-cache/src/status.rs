//! How an answer came, as [RFC 9211](https://www.rfc-editor.org/rfc/rfc9211) tells it in `Cache-Status`.

use std::fmt;

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Came {
    /// From the cache, fresh.
    Hit,
    /// From the cache, stale; it is loaded anew behind the scenes.
    Stale,
    /// From its origin: the cache had nothing.
    Missed,
    /// From its origin: what the cache had was too stale to be served.
    Reloaded,
    /// From its origin: the cache couldn't be asked.
    Unavailable,
    /// From the cache, stale: it was to be loaded, and that failed.
    StaleIfError,
}

/// How an answer came. Its `Display` is an item for `Cache-Status`, such as `ingress; hit; ttl=42` or
/// `ingress; fwd=uri-miss; stored; collapsed`; keys are never in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Where it came from.
    pub came: Came,
    /// For how many seconds it stays fresh; below zero for how long it is stale. Told of what came from the cache only.
    pub ttl: Option<i64>,
    /// Whether the cache kept what came from the origin.
    pub stored: bool,
    /// Whether the load was somebody else's, here or in another replica.
    pub collapsed: bool,
}

impl Status {
    /// The name that this project's caches have in `Cache-Status`.
    pub const CACHE: &'static str = "ingress";
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (how, detail) = match self.came {
            Came::Hit => ("hit", None),
            Came::Stale => ("hit", Some("stale-while-revalidate")),
            Came::Missed => ("fwd=uri-miss", None),
            Came::Reloaded => ("fwd=stale", None),
            Came::Unavailable => ("fwd=uri-miss", Some("cache-unavailable")),
            Came::StaleIfError => ("fwd=stale", Some("stale-if-error")),
        };
        write!(f, "{}; {how}", Self::CACHE)?;
        if let Some(ttl) = self.ttl {
            write!(f, "; ttl={ttl}")?;
        }
        if self.stored {
            f.write_str("; stored")?;
        }
        if self.collapsed {
            f.write_str("; collapsed")?;
        }
        detail.map_or(Ok(()), |detail| write!(f, "; detail={detail}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_the_rfc_has_it() {
        let text = |came, ttl, stored, collapsed| Status { came, ttl, stored, collapsed }.to_string();
        let cases = [
            (text(Came::Hit, Some(42), false, false), "ingress; hit; ttl=42"),
            (
                text(Came::Stale, Some(-3), false, false),
                "ingress; hit; ttl=-3; detail=stale-while-revalidate",
            ),
            (text(Came::Missed, None, true, true), "ingress; fwd=uri-miss; stored; collapsed"),
            (text(Came::Missed, None, false, false), "ingress; fwd=uri-miss"),
            (text(Came::Reloaded, None, true, false), "ingress; fwd=stale; stored"),
            (text(Came::Unavailable, None, false, false), "ingress; fwd=uri-miss; detail=cache-unavailable"),
            (
                text(Came::StaleIfError, Some(-9), false, true),
                "ingress; fwd=stale; ttl=-9; collapsed; detail=stale-if-error",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(text, expected);
        }
    }
}
