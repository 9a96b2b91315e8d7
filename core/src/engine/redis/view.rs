//! Ordered reads. A server has no snapshots: a view shows each key as it is when it is read, and the names a
//! range has when its first page is read. A transaction's view fails where its reads do not fit together.

use std::sync::Arc;

use once_cell::sync::OnceCell;
use parking_lot::Mutex;
use redis::{Pipeline, Value as Answer};

use super::Shared;
use super::fault::unexpected;
use super::layout::Layout;
use super::link::Link;
use super::pool::Scans;
use super::read::{RECORD, array, check_types, inside, internal, many, pack_many, pack_record, record, types};
use super::scan;
use super::script::lex_bounds;
use super::validation::Fit;
use crate::engine::{Item, Page, Projection, View};
use crate::error::Result;
use crate::key::{Key, KeyRange, Space};
use crate::record::Record;
use crate::value::Value;

/// Keys asked for first: what values weigh is only known when they are here.
const FIRST: usize = 16;
/// Keys asked for at once at most.
const AT_ONCE: usize = 2048;
/// Names a page of keys alone holds at most.
const NAMES: usize = 4096;
/// Ranges whose names a view remembers.
const RANGES: usize = 4;

pub struct RedisView {
    source: Source,
    layout: Layout,
    gathered: Mutex<Vec<(KeyRange, Arc<Vec<Key>>)>>,
}

enum Source {
    Loose {
        scans: Arc<Scans>,
        /// The connection this view reads over, chosen by its first read: making one blocks.
        link: OnceCell<Arc<Link>>,
    },
    /// Of a transaction: it reads over the connection that carries all else, behind what was requested before.
    Fit { shared: Arc<Shared>, fit: Fit },
}

/// Names in the range's order.
struct Names {
    keys: Vec<Key>,
    more: bool,
    /// The server has shown them just now.
    fresh: bool,
}

impl RedisView {
    #[must_use]
    pub fn new(scans: Arc<Scans>, layout: Layout) -> Self {
        RedisView { source: Source::Loose { scans, link: OnceCell::new() }, layout, gathered: Mutex::default() }
    }

    /// The view of a transaction.
    #[must_use]
    pub fn fitting(shared: Arc<Shared>) -> Self {
        let layout = shared.layout.clone();
        RedisView { source: Source::Fit { shared, fit: Fit::default() }, layout, gathered: Mutex::default() }
    }

    fn link(&self) -> Result<&Link> {
        match &self.source {
            Source::Loose { scans, link } => link.get_or_try_init(|| scans.link()).map(AsRef::as_ref),
            Source::Fit { shared, .. } => {
                shared.await_turn()?;
                Ok(&shared.link)
            }
        }
    }

    /// The replies to commands.
    fn call(&self, pipe: &Pipeline) -> Result<Vec<Answer>> {
        match &self.source {
            Source::Loose { .. } => self.link()?.call(pipe, false),
            Source::Fit { fit, .. } => fit.ask(self.link()?, &self.layout, pipe),
        }
    }

    /// The replies to commands, as of one moment.
    fn call_at_once(&self, pipe: &Pipeline) -> Result<Vec<Answer>> {
        match &self.source {
            Source::Loose { .. } => {
                let mut whole = redis::pipe();
                whole.cmd("MULTI");
                for cmd in pipe.cmd_iter() {
                    whole.add_command(cmd.clone());
                }
                whole.cmd("EXEC");
                inside(self.link()?.call(&whole, false)?)
            }
            Source::Fit { .. } => self.call(pipe),
        }
    }

    /// The names of a range, gathered when it is first asked for, and whether that was now.
    fn names(&self, range: &KeyRange) -> Result<(Arc<Vec<Key>>, bool)> {
        let known = self.gathered.lock().iter().find(|(of, _)| same(of, range)).map(|(_, names)| names.clone());
        if let Some(names) = known {
            return Ok((names, false));
        }
        let names = Arc::new(scan::sorted(self.link()?, &self.layout, range)?);
        if let Source::Fit { .. } = self.source {
            // Nobody has committed while they were gathered.
            self.call(&redis::pipe())?;
        }
        let mut gathered = self.gathered.lock();
        if gathered.len() == RANGES {
            gathered.remove(0);
        }
        gathered.push((range.clone(), names.clone()));
        Ok((names, true))
    }

    /// The next names of a user range.
    fn user_names(&self, range: &KeyRange, after: Option<&[u8]>, limit: usize) -> Result<Names> {
        let (names, fresh) = self.names(range)?;
        let (keys, rest): (Vec<Key>, usize) = match (range.reverse, after) {
            (false, after) => {
                let from = after.map_or(0, |after| names.partition_point(|name| name.as_ref() <= after));
                let rest = names.get(from..).unwrap_or_default();
                (rest.iter().take(limit).cloned().collect(), rest.len())
            }
            (true, after) => {
                let to = after.map_or(names.len(), |after| names.partition_point(|name| name.as_ref() < after));
                let rest = names.get(..to).unwrap_or_default();
                (rest.iter().rev().take(limit).cloned().collect(), rest.len())
            }
        };
        let more = rest > keys.len();
        Ok(Names { keys, more, fresh })
    }

