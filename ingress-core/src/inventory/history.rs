//! What objects were for others before they changed: the last change of each, of a bounded number of objects.
//!
//! An inventory is what is known at one moment, and this is part of what is known: that an address is another since an hour ago is seen in no object.
//! It is what this process saw; a change while nobody watched is noted when it is noticed, and a restart forgets all.

use imbl::OrdMap;

use super::Indexed;
use crate::clock::Timestamp;
use crate::key::ObjectKey;

/// Of how many objects of one kind a change is remembered. The oldest are forgotten.
const REMEMBERED: usize = 1024;

/// What an object was for others, until it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Past {
    /// What it was: addresses, or a controller.
    pub face: String,
    /// When the change was seen.
    pub until: Timestamp,
}

/// The last changes of the objects of one kind.
#[derive(Debug, Clone, Default)]
pub(super) struct History(OrdMap<ObjectKey, Past>);

impl History {
    /// Notes that an object changed, if others see it. Something new is no change.
    pub(super) fn note<K: Indexed>(&mut self, key: &ObjectKey, old: &K, new: &K, now: Option<Timestamp>) {
        let (Some(face), Some(until)) = (old.face(), now) else { return };
        if new.face().as_ref() == Some(&face) {
            return;
        }
        self.0.insert(key.clone(), Past { face, until });
        if self.0.len() > REMEMBERED {
            let oldest = self.0.iter().min_by_key(|(_, past)| past.until).map(|(key, _)| key.clone());
            oldest.into_iter().for_each(|key| self.forget(&key));
        }
    }

    pub(super) fn forget(&mut self, key: &ObjectKey) {
        self.0.remove(key);
    }

    pub(super) fn get(&self, key: &ObjectKey) -> Option<&Past> {
        self.0.get(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::ClusterId;
    use crate::kind::{IngressClass, Kind};

    fn class(controller: &str) -> IngressClass {
        let json = format!(r#"{{"metadata":{{"name":"edge"}},"spec":{{"controller":"{controller}"}}}}"#);
        IngressClass::decode_json(&mut serde_json::Deserializer::from_str(&json)).unwrap()
    }

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new(ClusterId::new("c").unwrap(), None, name)
    }

    #[test]
    fn the_last_change_is_remembered_until_the_object_goes() {
        let (mut history, at) = (History::default(), |second| Timestamp::from_second(second).ok());
        history.note(&key("edge"), &class("a"), &class("a"), at(1));
        assert_eq!(history.get(&key("edge")), None);
        history.note(&key("edge"), &class("a"), &class("b"), at(2));
        history.note(&key("edge"), &class("b"), &class("b"), at(3));
        let past = history.get(&key("edge")).unwrap();
        assert_eq!((past.face.as_str(), Some(past.until)), ("a", at(2)));
        history.note(&key("edge"), &class("b"), &class("c"), None);
        assert_eq!(history.get(&key("edge")).unwrap().face, "a", "nobody said when");
        history.forget(&key("edge"));
        assert_eq!(history.get(&key("edge")), None);
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let mut history = History::default();
        let count = i64::try_from(REMEMBERED).unwrap() + 3;
        for second in 0..count {
            let at = Timestamp::from_second(second).ok();
            history.note(&key(&format!("n{second}")), &class("a"), &class("b"), at);
        }
        assert_eq!(history.0.len(), REMEMBERED);
        assert!(history.get(&key("n2")).is_none() && history.get(&key("n3")).is_some());
    }
}
