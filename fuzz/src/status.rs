//! What a `metav1.Status` and an HTTP status mean, as a table.

use std::time::Duration;

use ingress_core::{Class, ErrorKind, SourceError};
use serde_json::Value;

/// How much of a server's message is shown, in characters.
const MESSAGE: usize = 1000;

/// What a status says. The default is what a body says that is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    pub code: i64,
    pub message: String,
    pub retry_after: i64,
}

impl Told {
    /// Reads a JSON tree; a member of another type than it should have is as good as absent.
    #[must_use]
    pub fn of_json(body: &Value) -> Self {
        Self {
            code: body["code"].as_i64().unwrap_or_default(),
            message: body["message"].as_str().unwrap_or_default().to_owned(),
            retry_after: body["details"]["retryAfterSeconds"].as_i64().unwrap_or_default(),
        }
    }

    /// Holds an error against the table. `http` is the status of the response, where it came as one.
    pub fn check(&self, error: &SourceError, http: Option<u16>) {
        let code = http.or(u16::try_from(self.code).ok()).unwrap_or_default();
        let (kind, class) = match code {
            // No usable code: something failed at the server, and nothing says that the state is lost.
            0..400 => (ErrorKind::ServerError, "transient"),
            401 => (ErrorKind::Unauthorized, "permanent"),
            403 => (ErrorKind::Forbidden, "permanent"),
            404 => (ErrorKind::NotFound, "permanent"),
            408 | 504 => (ErrorKind::Timeout, "transient"),
            410 => (ErrorKind::Expired, "expired"),
            429 => (ErrorKind::TooManyRequests, "transient"),
            400..500 => (ErrorKind::Rejected, "permanent"),
            500.. => (ErrorKind::ServerError, "transient"),
        };
        assert_eq!((error.kind(), error.class().as_str()), (kind, class), "status {code}");
        assert_eq!(
            error.class().counts_against_endpoint(),
            class == "transient" && code != 429,
            "status {code}"
        );
        assert_eq!(error.status(), Some(code).filter(|code| *code >= 400));

        let expected = match self.message.as_str() {
            "" => format!("the API server answered {code}"),
            message => message.chars().take(MESSAGE).collect(),
        };
        assert_eq!(error.message(), expected, "nothing is shown but a status' own message");

        // An error without a usable code carries no wait.
        let asked = (code >= 400 && self.retry_after > 0)
            .then(|| Duration::from_secs(self.retry_after.unsigned_abs()));
        assert_eq!(error.retry_after(), asked);
        if let Class::Transient { throttled, retry_after } = error.class() {
            assert_eq!((throttled, retry_after), (code == 429, asked));
        }
    }
}
