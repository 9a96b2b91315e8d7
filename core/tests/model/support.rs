//! Engines, and calls of models that a test waits for.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bytes::Bytes;
use holdfast_core::engine::Engine;
use holdfast_core::engine::custom::{self, Traits};
use holdfast_core::engine::file::{self, FileOptions};
use holdfast_core::engine::leveldb::{self, LevelDbOptions};
use holdfast_core::engine::memory::{self, MemoryOptions};
use holdfast_core::engine::redis::{self, RedisOptions};
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::sqlite::{self, SqliteOptions};
use holdfast_core::error::Result;
use holdfast_core::model::{Call, Control, Done, Progress, Reply, Steps};
use holdfast_core::testing::ok;
use tempfile::TempDir;

use super::host::{MapHost, Store};
use super::redis_server::RedisServer;

const PATIENCE: Duration = Duration::from_secs(120);

/// An engine of each kind, with what has to outlive it.
pub(crate) struct Engines {
    pub each: Vec<(&'static str, Lease)>,
    _folder: TempDir,
    _server: RedisServer,
}

impl Engines {
    pub(crate) fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let server = RedisServer::start(&[]);
        let redis = RedisOptions { port: Some(server.port), ..RedisOptions::default() };
        let each = vec![
            ("memory", Lease::private(memory())),
            ("file", ok(file::open(FileOptions::new(at("file"))))),
            ("sqlite", ok(sqlite::open(SqliteOptions::new(at("store.db"))))),
            ("leveldb", ok(leveldb::open(LevelDbOptions::new(at("leveldb"))))),
            ("redis", ok(redis::open(redis))),
            ("custom", Lease::private(custom(true))),
        ];
        Engines { each, _folder: folder, _server: server }
    }
}

pub(crate) fn memory() -> Arc<dyn Engine> {
    memory::open(MemoryOptions::default())
}

/// An engine of the user's own, with expiry and metadata or without.
pub(crate) fn custom(whole: bool) -> Arc<dyn Engine> {
    let traits = Traits { name: "map", atomic_batch: whole, expiry: whole, metadata: whole };
    custom::open(MapHost::open(Arc::<Mutex<Store>>::default(), Arc::default(), traits))
}

/// A call that the test waits for.
pub(crate) struct Asked {
    pub call: Arc<Call>,
    told: Arc<Mutex<Vec<Option<Progress>>>>,
}

impl Asked {
    /// Starts a request. Its answer must be a stream.
    pub(crate) fn open(engine: &Arc<dyn Engine>, request: &str) -> Self {
        let (asked, reply) = Self::start(engine, request);
        assert_eq!(ok(reply), Reply::Stream);
        asked
    }

    pub(crate) fn start(engine: &Arc<dyn Engine>, request: &str) -> (Self, Result<Reply>) {
        let told = Arc::<Mutex<Vec<Option<Progress>>>>::default();
        let heard = told.clone();
        let control = Control::new(Some(Box::new(move |progress| heard.lock().unwrap().push(progress))));
        let call = Call::new(engine.name(), control, Arc::new(Steps::default()));
        let reply = ask(|done| call.start(engine.clone(), Bytes::copy_from_slice(request.as_bytes()), done));
        (Asked { call, told }, reply)
    }

    pub(crate) fn next(&self, max_bytes: usize) -> Result<Reply> {
        ask(|done| self.call.next(max_bytes, done))
    }

    pub(crate) fn write(&self, chunk: &[u8]) -> Result<Reply> {
        ask(|done| self.call.write(Bytes::copy_from_slice(chunk), done))
    }

    pub(crate) fn finish(&self) -> Result<Reply> {
        ask(|done| self.call.finish(done))
    }

    /// The bytes from here to the end of the stream.
    pub(crate) fn rest(&self, max_bytes: usize) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            match self.next(max_bytes)? {
                Reply::Bytes(piece) => {
                    assert!(!piece.is_empty() && piece.len() <= max_bytes, "{} bytes", piece.len());
                    all.extend_from_slice(&piece);
                }
                Reply::Nothing => return Ok(all),
                other => panic!("{other:?} from a stream of bytes"),
            }
        }
    }

    /// The progress told so far, `None` for the end of the call.
    pub(crate) fn told(&self) -> Vec<Option<Progress>> {
        self.told.lock().unwrap().clone()
    }
}

/// Makes a step, and waits for its reply.
pub(crate) fn ask(step: impl FnOnce(Done)) -> Result<Reply> {
    let (sender, receiver) = mpsc::channel();
    step(Box::new(move |reply| sender.send(reply).unwrap()));
    receiver.recv_timeout(PATIENCE).expect("a step that ends")
}

pub(crate) const EXPORT: &str = r#"{"transfer":{"export":{"format":"jsonl"}}}"#;
pub(crate) const IMPORT: &str = r#"{"transfer":{"import":{"format":"jsonl","maxValueBytes":1048576}}}"#;

/// Everything in an engine, as JSON Lines.
pub(crate) fn export(engine: &Arc<dyn Engine>) -> String {
    let export = Asked::open(engine, EXPORT);
    let lines = String::from_utf8(ok(export.rest(4096))).unwrap();
    let count = lines.lines().count();
    assert_eq!(ok(export.finish()), Reply::Text(format!("{{\"exported\":{count}}}").into()));
    lines
}

/// Imports `lines`. Gives the outcome, whose refusals are on one page.
pub(crate) fn import(engine: &Arc<dyn Engine>, request: &str, lines: &[u8]) -> serde_json::Value {
    let import = Asked::open(engine, request);
    ok(import.write(lines));
    outcome(&import)
}

pub(crate) fn outcome(import: &Asked) -> serde_json::Value {
    assert_eq!(ok(import.finish()), Reply::Stream);
    let Reply::Text(page) = ok(import.next(1 << 20)) else { panic!("not a page") };
    assert_eq!(ok(import.next(1 << 20)), Reply::Nothing);
    serde_json::from_slice(&page).unwrap()
}
