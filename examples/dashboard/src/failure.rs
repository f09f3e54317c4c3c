//! Why the program ends, and with which exit code.

use std::fmt;
use std::process::ExitCode;

/// One line for a person, and a code for a script.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// A flag or a file that a person has to correct: 2, as for every bad command line.
    pub(crate) fn configuration(message: impl fmt::Display) -> Self {
        Self { code: 2, message: message.to_string() }
    }

    /// Somebody else listens at the address: 3.
    pub(crate) fn address_in_use(message: impl fmt::Display) -> Self {
        Self { code: 3, message: message.to_string() }
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

/// Anything else that goes wrong while running: 1.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        // All causes on one line.
        Self { code: 1, message: format!("{error:#}") }
    }
}

/// One line, whatever the message holds.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.message.lines().map(str::trim).filter(|line| !line.is_empty());
        f.write_str(lines.next().unwrap_or("failed"))?;
        lines.try_for_each(|line| write!(f, "; {line}"))
    }
}
