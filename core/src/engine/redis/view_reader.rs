//! The reads of a view: over a connection of the pool, or for a transaction over the main connection with read
//! validation.

use std::sync::Arc;
use std::time::Instant;

use redis::{Pipeline, Value as RespValue};

use super::fault::unexpected;
use super::link::{Effect, Link};
use super::queue::RequestQueue;
use super::read::{RECORD_REPLIES, check_types, internal, pack_many, pack_record, record, types, user_values};
use super::reply::{array, exec_items};
use super::scan;
use super::script::lex_bounds;
use super::validation::Validation;
use crate::engine::{Item, Projection};
use crate::error::Result;
use crate::format::redis::Layout;
use crate::key::{Key, KeyRange, Space};
use crate::record::Record;
use crate::value::Value;

pub(super) struct ViewReader {
    layout: Layout,
    source: Source,
}

enum Source {
    /// A connection for scans.
    Pool(Arc<Link>),
    /// The main connection: reads of a transaction come behind what was requested before.
    Transaction { link: Arc<Link>, queue: Arc<RequestQueue>, validation: Validation },
}

impl ViewReader {
    pub(super) fn over(link: Arc<Link>, layout: Layout) -> Self {
        ViewReader { layout, source: Source::Pool(link) }
    }

    pub(super) fn of_transaction(link: Arc<Link>, queue: Arc<RequestQueue>, layout: Layout) -> Self {
        ViewReader { layout, source: Source::Transaction { link, queue, validation: Validation::default() } }
    }

    /// The commit that all reads belong to; 0 where they need not belong together.
    pub(super) fn seq(&self) -> u64 {
        match &self.source {
            Source::Pool(_) => 0,
            Source::Transaction { validation, .. } => validation.seq(),
        }
    }

    fn link(&self) -> Result<&Link> {
        match &self.source {
            Source::Pool(link) => Ok(link),
            Source::Transaction { link, queue, .. } => {
                let since = Instant::now();
                queue.wait_turn()?;
                link.wait_for_connection(since)?;
                Ok(link)
            }
        }
    }

    /// The replies to commands.
    fn call(&self, pipe: &Pipeline) -> Result<Vec<RespValue>> {
        match &self.source {
            Source::Pool(_) => self.link()?.call(pipe, Effect::Read),
            Source::Transaction { validation, .. } => validation.read(self.link()?, &self.layout, pipe),
        }
    }

    /// The replies to commands, as of one moment.
    fn call_at_once(&self, pipe: &Pipeline) -> Result<Vec<RespValue>> {
        match &self.source {
            Source::Pool(_) => {
                let mut whole = redis::pipe();
                whole.cmd("MULTI");
                for cmd in pipe.cmd_iter() {
                    whole.add_command(cmd.clone());
                }
                whole.cmd("EXEC");
                exec_items(self.link()?.call(&whole, Effect::Read)?)
            }
            Source::Transaction { .. } => self.call(pipe),
        }
    }

    /// Reads a page of a range by `read`. `forget` is called before the page is read again.
    pub(super) fn page<T>(&self, forget: impl Fn(), mut read: impl FnMut() -> Result<T>) -> Result<T> {
        match &self.source {
            Source::Pool(_) => read(),
            Source::Transaction { validation, .. } => validation.page(self.link()?, &self.layout, forget, read),
        }
    }

    /// The record of a key.
    pub(super) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Record>> {
        let mut pipe = redis::pipe();
        let found = match space {
            Space::User => {
                pack_record(&mut pipe, &self.layout, key);
                record(key, &mut self.call_at_once(&pipe)?.into_iter())?
            }
            Space::Internal => {
                pipe.cmd("HGET").arg(&self.layout.values).arg(key);
                internal(key, self.call(&pipe)?.pop())?
            }
        };
        if let Source::Transaction { validation, .. } = &self.source {
            validation.note(space, key, found.as_ref().map(|record| record.version))?;
        }
        Ok(found)
    }

    /// Every user key in `range`, in order.
    pub(super) fn user_keys(&self, range: &KeyRange) -> Result<Vec<Key>> {
        let keys = scan::sorted(self.link()?, &self.layout, range)?;
        if let Source::Transaction { .. } = self.source {
            // CONFLICT if others have committed meanwhile.
            self.call(&redis::pipe())?;
        }
        Ok(keys)
    }

    /// The first `limit` keys of the internal keyspace in the interval of `range`, in its direction.
    pub(super) fn internal_keys(&self, range: &KeyRange, limit: usize) -> Result<Vec<Key>> {
        let (low, high) = lex_bounds(range);
        let mut pipe = redis::pipe();
        pipe.cmd("ZRANGE").arg(&self.layout.names);
        if range.reverse {
            pipe.arg(high).arg(low).arg("BYLEX").arg("REV");
        } else {
            pipe.arg(low).arg(high).arg("BYLEX");
        }
        pipe.arg("LIMIT").arg(0).arg(limit);
        let keys = array(self.call(&pipe)?.pop())?.into_iter().filter_map(|item| match item {
            RespValue::BulkString(key) => Some(Key::from(key)),
            _ => None,
        });
        Ok(keys.collect())
    }

    /// The items of `keys`, as far as the projection asks for them. An absent key has none.
    pub(super) fn items(&self, space: Space, keys: &[Key], what: Projection) -> Result<Vec<Option<Item>>> {
        match (space, what) {
            (_, _) if keys.is_empty() => Ok(Vec::new()),
            (Space::User, Projection::Keys) => {
                let mut pipe = redis::pipe();
                for key in keys {
                    pipe.cmd("EXISTS").arg(self.layout.name(key));
                }
                let replies = self.call(&pipe)?;
                Ok(replies.into_iter().map(|reply| (reply == RespValue::Int(1)).then_some(Item::Key)).collect())
            }
            (Space::User, Projection::Values) => {
                let values = self.user_values(keys)?;
                Ok(values.into_iter().map(|value| value.map(Item::Value)).collect())
            }
            (Space::User, Projection::Records) => {
                let mut pipe = redis::pipe();
                for key in keys {
                    pack_record(&mut pipe, &self.layout, key);
                }
                let mut replies = self.call_at_once(&pipe)?.into_iter();
                if replies.len() != keys.len() * RECORD_REPLIES {
                    return Err(unexpected());
                }
                let records = keys.iter().map(|key| record(key, &mut replies));
                records.map(|record| Ok(record?.map(|record| Item::Record(Box::new(record))))).collect()
            }
            (Space::Internal, what) => {
                let mut pipe = redis::pipe();
                pack_many(&mut pipe, &self.layout, Space::Internal, keys);
                let texts = array(self.call(&pipe)?.pop())?;
                let item = |record: Record| Item::of(record, what);
                keys.iter().zip(texts).map(|(key, text)| Ok(internal(key, Some(text))?.map(item))).collect()
            }
        }
    }

    fn user_values(&self, keys: &[Key]) -> Result<Vec<Option<Value>>> {
        let mut pipe = redis::pipe();
        pack_many(&mut pipe, &self.layout, Space::User, keys);
        let (values, absent) = user_values(keys, self.call(&pipe)?)?;
        if !absent.is_empty() {
            check_types(&absent, self.call(&types(&self.layout, &absent))?)?;
        }
        Ok(values)
    }
}
