//! Batches that only write, several at once, as one transaction of the server: each batch is atomic because all
//! of them together are.

use redis::{Pipeline, Value as Answer};

use super::fault::{refused, unexpected};
use super::layout::{Layout, expiry, internal_text, version_of_write};
use super::link::{Settle, guarded};
use crate::batch::{Batch, Commit, Op, Outcome};
use crate::engine::{Done, Reply};
use crate::error::{Error, Result};
use crate::key::{Key, Space};

/// Keys in one command at most: a longer one would keep the server from others for no gain.
const RUN: usize = 4096;

/// Packs groups for one store.
pub struct Group {
    layout: Layout,
}

/// What a commit's outcome is made of.
enum Told {
    Known(Outcome),
    /// The number at this place among the replies tells whether the key existed.
    Existed(usize),
}

/// Commands of one kind in a row become one command.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Set,
    SetExpiring,
    Delete,
    TellingDelete,
    InternalSet,
    InternalDelete,
}

impl Group {
    #[must_use]
    pub fn new(key_prefix: &str) -> Self {
        Group { layout: Layout::new(key_prefix) }
    }

    /// True if `batch` can be part of a group: it writes keys and needs to know nothing of what they hold.
    #[must_use]
    pub fn takes(batch: &Batch) -> bool {
        batch.checks.is_empty()
            && batch.range_checks.is_empty()
            && !batch.ops.is_empty()
            && batch.ops.iter().all(|op| match op {
                Op::Set { space, metadata, .. } => *space == Space::Internal || metadata.is_none(),
                Op::Delete { space, .. } => *space == Space::User || !batch.report,
                Op::Add { .. } | Op::DeleteRange { .. } => false,
            })
    }

    /// The transaction of `batches`, and what to do with its replies.
    pub fn pack(&self, batches: Vec<(Batch, Done)>) -> (Pipeline, Settle) {
        let mut pipe = redis::pipe();
        pipe.cmd("MULTI");
        let ops: Vec<(&Op, bool)> =
            batches.iter().flat_map(|(batch, _)| batch.ops.iter().map(|op| (op, batch.report))).collect();
        let mut told = Vec::new();
        let mut touched: Vec<&Key> = Vec::new();
        for run in ops.chunk_by(|a, b| kind(*a) == kind(*b) && !alone(kind(*a))) {
            for run in run.chunks(RUN) {
                let Some(first) = run.first() else { continue };
                for (op, report) in run {
                    if let Op::Set { space: Space::User, key, .. } | Op::Delete { space: Space::User, key } = op {
                        touched.push(key);
                    }
                    if *report {
                        told.push(self.told(op, pipe.len() - 1));
                    }
                }
                self.pack_run(kind(*first), run, &mut pipe);
            }
        }
        for keys in touched.chunks(RUN) {
            pipe.cmd("HDEL").arg(&self.layout.companions);
            for key in keys {
                pipe.arg(&key[..]);
            }
        }
        pipe.cmd("INCRBY").arg(&self.layout.seq).arg(batches.len()).cmd("EXEC");
        let dones = batches.into_iter().map(|(batch, done)| (done, if batch.report { batch.ops.len() } else { 0 }));
        let dones: Vec<(Done, usize)> = dones.collect();
        (pipe, Box::new(move |replies| settle_all(replies.and_then(executed), dones, told)))
    }

    fn told(&self, op: &Op, at: usize) -> Told {
        match op {
            Op::Set { space, value, expires_at, metadata, .. } => {
                match version_of_write(*space, value, *expires_at, metadata.as_ref()) {
                    Some(version) => Told::Known(Outcome::Set { version }),
                    None => Told::Known(Outcome::Cleared),
                }
            }
            Op::Delete { .. } => Told::Existed(at),
            Op::Add { .. } | Op::DeleteRange { .. } => Told::Known(Outcome::Cleared),
        }
    }

