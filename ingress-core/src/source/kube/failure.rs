//! From kube's errors to ours, by their types.
//!
//! Messages are written here, from what the types tell; where an error's own text may quote credentials (the output of an
//! exec plugin, a kubeconfig's YAML), it is left out.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;

use crate::clock::wall_now;
use crate::error::{ErrorKind, SourceError};

/// What an error's headers tell.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) retry_after: Option<Duration>,
    /// API Priority and Fairness: which flow schema held the request back.
    pub(super) flow_schema: Option<String>,
    pub(super) priority_level: Option<String>,
}

pub(super) fn of_headers(headers: &HeaderMap) -> Told {
    let text =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty());
    Told {
        retry_after: text(RETRY_AFTER.as_str()).and_then(retry_after),
        flow_schema: text("x-kubernetes-pf-flowschema-uid").map(ToOwned::to_owned),
        priority_level: text("x-kubernetes-pf-prioritylevel-uid").map(ToOwned::to_owned),
    }
}

/// RFC 9110, section 10.2.3: a number of seconds, or a date.
fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(wall_now())).unwrap_or_default())
}

/// An error of sending a request.
pub(super) fn of_client(error: kube::Error) -> SourceError {
    match error {
        kube::Error::Auth(error) => {
            SourceError::new(ErrorKind::Configuration, format!("credentials: {}", of_auth(&error)))
        }
        kube::Error::HyperError(error) => of_chain(&error),
        kube::Error::Service(error) => {
            if let Some(error) = error.downcast_ref::<kube::Error>() {
                return match error {
                    kube::Error::Auth(error) => {
                        SourceError::new(ErrorKind::Configuration, format!("credentials: {}", of_auth(error)))
                    }
                    error => of_chain(error),
                };
            }
            of_chain(&*error)
        }
        error => of_chain(&error),
    }
}

/// An error in the middle of a body.
pub(super) fn of_body(error: kube::Error) -> SourceError {
    let error = of_client(error);
    match error.kind() {
        ErrorKind::Unreachable => {
            SourceError::new(ErrorKind::Disconnected, format!("the connection broke: {}", error.message()))
        }
        _ => error,
    }
}

pub(super) fn of_auth(error: &kube::client::AuthError) -> String {
    use kube::client::AuthError as Auth;
    match error {
        Auth::AuthExecStart(error) => format!("the exec plugin can't be started: {}", error.kind()),
        // Its command line may hold credentials, and so may what it printed.
        Auth::AuthExecRun { out, .. } => format!("the exec plugin failed with {}", out.status),
        Auth::AuthExecParse(_) | Auth::ExecPluginFailed => "the exec plugin's answer makes no sense".into(),
        Auth::ReadTokenFile(error, path) => {
            format!("the token file {} can't be read: {}", path.display(), error.kind())
        }
        Auth::InvalidBasicAuth(_) => "user name or password hold characters that HTTP does not allow".into(),
        Auth::InvalidBearerToken(_) => "the token holds characters that HTTP does not allow".into(),
        Auth::MissingCommand => "the exec plugin has no command".into(),
        _ => "they can't be obtained".into(),
    }
}

/// The first cause in an error's chain that says what happened, by its type.
fn of_chain(error: &(dyn StdError + 'static)) -> SourceError {
    let mut cause = Some(error);
    let mut last = error;
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            // Errors of TLS travel inside io errors; those have a more telling cause below.
            if io.get_ref().is_none() {
                return of_io(io);
            }
            if io.kind() == io::ErrorKind::TimedOut {
                return SourceError::new(ErrorKind::Timeout, "the connection timed out");
            }
        }
        last = error;
        cause = error.source().or_else(|| {
            let inner = error.downcast_ref::<io::Error>()?.get_ref()?;
            Some(inner as &(dyn StdError + 'static))
        });
    }
    SourceError::new(ErrorKind::Unreachable, last.to_string())
}

fn of_io(error: &io::Error) -> SourceError {
    let (kind, message) = match error.kind() {
        io::ErrorKind::ConnectionRefused => (ErrorKind::Unreachable, "connection refused".to_owned()),
        io::ErrorKind::ConnectionReset => (ErrorKind::Unreachable, "connection reset".to_owned()),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            (ErrorKind::Unreachable, "the connection was closed".to_owned())
        }
        io::ErrorKind::TimedOut => (ErrorKind::Timeout, "the connection timed out".to_owned()),
        _ => (ErrorKind::Unreachable, error.to_string()),
    };
    SourceError::new(kind, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO), "long past");
        let soon = wall_now() + Duration::from_secs(90);
        let date = jiff::fmt::rfc2822::to_string(&soon.to_zoned(jiff::tz::TimeZone::UTC)).unwrap();
        let wait = retry_after(&date).unwrap();
        assert!((80..=90).contains(&wait.as_secs()), "{date}: {wait:?}");
        for nonsense in ["", "soon", "-1", "1.5"] {
            assert_eq!(retry_after(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn io_errors_are_found_wherever_they_hide() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let direct = of_client(kube::Error::Service(Box::new(refused())));
        assert_eq!((direct.kind(), direct.message()), (ErrorKind::Unreachable, "connection refused"));
        let nested = of_client(kube::Error::ReadEvents(io::Error::other(refused())));
        assert_eq!((nested.kind(), nested.message()), (ErrorKind::Unreachable, "connection refused"));
        let timeout = of_client(kube::Error::ReadEvents(io::Error::new(io::ErrorKind::TimedOut, "x")));
        assert_eq!(timeout.kind(), ErrorKind::Timeout);
        let reset = of_body(kube::Error::ReadEvents(io::ErrorKind::ConnectionReset.into()));
        assert_eq!(reset.kind(), ErrorKind::Disconnected);
    }

    #[test]
    fn what_an_exec_plugin_printed_stays_out() {
        use std::os::unix::process::ExitStatusExt;
        let out = std::process::Output {
            status: std::process::ExitStatus::from_raw(256),
            stdout: b"token-abc".to_vec(),
            stderr: b"token-def".to_vec(),
        };
        let auth =
            kube::client::AuthError::AuthExecRun { cmd: "login --key token-ghi".into(), out: Box::new(out) };
        let error = of_client(kube::Error::Auth(auth));
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("exec plugin failed") && !shown.contains("token"), "{shown}");
    }
}
