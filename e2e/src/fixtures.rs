//! The fixtures of the checks (`ingress-core/tests/checks/CODE/{bad,good}.yaml`), as a cluster of today would have them.
//!
//! They are judged by a day of their own, so that their certificates never expire and their events stay recent. A cluster has the time of day, so here everything
//! that is judged by it is moved as far as today is from that day.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ingress_core::clock::{Timestamp, wall_now};
use serde_json::{Value, json};

use crate::assets::crate_folder;
use crate::manifest::{self, text};

/// The day by which fixtures are judged.
const DAY: &str = "2026-06-01T00:00:00Z";

fn folder() -> PathBuf {
    crate_folder().join("../ingress-core/tests/checks")
}

/// The codes that have fixtures.
///
/// # Errors
///
/// When they can't be read.
pub fn codes() -> Result<Vec<String>> {
    let mut codes: Vec<String> =
        std::fs::read_dir(folder())?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    codes.sort();
    Ok(codes)
}

/// The documents of a fixture, `bad` or `good`; `None` for one that says what may not be read, which needs a cluster of its own.
///
/// # Errors
///
/// When it can't be read.
pub fn documents(code: &str, which: &str) -> Result<Option<Vec<Value>>> {
    let path = folder().join(Path::new(code)).join(format!("{which}.yaml"));
    let text_of = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    if text_of.lines().any(|line| line.starts_with("# unknown: ")) {
        return Ok(None);
    }
    let mut documents = manifest::documents(&text_of)?;
    for object in &mut documents {
        match text(object, "/kind") {
            "Secret" => renew(object)?,
            "Event" => happen_now(object)?,
            // Its definition wants to know what kind of issuer it is, which is nobody's concern here.
            "Issuer" | "ClusterIssuer" if object.get("spec").is_none() => {
                object["spec"] = json!({"selfSigned": {}});
            }
            _ => {}
        }
    }
    Ok(Some(documents))
}

/// How long ago the fixtures' day is.
fn gone() -> Result<impl Fn(Timestamp) -> Timestamp> {
    let gone = wall_now().duration_since(DAY.parse::<Timestamp>()?);
    Ok(move |time: Timestamp| time + gone)
}

/// Moves the times of an event.
fn happen_now(event: &mut Value) -> Result<()> {
    let gone = gone()?;
    for field in ["/firstTimestamp", "/lastTimestamp", "/eventTime", "/series/lastObservedTime"] {
        if let Some(Value::String(time)) = event.pointer_mut(field) {
            let moved = gone(time.parse().with_context(|| format!("the time {time}"))?);
            // The fields that are more exact than a second are so to the microsecond, and have to be.
            let exact = field == "/eventTime" || field.starts_with("/series");
            *time = moved
                .strftime(if exact { "%Y-%m-%dT%H:%M:%S.000000Z" } else { "%Y-%m-%dT%H:%M:%SZ" })
                .to_string();
        }
    }
    Ok(())
}

/// Moves the validity of the certificates of a Secret as far as today is from the fixtures' day, so that what was about to expire then is about to
/// expire now.
///
/// Everything else of them stays, weak keys included, which no library makes any more. So their signatures don't fit any more; nobody looks at these, since
/// whether a client trusts an issuer is not what is judged.
fn renew(secret: &mut Value) -> Result<()> {
    let Some(Value::String(encoded)) = secret.pointer_mut("/data/tls.crt") else { return Ok(()) };
    let Ok(pem) = STANDARD.decode(encoded.as_bytes()) else { return Ok(()) };
    // What is no certificate is so on purpose.
    let Ok(pem) = String::from_utf8(pem) else { return Ok(()) };
    let mut moved = String::new();
    let mut body: Option<String> = None;
    for line in pem.lines() {
        match (line, &mut body) {
            ("-----BEGIN CERTIFICATE-----", None) => body = Some(String::new()),
            ("-----END CERTIFICATE-----", Some(base64)) => {
                let Ok(mut der) = STANDARD.decode(base64.as_bytes()) else { return Ok(()) };
                move_times(&mut der)?;
                let text = STANDARD.encode(der);
                moved.push_str(&format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"));
                body = None;
            }
            (line, Some(base64)) => base64.push_str(line),
            (line, None) => {
                moved.push_str(line);
                moved.push('\n');
            }
        }
    }
    *encoded = STANDARD.encode(moved);
    Ok(())
}

/// Moves every time of a certificate. They are texts of a fixed length behind a tag, so nothing else of it moves.
fn move_times(der: &mut [u8]) -> Result<()> {
    /// `UTCTime`, of 13 bytes.
    const TAG: [u8; 2] = [0x17, 13];
    let gone = gone()?;
    for at in 0..der.len() {
        let Some(field) = der.get_mut(at..at + 15) else { break };
        let Some((tag, text)) = field.split_at_mut_checked(2) else { break };
        if tag != TAG || !text.ends_with(b"Z") || !text.iter().take(12).all(u8::is_ascii_digit) {
            continue;
        }
        let digits = std::str::from_utf8(text)?;
        let part = |from: usize| digits.get(from..from + 2).unwrap_or_default();
        let time = format!("20{}-{}-{}T{}:{}:{}Z", part(0), part(2), part(4), part(6), part(8), part(10));
        let time = time.parse::<Timestamp>().with_context(|| format!("the time {digits}"))?;
        text.copy_from_slice(gone(time).strftime("%y%m%d%H%M%SZ").to_string().as_bytes());
    }
    Ok(())
}
