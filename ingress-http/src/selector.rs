//! Kubernetes label selectors: `app=shop,tier!=cache,env in (prod,staging),!canary`.
//!
//! The syntax is that of `kubectl -l` as the Kubernetes page "Labels and Selectors" describes it; keys and values are
//! held to the rules of label keys and values, so that a selector that can never match is refused instead of matching
//! nothing. As in Kubernetes, `!=` and `notin` also match objects that lack the key, and an empty selector matches all.

use std::collections::BTreeSet;

/// A parsed selector: every requirement must hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Test {
    Exists,
    Absent,
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
}

impl Selector {
    /// Parses a selector; the error says what is wrong, for people.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = Tokens::new(text);
        let mut requirements = Vec::new();
        if tokens.peek().is_none() {
            return Ok(Self { requirements });
        }
        loop {
            requirements.push(requirement(&mut tokens)?);
            match tokens.next() {
                None => return Ok(Self { requirements }),
                Some(Token::Comma) => {}
                Some(other) => return Err(format!("found {}, expected a comma or the end", other.shown())),
            }
        }
    }

    /// How many requirements it has.
    pub(crate) fn len(&self) -> usize {
        self.requirements.len()
    }

    /// Whether labels satisfy it.
    pub(crate) fn matches(&self, labels: &[(&str, &str)]) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = labels.iter().find(|(key, _)| *key == requirement.key).map(|(_, value)| *value);
            match (&requirement.test, value) {
                (Test::Exists, value) => value.is_some(),
                (Test::Absent, value) => value.is_none(),
                (Test::In(values), Some(value)) => values.contains(value),
                (Test::In(_), None) => false,
                (Test::NotIn(values), Some(value)) => !values.contains(value),
                (Test::NotIn(_), None) => true,
            }
        })
    }
}

fn requirement(tokens: &mut Tokens<'_>) -> Result<Requirement, String> {
    let negated = tokens.peek() == Some(Token::Not);
    if negated {
        tokens.next();
    }
    let key = match tokens.next() {
        Some(Token::Word(word)) => valid_key(word)?,
        other => return Err(format!("found {}, expected a label's key", shown(other))),
    };
    if negated {
        return Ok(Requirement { key, test: Test::Absent });
    }
    let test = match tokens.peek() {
        None | Some(Token::Comma) => Test::Exists,
        Some(Token::Equals) => {
            tokens.next();
            Test::In(BTreeSet::from([single_value(tokens)?]))
        }
        Some(Token::NotEquals) => {
            tokens.next();
            Test::NotIn(BTreeSet::from([single_value(tokens)?]))
        }
        Some(Token::Word("in")) => {
            tokens.next();
            Test::In(values(tokens)?)
        }
        Some(Token::Word("notin")) => {
            tokens.next();
            Test::NotIn(values(tokens)?)
        }
        Some(other) => {
            return Err(format!("found {} after `{key}`, expected =, ==, !=, in or notin", other.shown()));
        }
    };
    Ok(Requirement { key, test })
}

// `key=` with nothing after it asks for the empty value, which a label may have.
fn single_value(tokens: &mut Tokens<'_>) -> Result<String, String> {
    match tokens.peek() {
        None | Some(Token::Comma) => Ok(String::new()),
        Some(Token::Word(word)) => {
            tokens.next();
            valid_value(word)
        }
        Some(other) => Err(format!("found {}, expected a value", other.shown())),
    }
}

// `(a,,b)` and `()` hold the empty value, as in Kubernetes.
fn values(tokens: &mut Tokens<'_>) -> Result<BTreeSet<String>, String> {
    match tokens.next() {
        Some(Token::Open) => {}
        other => return Err(format!("found {}, expected (", shown(other))),
    }
    let mut values = BTreeSet::new();
    loop {
        let value = match tokens.peek() {
            Some(Token::Word(word)) => {
                tokens.next();
                valid_value(word)?
            }
            _ => String::new(),
        };
        values.insert(value);
        match tokens.next() {
            Some(Token::Comma) => {}
            Some(Token::Close) => return Ok(values),
            other => return Err(format!("found {}, expected a comma or )", shown(other))),
        }
    }
}

fn valid_key(key: &str) -> Result<String, String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let good = prefix.is_none_or(is_dns_subdomain) && !name.is_empty() && is_label_text(name);
    if good { Ok(key.to_owned()) } else { Err(format!("`{}` is no label's key", cut(key))) }
}

fn valid_value(value: &str) -> Result<String, String> {
    if is_label_text(value) {
        Ok(value.to_owned())
    } else {
        Err(format!("`{}` is no label's value", cut(value)))
    }
}

/// At most 63 of letters, digits, `-`, `_` and `.`, the first and last a letter or digit; or nothing.
fn is_label_text(text: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
    text.len() <= 63
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && edge(text.bytes().next())
        && edge(text.bytes().last())
}

/// RFC 1123: labels of lower-case letters, digits and inner `-`, joined by dots; at most 253 characters.
pub(crate) fn is_dns_subdomain(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Not,
    Equals,
    NotEquals,
    Comma,
    Open,
    Close,
    /// Kubernetes' parser knows `>` and `<`; its documentation does not, and neither do we.
    Other(char),
}

impl Token<'_> {
    fn shown(self) -> String {
        match self {
            Self::Word(word) => format!("`{}`", cut(word)),
            Self::Not => "!".into(),
            Self::Equals => "=".into(),
            Self::NotEquals => "!=".into(),
            Self::Comma => "a comma".into(),
            Self::Open => "(".into(),
            Self::Close => ")".into(),
            Self::Other(other) => other.into(),
        }
    }
}

fn shown(token: Option<Token<'_>>) -> String {
    token.map_or_else(|| "the end".into(), Token::shown)
}

#[derive(Debug)]
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    fn peek(&self) -> Option<Token<'a>> {
        self.split().map(|(token, _)| token)
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let (token, rest) = self.split()?;
        self.rest = rest;
        Some(token)
    }

    fn split(&self) -> Option<(Token<'a>, &'a str)> {
        let text = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        for (sign, token) in [
            ("==", Token::Equals),
            ("!=", Token::NotEquals),
            ("=", Token::Equals),
            ("!", Token::Not),
            (",", Token::Comma),
            ("(", Token::Open),
            (")", Token::Close),
        ] {
            if let Some(rest) = text.strip_prefix(sign) {
                return Some((token, rest));
            }
        }
        let first = text.chars().next()?;
        if "<>".contains(first) {
            return Some((Token::Other(first), text.get(1..).unwrap_or_default()));
        }
        let end = text.find([' ', '\t', '\r', '\n', '=', '!', ',', '(', ')', '<', '>']).unwrap_or(text.len());
        let (word, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        Some((Token::Word(word), rest))
    }
}

#[cfg(test)]
mod tests;
