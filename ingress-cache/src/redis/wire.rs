//! Making connections, and speaking over one: the only place that knows a server, a Sentinel and a Cluster apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::seq::SliceRandom as _;
use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue,
    IntoConnectionInfo as _, Pipeline, ProtocolVersion, PushInfo, RedisConnectionInfo, RedisError,
    RedisResult, TlsCertificates, TlsMode, Value,
};
use secrecy::ExposeSecret as _;

use super::config::{Address, Credentials, RedisConfig, Topology};
use super::script::Script;

/// How many commands may wait to be written to one connection.
const QUEUE: usize = 1024;

/// Who is told what a server says by itself, and that a connection ended. It is called by the connection's own task, and must not
/// wait.
pub(super) type Pushes = Arc<dyn AsyncPushSender>;

/// A connection that any number of commands share; clones are the same connection.
#[derive(Clone)]
pub(super) enum Wire {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// What is sent.
#[derive(Clone, Copy)]
pub(super) enum Job<'a> {
    Command(&'a Cmd),
    Pipeline(&'a Pipeline),
    Script(&'a Script, &'a [&'a str], &'a [&'a [u8]]),
}

impl Wire {
    /// Sends something and waits for its answer, for ever.
    pub(super) async fn run<T: FromRedisValue>(&mut self, job: Job<'_>) -> RedisResult<T> {
        match (self, job) {
            (Self::Server(wire), Job::Command(command)) => command.query_async(wire).await,
            (Self::Cluster(wire), Job::Command(command)) => command.query_async(wire).await,
            (Self::Server(wire), Job::Pipeline(pipeline)) => pipeline.query_async(wire).await,
            (Self::Cluster(wire), Job::Pipeline(pipeline)) => pipeline.query_async(wire).await,
            (Self::Server(wire), Job::Script(script, keys, args)) => script.run(wire, keys, args).await,
            (Self::Cluster(wire), Job::Script(script, keys, args)) => script.run(wire, keys, args).await,
        }
    }

    /// Asks for a sign of life; in a Cluster, any node's.
    pub(super) async fn ping(&mut self) -> RedisResult<()> {
        let ping = redis::cmd("PING");
        match self {
            Self::Server(wire) => ping.query_async(wire).await,
            Self::Cluster(wire) => {
                let any = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
                wire.route_command(ping, any).await.and_then(Value::extract_error).map(drop)
            }
        }
    }

    /// Subscribes to a channel of messages, which come as pushes.
    pub(super) async fn subscribe(&mut self, channel: &str) -> RedisResult<()> {
        match self {
            Self::Server(wire) => wire.subscribe(channel).await,
            Self::Cluster(wire) => wire.subscribe(channel).await,
        }
    }
}

/// Makes connections to what a configuration names.
#[derive(Debug)]
pub(super) struct Connector {
    config: RedisConfig,
    // Set once a server refused RESP3, which those before Redis 6 do.
    old: AtomicBool,
}

impl Connector {
    pub(super) fn new(config: RedisConfig) -> Self {
        if config.tls && rustls::crypto::CryptoProvider::get_default().is_none() {
            // The client takes the process' own, and panics where there are two to choose from and none was chosen.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        Self { config, old: AtomicBool::new(false) }
    }

    pub(super) fn config(&self) -> &RedisConfig {
        &self.config
    }

    /// Whether connections tell when they end, and what their server says by itself.
    pub(super) fn has_pushes(&self) -> bool {
        !self.old.load(Ordering::Relaxed)
    }

    /// How long making a connection may take at most: several servers are asked, one after the other.
    pub(super) fn patience(&self) -> Duration {
        let servers = match &self.config.topology {
            Topology::Single(_) => 1,
            Topology::Sentinel { .. } => 3,
            Topology::Cluster(_) => 4,
        };
        self.config.connect_timeout * servers
    }

    /// Makes a connection whose answers may take `answer` at most where this is not bounded by who waits for them: in a Cluster, what
    /// its nodes are asked on the side.
    pub(super) async fn connect(&self, pushes: Option<Pushes>, answer: Duration) -> RedisResult<Wire> {
        if self.has_pushes() {
            match self.connect_as(ProtocolVersion::RESP3, pushes.clone(), answer).await {
                Err(error) if error.kind() == ErrorKind::RESP3NotSupported => {
                    self.old.store(true, Ordering::Relaxed);
                }
                result => return result,
            }
        }
        self.connect_as(ProtocolVersion::RESP2, None, answer).await
    }

    async fn connect_as(
        &self,
        protocol: ProtocolVersion,
        pushes: Option<Pushes>,
        answer: Duration,
    ) -> RedisResult<Wire> {
        let client = match &self.config.topology {
            Topology::Cluster(nodes) => {
                return self.cluster(nodes, protocol, pushes, answer).await.map(Wire::Cluster);
            }
            Topology::Single(address) => self.client(address, protocol)?,
            Topology::Sentinel { sentinels, service } => self.master(sentinels, service, protocol).await?,
        };
        self.open(&client, pushes).await
    }

    /// Makes a connection to one server, to hear what it says by itself; in a Cluster, to any node that answers.
    pub(super) async fn listen(&self, pushes: Pushes) -> RedisResult<Wire> {
        let Topology::Cluster(nodes) = &self.config.topology else {
            return self.connect_as(ProtocolVersion::RESP3, Some(pushes), self.config.connect_timeout).await;
        };
        let mut nodes: Vec<&Address> = nodes.iter().collect();
        nodes.shuffle(&mut rand::rng());
        let mut result = Err(RedisError::from((ErrorKind::ClusterConnectionNotFound, "no node")));
        for node in nodes {
            result = self.open(&self.client(node, ProtocolVersion::RESP3)?, Some(Arc::clone(&pushes))).await;
            if result.is_ok() {
                break;
            }
        }
        result
    }

    async fn open(&self, client: &Client, pushes: Option<Pushes>) -> RedisResult<Wire> {
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.config.connect_timeout))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE);
        if let Some(pushes) = pushes {
            config = config.set_push_sender(pushes);
        }
        client.get_multiplexed_async_connection_with_config(&config).await.map(Wire::Server)
    }

    fn client(&self, address: &Address, protocol: ProtocolVersion) -> RedisResult<Client> {
        let info = self.info(address)?.set_redis_settings(self.settings(protocol));
        match self.certificates() {
            Some(certificates) => Client::build_with_tls(info, certificates),
            None => Client::open(info),
        }
    }

    async fn master(
        &self,
        sentinels: &[Address],
        service: &str,
        protocol: ProtocolVersion,
    ) -> RedisResult<Client> {
        let mut sentinels: Vec<ConnectionAddr> = sentinels.iter().map(|address| self.addr(address)).collect();
        // So that one that is away isn't waited for each time.
        sentinels.shuffle(&mut rand::rng());
        let mut builder = SentinelClientBuilder::new(sentinels, service, SentinelServerType::Master)?
            .set_client_to_redis_db(i64::from(self.config.database))
            .set_client_to_redis_protocol(protocol)
            .set_client_to_redis_tcp_settings(tcp())
            .set_client_to_sentinel_tcp_settings(tcp());
        if self.config.tls {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_tls_mode(TlsMode::Secure);
        }
        if let Some(certificates) = self.certificates() {
            builder = builder
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates);
        }
        let Credentials { user, password } = &self.config.credentials;
        if let Some(user) = user {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = password {
            builder = builder.set_client_to_redis_password(password.expose_secret());
        }
        let Credentials { user, password } = &self.config.sentinel_credentials;
        if let Some(user) = user {
            builder = builder.set_client_to_sentinel_username(user);
        }
        if let Some(password) = password {
            builder = builder.set_client_to_sentinel_password(password.expose_secret());
        }
        builder.build()?.async_get_client().await
    }

    async fn cluster(
        &self,
        nodes: &[Address],
        protocol: ProtocolVersion,
        pushes: Option<Pushes>,
        answer: Duration,
    ) -> RedisResult<ClusterConnection> {
        let settings = self.settings(protocol);
        let nodes: RedisResult<Vec<ConnectionInfo>> =
            nodes.iter().map(|node| Ok(self.info(node)?.set_redis_settings(settings.clone()))).collect();
        let mut builder = ClusterClient::builder(nodes?)
            .tcp_settings(tcp())
            .use_protocol(protocol)
            .connection_timeout(self.config.connect_timeout)
            .response_timeout(answer)
            .overall_response_timeout(None)
            // Those who ask don't wait long; what matters is that a moved slot is followed.
            .retries(4)
            .min_retry_wait(5)
            .max_retry_wait(100);
        if let Some(certificates) = self.certificates() {
            builder = builder.certs(certificates);
        }
        if let Some(pushes) = pushes {
            builder = builder.push_sender(pushes);
        }
        builder.build()?.get_async_connection().await
    }

    fn info(&self, address: &Address) -> RedisResult<ConnectionInfo> {
        Ok(self.addr(address).into_connection_info()?.set_tcp_settings(tcp()))
    }

    fn addr(&self, Address { host, port }: &Address) -> ConnectionAddr {
        match self.config.tls {
            false => ConnectionAddr::Tcp(host.clone(), *port),
            true => {
                ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
            }
        }
    }

    fn settings(&self, protocol: ProtocolVersion) -> RedisConnectionInfo {
        let Credentials { user, password } = &self.config.credentials;
        let mut settings = RedisConnectionInfo::default()
            .set_db(i64::from(self.config.database))
            .set_protocol(protocol)
            .set_skip_set_lib_name();
        if let Some(user) = user {
            settings = settings.set_username(user);
        }
        if let Some(password) = password {
            settings = settings.set_password(password.expose_secret());
        }
        settings
    }

    fn certificates(&self) -> Option<TlsCertificates> {
        let roots = self.config.roots.as_ref()?;
        Some(TlsCertificates { client_tls: None, root_cert: Some(roots.0.clone()) })
    }
}

/// Small commands go out at once.
fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

/// Pushes of which none is of interest but the last: that the connection ended.
pub(super) fn on_end(tell: impl Fn() + Send + Sync + 'static) -> Pushes {
    Arc::new(move |push: PushInfo| {
        if push.kind == redis::PushKind::Disconnection {
            tell();
        }
        Ok::<(), redis::aio::SendError>(())
    })
}
