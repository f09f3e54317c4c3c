//! What a request has to meet besides the host, path, method, headers and query parameters that Gateway API has words for.
//!
//! Istio and Traefik choose by more: by prefixes of headers, by expressions for hosts, by what must *not* be so. A [`Condition`] says one
//! such thing. Some of them nobody can decide who knows only the request, such as one about the client's address: these are kept as
//! written, so that whoever matches can say that there is a doubt, and doesn't have to guess.

use std::borrow::Cow;
use std::fmt;

use super::host::{normal, without_port};
use super::matcher::{Request, expression, expression_within};

/// One thing that has to be so for a request to fit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Condition {
    /// Something of the request passes a test.
    Is(Subject, Test),
    /// Something of the request does not pass a test.
    IsNot(Subject, Test),
    /// Something that the request alone doesn't tell, as the object writes it: the client's address, say.
    Unseen(String),
    /// Text that can't be read, so that nobody knows what it is for.
    Unreadable {
        /// The text.
        text: String,
        /// Why it can't be read.
        why: String,
    },
    /// All of these.
    All(Vec<Self>),
    /// One of these.
    Any(Vec<Self>),
}

/// What of a request is tested.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subject {
    /// The host, in lower case and without a port.
    Host,
    /// The host as the request has it, a port included.
    Authority,
    /// The path.
    Path,
    /// The method.
    Method,
    /// `http` or `https`.
    Scheme,
    /// A header, by its name; one of its values has to pass.
    Header(String),
    /// A query parameter, by its name; one of its values has to pass.
    QueryParam(String),
}

/// A test of text. Regular expressions are RE2's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Test {
    /// It is there.
    Present,
    /// It is this.
    Exact(String),
    /// It begins with this.
    Prefix(String),
    /// It ends with this.
    Suffix(String),
    /// An expression fits all of it.
    Whole(String),
    /// An expression is found somewhere in it.
    Within(String),
}

impl Condition {
    /// Whether a request meets it; `None` when the request alone doesn't tell.
    ///
    /// # Errors
    ///
    /// Why it can't be read, in a line.
    pub(crate) fn holds(&self, request: &Request) -> Result<Option<bool>, String> {
        let (subject, test, wanted) = match self {
            Self::Is(subject, test) => (subject, test, true),
            Self::IsNot(subject, test) => (subject, test, false),
            Self::Unseen(_) => return Ok(None),
            Self::Unreadable { why, .. } => return Err(why.clone()),
            Self::All(parts) => return joined(parts, request, false),
            Self::Any(parts) => return joined(parts, request, true),
        };
        let Some(values) = subject.values(request) else { return Ok(None) };
        test.passes(&values).map(|passes| Some(passes == wanted))
    }

    /// The regular expression in it, and why it can't be read, if it can't.
    pub(crate) fn unreadable_expression(&self) -> Option<(&str, String)> {
        match self {
            Self::Is(_, Test::Whole(text)) | Self::IsNot(_, Test::Whole(text)) => {
                Some((text, expression(text).err()?))
            }
            Self::Is(_, Test::Within(text)) | Self::IsNot(_, Test::Within(text)) => {
                Some((text, expression_within(text).err()?))
            }
            Self::All(parts) | Self::Any(parts) => parts.iter().find_map(Self::unreadable_expression),
            _ => None,
        }
    }
}

/// Whether all of some conditions are met, or one of them: as soon as one says `decides`, that is the answer, whatever is not known of the others.
fn joined(parts: &[Condition], request: &Request, decides: bool) -> Result<Option<bool>, String> {
    let mut answer = Ok(Some(!decides));
    for part in parts {
        match part.holds(request) {
            Ok(Some(holds)) if holds == decides => return Ok(Some(decides)),
            Ok(Some(_)) => {}
            Ok(None) if answer.is_ok() => answer = Ok(None),
            Ok(None) => {}
            Err(why) => answer = Err(why),
        }
    }
    answer
}

impl Subject {
    /// What of a request is tested; `None` when it isn't known.
    fn values<'r>(&self, request: &'r Request) -> Option<Vec<Cow<'r, str>>> {
        let one = |text: &'r str| vec![Cow::Borrowed(text)];
        Some(match self {
            Self::Host => vec![Cow::Owned(normal(without_port(&request.host)))],
            Self::Authority => one(&request.host),
            Self::Path => one(&request.path),
            Self::Method => one(&request.method),
            Self::Scheme => one(if request.tls? { "https" } else { "http" }),
            Self::Header(wanted) => {
                let named = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
                named.map(|(_, value)| Cow::Borrowed(value.as_str())).collect()
            }
            Self::QueryParam(wanted) => {
                let named = request.query.iter().filter(|(name, _)| name == wanted);
                named.map(|(_, value)| Cow::Borrowed(value.as_str())).collect()
            }
        })
    }
}

impl Test {
    /// Whether one of some values passes.
    fn passes(&self, values: &[Cow<'_, str>]) -> Result<bool, String> {
        let mut values = values.iter().map(AsRef::as_ref);
        Ok(match self {
            Self::Present => values.next().is_some(),
            Self::Exact(text) => values.any(|value: &str| value == text),
            Self::Prefix(text) => values.any(|value: &str| value.starts_with(text)),
            Self::Suffix(text) => values.any(|value: &str| value.ends_with(text)),
            Self::Whole(text) => {
                let expression = expression(text)?;
                values.any(|value| expression.is_match(value))
            }
            Self::Within(text) => {
                let expression = expression_within(text)?;
                values.any(|value| expression.is_match(value))
            }
        })
    }
}

/// `host=a.example.com`, `!path~^/a`, `header x`, or as written.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(subject, test) => write!(f, "{subject}{test}"),
            Self::IsNot(subject, test) => write!(f, "!{subject}{test}"),
            Self::Unseen(text) | Self::Unreadable { text, .. } => f.write_str(text),
            Self::All(parts) => write_joined(f, parts, " and "),
            Self::Any(parts) => write_joined(f, parts, " or "),
        }
    }
}

