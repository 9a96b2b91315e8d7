//! The properties that hold for any bytes, one function for each reader of bytes. The fuzz targets look for an
//! exception for as long as they are let. `tests/any_bytes.rs` tries the same properties each time the tests run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a property fails by panicking"
)]
#![allow(unreachable_pub, reason = "tests/any_bytes.rs includes these files as a module")]

mod glob;
mod model;
mod range;
mod record;
mod server;
mod store;
mod text;

pub use glob::glob;
pub use model::{import, json_line, model_request};
pub use range::range;
pub use record::{batch, intent, version};
pub use server::redis;
pub use store::{file_name, file_text, leveldb, transaction_log};
pub use text::{column, value};
