//! What went wrong with Redis, as far as somebody who asked it can make use of that.
//!
//! Redis' own messages may quote arguments of commands, so none is passed on: messages are worded from the kind, and of the server's
//! answer only its code is kept, the first word of an error (`OOM`, `WRONGPASS`).

use std::fmt;

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// The sort of a [`RedisFault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// There is no connection, or the server is up and can't serve yet (`LOADING`, `CLUSTERDOWN`, `MASTERDOWN`).
    Unreachable,
    /// There was no answer in time. The command may have been carried out all the same.
    Timeout,
    /// It has no memory left for this (`OOM`).
    Full,
    /// It takes no writes: a replica (`READONLY`), or a master that can't keep them (`MISCONF`, `NOREPLICAS`).
    ReadOnly,
    /// It refuses the user, the password or the command (`NOAUTH`, `WRONGPASS`, `NOPERM`).
    Denied,
    /// It answered something that isn't Redis, or isn't what the command answers.
    Garbage,
    /// It was not asked: it failed so often lately that it is left alone for a while.
    Open,
    /// Anything else; the message has the code of its answer.
    Other,
}

impl FaultKind {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Self; 8] = [
        Self::Unreachable,
        Self::Timeout,
        Self::Full,
        Self::ReadOnly,
        Self::Denied,
        Self::Garbage,
        Self::Open,
        Self::Other,
    ];

    /// Its name, as it stands in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Full => "full",
            Self::ReadOnly => "read-only",
            Self::Denied => "denied",
            Self::Garbage => "garbage",
            Self::Open => "open",
            Self::Other => "other",
        }
    }

    /// Whether it says that the server is in trouble, and not that it answered something unwelcome.
    pub(super) fn counts_against_server(self) -> bool {
        matches!(self, Self::Unreachable | Self::Timeout | Self::Garbage)
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Unreachable => "Redis can't be reached",
            Self::Timeout => "Redis didn't answer in time",
            Self::Full => "Redis is full",
            Self::ReadOnly => "Redis takes no writes",
            Self::Denied => "Redis refuses the credentials or the command",
            Self::Garbage => "Redis answered something that can't be read",
            Self::Open => "Redis failed too often lately and isn't asked",
            Self::Other => "Redis refused",
        }
    }
}

/// Why a command has no answer. The message holds neither secrets nor anything of the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisFault {
    kind: FaultKind,
    detail: Option<Box<str>>,
}

impl RedisFault {
    pub(super) fn new(kind: FaultKind) -> Self {
        Self { kind, detail: None }
    }

    pub(super) fn with(kind: FaultKind, detail: impl Into<Box<str>>) -> Self {
        Self { kind, detail: Some(detail.into()) }
    }

    /// Which sort it is.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// What the client library calls it, in words of ours.
    pub(super) fn of(error: &RedisError) -> Self {
        if error.is_timeout() {
            return Self::new(FaultKind::Timeout);
        }
        match error.kind() {
            ErrorKind::Io => Self::with(FaultKind::Unreachable, io_detail(error)),
            ErrorKind::MasterNameNotFoundBySentinel => {
                Self::with(FaultKind::Unreachable, "the Sentinels know no living master of this name")
            }
            ErrorKind::ClusterConnectionNotFound => {
                Self::with(FaultKind::Unreachable, "no node of the Cluster answers")
            }
            ErrorKind::AuthenticationFailed => Self::new(FaultKind::Denied),
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Self::new(FaultKind::Garbage),
            ErrorKind::Server(kind) => Self::of_server(kind, error.code()),
            ErrorKind::Extension => Self::of_code(error.code().unwrap_or_default()),
            ErrorKind::InvalidClientConfig => Self::with(FaultKind::Other, "the client's configuration"),
            _ => Self::new(FaultKind::Other),
        }
    }

    fn of_server(kind: ServerErrorKind, code: Option<&str>) -> Self {
        let code = code.unwrap_or("ERR");
        match kind {
            ServerErrorKind::BusyLoading
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::Moved
            | ServerErrorKind::Ask
            | ServerErrorKind::TryAgain => Self::with(FaultKind::Unreachable, code),
            ServerErrorKind::ReadOnly => Self::with(FaultKind::ReadOnly, code),
            ServerErrorKind::NoPerm => Self::with(FaultKind::Denied, code),
            _ => Self::with(FaultKind::Other, code),
        }
    }

    fn of_code(code: &str) -> Self {
        // A code is one word of capitals. Anything else is not a code, and may be anything.
        let shown =
            if code.len() <= 32 && code.bytes().all(|byte| byte.is_ascii_uppercase()) { code } else { "?" };
        let kind = match code {
            "OOM" => FaultKind::Full,
            "MISCONF" | "NOREPLICAS" => FaultKind::ReadOnly,
            "NOAUTH" | "WRONGPASS" | "NOPERM" => FaultKind::Denied,
            "UNBLOCKED" => FaultKind::Unreachable,
            _ => FaultKind::Other,
        };
        Self::with(kind, shown)
    }
}

fn io_detail(error: &RedisError) -> &'static str {
    // Not the text: that of a TLS error, say, tells what the other side sent.
    match error {
        _ if error.is_connection_refusal() => "connection refused",
        _ if error.is_connection_dropped() => "connection lost",
        _ => "the network or TLS failed",
    }
}

impl fmt::Display for RedisFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.sentence())?;
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for RedisFault {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn fault(answer: &str) -> RedisFault {
        let value = redis::parse_redis_value(answer.as_bytes()).unwrap();
        RedisFault::of(&value.extract_error().unwrap_err())
    }

    #[test]
    fn answers_of_a_server_have_their_kinds() {
        let kind = |answer| fault(answer).kind();
        assert_eq!(kind("-OOM command not allowed when used memory > 'maxmemory'.\r\n"), FaultKind::Full);
        assert_eq!(kind("-READONLY You can't write against a read only replica.\r\n"), FaultKind::ReadOnly);
        assert_eq!(kind("-MISCONF Redis is configured to save RDB snapshots\r\n"), FaultKind::ReadOnly);
        assert_eq!(kind("-NOAUTH Authentication required.\r\n"), FaultKind::Denied);
        assert_eq!(kind("-WRONGPASS invalid username-password pair\r\n"), FaultKind::Denied);
        assert_eq!(kind("-NOPERM this user has no permissions\r\n"), FaultKind::Denied);
        assert_eq!(kind("-LOADING Redis is loading the dataset in memory\r\n"), FaultKind::Unreachable);
        assert_eq!(kind("-CLUSTERDOWN The cluster is down\r\n"), FaultKind::Unreachable);
        assert_eq!(kind("-WRONGTYPE Operation against a key\r\n"), FaultKind::Other);
    }

    #[test]
    fn messages_quote_nothing_that_was_sent() {
        let shown =
            fault("-ERR unknown command 'hunter2', with args beginning with: 'hunter2'\r\n").to_string();
        assert_eq!(shown, "Redis refused (ERR)");
        let shown = fault("-hunter2 is not a code\r\n").to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn what_the_network_does_has_its_kinds() {
        let of = |kind: io::ErrorKind| RedisFault::of(&io::Error::from(kind).into());
        assert_eq!(of(io::ErrorKind::TimedOut).kind(), FaultKind::Timeout);
        let refused = of(io::ErrorKind::ConnectionRefused);
        assert_eq!(refused.to_string(), "Redis can't be reached (connection refused)");
    }
}
