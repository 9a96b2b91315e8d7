//! Reads of single keys: the commands for the server, and the records in their replies.

use std::sync::Arc;
use std::time::Instant;

use redis::{Pipeline, Value as RespValue};

use super::fault::{closed, not_a_string, refused, unexpected};
use super::link::{Effect, Link, OnReply};
use super::reply::{array, commit_number, exec_items, string};
use crate::engine::{Done, Read, Reply};
use crate::error::Result;
use crate::format::redis::{Layout, internal_record, user_record, user_value};
use crate::key::{Key, Space};
use crate::record::{Record, now};
use crate::value::Value;

/// Sends a read that was requested at `since` over `link`.
pub(super) fn submit(link: &Arc<Link>, layout: &Layout, read: Read, since: Instant, done: Done) {
    let mut pipe = redis::pipe();
    match &read {
        Read::Get(Space::User, key) => {
            pipe.cmd("GET").arg(layout.name(key));
        }
        Read::Has(Space::User, key) => {
            pipe.cmd("EXISTS").arg(layout.name(key));
        }
        Read::Entry(Space::User, key) => {
            pipe.cmd("MULTI");
            pack_record(&mut pipe, layout, key);
            pipe.cmd("EXEC");
        }
        Read::Get(Space::Internal, key) | Read::Has(Space::Internal, key) | Read::Entry(Space::Internal, key) => {
            pipe.cmd("HGET").arg(&layout.values).arg(&key[..]);
        }
        Read::Many(_, keys) if keys.is_empty() => return done(Ok(Reply::Values(Vec::new()))),
        Read::Many(space, keys) => pack_many(&mut pipe, layout, *space, keys),
    }
    let weak = Arc::downgrade(link);
    let layout = (matches!(read, Read::Many(Space::User, _))).then(|| layout.clone());
    let on_reply: OnReply = Box::new(move |replies| {
        let replies = match replies {
            Ok(replies) => replies,
            Err(error) => return done(Err(error)),
        };
        match (read, layout) {
            (Read::Many(Space::User, keys), Some(layout)) => match user_values(&keys, replies) {
                Ok((values, absent)) if absent.is_empty() => done(Ok(Reply::Values(values))),
                Ok((values, absent)) => {
                    let Some(link) = weak.upgrade() else { return done(Err(closed())) };
                    let pipe = types(&layout, &absent);
                    let on_types: OnReply = Box::new(move |types| {
                        let checked = types.and_then(|types| check_types(&absent, types));
                        done(checked.map(|()| Reply::Values(values)));
                    });
                    link.submit_commands(&pipe, Effect::Read, on_types);
                }
                Err(error) => done(Err(error)),
            },
            (read, _) => done(answer(&read, replies)),
        }
    });
    link.submit_commands_since(since, &pipe, Effect::Read, on_reply);
}

/// The answer to a read, but for values of several user keys.
fn answer(read: &Read, mut replies: Vec<RespValue>) -> Result<Reply> {
    match read {
        Read::Get(Space::User, key) => {
            let text = string(key, replies.pop())?;
            Ok(Reply::Value(text.map(|text| user_value(key, text)).transpose()?))
        }
        Read::Has(Space::User, _) => match replies.pop() {
            Some(RespValue::Int(count)) => Ok(Reply::Has(count > 0)),
            Some(RespValue::ServerError(error)) => Err(refused(&error)),
            _ => Err(unexpected()),
        },
        Read::Entry(Space::User, key) => {
            let mut items = exec_items(replies).map_err(|error| error.at_key(key))?.into_iter();
            read.answer(|_, key| record(key, &mut items))
        }
        Read::Many(Space::User, _) => Err(unexpected()),
        Read::Many(Space::Internal, _) => {
            let mut texts = array(replies.pop())?.into_iter();
            read.answer(|_, key| internal(key, texts.next()))
        }
        Read::Get(..) | Read::Has(..) | Read::Entry(..) => read.answer(|_, key| internal(key, replies.pop())),
    }
}

