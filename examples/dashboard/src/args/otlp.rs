//! Where traces are sent.

use std::str::FromStr;

use http::Uri;

/// The base URL of a collector; `None` when the text is empty, which OpenTelemetry has mean the same as no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OtlpEndpoint(Option<String>);

impl OtlpEndpoint {
    /// Where spans go.
    pub(crate) fn traces(&self) -> Option<String> {
        self.0.as_ref().map(|base| format!("{}/v1/traces", base.trim_end_matches('/')))
    }
}

impl FromStr for OtlpEndpoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let expected = "expected the http or https URL of a collector, such as http://localhost:4318";
        let url: Uri = text.parse().map_err(|_| expected)?;
        if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none_or(str::is_empty) {
            return Err(expected);
        }
        // Both would be told in logs and errors.
        if url.authority().is_some_and(|authority| authority.as_str().contains('@')) || url.query().is_some()
        {
            return Err(
                "must have no password and no query: put what authenticates into OTEL_EXPORTER_OTLP_HEADERS",
            );
        }
        Ok(Self(Some(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_go_under_the_collectors_url() {
        let traces = |text: &str| text.parse::<OtlpEndpoint>().unwrap().traces();
        assert_eq!(traces("http://localhost:4318").as_deref(), Some("http://localhost:4318/v1/traces"));
        assert_eq!(traces("https://otel.example/a/").as_deref(), Some("https://otel.example/a/v1/traces"));
        assert_eq!(traces(""), None);
    }

    #[test]
    fn what_is_no_collector_is_refused() {
        for bad in ["localhost:4318", "localhost", "grpc://a", "http://", "/v1/traces", "http://a b"] {
            let error = bad.parse::<OtlpEndpoint>().unwrap_err();
            assert!(error.contains("such as http://localhost:4318"), "{bad}: {error}");
        }
        for bad in ["http://user:password@a", "https://a/?key=1"] {
            assert!(bad.parse::<OtlpEndpoint>().unwrap_err().contains("OTEL_EXPORTER_OTLP_HEADERS"), "{bad}");
        }
    }
}
