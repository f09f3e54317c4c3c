//! The schedules, by name.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::fault::plan::{Asks, Fault, Opening, Schedule, Step, Until, Word};

const fn answer(status: u16) -> Fault {
    Fault::Answer { status, retry_after: None }
}

const fn answer_later(status: u16, seconds: u64) -> Fault {
    Fault::Answer { status, retry_after: Some(seconds) }
}

/// Pages of ten, since a server that refuses a streaming list is asked for pages.
fn in_pages(more: Vec<Step>) -> Vec<Step> {
    let mut steps =
        vec![Step::always(Asks::Streaming, answer(422)), Step::always(Asks::Any, Fault::Pages(10))];
    steps.extend(more);
    steps
}

/// All of them, in the order of the table.
#[must_use]
pub fn all() -> Vec<Schedule> {
    [starting(), listing(), watching(), saying(), connecting()].concat()
}

/// The first answers are errors.
fn starting() -> Vec<Schedule> {
    let first = |name, shows, times, fault| {
        Schedule::new(name, shows, Opening::Fresh, 8, vec![Step::new(Asks::Start, times, fault)])
    };
    let for_long = |name, shows, status| {
        let steps = vec![Step::always(Asks::Start, answer(status))];
        // Where chance and a slow machine let a fifth refusal happen, the next question comes up to 64 s later.
        let schedule = Schedule::new(name, shows, Opening::Fresh, 30, steps).settles(75);
        Schedule { most_requests: 14, ..schedule }
    };
    vec![
        for_long("start-500-for-long", "500 for 30 s at the start of a list", 500),
        for_long("start-403-for-long", "403 for 30 s at the start of a list", 403),
        first("start-500", "500 four times at the start of a list", 4, answer(500)),
        first("start-503", "503 three times at the start of a list", 3, answer(503)),
        first("start-504", "504 twice at the start of a list", 2, answer(504)),
        first("start-429", "429 three times, without a word about when", 3, answer(429)),
        first("start-429-later", "429 twice, with `Retry-After: 3`", 2, answer_later(429, 3)),
        first("start-410", "410 at the start of a list", 1, answer(410)),
        first("start-portal", "200 with a page of HTML, three times", 3, Fault::Portal),
        first("start-slow", "two answers that begin 3 s late", 2, Fault::Delay(Duration::from_secs(3))),
    ]
}

/// A list breaks half way.
fn listing() -> Vec<Schedule> {
    let fresh = |name, shows, steps| Schedule::new(name, shows, Opening::Fresh, 8, steps);
    let page = |times, fault| in_pages(vec![Step::new(Asks::Continue, times, fault).after(1)]);
    vec![
        fresh("page-410", "the continue token expires on the third page", page(1, answer(410))),
        fresh("page-500", "500 twice on a further page", page(2, answer(500))),
        fresh("page-429-later", "429 with `Retry-After: 2` on a further page", page(1, answer_later(429, 2))),
        fresh("page-503", "503 on a further page", page(1, answer(503))),
        fresh("page-cut", "two pages end in the middle of an object", page(2, Fault::Cut(3000))),
        fresh(
            "list-cut",
            "the list, streaming or not, ends half way, twice",
            vec![Step::new(Asks::Start, 2, Fault::Cut(30_000))],
        ),
        fresh(
            "list-stall",
            "the list stops half way and never ends",
            vec![Step::new(Asks::Start, 1, Fault::Stall(30_000))],
        )
        .settles(30),
        fresh(
            "streaming-refused",
            "the server refuses streaming lists (422)",
            vec![Step::always(Asks::Streaming, answer(422))],
        ),
        fresh(
            "streaming-ignored",
            "the server ignores the wish for a streaming list",
            vec![Step::always(Asks::Streaming, Fault::NoStreaming)],
        ),
        fresh(
            "watch-after-list-cut",
            "the watch breaks three times right after the list",
            in_pages(vec![Step::new(Asks::Watch, 3, Fault::Cut(20))]),
        ),
        fresh("only-json", "the server has no protobuf", vec![Step::always(Asks::Any, Fault::OnlyJson)]),
        fresh(
            "pieces-of-1",
            "every body in pieces of one byte",
            vec![Step::always(Asks::Any, Fault::Pieces(1))],
        ),
        fresh(
            "json-in-pieces-of-7",
            "every body in JSON, in pieces of seven bytes",
            vec![Step::always(Asks::Any, Fault::OnlyJson), Step::always(Asks::Any, Fault::Pieces(7))],
        ),
    ]
}

