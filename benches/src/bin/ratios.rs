//! The ratio table: the engine against kube-rs, every ratio from within one run.
//!
//! ```text
//! cargo run --release -p benches --bin ratios            # the table, in Markdown; about five minutes on 2 cores
//! cargo run --release -p benches --bin ratios -- --json  # one object
//! cargo run --release -p benches --bin ratios -- --quick # smaller and fewer rounds, for CI: under a minute
//! ```
//!
//! Engines take turns within each round, and the ratio is the median of the rounds' ratios, so that what else the machine does
//! meets both. Fails when something could not be measured, or when a bar is missed by a factor of four: a busy machine
//! is no reason to fail, a mistake is.
#![expect(clippy::print_stdout, reason = "a program that prints its result")]

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use benches::Form;
use benches::data::{Size, World};
use benches::engine::{Engine, PEER};
use benches::measure::{self, Rounds};
use benches::report::{Bar, Report, Row};
use serde_json::{Value, json};

const OURS_JSON: Engine = Engine::Ours(Form::Json);
const OURS_PROTOBUF: Engine = Engine::Ours(Form::Protobuf);

/// How large everything is.
struct Plan {
    quick: bool,
    rounds: usize,
    watch: Size,
    relist: Size,
    relist_rounds: usize,
    lanes: Size,
    lane_rounds: usize,
    store: Size,
}

impl Plan {
    fn full() -> Self {
        Self {
            quick: false,
            rounds: 5,
            watch: Size::new(20_000, 100_000),
            relist: Size::new(100_000, 20).altered(100),
            relist_rounds: 3,
            lanes: Size::new(2_000, 50_000).namespaces(500),
            lane_rounds: 7,
            store: Size::new(100_000, 20),
        }
    }

    fn quick() -> Self {
        Self {
            quick: true,
            rounds: 3,
            watch: Size::new(2_000, 20_000),
            relist: Size::new(10_000, 20).altered(10),
            relist_rounds: 1,
            lanes: Size::new(1_000, 20_000).namespaces(500),
            lane_rounds: 3,
            store: Size::new(20_000, 20),
        }
    }

    fn sizes(&self) -> Value {
        json!({
            "quick": self.quick,
            "rounds": self.rounds,
            "watch": { "objects": self.watch.objects, "changes": self.watch.changes },
            "relist": { "objects": self.relist.objects, "altered": self.relist.altered },
            "lanes": { "namespaces": self.lanes.namespaces, "changes": self.lanes.changes },
            "snapshot": { "objects": self.store.objects },
        })
    }
}

fn main() -> Result<()> {
    let (mut plan, mut as_json) = (Plan::full(), false);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--json" => as_json = true,
            "--quick" => plan = Plan::quick(),
            other => bail!("unknown argument {other}; there are --quick and --json"),
        }
    }
    let mut rows = Vec::new();
    watch_rows(&plan, &mut rows)?;
    memory_rows(&plan, &mut rows)?;
    rows.push(snapshot_row(&plan)?);
    rows.push(lanes_row(&plan)?);
    relist_rows(&plan, &mut rows)?;
    let report = Report::new(rows, &plan.sizes());
    if as_json {
        println!("{:#}", report.json());
    } else {
        print!("{}", report.markdown());
    }
    let missed = report.missed_by_far();
    ensure!(missed.is_empty(), "missed by a factor of four: {}", missed.join(", "));
    Ok(())
}

