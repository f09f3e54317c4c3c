//! Flags for what outlives the process.

use std::path::PathBuf;

use clap::Args;

/// What is kept from one start to the next.
#[derive(Debug, Clone, Args)]
pub(crate) struct StateArgs {
    /// Keep what is known in this directory, so that the next start shows it at once, marked stale, while it reads what is so now;
    /// nothing is kept unless given.
    #[arg(long, env = "DASHBOARD_STATE_DIR", value_name = "DIRECTORY")]
    pub(crate) state_dir: Option<PathBuf>,
}
