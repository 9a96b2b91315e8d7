//! Intents: what a transaction over several engines will write to this one, committed before it is decided.
//!
//! An intent is a record of our own keyspace, so it is as durable as any commit. While it stands, no other batch
//! writes its keys: what is decided later overwrites nothing newer. `docs/formats/intent.md` describes the record.

use std::collections::{HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use super::{Engine, Item, PAGE_BYTES, Page, Projection, Report, View};
use crate::batch::{Batch, Check, Commit, IntentId, Op, Role, codec};
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record, now};
use crate::value::Value;

/// What the engines keep for themselves in our keyspace starts with this byte; what the models keep does not.
pub const RESERVED: u8 = 0;

/// Where intents lie in our keyspace.
const PREFIX: &[u8] = b"\0intent/";

/// Where `verify` puts what it sets aside, under the key it had.
const ASIDE: &[u8] = b"\0aside";

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

/// The keys of our keyspace that are the models': all that clearing an engine may delete.
#[must_use]
pub fn models() -> KeyRange {
    KeyRange { start: Bound::Included(Key::from_static(&[RESERVED + 1])), ..KeyRange::all() }
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
    /// Reads a stored intent. CORRUPTED if it is none, UNSUPPORTED_FORMAT if a newer version wrote it.
    pub fn read(key: &[u8], value: &Value) -> Result<Self> {
        let found = id_of(key).and_then(|id| {
            let Value::Binary(bytes) = value else { return None };
            let (sum, content) = bytes.split_first_chunk::<8>()?;
            let at = u64::from_le_bytes(*content.first_chunk::<8>()?);
            (u64::from_le_bytes(*sum) == checksum(key, content)).then(|| (id, at, bytes.slice(16..)))
        });
        let Some((id, at, ops)) = found else {
            return Err(Error::corrupted(
                "the record of an unfinished transaction over several engines is damaged; \
                 verify with repair sets it aside",
            )
            .at_key(key));
        };
        Ok(Intent { id, at, ops: codec::decode(&ops).map_err(|error| error.at_key(key))? })
    }

    /// The record of the intent.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut content = self.at.to_le_bytes().to_vec();
        content.extend_from_slice(&codec::encode(&self.ops));
        let mut bytes = checksum(&key(self.id), &content).to_le_bytes().to_vec();
        bytes.append(&mut content);
        Value::Binary(Bytes::from(bytes))
    }
}

/// Over the key too: a record under another key is another transaction's.
fn checksum(key: &[u8], content: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(key);
    hasher.update(content);
    hasher.digest()
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

/// Ends an intent. `None` if it does not stand any more: somebody has ended it. What cannot be read can be dropped. Blocks.
pub fn resolve<E: Engine + ?Sized>(engine: &E, id: IntentId, decision: Decision) -> Result<Option<Commit>> {
    let key = key(id);
    let Some(Record { value, version, .. }) = engine.view()?.get(Space::Internal, &key)? else { return Ok(None) };
    let mut ops = match decision {
        Decision::Apply => Intent::read(&key, &value)?.ops,
        Decision::Drop => Vec::new(),
    };
    ops.push(Op::Delete { space: Space::Internal, key: key.clone() });
    let checks = vec![Check { space: Space::Internal, key, version: Some(version) }];
    match engine.commit(Batch { checks, ops, role: Role::Resolve(id), ..Batch::default() }) {
        Ok(commit) => Ok(Some(commit)),
        Err(error) if error.code() == Code::Conflict => Ok(None),
        Err(error) => Err(error),
    }
}

/// The records of intents as a store holds them.
#[derive(Debug, Default)]
pub struct Found {
    records: Vec<(Key, Value)>,
    /// Why there may be more than could be read.
    damage: Option<Error>,
}

impl Found {
    /// Reads the records by pages of [`range`], each behind the key it is called with. Damage does not fail it.
    pub fn read(mut scan: impl FnMut(&KeyRange, Option<&[u8]>) -> Result<Page>) -> Result<Self> {
        let range = range();
        let mut found = Found::default();
        let mut after: Option<Key> = None;
        loop {
            let page = match scan(&range, after.as_deref()) {
                Ok(page) => page,
                Err(error) if error.code() == Code::Corrupted => {
                    found.damage = Some(error);
                    return Ok(found);
                }
                Err(error) => return Err(error),
            };
            found.records.extend(page.entries.into_iter().filter_map(|(key, item)| match item {
                Item::Value(value) => Some((key, value)),
                Item::Key | Item::Record(_) => None,
            }));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(found),
            }
        }
    }

    /// The records in a view.
    pub fn in_view<V: View + ?Sized>(view: &V) -> Result<Self> {
        Found::read(|range, after| view.scan(Space::Internal, range, Projection::Values, after, PAGE_BYTES))
    }
}

/// The intents that stand in a view, in the order of their ids. CORRUPTED if one cannot be read.
pub fn standing<V: View + ?Sized>(view: &V) -> Result<Vec<Intent>> {
    let found = Found::in_view(view)?;
    match found.damage {
        Some(error) => Err(error),
        None => found.records.iter().map(|(key, value)| Intent::read(key, value)).collect(),
    }
}

