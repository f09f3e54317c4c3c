//! Pods, beyond what their fixtures show.

use super::*;

/// What the node controller does to the pods of a lost node, and kubelet to one that waits for a gate, differs by a reason only.
#[test]
fn a_lost_node_is_told_from_a_gate_that_is_not_passed() {
    let of_reason = |reason: &str| {
        let told =
            format!("status: 'False'\n    reason: {reason}\n  - type: ContainersReady\n    status: 'True'");
        let text = fixture("POD006", "bad").replace("status: Unknown\n    reason: NodeStatusUnknown", &told);
        let text = text.replace("ready: false\n    restartCount", "ready: true\n    restartCount");
        let (_, verdict, findings) = outcome(&text);
        let codes: Vec<&str> =
            findings.iter().map(|finding| finding.code).filter(|code| code.starts_with("POD")).collect();
        (verdict, codes)
    };
    assert_eq!(of_reason("''"), (Verdict::Broken, vec!["POD006", "POD006"]));
    assert_eq!(of_reason("ReadinessGatesNotReady"), (Verdict::Broken, vec!["POD004", "POD004"]));
}
