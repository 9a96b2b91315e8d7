use crate::record::Version;

/// A batch that took effect.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// The store's sequence number of this commit. It is durable, and greater than that of every earlier commit.
    pub seq: u64,
    /// One outcome for each operation, in order, if the batch asked for them
    /// ([`Batch::reporting`](super::Batch::reporting)); else empty.
    pub outcomes: Vec<Outcome>,
}

/// The effect of one operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A record was written.
    Set {
        /// The version of the record.
        version: Version,
    },
    /// A number was added to.
    Added {
        /// The sum.
        value: f64,
        /// The version of the record.
        version: Version,
    },
    /// A key was deleted.
    Deleted {
        /// True if the key was there and had not expired.
        existed: bool,
    },
    /// A range was deleted.
    Cleared,
}
