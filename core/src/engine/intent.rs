//! Intents: what a transaction over several engines will write to this one, committed before it is decided.
//!
//! An intent is a record of our own keyspace, so it is as durable as any commit. While it stands, no other batch
//! writes its keys: what is decided later overwrites nothing newer. `docs/formats/intent.md` describes the record.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use super::{Engine, Item, Projection, View, for_each_page};
use crate::batch::{Batch, Check, Commit, IntentId, Op, Role, codec};
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record, now};
use crate::value::Value;

/// What the engines keep for themselves in our keyspace starts with this byte; what the models keep does not.
pub const RESERVED: u8 = 0;

/// Where intents lie in our keyspace.
const PREFIX: &[u8] = b"\0intent/";

/// After so long an intent of another process is taken for one of a crash: its keys are LOCKED, no longer in CONFLICT.
const PATIENCE: Millis = 30_000;

/// What a log decides about an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The transaction was committed: what it intended is written.
    Apply,
    /// It was not: nothing is written.
    Drop,
}

/// Where the record of an intent lies.
#[must_use]
pub fn key(id: IntentId) -> Key {
    let mut key = PREFIX.to_vec();
    key.extend_from_slice(&id.log.to_be_bytes());
    key.extend_from_slice(&id.number.to_be_bytes());
    key.into()
}

/// The keys of all intents.
#[must_use]
pub fn range() -> KeyRange {
    KeyRange::prefix(PREFIX)
}

fn id_of(key: &[u8]) -> Option<IntentId> {
    let (log, number) = key.strip_prefix(PREFIX)?.split_at_checked(8)?;
    Some(IntentId {
        log: u64::from_be_bytes(log.try_into().ok()?),
        number: u64::from_be_bytes(number.try_into().ok()?),
    })
}

/// An intent as it is stored.
#[derive(Clone, Debug)]
pub struct Intent {
    pub id: IntentId,
    /// When it was made.
    pub at: Millis,
    pub ops: Vec<Op>,
}

impl Intent {
    /// Reads a stored intent. CORRUPTED if it is none.
    pub fn read(key: &[u8], value: &Value) -> Result<Self> {
        let damaged = || Error::corrupted("the record of an unfinished transaction is damaged");
        let Value::Binary(bytes) = value else { return Err(damaged()) };
        let id = id_of(key).ok_or_else(damaged)?;
        let at = bytes.first_chunk::<8>().map(|at| u64::from_le_bytes(*at)).ok_or_else(damaged)?;
        Ok(Intent { id, at, ops: codec::decode(&bytes.slice(8..))? })
    }

    fn to_value(&self) -> Value {
        let mut bytes = self.at.to_le_bytes().to_vec();
        bytes.extend_from_slice(&codec::encode(&self.ops));
        Value::Binary(Bytes::from(bytes))
    }
}

/// The batch that makes `batch` an intent, if its checks hold.
#[must_use]
pub fn prepare(id: IntentId, batch: Batch) -> Batch {
    let intent = Intent { id, at: now(), ops: batch.ops };
    let record =
        Op::Set { space: Space::Internal, key: key(id), value: intent.to_value(), expires_at: None, metadata: None };
    Batch {
        checks: batch.checks,
        range_checks: batch.range_checks,
        ops: vec![record],
        report: false,
        as_of: batch.as_of,
        role: Role::Prepare(id),
    }
}

/// The batch that ends the intent stored as `record`.
fn resolution(intent: Intent, record: &Record, decision: Decision) -> Batch {
    let mut ops = if decision == Decision::Apply { intent.ops } else { Vec::new() };
    ops.push(Op::Delete { space: Space::Internal, key: key(intent.id) });
    Batch {
        checks: vec![Check { space: Space::Internal, key: key(intent.id), version: Some(record.version) }],
        ops,
        role: Role::Resolve(intent.id),
        ..Batch::default()
    }
}

/// Ends an intent. `None` if it does not stand any more: somebody has ended it. Blocks.
pub fn resolve<E: Engine + ?Sized>(engine: &E, id: IntentId, decision: Decision) -> Result<Option<Commit>> {
    let key = key(id);
    let Some(record) = engine.view()?.get(Space::Internal, &key)? else { return Ok(None) };
    let intent = Intent::read(&key, &record.value)?;
    match engine.commit(resolution(intent, &record, decision)) {
        Ok(commit) => Ok(Some(commit)),
        Err(error) if error.code() == Code::Conflict => Ok(None),
        Err(error) => Err(error),
    }
}

