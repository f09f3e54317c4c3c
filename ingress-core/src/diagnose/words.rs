//! What others say, made fit to stand within a sentence.

use crate::kind::Condition;

/// Characters that are told of one saying.
const ENOUGH: usize = 300;

/// A saying on one line, cut, and without its full stop.
pub(super) fn of(text: &str) -> String {
    within(text, ENOUGH)
}

/// The same with so many characters at most.
pub(super) fn within(text: &str, most: usize) -> String {
    let mut words: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = words.char_indices().nth(most) {
        words.truncate(end);
    }
    words.truncate(words.trim_end_matches(['.', ' ']).len());
    words
}

/// The same in brackets, to follow what it is said of; of nothing, nothing.
pub(super) fn in_brackets(text: &str) -> String {
    let words = of(text);
    if words.is_empty() { words } else { format!(" ({words})") }
}

/// A condition's reason and message.
pub(super) fn of_condition(condition: &Condition) -> String {
    let said = [condition.reason.as_str(), condition.message.as_str()];
    let said: Vec<&str> = said.into_iter().filter(|text| !text.trim().is_empty()).collect();
    of(&said.join(": "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saying_is_one_line_without_its_end() {
        assert_eq!(of("  one\n two. three. "), "one two. three");
        assert_eq!(of("..."), "");
        assert_eq!(of(&"é".repeat(ENOUGH + 1)), "é".repeat(ENOUGH));
        assert_eq!(within("ééé", 2), "éé");
        assert_eq!((in_brackets(" . "), in_brackets("no room.")), (String::new(), " (no room)".to_owned()));
    }
}
