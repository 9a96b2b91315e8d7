use crate::batch::Commit;
use crate::error::{Code, Error, Result};
use crate::key::{Key, Space};
use crate::keyspace;
use crate::record::{Millis, Record};

/// The facet of an engine whose whole content can be replaced in one step: for restores, imports and big migrations,
/// which do not fit into one batch.
///
/// The new content is written beside the old one, in any number of pieces, while calls go on. Then it takes the place
/// of the old one: a crash at any point leaves the one or the other.
///
/// # Examples
///
/// ```
/// use holdfast_core::engine::{EngineExt, Staged, memory};
/// use holdfast_core::record::Record;
/// use holdfast_core::{Batch, Key, Op, Space, Value};
///
/// let engine = memory::open(memory::MemoryOptions::default());
/// engine.commit(Batch::one(Op::set("old", Value::json("1"))))?;
///
/// let mut staging = engine.stage()?;
/// let record = Record::bare(Value::json("2"), None);
/// staging.write(vec![Staged { space: Space::User, key: Key::from("new"), record }])?;
/// assert!(engine.view()?.get(Space::User, b"new")?.is_none());
///
/// staging.swap()?;
/// assert!(engine.view()?.get(Space::User, b"old")?.is_none());
/// assert!(engine.view()?.get(Space::User, b"new")?.is_some());
/// # Ok::<(), holdfast_core::Error>(())
/// ```
pub trait Replaceable: Send + Sync {
    /// Begins a replacement, with an empty content beside that of the store. Removes what an unfinished one has left.
    /// Blocks.
    ///
    /// # Errors
    ///
    /// `LOCKED` while another replacement of the store is staged. `CONFLICT` or `LOCKED` while a transaction over
    /// several engines holds keys. `READ_ONLY`, `CLOSED`, or an error of the medium.
    fn stage(&self) -> Result<Box<dyn Staging>>;
}

/// The content that will replace that of a store. Its drop removes it, and may block for that.
///
/// Nobody sees it before [`swap`](Staging::swap), and after a crash it is gone.
pub trait Staging: Send {
    /// Adds records. A later record of a key replaces an earlier one. Blocks.
    ///
    /// A record keeps its value, expiry, metadata and times. The time of this call stands in for times that it lacks.
    /// It gets a version of this store.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for a key that [belongs to the engine](crate::keyspace::ENGINE). `NO_SPACE`, `CLOSED`, or an
    /// error of the medium. After an error nothing can be written or swapped any more.
    fn write(&mut self, records: Vec<Staged>) -> Result<()>;

    /// Replaces the content of the store, both keyspaces, by the staged one. It is as durable as the store promises.
    /// Blocks.
    ///
    /// - Commits that were made while the content was staged are replaced, too.
    /// - The keys of the engine itself stay, except the entries of the change log, which begins anew.
    /// - A transaction that has read what the replacement changes fails with `CONFLICT`.
    /// - A view of before keeps the old content where the engine has snapshots, or fails with `CONFLICT`.
    /// - Watches end with `PRECONDITION_FAILED`.
    /// - Where a range is not deleted [in one step](super::Capabilities::atomic_clear), readers may see keys of both
    ///   contents while the call runs. A crash leaves the old or the new content all the same, once the store was
    ///   opened again.
    ///
    /// # Errors
    ///
    /// `CONFLICT` or `LOCKED` while a transaction over several engines holds keys, `CLOSED`, or an error of the medium.
    /// The old content stands then, unless the error is `UNKNOWN_OUTCOME`.
    fn swap(self: Box<Self>) -> Result<Commit>;
}

/// A record of the content that is staged.
#[derive(Clone, Debug)]
pub struct Staged {
    /// The keyspace.
    pub space: Space,
    /// The key.
    pub key: Key,
    /// The record. Its version does not count.
    pub record: Record,
}

impl Staged {
    /// Fills in the times that the record lacks.
    pub(crate) fn fill_times(&mut self, now: Millis) {
        self.record.created_at.get_or_insert(now);
        self.record.updated_at.get_or_insert(now);
    }

    /// Checks that the key is not one of the engine.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` if it is.
    pub fn check(&self) -> Result<()> {
        if self.space == Space::Internal && self.key.first().is_none_or(|first| *first == keyspace::ENGINE) {
            let message = "a replacement of the content cannot write the keys that the engine keeps for itself";
            return Err(Error::new(Code::InvalidArgument, message));
        }
        Ok(())
    }
}
