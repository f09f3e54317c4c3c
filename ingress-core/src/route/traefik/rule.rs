//! Traefik's language of rules, as its third version has it: tests such as `Host(`a`)`, joined by `&&`, `||`, `!` and parentheses.
//!
//! What the second version writes otherwise is read as well where it can't be mistaken. A test that is not known here may be one of a newer version,
//! so it is kept as text instead of being refused. Reading is bounded: rules come from whoever may write them.

use regex::Regex;
use std::sync::LazyLock;

/// How deeply parentheses and negations may be nested.
const DEPTH: usize = 32;

/// A rule that was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rule {
    /// A test.
    Test(What),
    /// What must not be so.
    Not(Box<Self>),
    /// All of them have to be so.
    All(Vec<Self>),
    /// One of them has to be so.
    Any(Vec<Self>),
}

/// What is tested. Expressions are found somewhere in the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Host(String),
    HostRegexp(String),
    Path(String),
    PathPrefix(String),
    PathRegexp(String),
    Method(String),
    Header(String, String),
    HeaderRegexp(String, String),
    Query(String, String),
    QueryRegexp(String, String),
    /// A test that a request, as far as it is known here, doesn't decide; as written.
    Unseen(String),
}

/// Reads a rule.
///
/// # Errors
///
/// Why it can't be read, in a line.
pub(super) fn parse(text: &str) -> Result<Rule, String> {
    let mut reader = Reader { text, rest: text, depth: 0 };
    let rule = reader.any()?;
    if reader.peek().is_some() {
        return Err(reader.expected("&& or ||"));
    }
    Ok(rule)
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// The next character, after spaces.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    /// Whether this comes next, which is then passed over.
    fn passes(&mut self, what: &str) -> bool {
        self.peek();
        let after = self.rest.strip_prefix(what);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn expected(&self, what: &str) -> String {
        let at = self.text.len() - self.rest.len();
        if self.rest.is_empty() {
            format!("it ends where {what} is expected")
        } else {
            format!(
                "{what} is expected at character {}",
                self.text.get(..at).unwrap_or_default().chars().count() + 1
            )
        }
    }

    /// `a || b`, which binds least.
    fn any(&mut self) -> Result<Rule, String> {
        self.joined("||", Self::all, Rule::Any)
    }

    fn all(&mut self) -> Result<Rule, String> {
        self.joined("&&", Self::one, Rule::All)
    }

    fn joined(
        &mut self,
        by: &str,
        part: impl Fn(&mut Self) -> Result<Rule, String>,
        join: impl Fn(Vec<Rule>) -> Rule,
    ) -> Result<Rule, String> {
        let first = part(self)?;
        let mut parts = vec![first];
        while self.passes(by) {
            parts.push(part(self)?);
        }
        if parts.len() > 1 {
            return Ok(join(parts));
        }
        parts.pop().ok_or_else(|| self.expected("a test"))
    }

    /// A test, what must not be so, or something in parentheses.
    fn one(&mut self) -> Result<Rule, String> {
        let nests = matches!(self.peek(), Some('!' | '('));
        if !nests {
            return self.test();
        }
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(format!("parentheses and negations are nested more than {DEPTH} deep"));
        }
        let rule = if self.passes("!") {
            Rule::Not(Box::new(self.one()?))
        } else {
            self.passes("(");
            let inner = self.any()?;
            if !self.passes(")") {
                return Err(self.expected("&&, || or a closing parenthesis"));
            }
            inner
        };
        self.depth -= 1;
        Ok(rule)
    }

    /// `Name(`argument`, …)`.
    fn test(&mut self) -> Result<Rule, String> {
        self.peek();
        let begin = self.rest;
        let end = begin.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(begin.len());
        let (name, rest) = begin.split_at_checked(end).unwrap_or((begin, ""));
        if name.is_empty() {
            return Err(self.expected("a test such as Host(`…`)"));
        }
        self.rest = rest;
        if !self.passes("(") {
            return Err(self.expected("an opening parenthesis"));
        }
        let mut arguments = Vec::new();
        while !self.passes(")") {
            if !arguments.is_empty() && !self.passes(",") {
                return Err(self.expected("a comma or a closing parenthesis"));
            }
            arguments.push(self.quoted()?);
        }
        let written = begin.get(..begin.len() - self.rest.len()).unwrap_or(begin);
        meaning(name, arguments, written)
    }

    /// Text in backquotes, where nothing is escaped, or in quotes.
    fn quoted(&mut self) -> Result<String, String> {
        match self.peek() {
            Some('`') => {
                let (text, rest) = self
                    .rest
                    .get(1..)
                    .and_then(|inner| inner.split_once('`'))
                    .ok_or_else(|| "a backquote is not closed".to_owned())?;
                self.rest = rest;
                Ok(text.to_owned())
            }
            Some('"') => self.escaped(),
            _ => Err(self.expected("text in backquotes")),
        }
    }

    fn escaped(&mut self) -> Result<String, String> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return Ok(text);
                }
                '\\' => {
                    text.push(match chars.next() {
                        Some((_, c @ ('"' | '\\'))) => c,
                        Some((_, 'n')) => '\n',
                        Some((_, 't')) => '\t',
                        Some((_, 'r')) => '\r',
                        _ => return Err(
                            "after a backslash in quotes, only \\, \", n, t and r are read; use backquotes"
                                .to_owned(),
                        ),
                    });
                }
                c => text.push(c),
            }
        }
        Err("a quote is not closed".to_owned())
    }
}

