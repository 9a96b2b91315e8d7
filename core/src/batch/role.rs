/// The name of an intent: the transaction log that decides about it, and the number of the transaction there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IntentId {
    /// The id of the transaction log.
    pub log: u64,
    /// The number of the transaction in that log.
    pub number: u64,
}

/// The role of a batch in a transaction over several engines. [`intent`](crate::engine::intent) makes the batches that
/// have one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// None. The batch is refused with `CONFLICT` while an intent holds a key that it writes.
    #[default]
    None,
    /// The batch stores an intent: the writes that the transaction makes here if it is committed. From then on no other
    /// batch writes those keys.
    Prepare(IntentId),
    /// The batch removes an intent, with or without carrying it out. It is never refused for an intent's sake.
    Resolve(IntentId),
}
