//! What is wrong with a place, told once.
//!
//! A place is written every ten seconds, several states at a time. When its disk is full, that is one piece of news, not one every
//! ten seconds and state.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What is wrong just now, by the state that it was noticed with.
#[derive(Debug)]
pub(super) struct Trouble<P>(Mutex<HashMap<String, P>>);

impl<P> Default for Trouble<P> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<P: Copy + PartialEq> Trouble<P> {
    /// Notes that this went wrong with a state. Whether that is news.
    pub(super) fn began(&self, name: &str, problem: P) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.values().any(|known| *known == problem);
        all.insert(name.to_owned(), problem);
        !known
    }

    /// Notes that a state could be kept. Whether that ends all that was wrong.
    pub(super) fn ended(&self, name: &str) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(name).is_some() && all.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_is_news_once_whatever_it_concerns() {
        let trouble = Trouble::default();
        assert!(!trouble.ended("ingresses"), "nothing was wrong");
        assert!(trouble.began("ingresses", "full"));
        assert!(!trouble.began("namespaces", "full"));
        assert!(!trouble.began("ingresses", "full"));
        assert!(trouble.began("ingresses", "read-only"));
        assert!(!trouble.ended("ingresses"), "the other one is still in trouble");
        assert!(trouble.ended("namespaces"));
        assert!(trouble.began("ingresses", "full"), "again");
    }
}
