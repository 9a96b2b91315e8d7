use std::sync::Arc;

use super::{Capabilities, Done, Maintained, Read, Replaceable, Reply, Request, Transactional, View, Watched};
use crate::batch::{Batch, Commit};
use crate::error::Result;
use crate::key::Space;
use crate::value::Value;

/// A storage engine.
///
/// The calls of one caller on a key take effect in the order in which they were made: a read that was requested behind
/// an unanswered write of its key waits for that write. A caller that may block uses [`EngineExt`](super::EngineExt).
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
///
/// use holdfast_core::engine::{Engine, Read, Reply, Request, memory};
/// use holdfast_core::{Batch, Key, Op, Space, Value};
///
/// let engine = memory::open(memory::MemoryOptions::default());
/// let write = Batch::one(Op::set("k", Value::json("1")));
/// let (sender, receiver) = mpsc::channel();
/// engine.submit(Request::Commit(write), Box::new(move |reply| sender.send(reply.is_ok()).unwrap()));
/// assert_eq!(receiver.recv(), Ok(true));
///
/// match engine.try_read(&Read::Get(Space::User, Key::from("k"))) {
///     Some(Ok(Reply::Value(value))) => assert_eq!(value, Some(Value::json("1"))),
///     Some(_) => unreachable!(),
///     None => { /* It would take a disk, a network or a wait: submit the read instead. */ }
/// }
/// ```
pub trait Engine: Send + Sync {
    /// The name that errors carry: `memory`, `file`, `sqlite`, `leveldb`, `redis`, or the name of a user's own engine.
    fn name(&self) -> &'static str;

    /// The abilities of this store.
    fn capabilities(&self) -> Capabilities;

    /// Answers a read at once. `None` if that would touch a disk, a network or a contended lock, or would overtake a
    /// queued call: then the caller submits the read. The JavaScript thread calls this.
    fn try_read(&self, read: &Read) -> Option<Result<Reply>>;

    /// Reads the value of one key at once, as [`try_read`](Engine::try_read) does, without a copy of the key.
    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Value>>>;

    /// Commits a batch at once. `None` in the cases of [`try_read`](Engine::try_read): then nothing was written.
    fn try_commit(&self, batch: &Batch) -> Option<Result<Commit>>;

    /// Makes a view at once. `None` in the cases of [`try_read`](Engine::try_read).
    fn try_view(&self) -> Option<Result<Arc<dyn View>>>;

    /// Queues a request. Never blocks. `done` is called exactly once, also when the engine is closed.
    fn submit(&self, request: Request, done: Done);

    /// Finishes the calls that were submitted, refuses later ones, syncs, and gives up locks. A second call does
    /// nothing. Blocks.
    ///
    /// # Errors
    ///
    /// An error of the medium. The engine is closed all the same.
    fn close(&self) -> Result<()>;

    /// The facet for transactions.
    fn transactional(&self) -> Option<&dyn Transactional>;

    /// The facet for watches and the change log.
    fn watched(&self) -> Option<&dyn Watched>;

    /// The facet for statistics, verification and compaction.
    fn maintained(&self) -> Option<&dyn Maintained>;

    /// The facet for replacements of the whole content.
    fn replaceable(&self) -> Option<&dyn Replaceable>;
}