/// A placeholder of the second version, such as `{id:[0-9]+}`: the third one would take it literally.
static PLACEHOLDER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{[A-Za-z_]\w*(:[^}]*)?\}").ok());

fn has_placeholder(text: &str) -> bool {
    PLACEHOLDER.as_ref().is_some_and(|placeholder| placeholder.is_match(text))
}

/// What a test means. Names are taken in any case, as Traefik does.
fn meaning(name: &str, arguments: Vec<String>, written: &str) -> Result<Rule, String> {
    let lower = name.to_ascii_lowercase();
    let unseen = || Rule::Test(What::Unseen(written.to_owned()));
    if arguments.is_empty() {
        return Err(format!("{name} needs an argument"));
    }
    if arguments.iter().any(|argument| has_placeholder(argument)) && lower != "method" {
        return Ok(unseen());
    }
    let single: fn(String) -> What = match lower.as_str() {
        "host" | "hostheader" => What::Host,
        "hostregexp" => What::HostRegexp,
        "path" => What::Path,
        "pathprefix" => What::PathPrefix,
        "pathregexp" => What::PathRegexp,
        "method" => What::Method,
        "header" | "headers" | "headerregexp" | "headersregexp" | "query" | "queryregexp" => {
            return pair(name, &lower, arguments, unseen);
        }
        _ => return Ok(unseen()),
    };
    if matches!(lower.as_str(), "path" | "pathprefix")
        && let Some(path) = arguments.iter().find(|path| !path.starts_with('/'))
    {
        return Err(format!("the path {path:?} of {name} does not begin with a slash"));
    }
    // The second version takes several, of which one is enough.
    let mut tests: Vec<Rule> = arguments.into_iter().map(|argument| Rule::Test(single(argument))).collect();
    Ok(match tests.len() {
        1 => tests.swap_remove(0),
        _ => Rule::Any(tests),
    })
}

/// What a test of something with a name means.
fn pair(name: &str, lower: &str, arguments: Vec<String>, unseen: impl Fn() -> Rule) -> Result<Rule, String> {
    let mut arguments = arguments.into_iter();
    let (key, value, more) = (arguments.next().unwrap_or_default(), arguments.next(), arguments.next());
    let of_query = lower.starts_with("query");
    // `Query(`a=b`)`, and several of these, are the second version's.
    if of_query && (key.contains('=') || more.is_some()) {
        return Ok(unseen());
    }
    let what = match (lower, value, more) {
        (_, _, Some(_)) => return Err(format!("{name} takes a name and a value")),
        ("header" | "headers", Some(value), None) => What::Header(key, value),
        ("headerregexp" | "headersregexp", Some(value), None) => What::HeaderRegexp(key, value),
        ("queryregexp", Some(value), None) => What::QueryRegexp(key, value),
        // Versions differ in whether this asks for an empty value, for any, or for nothing that can be.
        (_, None, None) => return Ok(unseen()),
        (_, Some(value), None) => What::Query(key, value),
    };
    Ok(Rule::Test(what))
}

#[cfg(test)]
mod tests;
