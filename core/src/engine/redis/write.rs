//! How a batch is committed: as one call of the script `commit/*.lua`, which checks, writes, numbers the commit and
//! keeps its reply. Blind batches go several at once in one call. Each of them is atomic, because the script is.

use std::fmt::Write;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::arguments::Arguments;
use super::pending_write::PendingWrite;
use super::rows::Rows;
use super::script::COMMIT;
use crate::batch::{Op, Role};
use crate::format::redis::{Layout, intent_name};
use crate::key::Space;
use crate::record::now;

/// The server refuses a command with more than about a million arguments.
const MAX_ARGUMENTS: usize = 1_000_000;
/// How many arguments are packed into one where there are too many.
const PACKED: usize = 50_000;
/// How many replies the server keeps for one client: those to its latest calls.
pub(super) const KEPT_REPLIES: u64 = 1024;

/// Encodes the commits of one client to one store, and numbers its calls.
pub(super) struct CommitEncoder {
    layout: Layout,
    /// Records keep created and updated times.
    timestamps: bool,
    /// The name under which the server keeps replies for this client.
    client: Vec<u8>,
    calls: AtomicU64,
    process: Mutex<ServerProcess>,
}

/// The process of the server at the other end of a connection.
enum ServerProcess {
    /// Its id.
    Known(String),
    /// The server does not tell. The first commit over a connection takes the connection for a new process, with this
    /// id.
    Assumed(String),
    /// The server does not tell, and the connection has made a commit.
    Unknown,
}

impl ServerProcess {
    fn id(&self) -> &str {
        match self {
            ServerProcess::Known(id) | ServerProcess::Assumed(id) => id,
            ServerProcess::Unknown => "",
        }
    }
}

impl CommitEncoder {
    pub(super) fn new(layout: Layout, timestamps: bool) -> Self {
        let client = layout.client(RandomState::new().build_hasher().finish());
        let process = Mutex::new(ServerProcess::Unknown);
        CommitEncoder { layout, timestamps, client, calls: AtomicU64::new(0), process }
    }

    /// Later calls go over a new connection, to the process with this id if the server tells it.
    pub(super) fn use_process(&self, id: Option<&str>) {
        *self.process.lock() = match id {
            Some(id) => ServerProcess::Known(id.to_owned()),
            None => ServerProcess::Assumed(format!("?{:016x}", RandomState::new().build_hasher().finish())),
        };
    }

    /// A commit was made over the connection.
    pub(super) fn has_committed(&self) {
        let mut process = self.process.lock();
        if let ServerProcess::Assumed(_) = *process {
            *process = ServerProcess::Unknown;
        }
    }

    /// The id of the server's process; empty if it is unknown.
    pub(super) fn process(&self) -> String {
        self.process.lock().id().to_owned()
    }

    /// The names of the store.
    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The name under which the server keeps replies for this client.
    pub(super) fn client(&self) -> &[u8] {
        &self.client
    }

    /// True for a blind batch: it writes, and reads nothing of what the keys hold.
    pub(super) fn is_blind(&self, PendingWrite { batch, ranges, .. }: &PendingWrite) -> bool {
        batch.checks.is_empty()
            && batch.range_checks.is_empty()
            && batch.role == Role::None
            && ranges.is_empty()
            && !batch.ops.is_empty()
            && batch.ops.iter().all(|op| match op {
                Op::Set { space: Space::User, metadata, .. } => metadata.is_none() && !self.timestamps,
                Op::Set { .. } => true,
                Op::Delete { space, .. } => *space == Space::User || !batch.report,
                Op::Add { .. } | Op::DeleteRange { .. } => false,
            })
    }

    /// Appends one call that commits all of `writes`, and returns its number. `with_source`: the call carries the
    /// source of the script, for a server that has forgotten it. `behind`: the call is refused unless the call of this
    /// number was carried out.
    pub(super) fn encode(
        &self,
        writes: &[PendingWrite],
        with_source: bool,
        behind: Option<u64>,
        bytes: &mut Vec<u8>,
    ) -> u64 {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let size = writes.iter().map(|write| write.batch.size() + 24 * write.batch.ops.len()).sum::<usize>();
        let mut rows = Rows::with_capacity(&self.layout, size + 32);
        for write in writes {
            rows.push(write);
        }
        let Rows { keys, arguments, .. } = rows;
        let packs = keys.len() + arguments.len() > MAX_ARGUMENTS;
        let blind = writes.iter().all(|write| self.is_blind(write));
        let deletes = |op: &Op| matches!(op, Op::Delete { .. } | Op::DeleteRange { .. });
        let frees = writes.iter().all(|write| write.batch.ops.iter().all(deletes));
        let mut modes = String::new();
        for (letter, set) in [('b', blind), ('s', self.timestamps), ('p', packs), ('f', frees)] {
            modes.extend(set.then_some(letter));
        }
        let mut call = Arguments::with_capacity(256);
        call.push(if with_source { "EVAL" } else { "EVALSHA" });
        call.push(if with_source { COMMIT.source } else { COMMIT.sha.as_str() });
        let layout = &self.layout;
        call.push_number(10 + if packs { 0 } else { keys.len() as u64 });
        for name in [&layout.seq, &layout.companions, &layout.names, &layout.values] {
            call.push(name);
        }
        for name in [&layout.held, &layout.ranges, &layout.log, &layout.feed] {
            call.push(name);
        }
        call.push(&self.client);
        call.push(&layout.epoch);
        if !packs {
            call.append(&keys);
        }
        call.push_number(layout.prefix.len() as u64);
        call.push_number(now());
        call.push(&modes);
        call.push_number(number);
        call.push_number(number % KEPT_REPLIES);
        call.push_number(writes.len() as u64);
        call.push(rows_per_batch(writes));
        match writes.first().map(|write| &write.batch.role) {
            Some(Role::Resolve(id)) => call.push(intent_name(*id)),
            _ => call.push(""),
        }
        match behind {
            Some(number) => call.push_number(number),
            None => call.push(""),
        }
        call.push(self.process.lock().id());
        if packs {
            keys.packed(PACKED).iter().for_each(|packed| call.push(packed));
            call.push("");
            arguments.packed(PACKED).iter().for_each(|packed| call.push(packed));
        } else {
            call.append(&arguments);
        }
        call.write_command(bytes);
        number
    }
}

/// How many rows each of several batches has. Empty if each has one.
fn rows_per_batch(writes: &[PendingWrite]) -> String {
    let mut text = String::new();
    if writes.len() > 1 && writes.iter().any(|write| write.batch.ops.len() != 1) {
        for write in writes {
            // A write to memory cannot fail.
            let _ = write!(text, "{},", write.batch.ops.len());
        }
    }
    text
}
