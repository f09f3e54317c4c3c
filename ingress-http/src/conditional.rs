//! Entity tags (RFC 9110, section 8.8.3) and `If-None-Match` (section 13.1.2).
//!
//! A list's tag names the store's position and the question asked; whoever asks the same at the same position gets a
//! 304 before anything was filtered, sorted or serialised. The tag is weak, since each answer also tells the time.

use std::fmt;
use std::hash::Hash;

use http::{HeaderMap, HeaderValue, header};

use crate::cursor::fingerprint;
use crate::view::Mark;

/// The tag of one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    mark: Mark,
    question: u64,
}

impl Tag {
    pub(crate) fn new(mark: Mark, question: &impl Hash) -> Self {
        Self { mark, question: fingerprint(question) }
    }

    /// The value of the `ETag` header.
    pub(crate) fn header(&self) -> HeaderValue {
        // Digits, `-` and quotes are always a valid value; the empty tag matches nothing that we give.
        HeaderValue::try_from(format!("W/\"{self}\"")).unwrap_or(HeaderValue::from_static("W/\"\""))
    }

    /// Whether the client already has this answer.
    pub(crate) fn is_known(&self, headers: &HeaderMap) -> bool {
        let ours = self.to_string();
        headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.trim() == "*" || opaque_tags(value).any(|tag| tag == ours))
    }
}

/// What stands between the quotes.
impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mark {
            Mark::Plain(position) => write!(f, "{:x}-{}", position.epoch, position.seq)?,
            Mark::Sealed(_) => write!(f, "{}", self.mark)?,
        }
        write!(f, "-{:x}", self.question)
    }
}

// Weak comparison ignores `W/`. What stands between quotes may hold commas, so splitting at commas would not do.
fn opaque_tags(list: &str) -> impl Iterator<Item = &str> {
    list.split('"').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(epoch: u64, seq: u64) -> Mark {
        Mark::Plain(ingress_core::Position::new(epoch, seq))
    }

    fn known(values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
        }
        let tag = Tag { mark: plain(0xab, 7), question: 0x1 };
        assert_eq!(tag.header(), "W/\"ab-7-1\"");
        tag.is_known(&headers)
    }

    #[test]
    fn compares_as_the_rfc_says() {
        assert!(known(&["W/\"ab-7-1\""]));
        assert!(known(&["\"ab-7-1\""]));
        assert!(known(&["*"]));
        assert!(known(&["\"x,y\", W/\"ab-7-1\" , \"z\""]));
        assert!(known(&["\"x\"", "\"ab-7-1\""]));
        assert!(!known(&[]));
        assert!(!known(&["ab-7-1"]));
        assert!(!known(&["\"ab-7-2\""]));
        assert!(!known(&["\"x\", \"y\""]));
        assert!(!known(&["\"\""]));
    }

    #[test]
    fn other_questions_and_positions_have_other_tags() {
        let tag = Tag::new(plain(1, 2), &"a");
        assert_eq!(tag, Tag::new(plain(1, 2), &"a"));
        for other in [Tag::new(plain(1, 2), &"b"), Tag::new(plain(1, 3), &"a"), Tag::new(plain(2, 2), &"a")] {
            assert_ne!(tag.to_string(), other.to_string());
        }
    }
}
