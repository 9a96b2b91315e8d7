//! The boundary to JavaScript: strings and Buffers, errors, and the way queued calls come back. Nothing here knows a store.

pub mod error;
pub mod settle;
pub mod text;
