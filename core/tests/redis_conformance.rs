//! The redis engine passes the conformance suite. Each test has a server of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at a surprise"
)]

mod support {
    pub(crate) mod redis_server;
}

use holdfast_core::Result;
use holdfast_core::conformance::Fixture;
use holdfast_core::engine::redis::{RedisOptions, open};
use holdfast_core::engine::registry::Lease;
use support::redis_server::RedisServer;

struct Redis {
    server: RedisServer,
    timestamps: bool,
}

impl Redis {
    fn new(timestamps: bool) -> Self {
        Redis { server: RedisServer::start(&[]), timestamps }
    }
}

impl Fixture for Redis {
    fn open(&self) -> Result<Lease> {
        open(RedisOptions {
            port: Some(self.server.port),
            key_prefix: "{suite}:".into(),
            timestamps: self.timestamps,
            ..RedisOptions::default()
        })
    }

    fn persistent(&self) -> bool {
        true
    }
}

mod plain {
    use super::Redis;

    holdfast_core::conformance!(Redis::new(false));
}

mod with_timestamps {
    use super::Redis;

    holdfast_core::conformance!(Redis::new(true));
}