    /// The next names of the internal keyspace, whether the range selects them or not.
    fn internal_names(&self, range: &KeyRange, after: Option<&[u8]>, limit: usize) -> Result<Names> {
        let rest = after.map_or_else(|| range.clone(), |key| range.after(key));
        if rest.is_empty() {
            return Ok(Names { keys: Vec::new(), more: false, fresh: true });
        }
        let (low, high) = lex_bounds(&rest);
        let mut pipe = redis::pipe();
        pipe.cmd("ZRANGE").arg(&self.layout.names);
        if range.reverse {
            pipe.arg(high).arg(low).arg("BYLEX").arg("REV");
        } else {
            pipe.arg(low).arg(high).arg("BYLEX");
        }
        pipe.arg("LIMIT").arg(0).arg(limit);
        let keys = array(self.call(&pipe)?.pop())?.into_iter().filter_map(|item| match item {
            Answer::BulkString(key) => Some(Key::from(key)),
            _ => None,
        });
        let keys: Vec<Key> = keys.collect();
        let more = keys.len() == limit;
        Ok(Names { keys, more, fresh: true })
    }

    /// What the keys hold now, as far as it is asked for. Absent ones are `None`.
    fn items(&self, space: Space, keys: &[Key], fresh: bool, what: Projection) -> Result<Vec<Option<Item>>> {
        match (space, what) {
            (_, _) if keys.is_empty() => Ok(Vec::new()),
            (Space::User, Projection::Keys) if fresh => Ok(vec![Some(Item::Key); keys.len()]),
            // Named by an earlier page: they may have expired since.
            (Space::User, Projection::Keys) => {
                let mut pipe = redis::pipe();
                for key in keys {
                    pipe.cmd("EXISTS").arg(self.layout.name(key));
                }
                let replies = self.call(&pipe)?;
                Ok(replies.into_iter().map(|reply| (reply == Answer::Int(1)).then_some(Item::Key)).collect())
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
                if replies.len() != keys.len() * RECORD {
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
        let (values, absent) = many(keys, self.call(&pipe)?)?;
        if !absent.is_empty() {
            check_types(&absent, self.call(&types(&self.layout, &absent))?)?;
        }
        Ok(values)
    }
}

impl View for RedisView {
    fn seq(&self) -> u64 {
        match &self.source {
            Source::Loose { .. } => 0,
            Source::Fit { fit, .. } => fit.seq(),
        }
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Record>> {
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
        if let Source::Fit { fit, .. } = &self.source {
            fit.note(space, key, found.as_ref().map(|record| record.version))?;
        }
        Ok(found)
    }

    fn scan(
        &self,
        space: Space,
        range: &KeyRange,
        what: Projection,
        after: Option<&[u8]>,
        max_bytes: usize,
    ) -> Result<Page> {
        if range.is_empty() {
            return Ok(Page::default());
        }
        let page = || self.page(space, range, what, after, max_bytes);
        match &self.source {
            Source::Loose { .. } => page(),
            Source::Fit { fit, .. } => fit.page(self.link()?, &self.layout, || self.gathered.lock().clear(), page),
        }
    }
}

impl RedisView {
    fn page(
        &self,
        space: Space,
        range: &KeyRange,
        what: Projection,
        after: Option<&[u8]>,
        max_bytes: usize,
    ) -> Result<Page> {
        let mut page = Page::default();
        let mut after: Option<Key> = after.map(Key::copy_from_slice);
        let mut size = 0;
        // A small limit needs no large reply.
        let most = range.limit.map_or(NAMES, |limit| limit.saturating_add(1));
        let mut at_once = if space == Space::User && what == Projection::Keys { NAMES } else { FIRST };
        loop {
            let Names { keys, more, fresh } = match space {
                Space::User => self.user_names(range, after.as_deref(), at_once.min(most))?,
                Space::Internal => self.internal_names(range, after.as_deref(), at_once.min(most))?,
            };
            let Some(last) = keys.last().cloned() else { return Ok(Page { next: None, ..page }) };
            let selected: Vec<Key> = match space {
                Space::User => keys,
                Space::Internal => keys.into_iter().filter(|key| range.selects(key)).collect(),
            };
            let items = self.items(space, &selected, fresh, what)?;
            if items.len() != selected.len() {
                return Err(unexpected());
            }
            for (key, item) in selected.into_iter().zip(items) {
                let Some(item) = item else { continue };
                size += key.len() + weight(&item);
                page.entries.push((key.clone(), item));
                if size >= max_bytes && (more || key != last) {
                    return Ok(Page { next: Some(key), ..page });
                }
            }
            if !more {
                return Ok(Page { next: None, ..page });
            }
            if range.limit.is_some_and(|limit| page.entries.len() >= limit) {
                return Ok(Page { next: Some(last), ..page });
            }
            if what != Projection::Keys || space == Space::Internal {
                let each = size.checked_div(page.entries.len()).unwrap_or(0).max(1);
                at_once = (max_bytes.saturating_sub(size) / each).clamp(FIRST, AT_ONCE);
            }
            after = Some(last);
        }
    }
}

fn weight(item: &Item) -> usize {
    match item {
        Item::Key => 16,
        Item::Value(value) => value.len(),
        Item::Record(record) => record.value.len(),
    }
}

/// True if two ranges hold the same keys; direction and limit are matters of reading.
fn same(a: &KeyRange, b: &KeyRange) -> bool {
    a.start == b.start && a.end == b.end && a.pattern == b.pattern && a.except == b.except
}
