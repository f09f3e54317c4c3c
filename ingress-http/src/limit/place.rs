//! Places for streams: so many in all, so many per address, so many per user.
//!
//! A stream costs a socket and some tens of kilobytes for as long as somebody watches, so what counts is not how often it is
//! opened but how many are open. What is kept is one number per user and per address with an open stream, of which there are
//! no more than places in all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Extensions;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::client::{AddressKey, Client, UserKey};

/// How many streams there may be at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capacity {
    pub(crate) process: usize,
    pub(crate) per_user: usize,
    pub(crate) per_address: usize,
}

/// Why there is no place for a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    Process,
    User,
    Address,
}

impl Full {
    /// In the order of their declaration.
    pub(crate) const ALL: [Self; 3] = [Self::Process, Self::User, Self::Address];

    /// The reason, as it stands in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Process => "too-many-streams",
            Self::User => "too-many-of-user",
            Self::Address => "too-many-of-address",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Places {
    capacity: Capacity,
    free: Arc<Semaphore>,
    taken: Arc<Taken>,
}

/// How many streams each has open; who has none is not in it.
#[derive(Debug, Default)]
struct Taken(Mutex<HashMap<Client, usize>>);

impl Taken {
    fn counts(&self) -> MutexGuard<'_, HashMap<Client, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one more, unless there are as many as may be.
    fn take(self: &Arc<Self>, holder: Client, max: usize) -> Option<Share> {
        let mut counts = self.counts();
        let taken = counts.get(&holder).copied().unwrap_or_default();
        if taken >= max {
            return None;
        }
        counts.insert(holder.clone(), taken + 1);
        drop(counts);
        Some(Share { taken: self.clone(), holder })
    }
}

/// One of somebody's streams; given back when it is dropped.
#[derive(Debug)]
struct Share {
    taken: Arc<Taken>,
    holder: Client,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut counts = self.taken.counts();
        match counts.get_mut(&self.holder) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                counts.remove(&self.holder);
            }
        }
    }
}

/// A place for one stream, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    _of_address: Share,
    _of_user: Option<Share>,
}

impl Places {
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self { capacity, free: Arc::new(Semaphore::new(capacity.process)), taken: Arc::default() }
    }

    /// A place for whoever asks.
    pub(crate) fn take(&self, extensions: &Extensions) -> Result<Place, Full> {
        let permit = self.free.clone().try_acquire_owned().map_err(|_| Full::Process)?;
        let address = Client::Address(AddressKey::of(extensions));
        let of_address = self.taken.take(address, self.capacity.per_address).ok_or(Full::Address)?;
        let of_user = match UserKey::of(extensions) {
            None => None,
            Some(user) => {
                Some(self.taken.take(Client::User(user), self.capacity.per_user).ok_or(Full::User)?)
            }
        };
        Ok(Place { _permit: permit, _of_address: of_address, _of_user: of_user })
    }

    /// How many places are taken.
    pub(crate) fn taken(&self) -> usize {
        self.capacity.process.saturating_sub(self.free.available_permits())
    }

    /// How many there may be for the same reason.
    pub(crate) fn capacity(&self, of: Full) -> usize {
        match of {
            Full::Process => self.capacity.process,
            Full::User => self.capacity.per_user,
            Full::Address => self.capacity.per_address,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::extract::ConnectInfo;
    use http::HeaderMap;
    use ingress_core::access::UserInfo;

    use super::*;
    use crate::client::TrustedProxies;

    fn somebody(peer: &str, name: Option<&str>) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
        TrustedProxies::default().identify(&mut extensions, &HeaderMap::new());
        if let Some(name) = name {
            extensions.insert(Arc::new(UserInfo::new(name, ["staff"])));
        }
        extensions
    }

    #[test]
    fn each_cap_by_itself() {
        let places = Places::new(Capacity { process: 5, per_user: 2, per_address: 3 });
        let ann = somebody("192.0.2.1:1", Some("ann"));
        let first = places.take(&ann).unwrap();
        let second = places.take(&somebody("192.0.2.9:1", Some("ann"))).unwrap();
        assert_eq!(places.take(&ann).unwrap_err(), Full::User);
        let third = places.take(&somebody("192.0.2.1:2", None)).unwrap();
        let fourth = places.take(&somebody("192.0.2.1:2", Some("bob"))).unwrap();
        assert_eq!(places.take(&somebody("192.0.2.1:3", None)).unwrap_err(), Full::Address);
        let fifth = places.take(&somebody("192.0.2.2:3", None)).unwrap();
        assert_eq!(places.take(&somebody("192.0.2.3:3", None)).unwrap_err(), Full::Process);
        // Whatever was refused took nothing, and what ends is given back.
        assert_eq!(places.taken(), 5);
        drop(second);
        drop(places.take(&somebody("192.0.2.9:1", Some("ann"))).unwrap());
        drop((first, third, fourth, fifth));
        assert_eq!(places.taken(), 0);
        assert!(places.taken.counts().is_empty());
    }

    #[test]
    fn everything_has_a_place_of_its_own() {
        assert!(Full::ALL.into_iter().enumerate().all(|(at, full)| full as usize == at));
    }
}
