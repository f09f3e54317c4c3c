//! What an engine must offer to be put through the schedules.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use async_trait::async_trait;

use crate::fault::journal::Journal;
use crate::objects::State;

/// A way to keep a copy of a cluster's ingresses.
#[async_trait]
pub trait Engine: Sync {
    /// Its name in tables.
    fn name(&self) -> &'static str;

    /// Begins to follow the ingresses of one namespace, or of all.
    ///
    /// # Errors
    ///
    /// When the kubeconfig cannot be used. A cluster that does not answer is no error: living with that is
    /// what is tested.
    async fn start(&self, kubeconfig: &Path, namespace: Option<&str>) -> Result<Box<dyn Running>>;
}

/// An engine at work; it ends when dropped.
pub trait Running: Send + Sync {
    /// What it believes the cluster to hold, by `namespace/name`.
    fn state(&self) -> BTreeMap<String, State>;

    /// Whether it says of itself that this is current; `None` when it makes no such statement.
    fn says_current(&self) -> Option<bool>;

    /// What its readers saw.
    fn journal(&self) -> MutexGuard<'_, Journal>;

    /// One line about what it is doing, for whoever looks for the reason of a failure.
    fn describe(&self) -> String;
}

/// A journal that a task writes and a judge reads.
#[derive(Debug, Clone, Default)]
pub struct Notes(Arc<Mutex<Journal>>);

impl Notes {
    /// The journal.
    pub fn lock(&self) -> MutexGuard<'_, Journal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