/// A watch can't be resumed just now, or never again.
fn watching() -> Vec<Schedule> {
    let cut = |name, shows, steps| Schedule::new(name, shows, Opening::Cut, 8, steps);
    let watch = |times, fault| vec![Step::new(Asks::Watch, times, fault)];
    let forgotten =
        |as_status| vec![Step::always(Asks::Watch, Fault::Forgotten { until: Until::Beginning, as_status })];
    vec![
        cut("watch-410-status", "the resume point expired: 410 as a status", forgotten(true)),
        cut("watch-410-event", "the resume point expired: 410 inside of a 200", forgotten(false)),
        cut("watch-500", "500 four times when the watch is resumed", watch(4, answer(500))),
        Schedule {
            most_requests: 14,
            ..cut(
                "watch-500-for-long",
                "500 for 30 s when the watch is resumed",
                vec![Step::always(Asks::Watch, answer(500))],
            )
        }
        .lasts(30)
        .settles(40),
        cut(
            "watch-503-later",
            "503 with `Retry-After: 3` when the watch is resumed",
            watch(1, answer_later(503, 3)),
        ),
        cut("watch-429", "429 three times when the watch is resumed", watch(3, answer(429))),
        cut("watch-429-later", "429 twice with `Retry-After: 2`", watch(2, answer_later(429, 2))),
        cut("watch-504", "504 three times when the watch is resumed", watch(3, answer(504))),
        cut("watch-portal", "200 with HTML when the watch is resumed", watch(2, Fault::Portal)),
        cut("watch-cut-in-head", "the watch breaks within its head, four times", watch(4, Fault::Cut(9))),
        cut("watch-cut-in-event", "the watch breaks within an event, four times", watch(4, Fault::Cut(2900))),
        cut("no-bookmarks", "no bookmark comes, then the watch breaks", {
            vec![Step::always(Asks::Watch, Fault::NoBookmarks), Step::new(Asks::Watch, 1, Fault::Cut(20_000))]
        }),
    ]
}

/// A watch says something that is wrong.
fn saying() -> Vec<Schedule> {
    let protobuf = |name, shows, times, word| {
        let steps = vec![Step::new(Asks::Watch, times, Fault::Say(2, word))];
        Schedule::new(name, shows, Opening::Cut, 8, steps)
    };
    let json = |name, shows, times, word| {
        let steps = vec![
            Step::always(Asks::Any, Fault::OnlyJson),
            Step::new(Asks::Watch, times, Fault::Say(2, word)),
        ];
        Schedule::new(name, shows, Opening::Cut, 8, steps)
    };
    vec![
        protobuf("event-410", "`ERROR` 410 after two events, protobuf", 2, Word::Error(410)),
        protobuf("event-500", "`ERROR` 500 after two events, three times, protobuf", 3, Word::Error(500)),
        protobuf("event-unknown", "`ERROR` without a code, protobuf", 2, Word::UnknownError),
        protobuf("event-half", "half an event, then an orderly end, protobuf", 3, Word::HalfAnEvent),
        protobuf("event-nonsense", "a frame that holds no event, protobuf", 2, Word::Nonsense),
        protobuf("event-endless", "a frame of 2 GiB is announced, protobuf", 2, Word::Endless),
        json("json-event-410", "`ERROR` 410 after two events, JSON", 2, Word::Error(410)),
        json("json-event-500", "`ERROR` 500 after two events, three times, JSON", 3, Word::Error(500)),
        json("json-event-unknown", "`ERROR` without a code, JSON", 2, Word::UnknownError),
        json("json-event-half", "half an event, then an orderly end, JSON", 3, Word::HalfAnEvent),
        json("json-event-nonsense", "a line that is no JSON", 2, Word::Nonsense),
        json("json-event-endless", "a line of 9 MiB without an end", 1, Word::Endless),
    ]
}

