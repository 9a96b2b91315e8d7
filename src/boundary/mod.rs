//! The boundary to JavaScript: strings and Buffers, errors, and the results of queued calls. Nothing here knows a
//! store.

pub mod error;
pub mod settle;
pub mod text;
