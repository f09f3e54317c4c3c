//! What a viewer costs, and how long a change takes to reach all of them.
//!
//! ```text
//! cargo run --release -p benches --bin fanout            # the table, in Markdown; about three minutes on 2 cores
//! cargo run --release -p benches --bin fanout -- --json  # one object
//! cargo run --release -p benches --bin fanout -- --quick # fewer of everything, for CI: under a minute
//! ```
//!
//! The program starts itself once more, as the server, for each part anew, so that no part profits from memory that another left
//! behind. Both share the machine. Fails when a change was lost, or when a bar is missed by a factor of four: a busy machine is
//! no reason to fail, a mistake is. Linux only.
#![expect(clippy::print_stdout, reason = "a program that prints its result")]

#[cfg(target_os = "linux")]
fn main() -> anyhow::Result<()> {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("this needs Linux: epoll, and /proc for the memory of the other process");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::time::Duration;

    use anyhow::{Context as _, Result, bail, ensure};
    use benches::fanout::child::Served;
    use benches::fanout::crowd::{Crowd, Outcome, Slow, ask};
    use benches::fanout::{now, raise_open_files, served};
    use benches::report::{Bar, Report, Row};
    use serde_json::{Value, json};

    /// How large everything is.
    struct Plan {
        quick: bool,
        ingresses: usize,
        /// Viewers of the three parts that measure latency, with changes per second and their number.
        one: Load,
        some: Load,
        all: Load,
        /// Viewers that ask for everything at the same time.
        rush: usize,
    }

    #[derive(Clone, Copy)]
    struct Load {
        viewers: usize,
        rate: f64,
        changes: u64,
    }

    impl Plan {
        fn full() -> Self {
            Self {
                quick: false,
                ingresses: 10_000,
                one: Load { viewers: 1, rate: 50.0, changes: 500 },
                some: Load { viewers: 1_000, rate: 10.0, changes: 200 },
                all: Load { viewers: 10_000, rate: 5.0, changes: 100 },
                rush: 50,
            }
        }

        fn quick() -> Self {
            Self {
                quick: true,
                ingresses: 2_000,
                one: Load { viewers: 1, rate: 50.0, changes: 100 },
                some: Load { viewers: 100, rate: 10.0, changes: 30 },
                all: Load { viewers: 200, rate: 5.0, changes: 20 },
                rush: 20,
            }
        }

        fn sizes(&self) -> Value {
            let load = |load: Load| json!({ "viewers": load.viewers, "changes_per_second": load.rate, "changes": load.changes });
            json!({
                "quick": self.quick,
                "ingresses": self.ingresses,
                "one": load(self.one),
                "some": load(self.some),
                "all": load(self.all),
                "rush": self.rush,
            })
        }
    }

    pub(super) fn main() -> Result<()> {
        let mut arguments: Vec<String> = std::env::args().skip(1).collect();
        if let [first, ingresses] = arguments.as_slice()
            && first == "serve"
        {
            return served::run(ingresses.parse()?);
        }
        let (mut plan, mut as_json) = (Plan::full(), false);
        for argument in arguments.drain(..) {
            match argument.as_str() {
                "--json" => as_json = true,
                "--quick" => plan = Plan::quick(),
                other => bail!("unknown argument {other}; there are --quick and --json"),
            }
        }
        let files = raise_open_files(plan.all.viewers + 1_000)?;
        tell(&format!("up to {files} open files (ulimit -n), here and in the server"));
        let mut rows = Vec::new();
        alone(&plan, &mut rows)?;
        in_company(&plan, &mut rows)?;
        in_a_crowd(&plan, &mut rows)?;
        let report = Report::new(rows, &plan.sizes());
        if as_json {
            println!("{:#}", report.json());
        } else {
            println!("{}", report.alone());
        }
        let missed = report.missed_by_far();
        ensure!(missed.is_empty(), "missed by more than a factor of four: {}", missed.join(", "));
        Ok(())
    }

    fn tell(what: &str) {
        eprintln!("fanout: {what}");
    }

    /// Changes at some rate, seen by all.
    fn load(
        served: &mut Served,
        crowd: &mut Crowd,
        Load { viewers, rate, changes }: Load,
    ) -> Result<Outcome> {
        tell(&format!("{viewers} viewers, {changes} changes, {rate} per second"));
        let cpu = served.cpu()?;
        let begun = now();
        served.change(rate, changes)?;
        #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
        let time = Duration::from_secs_f64(changes as f64 / rate) + Duration::from_secs(30);
        let outcome = crowd.follow(served.ordered(), time)?;
        served.changed()?;
        ensure!(outcome.lost == 0, "{} changes were lost or came twice", outcome.lost);
        ensure!(outcome.resets == 0, "{} viewers had to start anew", outcome.resets);
        let expected = u64::try_from(viewers)? * changes;
        ensure!(outcome.seen() as u64 == expected, "{} seen of {expected}", outcome.seen());
        let busy = (served.cpu()? - cpu) / seconds_since(begun);
        tell(&format!("the server took {:.0} % of a core", busy * 100.0));
        Ok(outcome)
    }

    #[expect(clippy::cast_precision_loss, reason = "a minute or two")]
    fn seconds_since(begun: u64) -> f64 {
        (now() - begun) as f64 / 1e9
    }

    fn latency_row(key: &'static str, load: Load, outcome: &Outcome, with: &str) -> Row {
        let (p50, p99, max) = (outcome.quantile(0.5), outcome.quantile(0.99), outcome.quantile(1.0));
        Row::new(
            key,
            format!("change to viewer, {} viewers{with}, {} changes/s", load.viewers, load.rate),
            p99,
            format!("p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms; 0 lost"),
        )
        .details(json!({ "unit": "ms, p99", "p50": p50, "p99": p99, "max": max, "seen": outcome.seen(), "lost": outcome.lost }))
    }

    /// KiB per viewer of what the server took for them.
    #[expect(clippy::cast_precision_loss, reason = "memory fits")]
    fn each(before: u64, after: u64, viewers: usize) -> f64 {
        after.saturating_sub(before) as f64 / viewers as f64
    }

    #[expect(clippy::cast_precision_loss, reason = "memory fits")]
    fn megabytes(kib: u64) -> f64 {
        kib as f64 / 1024.0
    }

    /// One viewer; then a rush.
    fn alone(plan: &Plan, rows: &mut Vec<Row>) -> Result<()> {
        let mut served = Served::start(plan.ingresses)?;
        let mut crowd = Crowd::new(served.address())?;
        crowd.join(1, "", 0)?;
        crowd.complete()?;
        let outcome = load(&mut served, &mut crowd, plan.one)?;
        rows.push(latency_row("latency_1", plan.one, &outcome, ""));

        tell(&format!("{} viewers ask for everything at the same time", plan.rush));
        // What the first one's snapshot left behind is let go of after ten seconds.
        crowd.read_for(Duration::from_secs(if plan.quick { 1 } else { 12 }))?;
        let before = served.resident()?;
        served.forget_peak()?;
        let mut rush = Crowd::new(served.address())?;
        let begun = now();
        rush.join(plan.rush, "", served.ordered())?;
        rush.complete()?;
        #[expect(clippy::cast_precision_loss, reason = "a second or two")]
        let slowest = (rush.last_complete().context("nobody")? - begun) as f64 / 1e6;
        let peak = megabytes(served.peak()?.saturating_sub(before));
        let what = format!("{} viewers ask for all {} ingresses at once", plan.rush, plan.ingresses);
        rows.push(
            Row::new("rush_slowest", format!("{what}: the slowest"), slowest, format!("{slowest:.0} ms"))
                .bar(Bar::AtMost(1000.0))
                .details(json!({ "unit": "ms", "bytes_each": rush.bytes() / plan.rush as u64 })),
        );
        rows.push(
            Row::new("rush_peak", format!("{what}: memory at the peak"), peak, format!("+{peak:.1} MiB"))
                .bar(Bar::AtMost(30.0))
                .details(json!({ "unit": "MiB", "resident_before_kib": before })),
        );
        Ok(())
    }

    /// Viewers that had a snapshot; then a slow one among them.
    fn in_company(plan: &Plan, rows: &mut Vec<Row>) -> Result<()> {
        let mut served = Served::start(plan.ingresses)?;
        let mut crowd = Crowd::new(served.address())?;
        let Load { viewers, .. } = plan.some;
        let before = served.resident()?;
        tell(&format!("{viewers} viewers, each with a snapshot"));
        crowd.join(viewers, "", 0)?;
        crowd.complete()?;
        let outcome = load(&mut served, &mut crowd, plan.some)?;
        rows.push(latency_row("latency_some", plan.some, &outcome, "").bar(Bar::AtMost(50.0)));
        let after = served.resident()?;
        let kib = each(before, after, viewers);
        rows.push(
            Row::new(
                "resident_with_snapshot",
                format!("resident per viewer, {viewers} viewers that were sent {} ingresses", plan.ingresses),
                kib,
                format!("{kib:.1} KiB, what they share included"),
            )
            .details(json!({ "unit": "KiB", "before_kib": before, "after_kib": after })),
        );

        tell("one more, who reads a kilobyte per second");
        let slow = Slow::join(served.address())?;
        let with = load(&mut served, &mut crowd, plan.some)?;
        let grown = megabytes(served.resident()?.saturating_sub(after));
        let (read, was_cut_off) = slow.leave();
        let slower = with.quantile(0.99) / outcome.quantile(0.99);
        rows.push(
            latency_row("latency_beside_slow", plan.some, &with, " beside one that reads 1 KB/s")
                .bar(Bar::AtMost(50.0)),
        );
        rows.push(
            Row::new(
                "slow_viewer",
                "what the slow viewer changes for the others' p99, and for the server's memory",
                slower,
                format!("{slower:.2} times, +{grown:.1} MiB"),
            )
            .details(json!({ "unit": "times the p99", "grown_mib": grown, "read_bytes": read, "was_cut_off": was_cut_off })),
        );
        Ok(())
    }

    /// As many as there may be.
    fn in_a_crowd(plan: &Plan, rows: &mut Vec<Row>) -> Result<()> {
        let mut served = Served::start(plan.ingresses)?;
        let Load { viewers, .. } = plan.all;
        let list: Value = serde_json::from_str(&ask(served.address(), "/api/ingresses?limit=1")?)?;
        let revision = list.get("revision").and_then(Value::as_str).context("no revision")?;
        let mut crowd = Crowd::new(served.address())?;
        let before = served.resident()?;
        tell(&format!("{viewers} viewers who have the state already"));
        crowd.join(viewers, &format!("?since={revision}"), 0)?;
        crowd.read_for(Duration::from_secs(1))?;
        let joined = served.resident()?;
        let outcome = load(&mut served, &mut crowd, plan.all)?;
        let after = served.resident()?;
        let (at_first, kib) = (each(before, joined, viewers), each(before, after, viewers));
        rows.push(
            Row::new(
                "resident",
                format!("resident per viewer, {viewers} viewers"),
                kib,
                format!("{kib:.1} KiB ({at_first:.1} before the first change)"),
            )
            .bar(Bar::AtMost(24.0))
            .details(
                json!({ "unit": "KiB", "before_kib": before, "joined_kib": joined, "after_kib": after }),
            ),
        );
        rows.push(latency_row("latency_all", plan.all, &outcome, "").bar(Bar::AtMost(500.0)));
        Ok(())
    }
}
