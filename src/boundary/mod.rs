//! The boundary to JavaScript: strings and Buffers, errors, and the results of queued calls. Nothing here knows a
//! store.

pub(crate) mod error;
pub(crate) mod settle;
pub(crate) mod text;