/// Connections themselves are in trouble.
fn connecting() -> Vec<Schedule> {
    let flapping = Opening::Flapping(Duration::from_millis(700));
    // The first watch is served well and cut; those after it begin too early.
    let rewound = vec![Step::always(Asks::Watch, Fault::Rewound(Until::Beginning))];
    let slowly = Opening::Flapping(Duration::from_secs(3));
    vec![
        Schedule::new(
            "watch-rewound",
            "each watch begins too early and tells old changes again",
            slowly,
            8,
            rewound,
        ),
        Schedule::new("flapping", "every connection is cut each 0.7 s, for 8 s", flapping, 8, vec![]),
        Schedule::new("refused", "every connection is cut at once, for 8 s", Opening::Refused, 8, vec![])
            .says_within(8),
        Schedule::new("dead-peer", "nothing answers for 32 s, nothing is closed", Opening::Dead, 32, vec![])
            .says_within(30),
        Schedule::new(
            "stalled-watch",
            "the watch goes silent, all else is well, for 45 s",
            Opening::Cut,
            45,
            vec![Step::new(Asks::Watch, 1, Fault::Stall(6000))],
        )
        .says_within(30),
    ]
}

/// A schedule that a seed chose.
#[must_use]
pub fn random(seed: u64) -> Schedule {
    let mut rng = SmallRng::seed_from_u64(seed);
    let opening = match rng.random_range(0..6) {
        0 => Opening::Fresh,
        1 => Opening::Flapping(Duration::from_millis(rng.random_range(300..1500))),
        2 => Opening::Refused,
        _ => Opening::Cut,
    };
    let lasts = rng.random_range(3..8);
    let steps = random_steps(&mut rng);
    let shows = format!("{} faults of seed {seed}", steps.len());
    Schedule::new(&format!("random-{seed}"), &shows, opening, lasts, steps).settles(45)
}

/// A few faults, all of which an engine can be over with within half a minute.
pub fn random_steps(rng: &mut SmallRng) -> Vec<Step> {
    let count = rng.random_range(2..6);
    (0..count).map(|_| random_step(rng)).collect()
}

fn random_step(rng: &mut SmallRng) -> Step {
    const ANY: [Asks; 4] = [Asks::Start, Asks::Continue, Asks::Watch, Asks::Any];
    const STATUS: [u16; 5] = [410, 429, 500, 503, 504];
    const WORDS: [Word; 6] = [
        Word::Error(410),
        Word::Error(500),
        Word::UnknownError,
        Word::HalfAnEvent,
        Word::Nonsense,
        Word::Error(503),
    ];
    let status = one_of(rng, &STATUS, 500);
    let fault = match rng.random_range(0..12) {
        0 => answer(status),
        1 => answer_later(429, rng.random_range(1..3)),
        2 => Fault::Portal,
        3..=5 => Fault::Cut(rng.random_range(0..40_000)),
        6 => Fault::Delay(Duration::from_millis(rng.random_range(50..2500))),
        7 => Fault::Pieces(rng.random_range(1..64)),
        8 => Fault::OnlyJson,
        9 => Fault::Pages(rng.random_range(3..20)),
        10 => Fault::NoBookmarks,
        _ => {
            let word = one_of(rng, &WORDS, Word::Nonsense);
            return Step::new(Asks::Watch, rng.random_range(1..4), Fault::Say(rng.random_range(0..5), word));
        }
    };
    let asks = if fault == Fault::NoBookmarks { Asks::Watch } else { one_of(rng, &ANY, Asks::Any) };
    Step::new(asks, rng.random_range(1..4), fault).after(rng.random_range(0..2))
}

fn one_of<T: Copy>(rng: &mut SmallRng, choices: &[T], otherwise: T) -> T {
    choices.get(rng.random_range(0..choices.len().max(1))).copied().unwrap_or(otherwise)
}
