//! Log lines on standard error, and traces where a collector is named.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use crate::args::{Args, LogFormat};

mod ids;

/// The engine's line for every loss of every lane is left out: see [`crate::lanes`].
const DEFAULT_FILTER: &str = "info,ingress_core::watch::lane=off";

/// What has to be dropped when the program ends.
pub(crate) struct Logging {
    #[cfg(feature = "otel")]
    _traces: Option<crate::traces::Traces>,
}

/// Starts logging, in the format asked for or in the one that fits where standard error goes.
pub(crate) fn start(args: &Args) -> Result<Logging, String> {
    let terminal = io::stderr().is_terminal();
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => {
            EnvFilter::try_new(&text).map_err(|error| format!("RUST_LOG={text}: {error}"))?
        }
        _ => EnvFilter::new(DEFAULT_FILTER),
    };
    // Which lines there are is one thing, and which spans are sent another: each has a filter of its own.
    let lines = match args.log_format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json }) {
        LogFormat::Text => {
            let colors = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            fmt::layer()
                .with_ansi(colors)
                .with_target(false)
                .with_writer(io::stderr)
                .with_filter(filter)
                .boxed()
        }
        LogFormat::Json => fmt::layer()
            .fmt_fields(JsonFields::new())
            .event_format(ids::WithIds::new(fmt::format().json().flatten_event(true)))
            .with_writer(io::stderr)
            .with_filter(filter)
            .boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(ids::RequestIds).with(lines);
    #[cfg(feature = "otel")]
    let (subscriber, traces) = {
        let traces = crate::traces::Traces::to(args.otlp_endpoint.as_ref())?;
        (subscriber.with(traces.as_ref().map(crate::traces::Traces::layer)), traces)
    };
    subscriber.try_init().map_err(|error| format!("logging: {error}"))?;
    Ok(Logging {
        #[cfg(feature = "otel")]
        _traces: traces,
    })
}
