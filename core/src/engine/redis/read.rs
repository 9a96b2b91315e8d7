//! Reads of single keys: what to ask the server, and what its answer says.

use std::sync::Arc;

use bytes::Bytes;
use redis::{Pipeline, Value as Answer};

use super::fault::{not_a_string, refused, unexpected};
use super::layout::{Layout, internal_record, user_record, user_value};
use super::link::Link;
use super::link::call::{Settle, What};
use crate::engine::{Done, Read, Reply};
use crate::error::{Error, Result};
use crate::key::{Key, Space};
use crate::record::{Record, now};
use crate::value::Value;

/// Sends a read over `link`.
pub fn submit(link: &Arc<Link>, layout: &Layout, read: Read, done: Done) {
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
    let link_again = Arc::downgrade(link);
    let layout = (matches!(read, Read::Many(Space::User, _))).then(|| layout.clone());
    let settle: Settle = Box::new(move |answer| {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return done(Err(error)),
        };
        match (read, layout) {
            (Read::Many(Space::User, keys), Some(layout)) => match many(&keys, answer) {
                Ok((values, absent)) if absent.is_empty() => done(Ok(Reply::Values(values))),
                Ok((values, absent)) => {
                    let Some(link) = link_again.upgrade() else { return done(Err(super::closed())) };
                    let pipe = types(&layout, &absent);
                    let settle: Settle = Box::new(move |kinds| {
                        let checked = kinds.and_then(|kinds| check_types(&absent, kinds));
                        done(checked.map(|()| Reply::Values(values)));
                    });
                    link.submit(What::commands(&pipe, false, settle));
                }
                Err(error) => done(Err(error)),
            },
            (read, _) => done(self::answer(&read, answer)),
        }
    });
    link.submit(What::commands(&pipe, false, settle));
}

/// The replies inside EXEC, errors of single commands among them.
pub fn inside(replies: Vec<Answer>) -> Result<Vec<Answer>> {
    let mut refusal: Option<Error> = None;
    for reply in replies {
        match reply {
            Answer::Array(items) => return Ok(items),
            // The first refusal tells why; the last one only that EXEC was aborted.
            Answer::ServerError(text) => {
                refusal.get_or_insert_with(|| refused(&text));
            }
            _ => {}
        }
    }
    Err(refusal.unwrap_or_else(unexpected))
}

/// Replies of a record.
pub const RECORD: usize = 3;

/// Value, expiry and companion of a key; [`RECORD`] replies.
pub fn pack_record(pipe: &mut Pipeline, layout: &Layout, key: &[u8]) {
    pipe.cmd("GET").arg(layout.name(key)).cmd("PEXPIRETIME").arg(layout.name(key));
    pipe.cmd("HGET").arg(&layout.companions).arg(key);
}

