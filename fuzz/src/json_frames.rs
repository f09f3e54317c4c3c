//! Cutting a watch's JSON into lines: wherever the chunks end, the lines are those of the whole stream.

use std::cell::RefCell;

use ingress_core::wire::json::Lines;

use crate::frames::{Case, End};

/// Runs one case.
pub fn check(data: &[u8]) {
    let Some(case) = Case::read(data) else { return };
    let mut expected = Vec::new();
    let mut pieces: Vec<&[u8]> = case.stream.split(|byte| *byte == b'\n').collect();
    let rest = pieces.pop().unwrap_or_default();
    let fitting = pieces.iter().take_while(|line| line.len() <= case.bound);
    expected.extend(fitting.filter(|line| !line.is_empty()).map(|line| line.to_vec()));
    let oversized = pieces.iter().chain([&rest]).any(|line| line.len() > case.bound);
    let end = if oversized { End::Oversized } else { End::Read { truncated: !rest.is_empty() } };

    let lines = RefCell::new(Lines::new(case.bound));
    case.check(
        &expected,
        end,
        |chunk, each| lines.borrow_mut().feed(chunk, each),
        || lines.borrow().is_truncated(),
    );
}
