//! Where the next page of a list begins.
//!
//! A cursor is the rank of the last item sent, and a fingerprint of the filter and the order that it belongs to. The
//! server keeps nothing: the next page is whatever comes after that rank *then*. Items that are added or removed
//! meanwhile appear or not, but none is skipped or repeated that stayed where it was.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::order::Rank;
use crate::problem::Problem;

/// A parsed cursor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Cursor {
    value: Option<String>,
    cluster: String,
    namespace: String,
    name: String,
}

// The JSON inside, an array to keep it short.
#[derive(Serialize, Deserialize)]
struct Encoded<'a>(
    u64,
    #[serde(borrow)] Option<Cow<'a, str>>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
);

/// Equal for equal values, within one build of the program.
pub(crate) fn fingerprint(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Cursor {
    /// Writes the cursor that goes on after `last`.
    pub(crate) fn after(last: &Rank<'_>, fingerprint: u64) -> Result<String, serde_json::Error> {
        let encoded = Encoded(
            fingerprint,
            last.value.map(Cow::Borrowed),
            Cow::Borrowed(last.cluster),
            Cow::Borrowed(last.namespace),
            Cow::Borrowed(last.name),
        );
        Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(&encoded)?))
    }

    /// Reads a cursor that must have been given for the same parameters.
    pub(crate) fn parse(text: &str, fingerprint: u64) -> Result<Self, Problem> {
        let bad = |why| Problem::parameter("cursor", why);
        let json = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| bad("`cursor` is none that this API gave: pass it back exactly as it came"))?;
        let Encoded(given_for, value, cluster, namespace, name) = serde_json::from_slice(&json)
            .map_err(|_| bad("`cursor` is none that this API gave: pass it back exactly as it came"))?;
        if given_for != fingerprint {
            return Err(bad("`cursor` was given for other parameters: keep them the same from page to page"));
        }
        Ok(Self {
            value: value.map(Cow::into_owned),
            cluster: cluster.into_owned(),
            namespace: namespace.into_owned(),
            name: name.into_owned(),
        })
    }

    /// The rank after which to go on.
    pub(crate) fn rank(&self) -> Rank<'_> {
        Rank {
            value: self.value.as_deref(),
            cluster: &self.cluster,
            namespace: &self.namespace,
            name: &self.name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        for value in [None, Some(""), Some("a\"\u{e4}\\")] {
            let rank = Rank { value, cluster: "arn:x/y", namespace: "n", name: "m" };
            let text = Cursor::after(&rank, 7).unwrap();
            assert_eq!(Cursor::parse(&text, 7).unwrap().rank(), rank);
            assert_eq!(Cursor::parse(&text, 8).unwrap_err().named(), Some("cursor"));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", "nonsense", "%%%", "W10", &URL_SAFE_NO_PAD.encode("[1,2,3,4,5]")] {
            assert_eq!(Cursor::parse(bad, 0).unwrap_err().named(), Some("cursor"), "{bad}");
        }
    }
}
