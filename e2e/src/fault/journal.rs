//! What an engine showed, one change after the other, judged as it comes.

use std::collections::BTreeMap;

use crate::objects::State;

/// How many complaints of a kind are kept.
const KEPT: usize = 5;

/// Everything that an engine's reader saw, folded, and what was wrong with it.
#[derive(Debug, Default)]
pub struct Journal {
    shown: BTreeMap<String, State>,
    // Of every object that was ever shown, the last state: also of those that are gone.
    last: BTreeMap<String, State>,
    changes: usize,
    repeated: usize,
    disorder: Vec<String>,
    flicker: Vec<String>,
}

impl Journal {
    /// An object appeared, or changed.
    pub fn show(&mut self, key: &str, state: State) {
        self.changes += 1;
        let gone = !self.shown.contains_key(key);
        if let Some(last) = self.last.get(key) {
            let (before, now) = (version(last), version(&state));
            if now < before {
                complain(&mut self.disorder, format!("{key} went from {before} back to {now}"));
            } else if gone && *last == state {
                complain(&mut self.flicker, format!("{key} at {now} was gone for a while"));
            }
        }
        self.last.insert(key.to_owned(), state.clone());
        self.shown.insert(key.to_owned(), state);
    }

    /// An object went.
    pub fn remove(&mut self, key: &str) {
        self.changes += 1;
        self.shown.remove(key);
    }

    /// The whole state was replaced by this one: only the differences count as changes.
    pub fn replace(&mut self, state: &BTreeMap<String, State>) {
        let gone: Vec<String> = self.shown.keys().filter(|key| !state.contains_key(*key)).cloned().collect();
        for key in gone {
            self.remove(&key);
        }
        for (key, now) in state {
            if self.shown.get(key) != Some(now) {
                self.show(key, now.clone());
            }
        }
    }

    /// A reader of the engine's events was told of an object; counts those that it knew.
    pub fn told(&mut self, key: &str, state: &State) {
        if self.shown.get(key) == Some(state) {
            self.repeated += 1;
        }
    }

    /// What the changes add up to.
    #[must_use]
    pub fn shown(&self) -> &BTreeMap<String, State> {
        &self.shown
    }

    /// How many changes there were.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.changes
    }

    /// How many events told of nothing new.
    #[must_use]
    pub fn repeated(&self) -> usize {
        self.repeated
    }

    /// Objects of which an older state came after a newer one.
    #[must_use]
    pub fn disorder(&self) -> &[String] {
        &self.disorder
    }

    /// Objects that went and came back unchanged.
    #[must_use]
    pub fn flicker(&self) -> &[String] {
        &self.flicker
    }
}

/// Revisions of one etcd are numbers that grow.
fn version(state: &State) -> u64 {
    state.version.parse().unwrap_or_default()
}

fn complain(complaints: &mut Vec<String>, complaint: String) {
    if complaints.len() < KEPT {
        complaints.push(complaint);
    }
}

#[cfg(test)]
mod tests {
    use super::Journal;
    use crate::objects::State;

    #[test]
    fn going_back_and_coming_back_are_noticed() {
        let mut journal = Journal::default();
        journal.show("a", State::new("1", "5"));
        journal.show("a", State::new("1", "7"));
        assert!(journal.disorder().is_empty() && journal.flicker().is_empty());
        journal.show("a", State::new("1", "6"));
        assert_eq!(journal.disorder().len(), 1);
        journal.remove("a");
        journal.show("a", State::new("1", "6"));
        assert_eq!(journal.flicker().len(), 1);
    }

    #[test]
    fn replacing_shows_only_differences() {
        let mut journal = Journal::default();
        journal.show("a", State::new("1", "5"));
        journal.replace(&[("a".to_owned(), State::new("1", "5"))].into());
        assert_eq!(journal.changes(), 1);
        journal.replace(&[("b".to_owned(), State::new("2", "6"))].into());
        assert_eq!(journal.changes(), 3);
        assert_eq!(journal.shown().len(), 1);
    }
}
