//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use super::stats::{Open, Refusal, ServerStats};

/// The places of one server.
#[derive(Debug, Clone)]
pub(super) struct Places {
    max: usize,
    /// Counted only if there is a bound: behind a proxy, all connections come from one address.
    of_addresses: Option<Arc<OfAddresses>>,
    stats: ServerStats,
}

#[derive(Debug)]
struct OfAddresses {
    max: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    of_address: Option<(Arc<OfAddresses>, IpAddr)>,
    _open: Open,
}

impl Places {
    pub(super) fn new(max: usize, max_per_address: Option<usize>, stats: ServerStats) -> Self {
        stats.begin(max);
        let of_addresses = max_per_address.map(|max| Arc::new(OfAddresses { max, taken: Mutex::default() }));
        Self { max, of_addresses, stats }
    }

    /// A place for a connection from an address, if there is one. Only the task that accepts asks, one connection at a time.
    pub(super) fn take(&self, address: IpAddr) -> Result<Place, Refusal> {
        if self.stats.open() >= self.max {
            return Err(Refusal::Limit);
        }
        let of_address = match &self.of_addresses {
            None => None,
            Some(of_addresses) => {
                let network = network(address);
                let mut taken = of_addresses.taken.lock().unwrap_or_else(PoisonError::into_inner);
                let count = taken.entry(network).or_default();
                if *count >= of_addresses.max {
                    return Err(Refusal::Address);
                }
                *count += 1;
                Some((of_addresses.clone(), network))
            }
        };
        Ok(Place { of_address, _open: self.stats.opened() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((of_addresses, network)) = &self.of_address else { return };
        let mut taken = of_addresses.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(network) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(network);
            }
        }
    }
}

/// What counts as one address: of IPv6, the /64 that every host has to itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_given_back() {
        let stats = ServerStats::new();
        let places = Places::new(2, Some(1), stats.clone());
        let one = places.take(address("192.0.2.1")).unwrap();
        assert_eq!(places.take(address("::ffff:192.0.2.1")).unwrap_err(), Refusal::Address);
        let other = places.take(address("192.0.2.2")).unwrap();
        assert_eq!(places.take(address("192.0.2.3")).unwrap_err(), Refusal::Limit);
        drop((one, other));
        assert_eq!(stats.open(), 0);
        assert!(places.of_addresses.as_ref().unwrap().taken.lock().unwrap().is_empty());
        assert!(places.take(address("192.0.2.1")).is_ok());
    }

    #[test]
    fn a_host_has_many_addresses_of_ipv6() {
        assert_eq!(network(address("2001:db8::1")), network(address("2001:db8::ffff:2")));
        assert_ne!(network(address("2001:db8::1")), network(address("2001:db8:0:1::1")));
    }
}