/// The values of several keys.
pub fn pack_many(pipe: &mut Pipeline, layout: &Layout, space: Space, keys: &[Key]) {
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

fn answer(read: &Read, mut replies: Vec<Answer>) -> Result<Reply> {
    match read {
        Read::Get(Space::User, key) => {
            let text = bulk(key, replies.pop())?;
            Ok(Reply::Value(text.map(|text| user_value(key, text)).transpose()?))
        }
        Read::Has(Space::User, _) => match replies.pop() {
            Some(Answer::Int(count)) => Ok(Reply::Has(count > 0)),
            Some(Answer::ServerError(text)) => Err(refused(&text)),
            _ => Err(unexpected()),
        },
        Read::Entry(Space::User, key) => {
            let items = inside(replies).map_err(|error| error.at_key(key))?;
            Ok(Reply::Entry(record(key, &mut items.into_iter())?))
        }
        Read::Get(Space::Internal, key) => Ok(Reply::Value(internal(key, replies.pop())?.map(|record| record.value))),
        Read::Has(Space::Internal, key) => Ok(Reply::Has(internal(key, replies.pop())?.is_some())),
        Read::Entry(Space::Internal, key) => Ok(Reply::Entry(internal(key, replies.pop())?)),
        Read::Many(Space::Internal, keys) => {
            let values = array(replies.pop())?;
            let values = keys.iter().zip(values);
            let values = values.map(|(key, text)| Ok(internal(key, Some(text))?.map(|record| record.value)));
            Ok(Reply::Values(values.collect::<Result<_>>()?))
        }
        Read::Many(Space::User, keys) => Ok(Reply::Values(many(keys, replies)?.0)),
    }
}

/// The text a reply holds; an error reply is an error of `key`.
pub fn bulk(key: &[u8], reply: Option<Answer>) -> Result<Option<Bytes>> {
    match reply {
        Some(Answer::Nil) => Ok(None),
        Some(Answer::BulkString(text)) => Ok(Some(text.into())),
        Some(Answer::ServerError(text)) => Err(refused(&text).at_key(key)),
        _ => Err(unexpected()),
    }
}

/// The items a reply holds.
pub fn array(reply: Option<Answer>) -> Result<Vec<Answer>> {
    match reply {
        Some(Answer::Array(items)) => Ok(items),
        Some(Answer::ServerError(text)) => Err(refused(&text)),
        _ => Err(unexpected()),
    }
}

/// The record that [`pack_record`] asked for.
pub fn record(key: &[u8], items: &mut impl Iterator<Item = Answer>) -> Result<Option<Record>> {
    let (text, expiry, companion) = (items.next(), items.next(), items.next());
    let Some(text) = bulk(key, text)? else { return Ok(None) };
    let expires_at = match expiry {
        Some(Answer::Int(at)) => u64::try_from(at).ok(),
        Some(Answer::ServerError(text)) => return Err(refused(&text).at_key(key)),
        _ => return Err(unexpected()),
    };
    let companion = bulk(key, companion)?;
    user_record(key, text, expires_at, companion.as_deref()).map(Some)
}

/// The live record of an internal key.
pub fn internal(key: &[u8], reply: Option<Answer>) -> Result<Option<Record>> {
    let Some(text) = bulk(key, reply)? else { return Ok(None) };
    Ok(Some(internal_record(key, text)?).filter(|record| !record.expired(now())))
}

/// The values of several user keys, and the keys for which the server gave none: absent, or no strings.
pub fn many(keys: &[Key], mut replies: Vec<Answer>) -> Result<(Vec<Option<Value>>, Vec<Key>)> {
    let items = array(replies.pop())?;
    if items.len() != keys.len() {
        return Err(unexpected());
    }
    let mut absent = Vec::new();
    let mut values = Vec::with_capacity(keys.len());
    for (key, item) in keys.iter().zip(items) {
        match bulk(key, Some(item))? {
            Some(text) => values.push(Some(user_value(key, text)?)),
            None => {
                absent.push(key.clone());
                values.push(None);
            }
        }
    }
    Ok((values, absent))
}

/// Asks what kind of values `keys` have.
pub fn types(layout: &Layout, keys: &[Key]) -> Pipeline {
    let mut pipe = redis::pipe();
    for key in keys {
        pipe.cmd("TYPE").arg(layout.name(key));
    }
    pipe
}

/// CORRUPTED if one of `keys`, for which MGET gave nothing, is there after all and is no string: `kinds` says so.
pub fn check_types(keys: &[Key], kinds: Vec<Answer>) -> Result<()> {
    for (key, kind) in keys.iter().zip(kinds) {
        match kind {
            // A string was written since, or the key has expired: absent it was.
            Answer::SimpleString(kind) if kind == "none" || kind == "string" => {}
            Answer::SimpleString(_) => return Err(not_a_string().at_key(key)),
            Answer::ServerError(text) => return Err(refused(&text).at_key(key)),
            _ => return Err(unexpected()),
        }
    }
    Ok(())
}
