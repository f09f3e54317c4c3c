//! `Accept` (RFC 9110, section 12.5.1), for the one path that has two forms of its answer.

use http::{HeaderMap, header};

/// The form of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// What this API keeps of it.
    Json,
    /// All of it, from the cluster.
    Yaml,
}

impl Form {
    /// The form that the client prefers; JSON when it does not care, `None` when it takes neither.
    pub(crate) fn preferred(headers: &HeaderMap) -> Option<Self> {
        let mut ranges = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(ranges)
            .peekable();
        if ranges.peek().is_none() {
            return Some(Self::Json);
        }
        let ranges: Vec<_> = ranges.collect();
        let (json, yaml) = (Self::Json.quality(&ranges), Self::Yaml.quality(&ranges));
        match (json, yaml) {
            (0, 0) => None,
            (json, yaml) if yaml > json => Some(Self::Yaml),
            _ => Some(Self::Json),
        }
    }

    // Before RFC 9512 registered one, there were many names for YAML.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Json => &["application/json"],
            Self::Yaml => &["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"],
        }
    }

    // The most specific range that covers a form decides: an exact name, then the type, then anything.
    fn quality(self, ranges: &[(String, u16)]) -> u16 {
        let named = |wanted: &dyn Fn(&str) -> bool| {
            ranges.iter().filter(|(range, _)| wanted(range)).map(|(_, quality)| *quality).max()
        };
        named(&|range| self.names().contains(&range))
            .or_else(|| named(&|range| range == "application/*"))
            .or_else(|| named(&|range| range == "*/*"))
            .unwrap_or(0)
    }
}

/// The media ranges of an `Accept`, or the codings of an `Accept-Encoding`, with their qualities in thousandths.
pub(crate) fn ranges(value: &str) -> impl Iterator<Item = (String, u16)> {
    value.split(',').filter_map(|part| {
        let mut pieces = part.split(';').map(str::trim);
        let range = pieces.next().filter(|range| !range.is_empty())?.to_ascii_lowercase();
        let quality = pieces.find_map(|piece| {
            let (name, quality) = piece.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then(|| thousandths(quality.trim()))
        });
        Some((range, quality.unwrap_or(1000)))
    })
}

// `0.5` is 500. What is no quality counts as none given would: the client did name the type.
fn thousandths(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
    match (whole, fraction.parse::<u16>()) {
        ("0", Ok(fraction)) => fraction,
        _ => 1000,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_preferred_form_wins() {
        let cases = [
            ("*/*", Some(Form::Json)),
            ("application/json", Some(Form::Json)),
            ("application/yaml", Some(Form::Yaml)),
            ("Application/YAML", Some(Form::Yaml)),
            ("text/yaml", Some(Form::Yaml)),
            ("application/*", Some(Form::Json)),
            ("application/yaml, */*;q=0.1", Some(Form::Yaml)),
            ("application/yaml;q=0.5, application/json", Some(Form::Json)),
            ("application/yaml;q=0.5, application/json;q=0.4", Some(Form::Yaml)),
            ("application/json;q=0, */*", Some(Form::Yaml)),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Some(Form::Json)),
            ("", Some(Form::Json)),
            ("text/csv", None),
            ("text/html", None),
            ("application/json;q=0", None),
            ("application/json; q=0.000", None),
        ];
        for (accept, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(Form::preferred(&headers), expected, "{accept}");
        }
        assert_eq!(Form::preferred(&HeaderMap::new()), Some(Form::Json));
    }
}