/// Reports each intent that cannot be read; with `repair`, sets it aside, so that it holds nothing any more. Blocks.
pub fn verify<E: Engine + ?Sized>(engine: &E, repair: bool, report: &mut Report) -> Result<()> {
    let view = engine.view()?;
    // What keeps the records from being read is told by the engine's own check.
    for (key, value) in Found::in_view(&*view)?.records {
        let Err(error) = Intent::read(&key, &value) else { continue };
        report.errors.push(error.in_engine(engine.name()));
        if repair {
            let aside = Key::from([ASIDE, &key].concat());
            engine.commit(Batch {
                ops: vec![
                    Op::Set { space: Space::Internal, key: aside, value, expires_at: None, metadata: None },
                    Op::Delete { space: Space::Internal, key: key.clone() },
                ],
                role: id_of(&key).map_or(Role::None, Role::Resolve),
                ..Batch::default()
            })?;
        }
    }
    Ok(())
}

/// The keys that intents hold, for whoever commits. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Intents {
    standing: Arc<HashMap<IntentId, Arc<Held>>>,
    /// Set if the store may hold intents that could not be read.
    damage: Option<Error>,
    /// Other processes may make intents in this store, too.
    shared: bool,
}

#[derive(Debug)]
enum Held {
    /// Nobody can tell which keys.
    Anything(Error),
    Keys(Keys),
}

#[derive(Debug, Default)]
struct Keys {
    /// By keyspace.
    single: [HashSet<Key>; 2],
    ranges: Vec<(Space, KeyRange)>,
    /// When the intent was made, if by somebody else: another process, or this one before it crashed.
    found: Option<Millis>,
}

impl Keys {
    fn new(ops: &[Op], found: Option<Millis>) -> Self {
        let mut held = Keys { found, ..Keys::default() };
        for op in ops {
            match op {
                Op::DeleteRange { space, range } => held.ranges.push((*space, range.clone())),
                op => {
                    if let Some((space, key)) = op.key() {
                        held.single_mut(space).insert(key.clone());
                    }
                }
            }
        }
        held
    }

    fn single(&self, space: Space) -> &HashSet<Key> {
        let [user, internal] = &self.single;
        if space == Space::User { user } else { internal }
    }

    fn single_mut(&mut self, space: Space) -> &mut HashSet<Key> {
        let [user, internal] = &mut self.single;
        if space == Space::User { user } else { internal }
    }

    /// A key of `op` that is held; empty where two ranges meet.
    fn holds(&self, op: &Op) -> Option<Key> {
        let mut ranges = self.ranges.iter();
        match op {
            Op::DeleteRange { space, range } => {
                let key = self.single(*space).iter().find(|key| range.spans(key)).cloned();
                let mut meets = || ranges.any(|(in_space, held)| in_space == space && held.overlaps(range));
                key.or_else(|| meets().then(Key::new))
            }
            op => {
                let (space, key) = op.key()?;
                let held = self.single(space).contains(key)
                    || ranges.any(|(in_space, range)| *in_space == space && range.spans(key));
                held.then(|| key.clone())
            }
        }
    }
}

impl Intents {
    /// What was found in a store. `shared` if other processes may have the store open.
    #[must_use]
    pub fn new(found: Found, shared: bool) -> Self {
        let mut intents = Intents { shared, ..Intents::default() };
        intents.replace(found);
        intents
    }

    /// Takes what was found for what stands. Those of this process stay known as its own.
    pub fn replace(&mut self, found: Found) {
        let held = |(key, value): (Key, Value)| {
            let id = id_of(&key)?;
            if let Some(known) = self.standing.get(&id) {
                return Some((id, known.clone()));
            }
            let held = match Intent::read(&key, &value) {
                Ok(intent) => Held::Keys(Keys::new(&intent.ops, Some(intent.at))),
                Err(error) => Held::Anything(error),
            };
            Some((id, Arc::new(held)))
        };
        self.standing = Arc::new(found.records.into_iter().filter_map(held).collect());
        self.damage = found.damage;
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.standing.is_empty() && self.damage.is_none()
    }

    /// How many stand, as far as they could be read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.standing.len()
    }

    /// CONFLICT if `batch` writes a key that an intent holds; LOCKED where that is left of a crash; CORRUPTED while there
    /// are intents that cannot be read. What ends an intent is never refused.
    pub fn refuse(&self, batch: &Batch, now: Millis) -> Result<()> {
        // No two intents hold one key.
        if self.is_empty() || matches!(batch.role, Role::Resolve(_)) {
            return Ok(());
        }
        if let Some(damage) = &self.damage {
            return Err(damage.clone());
        }
        // What is prepared is an intent itself, with ops of its own.
        let prepared = if let Role::Prepare(_) = batch.role { Some(prepared_ops(batch)?) } else { None };
        let ops = prepared.as_deref().unwrap_or(&batch.ops);
        for (id, held) in &*self.standing {
            let held = match &**held {
                Held::Anything(error) => return Err(error.clone()),
                Held::Keys(held) => held,
            };
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
                let held = Held::Keys(Keys::new(&prepared_ops(batch)?, None));
                Arc::make_mut(&mut self.standing).insert(id, Arc::new(held));
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
