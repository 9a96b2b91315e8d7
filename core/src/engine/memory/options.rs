//! The options of the memory engine.

use crate::error::{Code, Error, Result};

/// The behaviour of a bounded memory engine that is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Eviction {
    /// Writes are refused with `NO_SPACE`.
    #[default]
    None,
    /// The least recently used keys make room. Keys of the models are never evicted.
    Lru,
}

/// Options of the memory engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryOptions {
    /// The most bytes of keys, values and bookkeeping to hold; unlimited if absent.
    pub max_bytes: Option<u64>,
    /// The treatment of a write that does not fit in `max_bytes`.
    pub eviction: Eviction,
}

impl MemoryOptions {
    /// `NO_SPACE` if the engine may not hold as many bytes.
    pub(super) fn check_room(&self, bytes: u64) -> Result<()> {
        let remedy = match self.eviction {
            Eviction::None => "the memory engine is full; raise maxBytes, delete keys, or set eviction to 'lru'",
            Eviction::Lru => {
                "the write does not fit beside what is never evicted; raise maxBytes, or write less at once"
            }
        };
        match self.max_bytes {
            Some(max) if bytes > max => Err(Error::new(Code::NoSpace, format!("{remedy} (maxBytes is {max})"))),
            _ => Ok(()),
        }
    }
}