/// The intents that stand in a view, in the order of their ids.
pub fn standing<V: View + ?Sized>(view: &V) -> Result<Vec<Intent>> {
    let mut found = Vec::new();
    for_each_page(view, Space::Internal, &range(), Projection::Values, |page| {
        for (key, item) in page {
            if let Item::Value(value) = item {
                found.push(Intent::read(&key, &value)?);
            }
        }
        Ok(true)
    })?;
    Ok(found)
}

/// The keys that intents hold, for whoever commits. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Intents {
    standing: Arc<HashMap<IntentId, Held>>,
    /// Other processes may make intents in this store, too.
    shared: bool,
}

#[derive(Clone, Debug, Default)]
struct Held {
    keys: HashSet<(Space, Key)>,
    ranges: Vec<(Space, KeyRange)>,
    /// When it was made, if by somebody else: another process, or this one before it crashed.
    found: Option<Millis>,
}

impl Held {
    fn new(ops: &[Op], found: Option<Millis>) -> Self {
        let mut held = Held { found, ..Held::default() };
        for op in ops {
            match op {
                Op::DeleteRange { space, range } => held.ranges.push((*space, range.clone())),
                op => held.keys.extend(op.key().map(|(space, key)| (space, key.clone()))),
            }
        }
        held
    }

    /// A key of `op` that is held.
    fn holds(&self, op: &Op) -> Option<Key> {
        match op {
            Op::DeleteRange { space, range } => {
                let key = self.keys.iter().find(|(in_space, key)| in_space == space && range.spans(key));
                key.map(|(_, key)| key.clone()).or_else(|| {
                    let overlaps = |(in_space, held): &&(Space, KeyRange)| in_space == space && held.overlaps(range);
                    self.ranges.iter().find(overlaps).map(|_| Key::new())
                })
            }
            op => {
                let (space, key) = op.key()?;
                let held = self.keys.contains(&(space, key.clone()))
                    || self.ranges.iter().any(|(in_space, range)| *in_space == space && range.spans(key));
                held.then(|| key.clone())
            }
        }
    }
}

impl Intents {
    /// What was found in a store. `shared` if other processes may have the store open.
    #[must_use]
    pub fn new(found: Vec<Intent>, shared: bool) -> Self {
        let held = |intent: Intent| (intent.id, Held::new(&intent.ops, Some(intent.at)));
        Intents { standing: Arc::new(found.into_iter().map(held).collect()), shared }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.standing.is_empty()
    }

    /// How many stand.
    #[must_use]
    pub fn len(&self) -> usize {
        self.standing.len()
    }

    /// CONFLICT if `batch` writes a key that an intent holds; LOCKED where that is left of a crash.
    pub fn refuse(&self, batch: &Batch, now: Millis) -> Result<()> {
        if self.standing.is_empty() {
            return Ok(());
        }
        let own = match batch.role {
            Role::Resolve(id) => Some(id),
            Role::None | Role::Prepare(_) => None,
        };
        // What is prepared is an intent itself, with ops of its own.
        let prepared = if let Role::Prepare(_) = batch.role { Some(prepared_ops(batch)?) } else { None };
        let ops = prepared.as_deref().unwrap_or(&batch.ops);
        for (id, held) in self.standing.iter().filter(|(id, _)| Some(**id) != own) {
            let Some(key) = ops.iter().find_map(|op| held.holds(op)) else { continue };
            let left = held.found.is_some_and(|at| !self.shared || now.saturating_sub(at) > PATIENCE);
            return Err(if left { locked(*id, &key) } else { Error::conflict(&key) });
        }
        Ok(())
    }

    /// Notes that `batch` takes effect.
    pub fn note(&mut self, batch: &Batch) -> Result<()> {
        match batch.role {
            Role::None => {}
            Role::Prepare(id) => {
                let held = Held::new(&prepared_ops(batch)?, None);
                Arc::make_mut(&mut self.standing).insert(id, held);
            }
            Role::Resolve(id) => {
                Arc::make_mut(&mut self.standing).remove(&id);
            }
        }
        Ok(())
    }
}

/// The operations inside a batch made by [`prepare`].
fn prepared_ops(batch: &Batch) -> Result<Vec<Op>> {
    match batch.ops.as_slice() {
        [Op::Set { key, value, .. }] => Ok(Intent::read(key, value)?.ops),
        _ => Err(Error::new(Code::InvalidArgument, "an intent is written alone")),
    }
}

fn locked(id: IntentId, key: &[u8]) -> Error {
    Error::new(
        Code::Locked,
        format!(
            "a transaction over several engines was left unfinished and holds this key; open the store with the transaction \
             log it was made with (transactions.path, log {:016x}), which finishes it",
            id.log
        ),
    )
    .at_key(key)
}
