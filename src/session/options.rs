//! The options of an engine, from the facade's JSON. The facade has checked their types. An absent option keeps the
//! default of the engine.

use std::sync::Arc;
use std::time::Duration;

use holdfast_core::engine::Durability;
use holdfast_core::engine::file::{self, Encoding, FileOptions};
use holdfast_core::engine::leveldb::{self, Compression, LevelDbOptions};
use holdfast_core::engine::memory::{self, Eviction, MemoryOptions};
use holdfast_core::engine::redis::{self, Availability, RedisOptions, TlsOptions};
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::sqlite::{self, SqliteOptions};
use holdfast_core::error::{Code, Error, Result};
use serde_json::Value as Json;

use crate::boundary::error::to_json;

/// Receives texts of an engine from any thread.
pub(super) type Listener = Arc<dyn Fn(&str) + Send + Sync>;

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

    fn millis(&self, name: &str, into: &mut Duration) {
        if let Some(millis) = self.0.get(name).and_then(Json::as_u64) {
            *into = Duration::from_millis(millis);
        }
    }

    fn durability(&self) -> Durability {
        durability(self.text("durability"))
    }
}

/// The durability of that name; `full` without a name.
pub(super) fn durability(name: Option<&str>) -> Durability {
    match name {
        Some("normal") => Durability::Normal,
        Some("none") => Durability::None,
        _ => Durability::Full,
    }
}

/// Opens an engine. Blocks.
pub(super) fn open(engine: &str, options: &str, listener: Option<Listener>) -> Result<Lease> {
    let options = serde_json::from_str(options)
        .map(Options)
        .map_err(|_| Error::new(Code::InvalidArgument, "the facade sent malformed options"))?;
    match engine {
        "memory" => Ok(Lease::private(memory::open(memory_options(&options)))),
        "leveldb" => leveldb::open(leveldb_options(&options)?),
        "file" => file::open(file_options(&options)?),
        "redis" => redis::open(redis_options(&options, listener)),
        "sqlite" => sqlite::open(sqlite_options(&options, listener)?),
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

fn sqlite_options(options: &Options, verbose: Option<Listener>) -> Result<SqliteOptions> {
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

fn file_options(options: &Options) -> Result<FileOptions> {
    let mut file = FileOptions::new(options.required("basePath")?);
    if options.text("encoding") == Some("utf16le") {
        file.encoding = Encoding::Utf16Le;
    }
    options.number("lockTimeout", &mut file.lock_timeout);
    options.flag("readOnly", &mut file.read_only);
    file.durability = options.durability();
    Ok(file)
}

fn redis_options(options: &Options, listener: Option<Listener>) -> RedisOptions {
    let text = |name: &str| options.text(name).map(ToOwned::to_owned);
    let mut redis = RedisOptions {
        url: text("url"),
        host: text("host"),
        username: text("username"),
        password: text("password"),
        key_prefix: text("keyPrefix").unwrap_or_default(),
        tls: tls_options(options),
        ..RedisOptions::default()
    };
    redis.port = options.0.get("port").and_then(Json::as_u64).and_then(|port| u16::try_from(port).ok());
    redis.db = options.0.get("db").and_then(Json::as_u64).and_then(|db| u32::try_from(db).ok());
    options.millis("connectTimeout", &mut redis.connect_timeout);
    options.millis("commandTimeout", &mut redis.command_timeout);
    options.number("poolSize", &mut redis.pool_size);
    options.flag("timestamps", &mut redis.timestamps);
    redis.listener = listener.map(|tell| -> redis::Listener {
        Arc::new(move |event| match event {
            Availability::Up => tell("up"),
            Availability::Down(error) => tell(&to_json(error)),
        })
    });
    redis
}

fn tls_options(options: &Options) -> Option<TlsOptions> {
    let tls = options.0.get("tls")?;
    let text = |name: &str| tls.get(name).and_then(Json::as_str).map(ToOwned::to_owned);
    match tls {
        Json::Bool(true) => Some(TlsOptions::default()),
        Json::Object(_) => Some(TlsOptions {
            ca: text("ca").map(String::into_bytes),
            cert: text("cert").map(String::into_bytes),
            key: text("key").map(String::into_bytes),
            server_name: text("serverName"),
            insecure: tls.get("rejectUnauthorized").and_then(Json::as_bool) == Some(false),
        }),
        _ => None,
    }
}
