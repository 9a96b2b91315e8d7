//! What holds for any bytes whatever, one function a reader of bytes. The fuzz targets look for a counterexample for as long as they are
//! let; `tests/any_bytes.rs` tries the same ones each time the tests run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a property fails by panicking"
)]

mod glob;
mod range;
mod record;
mod server;
mod store;
mod text;

pub use glob::glob;
pub use range::range;
pub use record::{batch, intent, version};
pub use server::redis;
pub use store::{file_name, file_text, leveldb, transaction_log};
pub use text::{column, value};
