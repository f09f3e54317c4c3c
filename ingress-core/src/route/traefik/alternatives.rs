//! The alternatives of a rule: the tests of which all have to be passed, for each way in which a rule can be met.

use super::rule::{Rule, What};

/// Fewer alternatives than this are never too many.
const FEW: usize = 64;
/// How many tests alternatives have at most, taken together, for each of them that is allowed.
const TESTS: usize = 16;

/// A test that has to be passed, or must not be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Literal<'a> {
    pub(super) what: &'a What,
    pub(super) negated: bool,
}

/// How many alternatives of a rule are worth having apart: as many as its text can name one by one, such as a long list of hosts.
pub(super) fn enough(text: &str) -> usize {
    FEW.max(text.len() / "Host(`a`)".len())
}

/// The alternatives of a rule; `None` when there are more than `most`, since a short rule can have very many.
pub(super) fn alternatives(rule: &Rule, most: usize) -> Option<Vec<Vec<Literal<'_>>>> {
    expand(rule, false, most)
}

fn expand(rule: &Rule, negated: bool, most: usize) -> Option<Vec<Vec<Literal<'_>>>> {
    match rule {
        Rule::Test(what) => few(vec![vec![Literal { what, negated }]], most),
        Rule::Not(inner) => expand(inner, !negated, most),
        // Not all of them is none of some, and the other way round.
        Rule::All(parts) if negated => any(parts, negated, most),
        Rule::Any(parts) if !negated => any(parts, negated, most),
        Rule::All(parts) | Rule::Any(parts) => all(parts, negated, most),
    }
}

fn any(parts: &[Rule], negated: bool, most: usize) -> Option<Vec<Vec<Literal<'_>>>> {
    let mut alternatives = Vec::new();
    for part in parts {
        alternatives.extend(expand(part, negated, most)?);
        if alternatives.len() > most {
            return None;
        }
    }
    few(alternatives, most)
}

fn all(parts: &[Rule], negated: bool, most: usize) -> Option<Vec<Vec<Literal<'_>>>> {
    let mut alternatives = vec![Vec::new()];
    for part in parts {
        let more = expand(part, negated, most)?;
        let joined =
            alternatives.iter().flat_map(|one| more.iter().map(move |other| [&**one, other].concat()));
        alternatives = few(joined.take(most.saturating_add(1)).collect(), most)?;
    }
    Some(alternatives)
}

/// The same, unless they are too many.
fn few(alternatives: Vec<Vec<Literal<'_>>>, most: usize) -> Option<Vec<Vec<Literal<'_>>>> {
    let tests: usize = alternatives.iter().map(Vec::len).sum();
    (alternatives.len() <= most && tests <= most.saturating_mul(TESTS)).then_some(alternatives)
}
