//! Calls of models over every engine, transactions, and an engine of the user's own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "model/consumer.rs"]
mod consumer;
#[path = "custom/host.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod host;
#[path = "model/import.rs"]
mod import;
#[path = "model/many.rs"]
mod many;
#[path = "support/redis_server.rs"]
mod redis_server;
#[path = "model/support.rs"]
mod support;
#[path = "model/transfer.rs"]
mod transfer;
