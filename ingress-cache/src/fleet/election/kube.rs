//! Leases of a real cluster.