fn write_joined(f: &mut fmt::Formatter<'_>, parts: &[Condition], by: &str) -> fmt::Result {
    f.write_str("(")?;
    for (at, part) in parts.iter().enumerate() {
        write!(f, "{}{part}", if at == 0 { "" } else { by })?;
    }
    f.write_str(")")
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Authority => f.write_str("authority"),
            Self::Path => f.write_str("path"),
            Self::Method => f.write_str("method"),
            Self::Scheme => f.write_str("scheme"),
            Self::Header(name) => f.write_str(name),
            Self::QueryParam(name) => write!(f, "?{name}"),
        }
    }
}

/// What follows the subject; an expression that fits all of it has a `~`, one that is found somewhere `~~`.
impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => Ok(()),
            Self::Exact(text) => write!(f, "={text}"),
            Self::Prefix(text) => write!(f, "={text}…"),
            Self::Suffix(text) => write!(f, "=…{text}"),
            Self::Whole(text) => write!(f, "~{text}"),
            Self::Within(text) => write!(f, "~~{text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(condition: &Condition, request: &Request) -> Option<bool> {
        condition.holds(request).unwrap()
    }

    #[test]
    fn conditions_are_met_or_not_or_nobody_can_tell() {
        let request = Request::new("Shop.Example.com:8443", "/cart?q=1&q=2")
            .header("X-Version", "2")
            .header("x-version", "3");
        let header = |test| (Subject::Header("x-version".into()), test);
        let param = |test| (Subject::QueryParam("q".into()), test);
        for ((subject, test), expected) in [
            ((Subject::Host, Test::Exact("shop.example.com".into())), true),
            ((Subject::Host, Test::Suffix("-shop.example.com".into())), false),
            ((Subject::Authority, Test::Exact("shop.example.com".into())), false),
            ((Subject::Path, Test::Prefix("/ca".into())), true),
            ((Subject::Path, Test::Whole("/ca".into())), false),
            ((Subject::Path, Test::Within("a.t$".into())), true),
            ((Subject::Method, Test::Exact("POST".into())), false),
            (header(Test::Present), true),
            (header(Test::Exact("3".into())), true),
            (header(Test::Prefix("4".into())), false),
            (param(Test::Exact("2".into())), true),
            (param(Test::Within("[3-9]".into())), false),
            ((Subject::QueryParam("r".into()), Test::Present), false),
        ] {
            let is = Condition::Is(subject.clone(), test.clone());
            assert_eq!(holds(&is, &request), Some(expected), "{is}");
            let is_not = Condition::IsNot(subject, test);
            assert_eq!(holds(&is_not, &request), Some(!expected), "{is_not}");
        }
        let scheme = Condition::Is(Subject::Scheme, Test::Exact("https".into()));
        assert_eq!(holds(&scheme, &request), None);
        assert_eq!(holds(&scheme, &request.clone().tls(true)), Some(true));
        assert_eq!(holds(&Condition::Unseen("ClientIP(`10.0.0.0/8`)".into()), &request), None);
    }

    #[test]
    fn what_is_not_known_matters_only_where_nothing_else_decides() {
        let request = Request::new("a", "/");
        let path = |text: &str| Condition::Is(Subject::Path, Test::Exact(text.into()));
        let (yes, no, unseen) = (path("/"), path("/b"), Condition::Unseen("ClientIP(`::1`)".into()));
        let all =
            |parts: &[&Condition]| holds(&Condition::All(parts.iter().copied().cloned().collect()), &request);
        let any =
            |parts: &[&Condition]| holds(&Condition::Any(parts.iter().copied().cloned().collect()), &request);
        assert_eq!((all(&[&yes, &yes]), all(&[&yes, &no])), (Some(true), Some(false)));
        assert_eq!((all(&[&yes, &unseen]), all(&[&unseen, &no])), (None, Some(false)));
        assert_eq!((any(&[&no, &no]), any(&[&no, &yes])), (Some(false), Some(true)));
        assert_eq!((any(&[&no, &unseen]), any(&[&unseen, &yes])), (None, Some(true)));
        let broken = Condition::Unreadable { text: "(".into(), why: "it ends".into() };
        assert_eq!(any(&[&broken, &yes]), Some(true));
        assert!(Condition::All(vec![unseen.clone(), broken, unseen]).holds(&request).is_err());
    }

    #[test]
    fn expressions_that_cannot_be_read_are_told_with_why() {
        for test in [Test::Whole("(".into()), Test::Within("(".into())] {
            let condition = Condition::Is(Subject::Path, test);
            assert!(condition.holds(&Request::new("a", "/")).is_err());
            assert_eq!(condition.unreadable_expression().map(|(text, _)| text), Some("("));
        }
        let fine = Condition::IsNot(Subject::Path, Test::Whole("a+".into()));
        assert_eq!(fine.unreadable_expression(), None);
    }
}
