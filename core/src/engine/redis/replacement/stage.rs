//! The content that is staged: chunks of user records in a list, and the internal keyspace as it will be. A thread
//! keeps a name alive that expires soon. While it is there, no other client stages, or removes what is staged.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use redis::{Pipeline, Value as RespValue};

use super::super::fault::{refused, unexpected};
use super::super::link::{Effect, Link, PendingReplies, REPLACEMENT_COMMANDS, ask_for_rights, rights_refusal};
use super::super::options::NAME;
use super::super::reply::{array, count};
use super::super::script::run_once;
use super::{finish, gone};
use crate::engine::{Staged, intent};
use crate::error::{Code, Error, Result};
use crate::format::redis::{Chunk, Companion, Layout, StagedNames, digest, expiry, held_by, internal_text};
use crate::key::{Key, Space};
use crate::record::{Millis, Record, now};

const BEGIN: &str = include_str!("begin_staging.lua");
const STAGE_INTERNAL: &str = include_str!("stage_internal.lua");
const STAY_ALIVE: &str = include_str!("stay_alive.lua");
const REMOVE: &str = include_str!("remove_staged.lua");

/// A stager that was not heard of for so many milliseconds is taken for one that has crashed.
const LEASE: &[u8] = b"10000";
/// How often a stager says that it is alive.
const RENEWAL: Duration = Duration::from_secs(3);

/// The size of a chunk, about, unless one record is larger. The server is fastest with small ones.
const CHUNK_BYTES: usize = 64 << 10;
/// Bytes sent before their replies are awaited, about.
const PIPELINE_BYTES: usize = 256 << 10;

/// A staged content. Its drop removes it.
pub(super) struct Stage {
    link: Arc<Link>,
    layout: Layout,
    pub names: StagedNames,
    pub id: String,
    /// The name of the list of chunks.
    pub chunks_name: Vec<u8>,
    /// How many chunks are staged.
    pub chunks: u64,
    /// How many internal keys are staged.
    pub internal: u64,
    timestamps: bool,
    /// Its drop ends the thread that says that this stager is alive.
    alive: Option<mpsc::Sender<()>>,
}

impl Stage {
    /// Begins with an empty content, and removes what another client has left. Blocks.
    pub(super) fn begin(link: Arc<Link>, layout: &Layout, timestamps: bool) -> Result<Self> {
        let rights = link.call(&ask_for_rights(layout, REPLACEMENT_COMMANDS), Effect::Read)?.pop();
        if let Some(error) = rights_refusal(rights) {
            return Err(error);
        }
        let names = layout.staged();
        let id = format!("{:016x}", RandomState::new().build_hasher().finish());
        loop {
            let keys = [&layout.replacement, &layout.held, &layout.ranges, &names.staging, &names.stager];
            let keys: Vec<&[u8]> = keys.into_iter().chain(content(&names)).map(Vec::as_slice).collect();
            let reply = array(link.call(&run_once(BEGIN, &keys, &[id.as_bytes(), LEASE]), Effect::Staged)?.pop())?;
            match reply.as_slice() {
                [RespValue::Int(0)] => break,
                [RespValue::Int(1)] => finish(&link, layout)?,
                [RespValue::Int(2), mark, field] => return Err(held(mark, field)),
                [RespValue::Int(3)] => {
                    let message = "another client is staging a replacement of the content; wait for it \
                                   (if it has crashed, some seconds are enough)";
                    return Err(Error::new(Code::Locked, message).in_engine(NAME));
                }
                _ => return Err(unexpected()),
            }
        }
        let layout = layout.clone();
        // Its drop removes the content if the thread does not start.
        let chunks_name = names.chunks_of(&id);
        let mut stage = Stage { link, layout, names, id, chunks_name, chunks: 0, internal: 0, timestamps, alive: None };
        stage.alive = Some(stay_alive(&stage.link, &stage.names, &stage.id)?);
        Ok(stage)
    }

    /// Adds records. Blocks.
    pub(super) fn write(&mut self, records: Vec<Staged>) -> Result<()> {
        records.iter().try_for_each(Staged::check)?;
        let now = now();
        let mut pipeline = StagePipeline::default();
        let mut chunk = Chunk::default();
        let mut internal = InternalRecords::default();
        for Staged { space, key, record } in records {
            match space {
                Space::User => push(&mut chunk, &self.layout, &key, record, self.timestamps, now),
                Space::Internal => internal.push(key, &record),
            }
            if chunk.len() >= CHUNK_BYTES {
                self.add_chunk(&mut pipeline, std::mem::take(&mut chunk))?;
            }
            if internal.bytes >= CHUNK_BYTES {
                self.add_internal(&mut pipeline, std::mem::take(&mut internal))?;
            }
        }
        if !chunk.is_empty() {
            self.add_chunk(&mut pipeline, chunk)?;
        }
        if !internal.parts.is_empty() {
            self.add_internal(&mut pipeline, internal)?;
        }
        if !pipeline.spaces.is_empty() {
            self.send(&mut pipeline)?;
        }
        self.wait(&mut pipeline)
    }

    fn add_chunk(&mut self, pipeline: &mut StagePipeline, chunk: Chunk) -> Result<()> {
        pipeline.bytes += chunk.len();
        pipeline.commands.cmd("RPUSHX").arg(&self.chunks_name).arg(chunk.finish());
        pipeline.spaces.push(Space::User);
        self.send_full(pipeline)
    }

