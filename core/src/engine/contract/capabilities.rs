use crate::engine::watch::Watching;

/// The abilities of an engine. The conformance suite is gated by them, and says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // A table of independent facts.
pub struct Capabilities {
    /// A view is one moment of the store.
    pub snapshots: bool,
    /// A batch takes effect as one.
    pub atomic_batch: bool,
    /// `clear` takes effect as one.
    pub atomic_clear: bool,
    /// Records have created and updated times without being asked for.
    pub timestamps: bool,
    /// Whose changes can be watched.
    pub watch: Watching,
    /// Several processes may open one store.
    pub multi_process: bool,
    /// Calls that block the caller are offered.
    pub sync: bool,
    /// The store ends with this process: nothing in it is there to be recovered.
    pub volatile: bool,
    /// A read of a view may wait for JavaScript, so it must not run in the tier [`disk`](crate::threads::disk).
    pub waits_for_javascript: bool,
}

impl Capabilities {
    /// Those of a store on a disk that one process owns.
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

/// How much a resolved write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub enum Durability {
    /// Power loss.
    #[default]
    Full,
    /// The death of the process.
    Normal,
    /// Nothing is promised. A batch still is whole or not there at all.
    None,
}
