//! The buckets of all clients: as much memory as is named here, whoever asks.
//!
//! A bucket that is full again is like one that was never there, so it can be forgotten; with the default limits that is so
//! a tenth of a second after a lone request. Only somebody with ever new addresses could fill the table faster than that. Then
//! whoever is in it keeps their bucket, and all newcomers share one: nobody gets more than before, and nobody is let through
//! unlimited.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;

use crate::client::Client;

/// How many clients are kept apart at a time, per class.
pub(crate) const MAX_CLIENTS: usize = 65_536;

/// When each client's bucket will be full again.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    times: Arc<Mutex<HashMap<Client, Nanos>>>,
}

impl Kept {
    fn times(&self) -> MutexGuard<'_, HashMap<Client, Nanos>> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_full(&self) -> bool {
        self.times().len() >= MAX_CLIENTS
    }

    /// Whose bucket counts for a client.
    fn holder<'a>(times: &HashMap<Client, Nanos>, client: &'a Client) -> &'a Client {
        if times.len() < MAX_CLIENTS || times.contains_key(client) { client } else { &Client::Crowd }
    }
}

impl StateStore for Kept {
    type Key = Client;

    fn measure_and_replace<T, F, E>(&self, key: &Client, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut times = self.times();
        let holder = Self::holder(&times, key);
        let (outcome, time) = f(times.get(holder).copied())?;
        times.insert(holder.clone(), time);
        Ok(outcome)
    }
}

impl ShrinkableKeyedStateStore<Client> for Kept {
    fn retain_recent(&self, drop_below: Nanos) {
        self.times().retain(|_, time| *time > drop_below);
    }

    fn len(&self) -> usize {
        self.times().len()
    }

    fn is_empty(&self) -> bool {
        self.times().is_empty()
    }
}

/// The same, looked at without taking anything.
#[derive(Debug, Clone)]
pub(super) struct Look(pub(super) Kept);

impl StateStore for Look {
    type Key = Client;

    fn measure_and_replace<T, F, E>(&self, key: &Client, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let times = self.0.times();
        let time = times.get(Kept::holder(&times, key)).copied();
        f(time).map(|(outcome, _)| outcome)
    }
}
