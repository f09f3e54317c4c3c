//! Changes to one namespace, chosen by a seed, made directly at the API server.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::objects::{self, name};

/// Fewer ingresses than this are not deleted from.
const FEWEST: usize = 10;

/// Changes the ingresses of one namespace.
pub struct Writer {
    client: kube::Client,
    namespace: String,
    rng: SmallRng,
    alive: BTreeSet<usize>,
    gone: BTreeSet<usize>,
    next: usize,
    writes: usize,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Writer").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Writer {
    /// For a namespace that holds the ingresses numbered from 0.
    #[must_use]
    pub fn new(client: &kube::Client, namespace: &str, ingresses: usize, seed: u64) -> Self {
        Self {
            client: client.clone(),
            namespace: namespace.to_owned(),
            rng: SmallRng::seed_from_u64(seed),
            alive: (0..ingresses).collect(),
            gone: BTreeSet::new(),
            next: ingresses,
            writes: 0,
        }
    }

    /// Deletes three ingresses, one of which comes back, changes two and creates one: enough for an engine that
    /// misses it to be wrong in every way.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn burst(&mut self) -> Result<()> {
        for _ in 0..3 {
            self.delete().await?;
        }
        self.revive().await?;
        self.change().await?;
        self.change().await?;
        self.create().await
    }

    /// Makes one change.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn step(&mut self) -> Result<()> {
        match self.rng.random_range(0..10) {
            0 | 1 if self.alive.len() > FEWEST => self.delete().await,
            2 => self.create().await,
            3 => self.revive().await,
            4 => {
                let number = self.pick()?;
                let ip = format!("192.0.2.{}", self.rng.random_range(1..255));
                self.writes += 1;
                objects::set_address(&self.client, &self.namespace, &name(number), &ip).await
            }
            _ => self.change().await,
        }
    }

    /// The ingresses that were deleted and have not come back.
    #[must_use]
    pub fn gone(&self) -> Vec<String> {
        self.gone.iter().map(|number| format!("{}/{}", self.namespace, name(*number))).collect()
    }

    /// How many changes were made.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.writes
    }

    fn pick(&mut self) -> Result<usize> {
        let nth = self.rng.random_range(0..self.alive.len().max(1));
        self.alive.iter().nth(nth).copied().context("no ingress is left")
    }

    async fn change(&mut self) -> Result<()> {
        let number = self.pick()?;
        let value = self.rng.random::<u32>().to_string();
        self.writes += 1;
        objects::annotate(&self.client, &self.namespace, &name(number), "example.com/note", &value).await?;
        Ok(())
    }

    async fn delete(&mut self) -> Result<()> {
        let number = self.pick()?;
        objects::delete(&self.client, &self.namespace, &name(number)).await?;
        self.alive.remove(&number);
        self.gone.insert(number);
        self.writes += 1;
        Ok(())
    }

    async fn create(&mut self) -> Result<()> {
        let number = self.next;
        self.next += 1;
        self.put(number).await
    }

    /// Creates an ingress again that was deleted: the same name, another object.
    async fn revive(&mut self) -> Result<()> {
        match self.gone.pop_first() {
            Some(number) => self.put(number).await,
            None => self.change().await,
        }
    }

    async fn put(&mut self, number: usize) -> Result<()> {
        objects::create(&self.client, &self.namespace, number).await?;
        self.alive.insert(number);
        self.writes += 1;
        Ok(())
    }
}
