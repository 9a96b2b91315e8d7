//! An engine's options, from the facade's JSON. The facade has checked their types.

use std::sync::Arc;

use holdfast_core::engine::memory::{self, Eviction, MemoryOptions};
use holdfast_core::engine::registry::Lease;
use holdfast_core::error::{Code, Error, Result};
use serde_json::Value as Json;

/// Receives each statement an engine runs.
pub type Verbose = Arc<dyn Fn(&str) + Send + Sync>;

/// Opens an engine. Blocks.
pub fn open(engine: &str, options: &str, _verbose: Option<Verbose>) -> Result<Lease> {
    let options: Json = serde_json::from_str(options)
        .map_err(|_| Error::new(Code::InvalidArgument, "the facade sent malformed options"))?;
    match engine {
        "memory" => Ok(Lease::private(memory::open(MemoryOptions {
            max_bytes: options.get("maxBytes").and_then(Json::as_u64),
            eviction: match options.get("eviction").and_then(Json::as_str) {
                Some("lru") => Eviction::Lru,
                _ => Eviction::None,
            },
        }))),
        other => Err(Error::new(Code::EngineNotFound, format!("Storage engine not found: {other}"))),
    }
}
