//! The alternatives of a rule: the tests of which all have to be passed, for each way in which a rule can be met.

use super::rule::{Rule, What};

/// More alternatives, or tests in all of them together, than anybody writes by hand.
const MANY: usize = 64;

/// A test that has to be passed, or must not be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Literal<'a> {
    pub(super) what: &'a What,
    pub(super) negated: bool,
}

/// The alternatives of a rule; `None` when there are too many of them.
pub(super) fn alternatives(rule: &Rule) -> Option<Vec<Vec<Literal<'_>>>> {
    expand(rule, false)
}

fn expand(rule: &Rule, negated: bool) -> Option<Vec<Vec<Literal<'_>>>> {
    match rule {
        Rule::Test(what) => Some(vec![vec![Literal { what, negated }]]),
        Rule::Not(inner) => expand(inner, !negated),
        // Not all of them is none of some, and the other way round.
        Rule::All(parts) if negated => any(parts, negated),
        Rule::Any(parts) if !negated => any(parts, negated),
        Rule::All(parts) | Rule::Any(parts) => all(parts, negated),
    }
}

fn any(parts: &[Rule], negated: bool) -> Option<Vec<Vec<Literal<'_>>>> {
    let mut alternatives = Vec::new();
    for part in parts {
        alternatives.extend(expand(part, negated)?);
        few(&alternatives)?;
    }
    Some(alternatives)
}

fn all(parts: &[Rule], negated: bool) -> Option<Vec<Vec<Literal<'_>>>> {
    let mut alternatives = vec![Vec::new()];
    for part in parts {
        let more = expand(part, negated)?;
        let joined =
            alternatives.iter().flat_map(|one| more.iter().map(move |other| [&**one, other].concat()));
        alternatives = joined.take(MANY + 1).collect();
        few(&alternatives)?;
    }
    Some(alternatives)
}

fn few(alternatives: &[Vec<Literal<'_>>]) -> Option<()> {
    let tests: usize = alternatives.iter().map(Vec::len).sum();
    (alternatives.len() <= MANY && tests <= MANY * 4).then_some(())
}
