//! What goes wrong, as data.

use std::time::Duration;

/// Which of the engine's requests for ingresses a step applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Asks {
    /// The request that a sync begins with: a streaming list, or the first page of a list.
    Start,
    /// A streaming list.
    Streaming,
    /// A further page of a list.
    Continue,
    /// A watch from a revision.
    Watch,
    /// Each of them.
    Any,
}

/// What a request for ingresses is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ask {
    /// A streaming list.
    Streaming,
    /// A list, or its first page.
    List,
    /// A further page.
    Continue,
    /// A watch from a revision.
    Watch,
}

impl Asks {
    /// Whether a request is one of these.
    #[must_use]
    pub fn covers(self, ask: Ask) -> bool {
        match self {
            Self::Any => true,
            Self::Start => matches!(ask, Ask::Streaming | Ask::List),
            Self::Streaming => ask == Ask::Streaming,
            Self::Continue => ask == Ask::Continue,
            Self::Watch => ask == Ask::Watch,
        }
    }
}

/// What happens to one request or its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The proxy answers by itself, with a `Status` of this code.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The header `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// 200, with a page of HTML: a proxy's or portal's doing.
    Portal,
    /// The connection ends after so many bytes of the answer, head included.
    Cut(usize),
    /// After so many bytes nothing more comes, and the connection stays open for ever.
    Stall(usize),
    /// The answer begins so much later.
    Delay(Duration),
    /// The body arrives in pieces of so many bytes.
    Pieces(usize),
    /// After so many events, something is said that the API server did not say; then the watch ends.
    Say(usize, Word),
    /// No bookmark comes through.
    NoBookmarks,
    /// The parameters of a streaming list are taken off, as a server does that has not heard of them.
    NoStreaming,
    /// Protobuf is taken off what the engine accepts.
    OnlyJson,
    /// Lists come in pages of so many objects, whatever was asked for.
    Pages(usize),
    /// A watch goes on from this revision, whatever was asked for: what a cache between the two could do, and an API
    /// server does not.
    Rewound(Until),
    /// What happened up to this revision is forgotten: a watch from there is answered 410.
    Forgotten {
        /// The last revision that is forgotten.
        until: Until,
        /// As an HTTP status; otherwise as an event in a stream that began well.
        as_status: bool,
    },
}

/// A revision that is known only when a schedule is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Until {
    /// The cluster's revision when the faults begin.
    Beginning,
    /// This one.
    Revision(u64),
}

/// Something that is said in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Word {
    /// An `ERROR` event with a `Status` of this code.
    Error(u16),
    /// An `ERROR` event whose `Status` has neither code nor reason.
    UnknownError,
    /// The first part of an event.
    HalfAnEvent,
    /// A whole frame that holds no event.
    Nonsense,
    /// A frame larger than any engine should accept.
    Endless,
}

/// A fault, and the requests it happens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// Which kind of request.
    pub asks: Asks,
    /// How many of them pass before.
    pub skip: usize,
    /// How many of them it happens to.
    pub times: usize,
    /// What happens.
    pub fault: Fault,
}

impl Step {
    /// A fault that happens to the first `times` requests of a kind.
    #[must_use]
    pub fn new(asks: Asks, times: usize, fault: Fault) -> Self {
        Self { asks, skip: 0, times, fault }
    }

    /// A fault that happens to every request of a kind while the schedule lasts.
    #[must_use]
    pub fn always(asks: Asks, fault: Fault) -> Self {
        Self::new(asks, usize::MAX, fault)
    }

    /// Lets so many requests pass before.
    #[must_use]
    pub fn after(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }
}

/// What happens to connections when the faults begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opening {
    /// The engine starts with the faults already there.
    Fresh,
    /// The engine is current; every connection is cut.
    Cut,
    /// The engine is current; the peer is dead and never closes anything, and neither are new connections served.
    Dead,
    /// The engine is current; connections are cut again and again, with this in between.
    Flapping(Duration),
    /// The engine is current; every connection is cut, and each new one at once.
    Refused,
}

/// Everything about one run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Schedule {
    /// Its name; also part of a namespace's name.
    pub name: String,
    /// What it shows, in a few words.
    pub shows: String,
    /// How it begins.
    pub opening: Opening,
    /// What goes wrong.
    pub steps: Vec<Step>,
    /// How long it lasts before everything works again.
    pub lasts: Duration,
    /// How soon after that the engine must show the cluster as it is.
    pub settles: Duration,
    /// How long the engine may say that it is current and show none of the changes that are made all the time.
    pub says_within: Duration,
    /// How many requests for ingresses are too many.
    pub most_requests: usize,
}

impl Schedule {
    /// A schedule with the usual bounds: 20 s to settle, 30 s to say what is wrong, 40 requests.
    #[must_use]
    pub fn new(name: &str, shows: &str, opening: Opening, lasts: u64, steps: Vec<Step>) -> Self {
        Self {
            name: name.to_owned(),
            shows: shows.to_owned(),
            opening,
            steps,
            lasts: Duration::from_secs(lasts),
            settles: Duration::from_secs(20),
            says_within: Duration::from_secs(30),
            most_requests: 40,
        }
    }

    /// Allows another time until the engine says that it is not current.
    #[must_use]
    pub fn says_within(mut self, seconds: u64) -> Self {
        self.says_within = Duration::from_secs(seconds);
        self
    }

    /// Lasts so many seconds.
    #[must_use]
    pub fn lasts(mut self, seconds: u64) -> Self {
        self.lasts = Duration::from_secs(seconds);
        self
    }

    /// Allows another time to settle.
    #[must_use]
    pub fn settles(mut self, seconds: u64) -> Self {
        self.settles = Duration::from_secs(seconds);
        self
    }
}
