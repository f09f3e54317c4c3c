//! A snapshot in segments that are encoded once, by whoever needs one first, and again only when something in them changed.
//!
//! Where a segment ends is decided by the keys themselves, not by counting: an object that comes or goes changes the segment
//! it lies in, and moves none of the others.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use ingress_core::{Ingress, ObjectKey};

use crate::coding::Shared;
use crate::wire::Item;

/// How many objects one segment holds at most.
pub(super) const LARGEST: usize = 500;

/// One key in so many ends a segment.
const ONE_IN: u64 = 200;

/// All of a snapshot that is shown, in order.
pub(crate) type Segments = Vec<Arc<Segment>>;

/// Some objects in a row.
#[derive(Debug)]
pub(crate) struct Segment {
    objects: Vec<(ObjectKey, Arc<Ingress>)>,
    bytes: Mutex<Option<Shared>>,
}

impl Segment {
    fn new(objects: Vec<(ObjectKey, Arc<Ingress>)>) -> Self {
        Self { objects, bytes: Mutex::default() }
    }

    /// The objects as items of a JSON array, without its brackets; kept for the next one who asks, if there is to be one.
    pub(crate) fn bytes(&self, keep: bool) -> Result<Shared, serde_json::Error> {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = &*bytes {
            return Ok(bytes.clone());
        }
        let mut items = Vec::new();
        for (key, ingress) in &self.objects {
            if !items.is_empty() {
                items.push(b',');
            }
            serde_json::to_writer(&mut items, &Item { key, ingress, demo: false })?;
        }
        items.shrink_to_fit();
        let items = Shared::new(items.into());
        if keep {
            *bytes = Some(items.clone());
        }
        Ok(items)
    }

    /// How many objects there are.
    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }

    fn is_of(&self, objects: &[(&ObjectKey, &Arc<Ingress>)]) -> bool {
        // The store keeps an object that did not change, so the same one is also an equal one.
        self.objects.len() == objects.len()
            && self.objects.iter().zip(objects).all(|((_, one), (_, other))| Arc::ptr_eq(one, other))
    }
}

/// Cuts objects into segments; those that are among the known ones are taken from there.
pub(super) fn cut<'a>(
    objects: impl Iterator<Item = (&'a ObjectKey, &'a Arc<Ingress>)>,
    known: &[Arc<Segment>],
) -> Segments {
    let known: HashMap<&ObjectKey, &Arc<Segment>> =
        known.iter().filter_map(|segment| Some((&segment.objects.first()?.0, segment))).collect();
    let mut segments = Segments::new();
    let mut row: Vec<(&ObjectKey, &Arc<Ingress>)> = Vec::new();
    let mut close = |row: &mut Vec<(&ObjectKey, &Arc<Ingress>)>| {
        let Some((first, _)) = row.first() else { return };
        let same = known.get(first).filter(|segment| segment.is_of(row));
        segments.push(same.map_or_else(
            || {
                let objects = row.iter().map(|(key, object)| ((*key).clone(), (*object).clone()));
                Arc::new(Segment::new(objects.collect()))
            },
            |segment| Arc::clone(segment),
        ));
        row.clear();
    };
    for (key, object) in objects {
        row.push((key, object));
        if ends_segment(key) || row.len() == LARGEST {
            close(&mut row);
        }
    }
    close(&mut row);
    segments
}

fn ends_segment(key: &ObjectKey) -> bool {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish().is_multiple_of(ONE_IN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{key, simple};
    use ingress_core::Store;
    use proptest::prelude::*;

    fn json(segments: &Segments) -> String {
        let parts: Vec<String> = segments
            .iter()
            .map(|segment| String::from_utf8(segment.bytes(true).unwrap().plain().to_vec()).unwrap())
            .collect();
        format!("[{}]", parts.join(","))
    }

    #[test]
    fn one_change_costs_one_segment() {
        let (mut writer, store) = Store::new(1, 10);
        let put = |writer: &mut ingress_core::Writer<Ingress>, number: usize, version| {
            let name = format!("x{number:05}");
            writer.apply(key("c", "n", &name), simple("n", &name, version, "nginx", "h.example.com"));
        };
        (0..5000).for_each(|number| put(&mut writer, number, 1));
        writer.publish();
        let before = cut(store.snapshot().iter(), &[]);
        assert!(before.len() >= 10 && before.iter().all(|segment| segment.objects.len() <= LARGEST));
        put(&mut writer, 2500, 2);
        writer.delete(&key("c", "n", "x00100"));
        put(&mut writer, 70_000, 1);
        writer.publish();
        let after = cut(store.snapshot().iter(), &before);
        let kept = after.iter().filter(|now| before.iter().any(|known| Arc::ptr_eq(now, known))).count();
        assert!(kept + 4 >= after.len(), "{kept} of {} kept", after.len());
    }

    proptest! {
        #[test]
        fn segments_add_up_to_the_snapshot_whatever_was_known(
            rounds in proptest::collection::vec(proptest::collection::vec((0..900_u16, any::<bool>()), 0..400), 1..5),
        ) {
            let (mut writer, store) = Store::new(1, 10);
            let mut known = Segments::new();
            for (version, changes) in (1_u64..).zip(rounds) {
                for (number, there) in changes {
                    let name = format!("x{number:03}");
                    if there {
                        let object = simple("n", &name, version, "nginx", "h.example.com");
                        writer.apply(key("c", "n", &name), object);
                    } else {
                        writer.delete(&key("c", "n", &name));
                    }
                }
                writer.publish();
                let snapshot = store.snapshot();
                known = cut(snapshot.iter(), &known);
                let items: Vec<Item<'_>> =
                    snapshot.iter().map(|(key, ingress)| Item { key, ingress, demo: false }).collect();
                prop_assert_eq!(json(&known), serde_json::to_string(&items).unwrap());
            }
        }
    }
}
