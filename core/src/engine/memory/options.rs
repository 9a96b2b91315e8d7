//! The options of the memory engine.

/// What happens when a bounded memory engine is full.
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
    /// What happens to a write that does not fit in `max_bytes`.
    pub eviction: Eviction,
}
