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
use support::redis_server::{RedisServer, documented_user};

const PREFIX: &str = "{suite}:";

struct Redis {
    server: RedisServer,
    /// Logs in, if not as a user who may do everything.
    user: Box<dyn Fn(RedisOptions) -> RedisOptions + Send + Sync>,
    timestamps: bool,
}

impl Redis {
    fn new(timestamps: bool) -> Self {
        Redis { server: RedisServer::start(&[]), user: Box::new(|options| options), timestamps }
    }

    /// A store of a user who has exactly the rights that the documentation lists.
    fn restricted(server: RedisServer) -> Self {
        let user = Box::new(documented_user(&server, PREFIX));
        Redis { server, user, timestamps: false }
    }
}

impl Fixture for Redis {
    fn open(&self) -> Result<Lease> {
        open((self.user)(RedisOptions {
            port: Some(self.server.port),
            key_prefix: PREFIX.into(),
            timestamps: self.timestamps,
            ..RedisOptions::default()
        }))
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

mod with_documented_rights {
    use super::{Redis, RedisServer};

    holdfast_core::conformance!(Redis::restricted(RedisServer::start(&[])));
}
