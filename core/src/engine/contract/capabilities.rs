use crate::engine::watch::Watching;

/// The abilities of an engine. A caller that depends on one asks for it first, as the conformance suite does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// A view is one moment of the store.
    pub snapshots: bool,
    /// A batch takes effect as one: nobody sees a part of it.
    pub atomic_batch: bool,
    /// `clear` takes effect as one.
    pub atomic_clear: bool,
    /// Every record has the times of its creation and its latest write.
    pub timestamps: bool,
    /// The changes that a watch is told.
    pub watch: Watching,
    /// Several processes may have one store open.
    pub multi_process: bool,
    /// Callers may block until a call is answered.
    pub sync: bool,
    /// The store ends with this process, so there is nothing to recover.
    pub volatile: bool,
    /// A read of a view may wait for JavaScript, so it must not run in the tier [`disk`](crate::threads::disk).
    pub waits_for_javascript: bool,
}

impl Capabilities {
    /// The abilities of a store on a disk that one process owns.
    pub const EMBEDDED: Capabilities = Capabilities {
        snapshots: true,
        atomic_batch: true,
        atomic_clear: true,
        timestamps: true,
        watch: Watching::Process,
        multi_process: false,
        sync: true,
        volatile: false,
        waits_for_javascript: false,
    };
}

/// The failure that a write survives once its caller is told of the success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub enum Durability {
    /// A loss of power.
    #[default]
    Full,
    /// The death of the process.
    Normal,
    /// None. Still, a batch is there whole or not at all.
    None,
}
