//! The bytes and names that engines keep and exchange, apart from the engines: plain functions from bytes to records and back.
//!
//! `docs/formats/` describes them; `fuzz/` feeds them anything. None may panic, whatever it is given.

pub mod file_name;
pub mod file_text;
pub mod leveldb;
pub(crate) mod parts;
pub mod redis;
pub mod transaction_log;
