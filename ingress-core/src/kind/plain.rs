//! What others say of themselves, made fit to be kept and shown.
//!
//! Messages of controllers quote whatever failed them: the output of a program, the URL of a repository with the password in it.

use super::event::MESSAGE_BYTES;

/// Makes a text one line without control characters, takes out what URLs hold before their hosts, and keeps its first [`MESSAGE_BYTES`].
pub(super) fn plain(text: &mut String) {
    if text.chars().any(char::is_control) {
        let spaced = text.replace(char::is_whitespace, " ");
        *text = spaced.chars().filter(|c| !c.is_control()).collect();
    }
    if text.contains("://") {
        *text = without_credentials(text);
    }
    shorten(text);
}

/// Cuts a text after [`MESSAGE_BYTES`].
pub(super) fn shorten(text: &mut String) {
    if text.len() > MESSAGE_BYTES {
        let end = (0..=MESSAGE_BYTES).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.shrink_to_fit();
    }
}

/// The same text without the user and password of any URL in it.
fn without_credentials(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        kept.push_str(before);
        kept.push_str("://");
        let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '`');
        let (authority, more) = after.split_at(after.find(ends).unwrap_or(after.len()));
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                kept.push_str("[…]@");
                kept.push_str(host);
            }
            None => kept.push_str(authority),
        }
        rest = more;
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plained(text: &str) -> String {
        let mut text = text.to_owned();
        plain(&mut text);
        text
    }

    #[test]
    fn a_text_is_one_line_of_bounded_length() {
        assert_eq!(plained("one\r\n\ttwo \u{1b}[31mthree\u{7}"), "one   two [31mthree");
        let long = plained(&"é".repeat(MESSAGE_BYTES));
        assert_eq!((long.len(), long.chars().all(|c| c == 'é')), (MESSAGE_BYTES, true));
        assert_eq!(plained(&format!("a{}", "é".repeat(MESSAGE_BYTES))).len(), MESSAGE_BYTES - 1);
    }

    #[test]
    fn no_url_shows_a_password() {
        for (said, shown) in [
            (
                "clone 'https://bot:hunter2@git.example/fleet.git': denied",
                "clone 'https://[…]@git.example/fleet.git': denied",
            ),
            ("https://t0ken@a/b and ssh://git@c", "https://[…]@a/b and ssh://[…]@c"),
            ("see https://example.com/@me, http://", "see https://example.com/@me, http://"),
            ("a@b.example is nobody", "a@b.example is nobody"),
        ] {
            assert_eq!(plained(said), shown);
        }
    }
}
