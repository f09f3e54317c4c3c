//! The connections of a [`Server`](crate::server::Server), where it serves the router.

use std::fmt;

use super::family::{Families, about};
use crate::server::{Refusal, ServerStats, Timeout};

pub(super) fn encode(stats: &ServerStats, families: &mut Families<'_>) -> fmt::Result {
    families.gauges(about("connections", "Connections that are open"), [], [([], stats.open())])?;
    families.gauges(
        about("connections_max", "Connections that may be open at a time"),
        [],
        [([], stats.max())],
    )?;
    families.counters(
        about("connections_accepted", "Connections that were accepted"),
        [],
        [([], stats.accepted())],
    )?;
    families.counters(
        about("connections_refused", "Connections that were closed at once"),
        ["reason"],
        Refusal::ALL.into_iter().map(|reason| ([reason.as_str()], stats.refused(reason))),
    )?;
    families.counters(
        about("connection_timeouts", "Connections, streams or bodies given up, by what was not done in time"),
        ["kind"],
        Timeout::ALL.into_iter().map(|kind| ([kind.as_str()], stats.timeouts(kind))),
    )?;
    families.counters(
        about("connection_accept_errors", "Times that the system had no connection to give"),
        [],
        [([], stats.accept_errors())],
    )?;
    families.counters(
        about("tls_handshakes_failed", "TLS handshakes that failed"),
        [],
        [([], stats.handshakes_failed())],
    )?;
    families.counters(
        about(
            "tls_reloads",
            "Times that certificate files changed while they were in use, by whether the new ones serve",
        ),
        ["result"],
        [(["ok"], stats.reloads()), (["failed"], stats.reloads_failed())],
    )
}
