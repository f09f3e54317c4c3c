//! The annotations by which controllers of ingresses are told what to do: which there are, what their values have to be, and what they mean.
//!
//! The tables (`annotation/table.rs`) are all that is known of any controller, and serve two: what a route's settings are, and what is wrong with
//! an annotation (ING016). A controller of which less is known is only known by the beginnings of its annotations, and nothing is said of the rest.

use std::borrow::Cow;
use std::sync::Arc;

pub(crate) use super::value::Form;
use super::value::Value;
use super::{Fact, RAW_BYTES, Setting};
use crate::kind::{Ingress, Kind};
use crate::route::{Entry, ObjectRef};

mod meaning;
mod table;

/// What an annotation means, given what stands beside it; `None` where it means nothing that is told of routes.
type Means = fn(&Value<'_>, &Beside<'_>) -> Option<Fact>;

/// An annotation that a controller knows.
pub(crate) struct Known {
    /// What comes after the slash. One that ends with a dot is the beginning of names that people choose.
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    means: Option<Means>,
}

/// An annotation that a controller knew once.
pub(crate) struct Gone {
    pub(crate) name: &'static str,
    /// What to do instead, as a sentence.
    pub(crate) instead: &'static str,
}

/// A controller, and what it knows.
pub(crate) struct Family {
    /// Its name, for people.
    pub(crate) name: &'static str,
    /// Beginnings of the `spec.controller` of its classes.
    controllers: &'static [&'static str],
    /// Names of classes that are its own where nothing else says so.
    classes: &'static [&'static str],
    /// What comes before the slash of annotations that are its alone.
    own: &'static [&'static str],
    /// The same of annotations that it has in common with others.
    common: &'static [&'static str],
    pub(crate) known: &'static [Known],
    pub(crate) gone: &'static [Gone],
}

impl Family {
    /// The one that a controller belongs to, by the class's `spec.controller`.
    pub(crate) fn of_controller(controller: &str) -> Option<&'static Self> {
        let is = |family: &&Self| {
            family.controllers.iter().any(|known| {
                let after = controller.strip_prefix(known);
                after.is_some_and(|after| after.is_empty() || known.ends_with('/') || after.starts_with('/'))
            })
        };
        table::FAMILIES.iter().find(is)
    }

    /// The one that serves a route. A class that was not seen is known by its name only where that is nobody else's.
    pub(crate) fn of_entry(entry: &Entry) -> Option<&'static Self> {
        match entry {
            Entry::IngressClass { controller: Some(controller), .. } => Self::of_controller(controller),
            Entry::IngressClass { class: Some(class), controller: None } => {
                table::FAMILIES.iter().find(|family| family.classes.contains(&class.as_str()))
            }
            _ => None,
        }
    }

    /// The one whose alone an annotation is.
    pub(crate) fn of_annotation(key: &str) -> Option<&'static Self> {
        let (prefix, _) = key.split_once('/')?;
        table::FAMILIES.iter().find(|family| family.own.contains(&prefix))
    }

    /// The name of an annotation of this one, without what comes before the slash.
    pub(crate) fn strip<'k>(&self, key: &'k str) -> Option<&'k str> {
        let (prefix, name) = key.split_once('/')?;
        (self.own.contains(&prefix) || self.common.contains(&prefix)).then_some(name)
    }

    /// What is known of an annotation by its name. Tables are in order, so that each look-up costs a few comparisons.
    pub(crate) fn get(&self, name: &str) -> Option<&'static Known> {
        let after = self.known.partition_point(|known| known.name <= name);
        let known = self.known.get(after.checked_sub(1)?)?;
        let begins = known.name.ends_with('.') && known.name != name && name.starts_with(known.name);
        (begins || (known.name == name && !name.ends_with('.'))).then_some(known)
    }

    /// Whether an annotation is its alone, so that one that isn't known is nobody's.
    pub(crate) fn owns(&self, key: &str) -> bool {
        key.split_once('/').is_some_and(|(prefix, _)| self.own.contains(&prefix))
    }

    /// Whether this is AWS's controller.
    pub(crate) fn is_alb(&self) -> bool {
        self.own.contains(&table::ALB)
    }

    /// Whether this is ingress-nginx.
    pub(crate) fn is_ingress_nginx(&self) -> bool {
        self.own.contains(&table::INGRESS_NGINX)
    }

    /// The known name that another was probably meant to be.
    pub(crate) fn nearest(&self, name: &str) -> Option<&'static str> {
        // Short names are near to many.
        const SHORT: usize = 6;
        let far = |known: &str| distance(known, name);
        let near = self.known.iter().map(|known| known.name).filter(|known| known.len() >= SHORT);
        let (far, nearest) = near.map(|known| (far(known), known)).min()?;
        (1..=2).contains(&far).then_some(nearest)
    }
}

