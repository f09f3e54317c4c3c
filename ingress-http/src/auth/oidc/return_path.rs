//! Where somebody goes once they are signed in: what a stranger's link may say about that.
//!
//! A sign-in that ends wherever a link says is a gift to whoever wants to look like this site, so only paths of the same origin are
//! taken. Browsers read URLs leniently (WHATWG URL, section 4.4): `\` is `/` to them, tabs and line breaks are nothing, and `//` begins
//! a host. So a path is taken as it is, or refused; nothing is repaired.

/// How long a path may be, in bytes.
const MAX: usize = 1024;

/// Whether a browser that is sent to this stays on the same origin.
pub(super) fn is_safe(path: &str) -> bool {
    let mut bytes = path.bytes();
    path.len() <= MAX
        && bytes.next() == Some(b'/')
        && bytes.next() != Some(b'/')
        && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"<>".contains(&byte))
}

#[cfg(test)]
mod tests {
    use openidconnect::url::Url;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_paths_of_the_same_origin_are_taken() {
        for path in ["/", "/routes", "/routes/?namespace=shop&search=a%20b#x", "/a//b", "/%2f/evil.example"] {
            assert!(is_safe(path), "{path}");
        }
        for path in [
            "",
            "routes",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https:",
            "https://evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "\t//evil",
            "/\n/evil.example",
            "/a\r\nSet-Cookie: a=b",
            " /a",
            "/a b",
            "/ä",
            "/\0",
            "/a\\b",
            "/<script>",
            "@evil.example",
            ".evil.example",
            "?a",
            "#a",
        ] {
            assert!(!is_safe(path), "{path:?}");
        }
        assert!(is_safe(&format!("/{}", "a".repeat(MAX - 1))) && !is_safe(&format!("/{}", "a".repeat(MAX))));
    }

    proptest! {
        #[test]
        fn a_browser_stays_where_it_is(path in "[/\\\\.:@?#a%2f\t\n -]{0,12}") {
            let here = Url::parse("https://here.example/routes/auth/callback").unwrap();
            if is_safe(&path) {
                let there = here.join(&path).unwrap();
                prop_assert_eq!(there.origin(), here.origin());
            }
        }
    }
}