    fn add_internal(&mut self, pipeline: &mut StagePipeline, records: InternalRecords) -> Result<()> {
        let keys = [&self.names.staging, &self.names.names, &self.names.values];
        pipeline.bytes += records.bytes;
        let cmd = pipeline.commands.cmd("EVAL").arg(STAGE_INTERNAL).arg(keys.len()).arg(&keys[..]).arg(&self.id);
        for part in records.parts {
            cmd.arg(&part[..]);
        }
        pipeline.spaces.push(Space::Internal);
        self.send_full(pipeline)
    }

    fn send_full(&mut self, pipeline: &mut StagePipeline) -> Result<()> {
        if pipeline.bytes < PIPELINE_BYTES { Ok(()) } else { self.send(pipeline) }
    }

    /// Sends the commands, then waits for the replies to those before: the server works while the next ones are made.
    fn send(&mut self, pipeline: &mut StagePipeline) -> Result<()> {
        let replies = self.link.begin_call(&std::mem::take(&mut pipeline.commands), Effect::Staged);
        let sent = (std::mem::take(&mut pipeline.spaces), replies);
        pipeline.bytes = 0;
        self.wait(pipeline)?;
        pipeline.sent = Some(sent);
        Ok(())
    }

    fn wait(&mut self, pipeline: &mut StagePipeline) -> Result<()> {
        let Some((spaces, replies)) = pipeline.sent.take() else { return Ok(()) };
        for (space, reply) in spaces.into_iter().zip(replies.wait()?) {
            let there = count(Some(reply))?;
            match space {
                // The first element of the list is no chunk.
                Space::User if there == self.chunks + 2 => self.chunks += 1,
                Space::Internal if there > 0 => self.internal = there,
                _ => return Err(gone()),
            }
        }
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.alive.take());
        // If this fails, it is removed when the store is opened, or staged anew.
        drop(self.link.call(&remove(&self.layout, &self.names, &self.id), Effect::Staged));
    }
}

/// Removes a staged content: that of replacement `id`, or with an empty `id` what a stager that is gone has left.
pub(super) fn remove(layout: &Layout, names: &StagedNames, id: &str) -> Pipeline {
    let keys = [&layout.replacement, &names.staging, &names.stager];
    let keys: Vec<&[u8]> = keys.into_iter().chain(content(names)).map(Vec::as_slice).collect();
    run_once(REMOVE, &keys, &[id.as_bytes()])
}

fn content(names: &StagedNames) -> [&Vec<u8>; 3] {
    [&names.names, &names.values, &names.chunks]
}

/// The error of a replacement while an intent holds a key.
pub(super) fn held(mark: &RespValue, field: &RespValue) -> Error {
    let (RespValue::BulkString(mark), RespValue::BulkString(field)) = (mark, field) else { return unexpected() };
    match held_by(mark) {
        Some((id, at)) => intent::held_by(id, at, field.get(1..).unwrap_or_default(), now()).in_engine(NAME),
        None => unexpected(),
    }
}

/// Starts the thread that says that this stager is alive. It ends when the sender is dropped.
fn stay_alive(link: &Arc<Link>, names: &StagedNames, id: &str) -> Result<mpsc::Sender<()>> {
    let pipe = run_once(STAY_ALIVE, &[&names.staging, &names.stager], &[id.as_bytes(), LEASE]);
    let (alive, ended) = mpsc::channel::<()>();
    let link = Arc::downgrade(link);
    let run = move || {
        while ended.recv_timeout(RENEWAL) == Err(mpsc::RecvTimeoutError::Timeout) {
            let Some(link) = link.upgrade() else { return };
            // If this fails, the next one may come in time.
            link.submit_commands(&pipe, Effect::Staged, Box::new(drop));
        }
    };
    let thread = thread::Builder::new().name("holdfast-redis-stage".into()).spawn(run);
    thread.map(|_| alive).map_err(|error| Error::io("cannot start a thread", &error))
}

/// Adds the record of a user key to a chunk.
fn push(chunk: &mut Chunk, layout: &Layout, key: &[u8], record: Record, timestamps: bool, now: Millis) {
    let Record { value, expires_at, created_at, updated_at, metadata, .. } = record;
    let (name, text, expires_at) = (layout.name(key), value.to_text(), expires_at.map(expiry));
    let has_companion = timestamps || metadata.is_some();
    if expires_at.is_none() && !has_companion {
        return chunk.push_plain(&name, &text);
    }
    let companion = has_companion.then(|| {
        let digest = digest(&text, expires_at);
        let (created_at, updated_at) = (created_at.or(Some(now)), updated_at.or(Some(now)));
        Companion { digest, created_at, updated_at, metadata }.to_text()
    });
    let expiry = expires_at.map(|at| at.to_string()).unwrap_or_default();
    chunk.push(&name, &text, &expiry, &companion.unwrap_or_default());
}

/// Internal keys, each followed by its stored text.
#[derive(Default)]
struct InternalRecords {
    parts: Vec<Key>,
    bytes: usize,
}

impl InternalRecords {
    fn push(&mut self, key: Key, record: &Record) {
        let text = internal_text(&record.value, record.expires_at, record.metadata.as_ref());
        self.bytes += key.len() + text.len();
        self.parts.extend([key, text]);
    }
}

/// Commands that will be sent together, and the call before them.
#[derive(Default)]
struct StagePipeline {
    commands: Pipeline,
    /// The keyspace that each command writes.
    spaces: Vec<Space>,
    bytes: usize,
    sent: Option<(Vec<Space>, PendingReplies)>,
}

/// The error of a reply, if it is one.
pub(super) fn checked(reply: Option<RespValue>) -> Result<RespValue> {
    match reply {
        Some(RespValue::ServerError(error)) => Err(refused(&error)),
        Some(reply) => Ok(reply),
        None => Err(unexpected()),
    }
}