/// How many letters have to be put in, taken out or replaced to make one word of another.
fn distance(one: &str, other: &str) -> usize {
    // What differs in length by more is not near, and annotations may be long.
    if one.len().abs_diff(other.len()) > 2 {
        return usize::MAX;
    }
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (row, this) in one.bytes().enumerate() {
        let (mut line, mut left) = (vec![row + 1], row + 1);
        for (that, pair) in other.bytes().zip(above.windows(2)) {
            let &[diagonal, up] = pair else { continue };
            left = (diagonal + usize::from(this != that)).min(up + 1).min(left + 1);
            line.push(left);
        }
        above = line;
    }
    above.last().copied().unwrap_or_default()
}

/// The annotations beside one, by the names that the controller has for them.
pub(crate) struct Beside<'i> {
    family: &'static Family,
    annotations: &'i [(&'i str, &'i str)],
}

impl<'i> Beside<'i> {
    /// The text of an annotation.
    fn text(&self, name: &str) -> Option<&'i str> {
        let is = |key: &str| self.family.strip(key) == Some(name);
        self.annotations.iter().find(|(key, _)| is(key)).map(|(_, value)| value.trim())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.text(name).and_then(super::value::number)
    }

    fn status(&self, name: &str) -> Option<u16> {
        self.number(name).and_then(|status| u16::try_from(status).ok())
    }
}

/// The settings that the annotations of an ingress say, as whoever serves it understands them. Where that is not known, as everybody whose
/// annotations these are would.
pub(crate) fn settings(ingress: &Ingress, entry: &Entry) -> Vec<Arc<Setting>> {
    let annotations = ingress.annotations();
    let serving = match entry {
        Entry::IngressClass { controller: Some(_), .. } => Some(Family::of_entry(entry)),
        entry => Family::of_entry(entry).map(Some),
    };
    let object = ObjectRef::new("Ingress", ingress.namespace(), ingress.name());
    let read = |(key, text): &(&str, &str)| {
        let family = match serving {
            Some(serving) => serving?,
            None => Family::of_annotation(key)?,
        };
        let fact = family.fact(key, text, &annotations)?;
        let known = family.get(family.strip(key)?)?;
        let (object, raw) = (object.clone(), raw(known.form, text));
        Some(Arc::new(Setting { fact, object, field: field(key), raw }))
    };
    annotations.iter().filter_map(read).collect()
}

impl Family {
    /// What an annotation of this one means, among all of its object.
    pub(crate) fn fact(&'static self, key: &str, text: &str, annotations: &[(&str, &str)]) -> Option<Fact> {
        let known = self.get(self.strip(key)?)?;
        let means = known.means?;
        // Controllers take an empty value for none.
        if text.trim().is_empty() {
            return None;
        }
        match known.form.read(text) {
            Some(value) => means(&value, &Beside { family: self, annotations }),
            None => Some(Fact::Unparsable { expected: Cow::Owned(known.form.expected()) }),
        }
    }
}

/// Where an annotation stands.
pub(crate) fn field(key: &str) -> String {
    format!("metadata.annotations[{key}]")
}

/// A value as it is written, where that may be told.
fn raw(form: Form, text: &str) -> Option<String> {
    // A URL with a user name, or with a query, may hold a credential.
    let url = text.split_once("://").is_some_and(|(_, rest)| rest.contains(['@', '?']));
    if url || matches!(form, Form::Secretive | Form::Snippet) {
        return None;
    }
    Some(bounded(text))
}

/// The first [`RAW_BYTES`] of a text.
pub(super) fn bounded(text: &str) -> String {
    let end = (0..=RAW_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
