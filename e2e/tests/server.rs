//! The dashboard's server, before peers that do nothing, or too much, and under certificates that change.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::dashboard::{Dashboard, Launch};
use e2e::lab::{Lab, scenario_with};
use e2e::pki::Pki;
use e2e::wait::{self, PATIENCE};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// How long a peer may take for its head, and how long it may take nothing: the dashboard's defaults.
const HEAD: Duration = Duration::from_secs(10);
const STALL: Duration = Duration::from_secs(30);
/// How much later than that something may be noticed on a busy machine.
const LATE: Duration = Duration::from_secs(10);

/// One number of `/metrics`; 0 where it is not there.
async fn metric(dashboard: &Dashboard, series: &str) -> Result<f64> {
    let text = dashboard.rest().get("/metrics").await?.text();
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    Ok(value.unwrap_or("0").parse()?)
}

async fn say(port: u16, text: &str) -> Result<TcpStream> {
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).await?;
    tcp.write_all(text.as_bytes()).await?;
    Ok(tcp)
}

/// How long it takes until the other side ends the connection, at most `within`.
async fn ended(tcp: &mut TcpStream, within: Duration) -> Result<Duration> {
    let begun = Instant::now();
    let mut rest = Vec::new();
    match timeout(within, tcp.read_to_end(&mut rest)).await {
        Ok(_) => Ok(begun.elapsed()),
        Err(_) => bail!("still open after {within:?}"),
    }
}

#[test]
fn peers_that_do_nothing_are_cut_off() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(120), async |lab| {
        let launch = Launch::dashboard(lab)?.args([
            "--demo",
            "4000",
            "--demo-changes-per-second",
            "400",
            "--routes=false",
        ]);
        let mut dashboard = launch.start().await?;
        dashboard.ready().await?;
        let port: u16 = dashboard.rest().base().rsplit(':').next().context("no port")?.parse()?;

        // It asks for everything, and takes none of it.
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4096)?;
        let mut stalled = socket.connect(([127, 0, 0, 1], port).into()).await?;
        stalled.write_all(b"GET /api/ingresses/stream HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
        let since = Instant::now();
        wait::until("the stalled viewer", PATIENCE, async || {
            Ok(metric(&dashboard, "ingress_stream_viewers").await? >= 1.0)
        })
        .await?;
        // One that follows is not touched, whatever happens to the others.
        let following = dashboard.stream("").await?;
        following.wait("the snapshot", PATIENCE, |model| model.is_following()).await?;

        for beginning in ["", "GET /livez HTTP/1.1\r\nhost: localhost\r\nx-slow: ", "PRI * HTTP/2.0\r\n\r\n"]
        {
            let mut slow = say(port, beginning).await?;
            let after = ended(&mut slow, HEAD + LATE).await?;
            ensure!(after + Duration::from_secs(1) >= HEAD, "{beginning:?} was cut off after {after:?}");
        }
        ensure!(metric(&dashboard, "ingress_connection_timeouts_total{kind=\"head\"}").await? == 3.0);

        wait::until("the stalled viewer to be cut off", STALL + LATE, async || {
            Ok(metric(&dashboard, "ingress_connection_timeouts_total{kind=\"write\"}").await? == 1.0)
        })
        .await?;
        let after = since.elapsed();
        ensure!(after >= STALL && after <= STALL + LATE, "the stalled viewer was cut off after {after:?}");
        wait::until("its place", PATIENCE, async || {
            Ok(metric(&dashboard, "ingress_stream_viewers").await? == 1.0)
        })
        .await?;
        ended(&mut stalled, PATIENCE).await?;
        following.check()?;
        ensure!(following.look(|model| model.counts()).resets == 0, "the one that follows was disturbed");
        dashboard.stop().await.map(drop)
    })
}

type Tls = TlsStream<TcpStream>;

/// A connection that trusts this authority.
async fn shake(port: u16, authority: &CertificateDer<'static>) -> Result<Tls> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone())?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from("127.0.0.1")?;
    Ok(TlsConnector::from(Arc::new(config)).connect(name, tcp).await?)
}

