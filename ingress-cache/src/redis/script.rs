//! Lua that runs inside Redis, where nothing comes between its steps.
//!
//! It is named by its hash, which costs 40 bytes however long it is, and sent in full only where Redis doesn't know it (yet, or any
//! more: a restart forgets scripts). `SCRIPT LOAD` would do the same in one step more, and in a Cluster only while all nodes are well.

use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisResult, ServerErrorKind};

/// A script and its hash.
#[derive(Debug, Clone)]
pub struct Script {
    code: &'static str,
    hash: Box<str>,
}

impl Script {
    /// A script of this text. All keys that it touches have to be among its keys, and in one slot of a Cluster.
    #[must_use]
    pub fn new(code: &'static str) -> Self {
        Self { code, hash: redis::Script::new(code).get_hash().into() }
    }

    pub(super) async fn run<T: FromRedisValue>(
        &self,
        wire: &mut impl ConnectionLike,
        keys: &[&str],
        args: &[&[u8]],
    ) -> RedisResult<T> {
        match command("EVALSHA", &self.hash, keys, args).query_async(wire).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                command("EVAL", self.code, keys, args).query_async(wire).await
            }
            result => result,
        }
    }
}

fn command(name: &str, script: &str, keys: &[&str], args: &[&[u8]]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(keys.len()).arg(keys).arg(args);
    command
}
