//! What the program refuses: those who ask too often, and those who mean another host.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::dashboard::Launch;
use e2e::lab::scenario_with;

#[test]
fn who_asks_too_often_is_refused_and_may_come_back() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(60), async |lab| {
        let limits = ["--demo", "20", "--rate-limit", "5:1", "--stream-rate-limit", "1:0.01"];
        let dashboard = Launch::dashboard(lab)?.args(limits).start().await?;
        let rest = dashboard.rest();
        let mut statuses = Vec::new();
        for _ in 0..8 {
            statuses.push(rest.get("/api/info").await?.status.as_u16());
        }
        ensure!(statuses.starts_with(&[200; 5]) && statuses.contains(&429), "{statuses:?}");
        let refused = loop {
            let answer = rest.get("/api/info").await?;
            if answer.status == 429 {
                break answer;
            }
        };
        ensure!(refused.header("content-type") == "application/problem+json", "{refused:?}");
        ensure!(refused.header("retry-after") == "1", "{refused:?}");
        ensure!(refused.header("ratelimit-policy") == "\"requests\";q=5;w=5", "{refused:?}");
        ensure!(refused.json()?["requestId"] == refused.header("x-request-id"), "{refused:?}");
        for path in ["/livez", "/readyz", "/metrics", "/"] {
            ensure!(rest.get(path).await?.status == 200, "{path}");
        }
        tokio::time::sleep(Duration::from_millis(1100)).await;
        ensure!(rest.get("/api/info").await?.status == 200, "it may not come back");

        let _stream = dashboard.stream("").await?;
        ensure!(dashboard.stream("").await.is_err(), "a second stream at once");
        Ok(())
    })
}

#[test]
fn on_loopback_only_this_computers_names_are_answered() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(60), async |lab| {
        let launch = Launch::dashboard(lab)?.args(["--demo", "20", "--allow-host", "dashboard.example.com"]);
        let dashboard = launch.start().await?;
        let rest = dashboard.rest();
        for (host, status) in [
            ("localhost:1234", 200),
            ("a.localhost", 200),
            ("127.0.0.1", 200),
            ("dashboard.example.com", 200),
            ("evil.example", 421),
            ("127.0.0.1.evil.example", 421),
        ] {
            for path in ["/api/info", "/"] {
                let answer = rest.get_with(path, &[("host", host)]).await?;
                ensure!(answer.status == status, "{host}{path}: {answer:?}");
                ensure!(answer.header("x-content-type-options") == "nosniff", "{host}{path}: {answer:?}");
            }
        }
        Ok(())
    })
}
