//! Where the fields of a document are written.

use super::Location;

/// Where a value is written, and all that is in it. Of a map's entry, that is its key.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Spot {
    pub(super) at: Location,
    pub(super) below: Below,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Below {
    #[default]
    Nothing,
    Map(Vec<(Box<str>, Spot)>),
    List(Vec<Spot>),
}

impl Spot {
    pub(super) fn entry(&self, key: &str) -> Option<&Self> {
        match &self.below {
            Below::Map(entries) => entries.iter().find(|(name, _)| **name == *key).map(|(_, below)| below),
            Below::Nothing | Below::List(_) => None,
        }
    }

    /// Takes the items of a list out of a map's entry.
    pub(super) fn take_items(&mut self, key: &str) -> Vec<Self> {
        let Below::Map(entries) = &mut self.below else { return Vec::new() };
        let Some((_, entry)) = entries.iter_mut().find(|(name, _)| **name == *key) else { return Vec::new() };
        match std::mem::take(&mut entry.below) {
            Below::List(items) => items,
            Below::Nothing | Below::Map(_) => Vec::new(),
        }
    }

    /// Follows a path as far as it is there; `None` when not even its first step is.
    pub(super) fn find(&self, path: &str) -> Option<Location> {
        let mut found = None;
        let (mut spot, mut rest) = (self, path);
        while !rest.is_empty() {
            let Some((below, after)) = spot.step(rest) else { break };
            (spot, rest, found) = (below, after, Some(below.at));
        }
        found
    }

    /// One step of a path, and what is left of it.
    fn step<'a>(&self, path: &'a str) -> Option<(&Self, &'a str)> {
        if let Some((inner, after)) = path.strip_prefix('[').and_then(|path| path.split_once(']')) {
            let name = inner.trim_matches(['"', '\'']);
            let below = match &self.below {
                Below::List(items) => items.get(name.parse::<usize>().ok()?)?,
                Below::Map(_) | Below::Nothing => self.entry(name)?,
            };
            return Some((below, after.strip_prefix('.').unwrap_or(after)));
        }
        let Below::Map(entries) = &self.below else { return None };
        // A key may have dots in it: the longest that fits is meant.
        let fits = |name: &str| {
            let after = path.strip_prefix(name)?;
            match after.chars().next() {
                None | Some('[') => Some(after),
                Some('.') => after.get(1..),
                Some(_) => None,
            }
        };
        let matching = entries.iter().filter_map(|(name, below)| Some((name.len(), below, fits(name)?)));
        matching.max_by_key(|(length, ..)| *length).map(|(_, below, after)| (below, after))
    }
}