/// Asks for `/livez` on an open connection.
async fn alive(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<()> {
    io.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    let (mut text, mut buffer) = (String::new(), [0; 1024]);
    while !text.contains("\r\n\r\nok") {
        let read = timeout(PATIENCE, io.read(&mut buffer)).await??;
        ensure!(read > 0, "the connection ended: {text}");
        text.push_str(&String::from_utf8_lossy(buffer.get(..read).unwrap_or_default()));
    }
    ensure!(text.starts_with("HTTP/1.1 200"), "{text}");
    Ok(())
}

/// New keys and certificates, in the place of the old ones; gives their authority.
fn renew(lab: &Lab) -> Result<(Pki, CertificateDer<'static>)> {
    let pki = Pki::create(lab)?;
    let authority = CertificateDer::from_pem_file(&pki.ca)?;
    Ok((pki, authority))
}

#[test]
fn a_certificate_is_renewed_under_open_connections() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(120), async |lab| {
        let (pki, old) = renew(lab)?;
        let (certificate, key) = (pki.serving_certificate.display(), pki.serving_key.display());
        let launch = Launch::dashboard(lab)?
            .args(["--demo", "20"])
            .environment("DASHBOARD_TLS_CERT", &certificate.to_string())
            .args(["--tls-key", &key.to_string()]);
        let (mut process, port) = launch.process()?;
        let mut open = wait::eventually("a handshake", PATIENCE, async || {
            process.ensure_running()?;
            shake(port, &old).await.map(Some)
        })
        .await?;
        alive(&mut open).await?;
        ensure!(process.output()?.contains(&format!("https://127.0.0.1:{port}/")), "the address is not told");

        let (_, new) = renew(lab)?;
        wait::until("the new certificate", PATIENCE, async || Ok(shake(port, &new).await.is_ok())).await?;
        ensure!(shake(port, &old).await.is_err(), "the old certificate is still shown");
        alive(&mut open).await.context("the connection that was open")?;

        let secret = "c2VjcmV0LXRoYXQtaXMtbmV2ZXItdG9sZA";
        std::fs::write(&pki.serving_key, format!("-----BEGIN PRIVATE KEY-----\n{secret}\n"))?;
        let told = || -> Result<usize> {
            let output = process.output()?;
            ensure!(!output.contains(secret), "the key is in the log");
            Ok(output.lines().filter(|line| line.contains("ERROR") && line.contains("apiserver.key")).count())
        };
        wait::until("the broken key to be told", PATIENCE, async || Ok(told()? > 0)).await?;
        tokio::time::sleep(Duration::from_secs(12)).await;
        ensure!(told()? == 1, "it is told again and again");
        alive(&mut shake(port, &new).await?).await.context("the certificate before the broken one")?;
        alive(&mut open).await.context("the connection that was open")?;
        process.terminate()?;
        let (status, _) = process.ended(Duration::from_secs(5)).await?;
        ensure!(status.code() == Some(0), "it ended with {status}");
        Ok(())
    })
}

#[test]
fn a_certificate_that_can_not_be_used_is_said_in_one_line() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(60), async |lab| {
        let pki = Pki::create(lab)?;
        let file = |path: &std::path::Path| path.display().to_string();
        let (certificate, key) = (file(&pki.serving_certificate), file(&pki.serving_key));
        let cases = [
            (["nowhere.crt", &key], ["--tls-cert", "nowhere.crt"]),
            ([&certificate, "nowhere.key"], ["--tls-key", "nowhere.key"]),
            ([&certificate, &file(&pki.admin_key)], ["--tls-key", "not the private key"]),
            ([&key, &key], ["--tls-cert", "no certificate"]),
        ];
        for ([certificate, key], expected) in cases {
            let launch = Launch::dashboard(lab)?.named(&expected.join("-").replace(' ', "-"));
            let launch = launch.args(["--demo", "5", "--tls-cert", certificate, "--tls-key", key]);
            let (status, output) = launch.run().await?;
            ensure!(status.code() == Some(2), "it ended with {status}: {output}");
            ensure!(
                expected.iter().all(|part| output.contains(part)) && output.lines().count() == 1,
                "{output}"
            );
        }
        Ok(())
    })
}
