//! Tests of the redis engine alone: other clients of the server, connections that fail, TLS.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::float_cmp,
    reason = "tests stop at a surprise"
)]

#[path = "redis/calls.rs"]
mod calls;
#[path = "redis/connection.rs"]
mod connection;
#[path = "redis/data.rs"]
mod data;
#[path = "redis/intents.rs"]
mod intents;
#[path = "redis/lost_commits.rs"]
mod lost_commits;
#[path = "redis/lost_replies.rs"]
mod lost_replies;
#[path = "redis/order.rs"]
mod order;
#[path = "redis/outage.rs"]
mod outage;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/redis_server.rs"]
mod redis_server;
#[path = "redis/replacement.rs"]
mod replacement;
#[path = "redis/replacement_clients.rs"]
mod replacement_clients;
#[path = "redis/rights.rs"]
mod rights;
#[path = "redis/transactions.rs"]
mod transactions;
#[path = "redis/watching.rs"]
mod watching;
