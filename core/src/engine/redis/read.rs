//! Reads of single keys: what to ask the server, and what its answer says.

use std::sync::Arc;

use bytes::Bytes;

use super::fault::{refused, unexpected};
use super::group::executed;
use super::layout::{Layout, internal_record, user_record, user_value};
use super::link::{Link, Settle, What};
use super::resp::{Resp, arg, arg_parts, command, pack};
use crate::engine::{Done, Read, Reply};
use crate::error::Result;
use crate::key::{Key, Space};
use crate::record::{Record, now};
use crate::value::Value;

/// Sends a read over `link`.
pub fn submit(link: &Arc<Link>, layout: &Layout, read: Read, done: Done) {
    let mut bytes = Vec::new();
    let replies = match &read {
        Read::Get(Space::User, key) => user_command(&mut bytes, layout, b"GET", key),
        Read::Has(Space::User, key) => user_command(&mut bytes, layout, b"EXISTS", key),
        Read::Entry(Space::User, key) => pack_entry(&mut bytes, layout, key),
        Read::Get(Space::Internal, key) | Read::Has(Space::Internal, key) | Read::Entry(Space::Internal, key) => {
            pack(&mut bytes, &[b"HGET", &layout.values, key]);
            1
        }
        Read::Many(_, keys) if keys.is_empty() => return done(Ok(Reply::Values(Vec::new()))),
        Read::Many(space, keys) => pack_many(&mut bytes, layout, *space, keys),
    };
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
                    check_absent(
                        &link,
                        &layout,
                        absent,
                        Box::new(move |checked| done(checked.map(|()| Reply::Values(values)))),
                    );
                }
                Err(error) => done(Err(error)),
            },
            (read, _) => done(self::answer(&read, answer)),
        }
    });
    link.submit(What::Packed { bytes: bytes.into(), replies, write: false, settle });
}

fn user_command(bytes: &mut Vec<u8>, layout: &Layout, name: &[u8], key: &[u8]) -> usize {
    command(bytes, 2);
    arg(bytes, name);
    arg_parts(bytes, &[&layout.prefix, key]);
    1
}

/// Value, expiry and companion of a key as of one moment. Returns the number of replies.
pub fn pack_entry(bytes: &mut Vec<u8>, layout: &Layout, key: &[u8]) -> usize {
    pack(bytes, &[b"MULTI"]);
    user_command(bytes, layout, b"GET", key);
    user_command(bytes, layout, b"PEXPIRETIME", key);
    pack(bytes, &[b"HGET", &layout.companions, key]);
    pack(bytes, &[b"EXEC"]);
    5
}

/// The values of several keys. Returns the number of replies.
pub fn pack_many(bytes: &mut Vec<u8>, layout: &Layout, space: Space, keys: &[Key]) -> usize {
    match space {
        Space::User => {
            command(bytes, keys.len() + 1);
            arg(bytes, b"MGET");
            keys.iter().for_each(|key| arg_parts(bytes, &[&layout.prefix, key]));
        }
        Space::Internal => {
            command(bytes, keys.len() + 2);
            arg(bytes, b"HMGET");
            arg(bytes, &layout.values);
            keys.iter().for_each(|key| arg(bytes, key));
        }
    }
    1
}

fn answer(read: &Read, mut replies: Vec<Resp>) -> Result<Reply> {
    match read {
        Read::Get(Space::User, key) => {
            let text = bulk(key, replies.pop())?;
            Ok(Reply::Value(text.map(|text| user_value(key, text)).transpose()?))
        }
        Read::Has(Space::User, _) => match replies.pop() {
            Some(Resp::Int(count)) => Ok(Reply::Has(count > 0)),
            Some(Resp::Error(text)) => Err(refused(&text)),
            _ => Err(unexpected()),
        },
        Read::Entry(Space::User, key) => Ok(Reply::Entry(entry(key, replies)?)),
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
pub fn bulk(key: &[u8], reply: Option<Resp>) -> Result<Option<Bytes>> {
    match reply {
        Some(Resp::Nil) => Ok(None),
        Some(Resp::Bulk(text)) => Ok(Some(text)),
        Some(Resp::Error(text)) => Err(refused(&text).at_key(key)),
        _ => Err(unexpected()),
    }
}

/// The items a reply holds.
pub fn array(reply: Option<Resp>) -> Result<Vec<Resp>> {
    match reply {
        Some(Resp::Array(items)) => Ok(items),
        Some(Resp::Error(text)) => Err(refused(&text)),
        _ => Err(unexpected()),
    }
}

/// The record that [`pack_entry`] asked for.
pub fn entry(key: &[u8], replies: Vec<Resp>) -> Result<Option<Record>> {
    let mut items = executed(replies).map_err(|error| error.at_key(key))?.into_iter();
    let Some(text) = bulk(key, items.next())? else { return Ok(None) };
    let expires_at = match items.next() {
        Some(Resp::Int(at)) => u64::try_from(at).ok(),
        _ => return Err(unexpected()),
    };
    let companion = bulk(key, items.next())?;
    user_record(key, text, expires_at, companion.as_deref()).map(Some)
}

/// The live record of an internal key.
pub fn internal(key: &[u8], reply: Option<Resp>) -> Result<Option<Record>> {
    let Some(text) = bulk(key, reply)? else { return Ok(None) };
    Ok(Some(internal_record(key, text)?).filter(|record| !record.expired(now())))
}

/// The values of several user keys, and the keys for which the server gave none: absent, or no strings.
pub fn many(keys: &[Key], mut replies: Vec<Resp>) -> Result<(Vec<Option<Value>>, Vec<Key>)> {
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

/// CORRUPTED if one of `keys`, for which MGET gave nothing, is there after all and is no string.
pub fn check_absent(link: &Link, layout: &Layout, keys: Vec<Key>, done: Box<dyn FnOnce(Result<()>) + Send>) {
    let mut bytes = Vec::new();
    for key in &keys {
        user_command(&mut bytes, layout, b"TYPE", key);
    }
    let replies = keys.len();
    let settle: Settle = Box::new(move |answer| {
        done(answer.and_then(|answer| {
            for (key, kind) in keys.iter().zip(answer) {
                match kind {
                    // A string was written since, or the key has expired: absent it was.
                    Resp::Simple(kind) if matches!(kind.as_ref(), b"none" | b"string") => {}
                    Resp::Simple(_) => return Err(refused(b"WRONGTYPE").at_key(key)),
                    Resp::Error(text) => return Err(refused(&text).at_key(key)),
                    _ => return Err(unexpected()),
                }
            }
            Ok(())
        }));
    });
    link.submit(What::Packed { bytes: bytes.into(), replies, write: false, settle });
}