/// Says on standard error what is going on: a full run takes minutes.
fn tell(what: &str) {
    drop(std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{what}\n")));
}

fn per_second(count: usize, took: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
    let count = count as f64;
    count / took.as_secs_f64()
}

fn thousands(value: f64) -> String {
    if value >= 10_000.0 { format!("{:.0} k", value / 1000.0) } else { format!("{:.1} k", value / 1000.0) }
}

/// Changes and first lists: all engines take turns, and each ratio is of one round.
fn watch_rows(plan: &Plan, rows: &mut Vec<Row>) -> Result<()> {
    let engines = [
        Engine::KubeTyped,
        OURS_JSON,
        Engine::KubeDynamic,
        OURS_PROTOBUF,
        Engine::OursTyped,
        Engine::Floor(Form::Json),
        Engine::Floor(Form::Protobuf),
    ];
    let world = Arc::new(World::new(plan.watch)?);
    let (json, protobuf) = (world.mean_bytes(Form::Json), world.mean_bytes(Form::Protobuf));
    tell(&format!("an object is {json} bytes of JSON, {protobuf} of protobuf"));
    let mut changes = Rounds::new();
    let mut lists = Rounds::new();
    for round in 0..plan.rounds {
        for engine in engines {
            tell(&format!("round {} of {}: {}", round + 1, plan.rounds, engine.name()));
            let took = measure::run(measure::watch(engine, world.clone()))?;
            changes.add(engine, per_second(plan.watch.changes, took));
            if matches!(engine, Engine::KubeTyped | Engine::Ours(_)) {
                let took = measure::run(measure::initial_list(engine, world.clone()))?;
                lists.add(engine, took.as_secs_f64());
            }
        }
    }
    let row = |key, what: &str, engine, against| {
        let ratio = changes.ratio(engine, against);
        let ours = format!("{}/s", thousands(changes.median(engine)));
        let peer = format!("{}/s", thousands(changes.median(against)));
        let details = json!({
            "unit": "times as many changes per second",
            "rounds": { "ours": changes.all(engine), "peer": changes.all(against) },
            "against": against.name(),
        });
        Row::new(key, what, ratio, format!("{ratio:.1}×")).sides(ours, peer).details(details)
    };
    let typed = format!("against {PEER} typed on JSON");
    rows.push(
        row("watch_json", &format!("changes/s, JSON, {typed}"), OURS_JSON, Engine::KubeTyped)
            .bar(Bar::AtLeast(4.0)),
    );
    rows.push(
        row("watch_protobuf", &format!("changes/s, protobuf, {typed}"), OURS_PROTOBUF, Engine::KubeTyped)
            .bar(Bar::AtLeast(8.0)),
    );
    rows.push(row(
        "watch_json_dynamic",
        &format!("changes/s, JSON, against {PEER} `DynamicObject`"),
        OURS_JSON,
        Engine::KubeDynamic,
    ));
    rows.push(row(
        "watch_typed",
        &format!("changes/s, JSON, ours with `Typed`, {typed}"),
        Engine::OursTyped,
        Engine::KubeTyped,
    ));
    for (key, record, name) in
        [("watch_typed_json", OURS_JSON, "JSON"), ("watch_typed_protobuf", OURS_PROTOBUF, "protobuf")]
    {
        let what = format!("changes/s, ours with `Typed` on JSON, against our record on {name}");
        let mut row = row(key, &what, Engine::OursTyped, record);
        row.shown = format!("1/{:.1}", 1.0 / row.value);
        rows.push(row);
    }
    for (key, form, name) in
        [("floor_json", Form::Json, "JSON"), ("floor_protobuf", Form::Protobuf, "protobuf")]
    {
        let (engine, floor) = (Engine::Ours(form), Engine::Floor(form));
        let what = format!("changes/s, {name}: ours, and nothing but finding where events end");
        let mut row = row(key, &what, engine, floor);
        row.shown = format!("{:.2}", row.value);
        rows.push(row);
    }
    for (key, engine, name) in
        [("initial_list_json", OURS_JSON, "JSON"), ("initial_list_protobuf", OURS_PROTOBUF, "protobuf")]
    {
        let ratio = lists.ratio(engine, Engine::KubeTyped);
        let what = format!("start to synced, {} ingresses, {name}, {typed}", plan.watch.objects);
        let details = json!({
            "unit": "share of the peer's time",
            "rounds": { "ours": lists.all(engine), "peer": lists.all(Engine::KubeTyped) },
            "against": Engine::KubeTyped.name(),
        });
        rows.push(
            Row::new(key, what, ratio, format!("1/{:.1}", 1.0 / ratio))
                .sides(milliseconds(lists.median(engine)), milliseconds(lists.median(Engine::KubeTyped)))
                .details(details),
        );
    }
    Ok(())
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.0} ms", seconds * 1000.0)
}

/// Heap is counted by a program of its own, whose allocator counts: here that would slow every engine down, the one that
/// allocates most the most. `INGRESS_MEMORY_BIN` names one that is there already; else cargo builds it.
fn memory_program() -> Command {
    if let Some(built) = std::env::var_os("INGRESS_MEMORY_BIN") {
        return Command::new(built);
    }
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What cargo tells this program about itself would make build scripts believe that everything has changed.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command.args(["run", "--quiet", "--release", "-p", "benches", "--bin", "memory", "--"]);
    command
}

