//! Cuts a text into its documents.
//!
//! The parser could do it, but not go on behind a document that is broken. YAML makes cutting safe: a line that begins with `---` or
//! `...`, followed by white space or nothing, ends a document wherever it stands, also within quotes and block texts.

/// A document's text, and how many lines are before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    pub(super) lines_before: u32,
}

/// All documents, without those that are empty or hold nothing but comments and directives.
pub(super) fn documents(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut begin, mut first, mut offset, mut number) = (0, 0_u32, 0, 0_u32);
    for line in text.split_inclusive('\n') {
        if is_mark(line, "---") || is_mark(line, "...") {
            push(&mut pieces, text.get(begin..offset), first);
            // What follows `---` on its line belongs to the document; `...` is followed by nothing.
            let skipped = if line.starts_with("...") { line.len() } else { 0 };
            (begin, first) = (offset + skipped, if skipped > 0 { number.saturating_add(1) } else { number });
        }
        offset += line.len();
        number = number.saturating_add(1);
    }
    push(&mut pieces, text.get(begin..), first);
    pieces
}

fn is_mark(line: &str, mark: &str) -> bool {
    line.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn push<'a>(pieces: &mut Vec<Piece<'a>>, text: Option<&'a str>, lines_before: u32) {
    let text = text.unwrap_or_default();
    let says = |line: &str| {
        let line = line.strip_prefix("---").unwrap_or(line).trim_start();
        !line.is_empty() && !line.starts_with(['#', '%'])
    };
    if text.lines().any(says) {
        pieces.push(Piece { text, lines_before });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_end_at_marks_alone() {
        let text =
            "# first\n---\na: |\n  ---\n --- \nb: ---x\n--- # second\nc: 1\n...\n%YAML 1.2\n---\n\n--- d\n";
        let pieces = documents(text);
        let seen: Vec<_> = pieces.iter().map(|piece| (piece.lines_before, piece.text)).collect();
        assert_eq!(
            seen,
            [(1, "---\na: |\n  ---\n --- \nb: ---x\n"), (6, "--- # second\nc: 1\n"), (12, "--- d\n")]
        );
    }

    #[test]
    fn nothing_has_no_documents() {
        for text in ["", "\n\n", "---\n---\n", "# only\n# words\n", "...\n", "---\r\n# a\r\n"] {
            assert_eq!(documents(text), [], "{text:?}");
        }
    }
}
