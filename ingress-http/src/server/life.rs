//! What a connection waits for, and until when.
//!
//! A state without a clock and without waiting. The parts of a connection (its socket, its requests, their answers) tell it what
//! happened; the connection's task asks it for the next deadline. hyper has a deadline for heads of its own, which is also
//! the one for connections between two requests, and begins after it knows the protocol: a peer that never sends a byte would stay.

use std::time::Duration;

use tokio::time::Instant;

use super::stats::Timeout;

/// How long a peer may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) head: Duration,
    pub(super) idle: Duration,
}

#[derive(Debug)]
pub(super) struct Life {
    /// When the connection was opened, or its last answer ended.
    since: Instant,
    /// How many requests are being answered.
    busy: u32,
    /// Whether there was a request.
    served: bool,
    /// When the first byte since then came.
    stirred: Option<Instant>,
    /// Of HTTP/2, bytes don't announce a request: pings and windows are updated all the time.
    is_http2: bool,
}

impl Life {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, busy: 0, served: false, stirred: None, is_http2: false }
    }

    /// The connection is encrypted from here on; what came before was no request.
    pub(super) fn handshaken(&mut self, now: Instant) {
        self.since = now;
        self.stirred = None;
    }

    /// Bytes came in.
    pub(super) fn read(&mut self, now: Instant) {
        if self.busy == 0 && self.stirred.is_none() {
            self.stirred = Some(now);
        }
    }

    /// A request's head is complete.
    pub(super) fn requested(&mut self, is_http2: bool) {
        self.busy = self.busy.saturating_add(1);
        self.served = true;
        self.stirred = None;
        self.is_http2 = is_http2;
    }

    /// Its answer was handed over, or given up.
    pub(super) fn answered(&mut self, now: Instant) {
        self.busy = self.busy.saturating_sub(1);
        self.since = now;
    }

    /// Until when something has to happen, and what.
    pub(super) fn deadline(&self, patience: Patience) -> Option<(Instant, Timeout)> {
        if self.busy > 0 {
            return None;
        }
        match self.stirred {
            _ if !self.served => Some((self.since + patience.head, Timeout::Head)),
            Some(first) if !self.is_http2 => Some((first + patience.head, Timeout::Head)),
            _ => Some((self.since + patience.idle, Timeout::Idle)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { head: Duration::from_secs(10), idle: Duration::from_secs(60) };

    fn after(life: &Life, begun: Instant) -> Option<(u64, Timeout)> {
        life.deadline(PATIENCE).map(|(at, kind)| ((at - begun).as_secs(), kind))
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_counts_from_its_first_byte() {
        let begun = Instant::now();
        let second = |seconds| begun + Duration::from_secs(seconds);
        let mut life = Life::new(begun);
        assert_eq!(after(&life, begun), Some((10, Timeout::Head)), "nothing came yet");
        life.read(second(9));
        assert_eq!(after(&life, begun), Some((10, Timeout::Head)), "a byte gains no time");
        life.requested(false);
        life.read(second(50));
        assert_eq!(after(&life, begun), None, "it is answered");
        life.answered(second(100));
        assert_eq!(after(&life, begun), Some((160, Timeout::Idle)));
        life.read(second(150));
        life.read(second(159));
        assert_eq!(after(&life, begun), Some((160, Timeout::Head)), "of the next one");
    }

    #[tokio::test(start_paused = true)]
    async fn pings_announce_no_request() {
        let begun = Instant::now();
        let second = |seconds| begun + Duration::from_secs(seconds);
        let mut life = Life::new(begun);
        life.requested(true);
        life.requested(true);
        life.answered(second(1));
        assert_eq!(after(&life, begun), None, "the other one goes on");
        life.answered(second(2));
        life.read(second(30));
        assert_eq!(after(&life, begun), Some((62, Timeout::Idle)));
    }
}
