//! An ingress as one line.

use ingress_core::clock::{Timestamp, wall_now};
use ingress_core::{Ingress, Kind};

/// What happened to the ingress that a line shows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    /// Nothing: it was there when the program started.
    Present,
    Added,
    Modified,
    Deleted,
}

impl Event {
    fn word(self) -> &'static str {
        match self {
            Self::Present => "",
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Deleted => "deleted",
        }
    }
}

const HEADER: [&str; 7] = ["EVENT", "NAMESPACE", "NAME", "CLASS", "HOSTS", "ADDRESS", "AGE"];

/// The widths of columns. Fixed once the first lines are printed: a later, wider value pushes its own line only.
#[derive(Debug)]
pub(crate) struct Table {
    widths: [usize; 7],
}

impl Table {
    /// Columns wide enough for these ingresses.
    pub(crate) fn fitting<'a>(ingresses: impl Iterator<Item = &'a Ingress>) -> Self {
        let mut widths = HEADER.map(str::len);
        // Every line of the first lot is of what was there; the words for the others are longer.
        for row in ingresses.map(|ingress| row(Event::Modified, ingress)) {
            for (width, cell) in widths.iter_mut().zip(&row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        Self { widths }
    }

    pub(crate) fn header(&self) -> String {
        self.aligned(&HEADER.map(str::to_owned))
    }

    pub(crate) fn line(&self, event: Event, ingress: &Ingress) -> String {
        self.aligned(&row(event, ingress))
    }

    fn aligned(&self, row: &[String; 7]) -> String {
        let cells = row.iter().zip(self.widths).map(|(cell, width)| format!("{cell:width$}"));
        let mut line = cells.collect::<Vec<_>>().join("   ");
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }
}

/// The cells of an ingress, as kubectl shows them.
fn row(event: Event, ingress: &Ingress) -> [String; 7] {
    let hosts = match ingress.hosts()[..] {
        [] => "*".to_owned(),
        [a, b, c, _, ..] => format!("{a},{b},{c} + {} more...", ingress.hosts().len() - 3),
        ref few => few.join(","),
    };
    [
        event.word().to_owned(),
        ingress.namespace().unwrap_or_default().to_owned(),
        ingress.name().to_owned(),
        ingress.class().unwrap_or("<none>").to_owned(),
        hosts,
        ingress.addresses().join(","),
        ingress.creation_timestamp().map_or_else(|| "<unknown>".to_owned(), age),
    ]
}

/// The time since a point in time, in its largest unit.
fn age(since: &str) -> String {
    let Ok(since) = since.parse::<Timestamp>() else { return "<unknown>".to_owned() };
    let seconds = (wall_now().as_second() - since.as_second()).max(0);
    match seconds {
        ..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// The same as a JSON object.
pub(crate) fn json(event: Event, ingress: &Ingress) -> String {
    let event = match event {
        Event::Present => "present",
        event => event.word(),
    };
    let line = serde_json::json!({
        "event": event,
        "namespace": ingress.namespace(),
        "name": ingress.name(),
        "ingressClassName": ingress.class(),
        "hosts": ingress.hosts(),
        "addresses": ingress.addresses(),
        "creationTimestamp": ingress.creation_timestamp(),
    });
    format!("{line}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ingress(hosts: &[&str]) -> Ingress {
        let rules: Vec<_> = hosts.iter().map(|host| serde_json::json!({ "host": host })).collect();
        let json = serde_json::json!({
            "metadata": {"namespace": "shop", "name": "cart", "creationTimestamp": "2020-01-01T00:00:00Z"},
            "spec": {"ingressClassName": "nginx", "rules": rules},
        });
        Ingress::decode_json(json).unwrap()
    }

    #[test]
    fn lines_are_aligned_under_their_header() {
        let cart = ingress(&["a.example", "b.example"]);
        let table = Table::fitting([&cart].into_iter());
        let (header, line) = (table.header(), table.line(Event::Added, &cart));
        assert_eq!(header.find("HOSTS"), line.find("a.example,b.example"));
        assert!(line.starts_with("added      shop        cart"), "{line}");
        assert!(line.ends_with("d\n"), "{line}");
    }

    #[test]
    fn hosts_are_shown_as_kubectl_does() {
        assert_eq!(row(Event::Present, &ingress(&[]))[4], "*");
        assert_eq!(row(Event::Present, &ingress(&["a", "b", "c", "d", "e"]))[4], "a,b,c + 2 more...");
    }

    #[test]
    fn json_lines_name_the_event() {
        let line = json(Event::Present, &ingress(&["a.example"]));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&value["event"], &value["hosts"][0]), (&"present".into(), &"a.example".into()));
        assert!(line.ends_with('\n'));
    }
}
