//! What of a route's settings may keep a request from being answered as somebody expects: told as seen, for it is meant so.

use super::Exam;
use crate::route::{Fact, Route};

/// How many addresses are told; lists of them may be long.
const ADDRESSES: usize = 5;

/// Tells who is let in and who is not, as part of the step that is about the rule.
pub(super) fn tell(exam: &mut Exam<'_, '_>, route: &Route) {
    for setting in &route.settings {
        let what = match &setting.fact {
            Fact::Allow { ranges } => format!("Only {} may ask", listed(ranges)),
            Fact::Deny { ranges } => format!("Whoever comes from {} may not ask", listed(ranges)),
            Fact::Authentication { .. } => "Whoever asks has to say who they are".to_owned(),
            Fact::RateLimit { requests: Some(requests), period_milliseconds: Some(period), .. } => {
                format!("A client may ask {requests} times in {} s", seconds(*period))
            }
            _ => continue,
        };
        exam.saw(format!("{what} ({} of {}).", setting.field, setting.object));
    }
}

fn listed(ranges: &[String]) -> String {
    let more = ranges.len().saturating_sub(ADDRESSES);
    let told = ranges.iter().take(ADDRESSES).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{told} and {more} more") } else { told }
}

fn seconds(milliseconds: u64) -> String {
    let (whole, rest) = (milliseconds / 1000, milliseconds % 1000);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:03}") }
}
