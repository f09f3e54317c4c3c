use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::*;

/// A replica that tells its name to whoever asks for anything, and then says what it hears, until they have nothing more to say.
struct Fake {
    address: SocketAddr,
    ready: Arc<AtomicBool>,
    mute: Arc<AtomicBool>,
    task: JoinSet<()>,
}

impl Fake {
    async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ready, mute) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
        let (is_ready, is_mute) = (ready.clone(), mute.clone());
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut all = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                all.spawn(serve(stream, name, is_ready.clone(), is_mute.clone()));
            }
        });
        Self { address, ready, mute, task }
    }
}

async fn serve(mut stream: TcpStream, name: &'static str, ready: Arc<AtomicBool>, mute: Arc<AtomicBool>) {
    let mut heard = [0; 1024];
    loop {
        let read = stream.read(&mut heard).await.unwrap_or(0);
        if mute.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let said = &heard[..read];
        let sent = if read == 0 {
            stream.write_all(b"; goodbye").await.unwrap();
            return;
        } else if said.starts_with(b"GET /readyz") {
            let status = if ready.load(Ordering::Relaxed) { "200 OK" } else { "503 Not Ready" };
            stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await
        } else if said == b"who" {
            stream.write_all(name.as_bytes()).await
        } else {
            stream.write_all(said).await
        };
        if sent.is_err() {
            return;
        }
    }
}

/// The address, and the replicas behind it, each looked after.
struct Stage {
    address: SocketAddr,
    replicas: Arc<Replicas>,
    _tasks: JoinSet<()>,
}

impl Stage {
    async fn set(fakes: &[&Fake]) -> (Self, Vec<Arc<Replica>>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let replicas = Arc::new(Replicas::default());
        let known: Vec<_> = fakes.iter().map(|fake| replicas.add(fake.address)).collect();
        let mut tasks = JoinSet::new();
        for replica in known.clone() {
            tasks.spawn(async move { match replica.look_after().await {} });
        }
        tasks.spawn(run(listener, replicas.clone()));
        for (fake, replica) in fakes.iter().zip(&known) {
            let wanted = fake.ready.load(Ordering::Relaxed);
            until(|| replica.is_ready() == wanted).await;
        }
        (Self { address, replicas, _tasks: tasks }, known)
    }

    async fn open(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn who(&self) -> (String, TcpStream) {
        let mut stream = self.open().await;
        (ask(&mut stream, "who").await, stream)
    }
}

async fn ask(stream: &mut TcpStream, what: &str) -> String {
    stream.write_all(what.as_bytes()).await.unwrap();
    let mut answer = [0; 1024];
    let read = stream.read(&mut answer).await.unwrap_or(0);
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

async fn until(condition: impl Fn() -> bool) {
    let waited = async {
        while !condition() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), waited).await.expect("waited in vain");
}

#[tokio::test]
async fn connections_go_round() {
    let (a, b, c) = (Fake::start("a").await, Fake::start("b").await, Fake::start("c").await);
    let (stage, _) = Stage::set(&[&a, &b, &c]).await;
    let mut counts = BTreeMap::new();
    for _ in 0..9 {
        *counts.entry(stage.who().await.0).or_insert(0) += 1;
    }
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [3, 3, 3]);
}

#[tokio::test]
async fn who_is_not_ready_gets_nothing_new_and_keeps_what_it_has() {
    let (a, b) = (Fake::start("a").await, Fake::start("b").await);
    let (stage, known) = Stage::set(&[&a, &b]).await;
    let mut one = stage.who().await;
    if one.0 == "b" {
        one = stage.who().await;
    }
    let (name, mut stream) = one;
    assert_eq!(name, "a");
    a.ready.store(false, Ordering::Relaxed);
    until(|| !known[0].is_ready()).await;
    for _ in 0..4 {
        assert_eq!(stage.who().await.0, "b");
    }
    assert_eq!(ask(&mut stream, "still there?").await, "still there?");
    a.ready.store(true, Ordering::Relaxed);
    until(|| known[0].is_ready()).await;
    assert_ne!(stage.who().await.0, stage.who().await.0);
}

#[tokio::test]
async fn the_dead_are_passed_over_before_anybody_noticed() {
    let (mut a, b) = (Fake::start("a").await, Fake::start("b").await);
    let (stage, _) = Stage::set(&[&a, &b]).await;
    a.task.shutdown().await;
    for _ in 0..4 {
        assert_eq!(stage.who().await.0, "b");
    }
}

#[tokio::test]
async fn what_was_relayed_to_the_dead_is_cut() {
    let a = Fake::start("a").await;
    let (stage, known) = Stage::set(&[&a]).await;
    let (_, mut stream) = stage.who().await;
    stage.replicas.remove(&known[0]);
    // Closed or reset: in any case it says nothing more.
    let rest = timeout(Duration::from_secs(5), stream.read(&mut [0; 8])).await.expect("it is cut");
    assert!(!rest.is_ok_and(|read| read > 0));
}

#[tokio::test]
async fn who_answers_nothing_is_left_out_and_cut_and_comes_back() {
    let (a, b) = (Fake::start("a").await, Fake::start("b").await);
    let (stage, known) = Stage::set(&[&a, &b]).await;
    let (mut one, mut other) = (stage.who().await, stage.who().await);
    if one.0 == "b" {
        std::mem::swap(&mut one, &mut other);
    }
    a.mute.store(true, Ordering::Relaxed);
    let rest = timeout(Duration::from_secs(15), one.1.read(&mut [0; 8])).await.expect("it is cut");
    assert!(!rest.is_ok_and(|read| read > 0));
    assert_eq!(ask(&mut other.1, "you?").await, "you?", "nobody else is");
    assert_eq!((stage.who().await.0, stage.who().await.0), ("b".to_owned(), "b".to_owned()));
    a.mute.store(false, Ordering::Relaxed);
    until(|| known[0].is_ready()).await;
    assert_ne!(stage.who().await.0, stage.who().await.0);
}

#[tokio::test]
async fn either_side_may_be_done_before_the_other() {
    let a = Fake::start("a").await;
    let (stage, _) = Stage::set(&[&a]).await;
    let mut stream = stage.open().await;
    stream.write_all(b"a question").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "a question; goodbye");
}

#[tokio::test]
async fn while_nobody_is_ready_a_browser_is_told() {
    let a = Fake::start("a").await;
    a.ready.store(false, Ordering::Relaxed);
    let (stage, _) = Stage::set(&[&a]).await;
    let mut stream = stage.open().await;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{answer}");
}
