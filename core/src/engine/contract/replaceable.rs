use crate::batch::Commit;
use crate::error::Result;
use crate::key::{Key, Space};
use crate::record::Record;

/// An engine whose whole content can be replaced: restore, big migrations and imports write beside the store and swap.
pub trait Replaceable: Send + Sync {
    /// Begins a replacement. It is empty, and nobody sees it before it is swapped in. Blocks.
    ///
    /// # Errors
    ///
    /// LOCKED while another replacement of the store is under way.
    fn stage(&self) -> Result<Box<dyn Staging>>;
}

/// A replacement that is being written beside the store. Dropped without a swap, it leaves nothing; after a crash the
/// next opening of the store removes it.
pub trait Staging: Send {
    /// Adds records, whose keys must be greater than those of their keyspace added before. Versions are given anew. Blocks.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT for keys out of order, NO_SPACE or IO if the medium refuses. The staging is then of no use.
    fn write(&mut self, records: Vec<(Space, Key, Record)>) -> Result<()>;

    /// Makes the staged records the content of the store in one commit, at the durability of the store. Blocks.
    ///
    /// Both keyspaces are replaced, but for what the engine keeps for itself in ours. A crash at any point leaves the old
    /// content or the new. Watches end with PRECONDITION_FAILED, the change log begins anew, and a transaction that has
    /// read the old content gets CONFLICT at its commit. A view taken before either goes on with the old content or
    /// fails with CONFLICT.
    ///
    /// # Errors
    ///
    /// LOCKED while an intent of a transaction over several engines stands. The store then holds the old content.
    fn swap(self: Box<Self>) -> Result<Commit>;
}