    /// Appends the commands of a run.
    fn pack_run(&self, kind: Kind, run: &[(&Op, bool)], pipe: &mut Pipeline) {
        let layout = &self.layout;
        match kind {
            Kind::Set | Kind::SetExpiring => {
                pipe.cmd(if run.len() == 1 { "SET" } else { "MSET" });
                for (op, _) in run {
                    let Op::Set { key, value, expires_at, .. } = op else { continue };
                    pipe.arg(layout.name(key)).arg(&value.to_text()[..]);
                    if let Some(at) = expires_at {
                        pipe.arg("PXAT").arg(expiry(*at));
                    }
                }
            }
            Kind::Delete | Kind::TellingDelete => {
                pipe.cmd("UNLINK");
                for (op, _) in run {
                    if let Op::Delete { key, .. } = op {
                        pipe.arg(layout.name(key));
                    }
                }
            }
            Kind::InternalSet => {
                pipe.cmd("ZADD").arg(&layout.names);
                for (op, _) in run {
                    if let Op::Set { key, .. } = op {
                        pipe.arg(0).arg(&key[..]);
                    }
                }
                pipe.cmd("HSET").arg(&layout.values);
                for (op, _) in run {
                    if let Op::Set { key, value, expires_at, metadata, .. } = op {
                        pipe.arg(&key[..]).arg(&internal_text(value, *expires_at, metadata.as_ref())[..]);
                    }
                }
            }
            Kind::InternalDelete => {
                for (name, place) in [("ZREM", &layout.names), ("HDEL", &layout.values)] {
                    pipe.cmd(name).arg(place);
                    for (op, _) in run {
                        if let Op::Delete { key, .. } = op {
                            pipe.arg(&key[..]);
                        }
                    }
                }
            }
        }
    }
}

fn kind((op, report): (&Op, bool)) -> Kind {
    match op {
        Op::Set { space: Space::User, expires_at: None, .. } => Kind::Set,
        Op::Set { space: Space::User, .. } => Kind::SetExpiring,
        Op::Set { space: Space::Internal, .. } | Op::Add { .. } => Kind::InternalSet,
        Op::Delete { space: Space::Internal, .. } => Kind::InternalDelete,
        Op::Delete { .. } | Op::DeleteRange { .. } if report => Kind::TellingDelete,
        Op::Delete { .. } | Op::DeleteRange { .. } => Kind::Delete,
    }
}

/// True for a kind of which each operation is a command of its own.
fn alone(kind: Kind) -> bool {
    matches!(kind, Kind::SetExpiring | Kind::TellingDelete)
}

/// The replies inside EXEC. The server executes all of a transaction or, if it refused a command, nothing.
pub fn executed(replies: Vec<Answer>) -> Result<Vec<Answer>> {
    let mut refusal: Option<Error> = None;
    for reply in replies {
        match reply {
            Answer::Array(items) => {
                return match items
                    .iter()
                    .find_map(|item| if let Answer::ServerError(text) = item { Some(text) } else { None })
                {
                    Some(text) => Err(refused(text)),
                    None => Ok(items),
                };
            }
            // The first refusal tells why; the last one only that EXEC was aborted.
            Answer::ServerError(text) => {
                refusal.get_or_insert_with(|| refused(&text));
            }
            _ => {}
        }
    }
    Err(refusal.unwrap_or_else(unexpected))
}

fn settle_all(replies: Result<Vec<Answer>>, dones: Vec<(Done, usize)>, told: Vec<Told>) {
    let last = replies.as_ref().ok().and_then(|replies| replies.last()).and_then(|reply| match reply {
        Answer::Int(seq) => u64::try_from(*seq).ok(),
        _ => None,
    });
    let first = last.unwrap_or(0).saturating_sub(dones.len() as u64) + 1;
    let mut told = told.into_iter();
    for (seq, (done, reported)) in (first..).zip(dones) {
        let result = match &replies {
            Err(error) => Err(error.clone()),
            Ok(_) if last.is_none() => Err(unexpected()),
            Ok(replies) => {
                let outcomes = told.by_ref().take(reported).map(|told| match told {
                    Told::Known(outcome) => outcome,
                    Told::Existed(at) => {
                        Outcome::Deleted { existed: matches!(replies.get(at), Some(Answer::Int(count)) if *count > 0) }
                    }
                });
                Ok(Reply::Commit(Commit { seq, outcomes: outcomes.collect() }))
            }
        };
        guarded(|| done(result));
    }
}
