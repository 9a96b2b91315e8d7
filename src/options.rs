//! An engine's options, from the facade's JSON. The facade has checked their types; what is absent keeps the
//! engine's own default.

use std::sync::Arc;

use holdfast_core::engine::Durability;
use holdfast_core::engine::leveldb::{self, Compression, LevelDbOptions};
use holdfast_core::engine::memory::{self, Eviction, MemoryOptions};
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::sqlite::{self, SqliteOptions};
use holdfast_core::error::{Code, Error, Result};
use serde_json::Value as Json;

/// Receives each statement an engine runs.
pub type Verbose = Arc<dyn Fn(&str) + Send + Sync>;

struct Options(Json);

impl Options {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Json::as_str)
    }

    fn required(&self, name: &str) -> Result<&str> {
        self.text(name).ok_or_else(|| Error::new(Code::InvalidArgument, format!("the option {name} is missing")))
    }

    fn flag(&self, name: &str, into: &mut bool) {
        if let Some(flag) = self.0.get(name).and_then(Json::as_bool) {
            *into = flag;
        }
    }

    fn number<T: TryFrom<u64>>(&self, name: &str, into: &mut T) {
        if let Some(number) = self.0.get(name).and_then(Json::as_u64).and_then(|number| T::try_from(number).ok()) {
            *into = number;
        }
    }

    fn durability(&self) -> Durability {
        match self.text("durability") {
            Some("normal") => Durability::Normal,
            Some("none") => Durability::None,
            _ => Durability::Full,
        }
    }
}

/// Opens an engine. Blocks.
pub fn open(engine: &str, options: &str, verbose: Option<Verbose>) -> Result<Lease> {
    let options = serde_json::from_str(options)
        .map(Options)
        .map_err(|_| Error::new(Code::InvalidArgument, "the facade sent malformed options"))?;
    match engine {
        "memory" => Ok(Lease::private(memory::open(memory_options(&options)))),
        "leveldb" => leveldb::open(leveldb_options(&options)?),
        "sqlite" => sqlite::open(sqlite_options(&options, verbose)?),
        other => Err(Error::new(Code::EngineNotFound, format!("Storage engine not found: {other}"))),
    }
}

fn memory_options(options: &Options) -> MemoryOptions {
    MemoryOptions {
        max_bytes: options.0.get("maxBytes").and_then(Json::as_u64),
        eviction: if options.text("eviction") == Some("lru") { Eviction::Lru } else { Eviction::None },
    }
}

fn leveldb_options(options: &Options) -> Result<LevelDbOptions> {
    let mut leveldb = LevelDbOptions::new(options.required("path")?);
    options.number("cacheSize", &mut leveldb.cache_size);
    options.number("bloomBits", &mut leveldb.bloom_bits);
    options.number("lockTimeout", &mut leveldb.lock_timeout);
    options.flag("readOnly", &mut leveldb.read_only);
    leveldb.durability = options.durability();
    leveldb.compression = match options.text("compression") {
        Some("none") => Compression::None,
        Some("snappy") => Compression::Snappy,
        Some("lz4") => Compression::Lz4,
        Some("zstd") => Compression::Zstd,
        _ => leveldb.compression,
    };
    Ok(leveldb)
}

fn sqlite_options(options: &Options, verbose: Option<Verbose>) -> Result<SqliteOptions> {
    let mut sqlite = SqliteOptions::new(options.required("path")?);
    if let Some(table) = options.text("tableName") {
        sqlite.table_name = table.into();
    }
    options.number("poolSize", &mut sqlite.pool_size);
    options.number("busyTimeout", &mut sqlite.busy_timeout);
    options.flag("readOnly", &mut sqlite.read_only);
    options.flag("indexUpdatedAt", &mut sqlite.index_updated_at);
    sqlite.durability = options.durability();
    sqlite.verbose = verbose;
    Ok(sqlite)
}
