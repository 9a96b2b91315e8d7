use crate::batch::Commit;
use crate::error::Result;
use crate::key::{Key, Space};
use crate::record::Record;

/// The facet of an engine whose whole content can be replaced. A restore, a large migration or an import writes beside
/// the store, and swaps at the end.
pub trait Replaceable: Send + Sync {
    /// Begins a replacement. It is empty, and nobody sees it before the swap. Blocks.
    ///
    /// # Errors
    ///
    /// `LOCKED` while another replacement of the store is under way.
    fn stage(&self) -> Result<Box<dyn Staging>>;
}

/// A replacement that is written beside the store. If it is dropped without a swap, nothing of it stays. After a crash
/// the next opening of the store removes it.
pub trait Staging: Send {
    /// Adds records. Each key must be greater than the keys of its keyspace before it. The records get new versions.
    /// Blocks.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for keys out of order, `NO_SPACE` or `IO` if the medium refuses. The staging is then of no use.
    fn write(&mut self, records: Vec<(Space, Key, Record)>) -> Result<()>;

    /// Makes the staged records the content of the store in one commit, at the durability of the store. Blocks.
    ///
    /// Both keyspaces are replaced, except for the keys of the engine itself ([`keyspace::ENGINE`]). A crash at any point
    /// leaves the old content or the new. Watches end with `PRECONDITION_FAILED`, and the change log begins anew. A
    /// transaction that has read the old content fails with `CONFLICT` at its commit. A view from before either goes on
    /// with the old content or fails with `CONFLICT`.
    ///
    /// [`keyspace::ENGINE`]: crate::keyspace::ENGINE
    ///
    /// # Errors
    ///
    /// `LOCKED` while an intent of a transaction over several engines stands. The store then holds the old content.
    fn swap(self: Box<Self>) -> Result<Commit>;
}
