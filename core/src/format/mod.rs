//! The bytes and names that engines store and exchange, apart from the engines: plain functions from bytes to records
//! and back.
//!
//! `docs/formats/` describes the formats. `fuzz/` feeds the functions with any bytes. None may panic.

pub mod file_name;
pub mod file_text;
pub mod json_lines;
pub mod leveldb;
pub(crate) mod parts;
pub mod redis;
pub mod transaction_log;