/// The number of the latest commit. Blocks.
pub(super) fn latest_commit(link: &Link, layout: &Layout) -> Result<u64> {
    let mut pipe = redis::pipe();
    pipe.cmd("GET").arg(&layout.seq);
    commit_number(link.call(&pipe, Effect::Read)?.pop())
}

/// How many replies the commands of [`pack_record`] get.
pub(super) const RECORD_REPLIES: usize = 3;

/// Asks for the value, the expiry and the companion of a user key.
pub(super) fn pack_record(pipe: &mut Pipeline, layout: &Layout, key: &[u8]) {
    pipe.cmd("GET").arg(layout.name(key)).cmd("PEXPIRETIME").arg(layout.name(key));
    pipe.cmd("HGET").arg(&layout.companions).arg(key);
}

/// Asks for the values of several keys.
pub(super) fn pack_many(pipe: &mut Pipeline, layout: &Layout, space: Space, keys: &[Key]) {
    match space {
        Space::User => {
            pipe.cmd("MGET");
            for key in keys {
                pipe.arg(layout.name(key));
            }
        }
        Space::Internal => {
            pipe.cmd("HMGET").arg(&layout.values);
            for key in keys {
                pipe.arg(&key[..]);
            }
        }
    }
}

/// The record of a user key, from the replies to [`pack_record`].
pub(super) fn record(key: &[u8], items: &mut impl Iterator<Item = RespValue>) -> Result<Option<Record>> {
    let (text, expiry, companion) = (items.next(), items.next(), items.next());
    let Some(text) = string(key, text)? else { return Ok(None) };
    let expires_at = match expiry {
        Some(RespValue::Int(at)) => u64::try_from(at).ok(),
        Some(RespValue::ServerError(error)) => return Err(refused(&error).at_key(key)),
        _ => return Err(unexpected()),
    };
    let companion = string(key, companion)?;
    user_record(key, text, expires_at, companion.as_deref()).map(Some)
}

/// The live record of an internal key.
pub(super) fn internal(key: &[u8], reply: Option<RespValue>) -> Result<Option<Record>> {
    let Some(text) = string(key, reply)? else { return Ok(None) };
    Ok(Some(internal_record(key, text)?).filter(|record| !record.expired(now())))
}

/// The values of several user keys, and the keys that have none: they are absent, or hold no string.
pub(super) fn user_values(keys: &[Key], mut replies: Vec<RespValue>) -> Result<(Vec<Option<Value>>, Vec<Key>)> {
    let items = array(replies.pop())?;
    if items.len() != keys.len() {
        return Err(unexpected());
    }
    let mut absent = Vec::new();
    let mut values = Vec::with_capacity(keys.len());
    for (key, item) in keys.iter().zip(items) {
        match string(key, Some(item))? {
            Some(text) => values.push(Some(user_value(key, text)?)),
            None => {
                absent.push(key.clone());
                values.push(None);
            }
        }
    }
    Ok((values, absent))
}

/// Asks for the types of `keys`.
pub(super) fn types(layout: &Layout, keys: &[Key]) -> Pipeline {
    let mut pipe = redis::pipe();
    for key in keys {
        pipe.cmd("TYPE").arg(layout.name(key));
    }
    pipe
}

/// CORRUPTED if one of `keys`, for which MGET gave nothing, holds something else than a string.
pub(super) fn check_types(keys: &[Key], types: Vec<RespValue>) -> Result<()> {
    for (key, kind) in keys.iter().zip(types) {
        match kind {
            // A string was written after the MGET, or the key has expired: the key was absent.
            RespValue::SimpleString(kind) if kind == "none" || kind == "string" => {}
            RespValue::SimpleString(_) => return Err(not_a_string().at_key(key)),
            RespValue::ServerError(error) => return Err(refused(&error).at_key(key)),
            _ => return Err(unexpected()),
        }
    }
    Ok(())
}