fn memory_rows(plan: &Plan, rows: &mut Vec<Row>) -> Result<()> {
    tell("memory");
    let mut command = memory_program();
    command.arg("--json");
    if plan.quick {
        command.arg("--quick");
    }
    let output = command.stderr(Stdio::inherit()).output().context("memory can't be measured")?;
    ensure!(output.status.success(), "the measurement of memory failed");
    let result: Value = serde_json::from_slice(&output.stdout).context("no result of memory")?;
    let bytes = |engine: &str, when: &str| {
        result
            .get(engine)
            .and_then(|result| result.get(when))
            .and_then(Value::as_f64)
            .context("no result of memory")
    };
    let row = |key, what: String, (ours, peer): (f64, f64), against: &str| {
        let ratio = ours / peer;
        let shown = if ratio < 0.5 { format!("1/{:.1}", peer / ours) } else { format!("{ratio:.2}") };
        Row::new(key, what, ratio, shown)
            .sides(format!("{ours:.0} B"), format!("{peer:.0} B"))
            .details(json!({ "unit": "share of the other's bytes", "bytes": result, "against": against }))
    };
    let (record, peer) = (bytes("ours_protobuf", "synced")?, bytes("kube_typed", "synced")?);
    let typed = bytes("ours_typed", "synced")?;
    let what = format!("heap kept per ingress when synced, against {PEER} typed");
    rows.push(row("heap_per_object", what, (record, peer), Engine::KubeTyped.name()).bar(Bar::AtMost(0.125)));
    let what = format!("the same, ours with `Typed`, against {PEER} typed");
    rows.push(row("heap_per_object_typed", what, (typed, peer), Engine::KubeTyped.name()));
    let what = "the same, ours with `Typed`, against our record".to_owned();
    rows.push(row("heap_per_object_typed_record", what, (typed, record), OURS_PROTOBUF.name()));
    Ok(())
}

fn snapshot_row(plan: &Plan) -> Result<Row> {
    tell("snapshot");
    let world = World::new(plan.store)?;
    let (writer, store) = measure::our_store(&world)?;
    let ours = measure::median_call(101, 100, || {
        std::hint::black_box(store.subscribe());
    });
    drop(writer);
    let (writer, reader) = measure::peer_store(&world)?;
    let peer = measure::median_call(11, 1, || {
        std::hint::black_box(reader.state());
    });
    drop(writer);
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    Ok(Row::new(
        "snapshot_us",
        format!("state of {} ingresses for a new subscriber, µs", plan.store.objects),
        micros(ours),
        format!("1/{:.0}", micros(peer) / micros(ours)),
    )
    .sides(format!("{:.2} µs", micros(ours)), format!("{:.0} µs", micros(peer)))
    .bar(Bar::AtMost(10.0))
    .details(
        json!({ "unit": "microseconds", "peer_us": micros(peer), "against": "kube-rs 5.0, Store::state" }),
    ))
}

fn lanes_row(plan: &Plan) -> Result<Row> {
    let world = Arc::new(World::new(plan.lanes)?);
    let mut rounds = Rounds::new();
    for round in 0..plan.lane_rounds {
        tell(&format!("lanes, round {} of {}", round + 1, plan.lane_rounds));
        // Whoever comes second finds a warmer machine: they take turns at that, too.
        for one_fails in if round % 2 == 0 { [true, false] } else { [false, true] } {
            let took = measure::run(measure::lanes(world.clone(), one_fails))?;
            rounds.add(one_fails, per_second(measure::lane_changes(&world, one_fails), took));
        }
    }
    let ratio = rounds.ratio(true, false);
    let namespaces = plan.lanes.namespaces;
    Ok(Row::new(
        "lanes_one_failing",
        format!("changes/s, {namespaces} namespaces watched one by one: one failing, and none (both ours)"),
        ratio,
        format!("{ratio:.2}"),
    )
    .sides(format!("{}/s", thousands(rounds.median(true))), format!("{}/s", thousands(rounds.median(false))))
    .bar(Bar::AtLeast(0.9))
    .details(json!({
        "unit": "times as many changes per second",
        "rounds": { "one_failing": rounds.all(true), "none_failing": rounds.all(false) },
    })))
}

fn relist_rows(plan: &Plan, rows: &mut Vec<Row>) -> Result<()> {
    let world = Arc::new(World::new(plan.relist)?);
    let mut rounds = Rounds::new();
    for round in 0..plan.relist_rounds {
        for engine in [Engine::KubeTyped, OURS_JSON, OURS_PROTOBUF] {
            tell(&format!("relist, round {} of {}: {}", round + 1, plan.relist_rounds, engine.name()));
            let took = measure::run(measure::relist(engine, world.clone()))?;
            rounds.add(engine, took.as_secs_f64());
        }
    }
    for (key, engine, name) in
        [("relist_json", OURS_JSON, "JSON"), ("relist_protobuf", OURS_PROTOBUF, "protobuf")]
    {
        let ratio = rounds.ratio(engine, Engine::KubeTyped);
        let (objects, altered) = (plan.relist.objects, plan.relist.altered);
        let details = json!({
            "unit": "share of the peer's time",
            "rounds": { "ours": rounds.all(engine), "peer": rounds.all(Engine::KubeTyped) },
            "against": Engine::KubeTyped.name(),
        });
        rows.push(
            Row::new(
                key,
                format!("listing {objects} ingresses again, {altered} of them changed, {name}"),
                ratio,
                format!("1/{:.1}", 1.0 / ratio),
            )
            .sides(milliseconds(rounds.median(engine)), milliseconds(rounds.median(Engine::KubeTyped)))
            .details(details),
        );
    }
    Ok(())
}
