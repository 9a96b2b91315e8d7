//! Maintenance: figures, verification, and the removal of records that nothing refers to any more.

use bytes::Bytes;
use redis::Value as RespValue;

use super::fault::{refused, unexpected};
use super::link::{Effect, Link};
use super::options::NAME;
use super::reply::{array, count, scan_page, string, text};
use super::scan;
use super::script::run_once;
use crate::engine::{Progress, Report, Stats};
use crate::error::{Code, Error, Result};
use crate::format::redis::{Companion, Layout, internal_record, user_value};
use crate::key::{Key, KeyRange};
use crate::record::now;

/// Fields of a hash read by one command.
const PAGE_FIELDS: usize = 512;
/// Values of user keys read by one command.
const PAGE_KEYS: usize = 256;

/// Removes companions without a key, and internal records that have expired, unless somebody has written them since.
const SWEEP: &str = include_str!("sweep.lua");

/// The number of keys, and the memory of the server. Blocks.
pub(super) fn stats(link: &Link, layout: &Layout) -> Result<Stats> {
    let mut keys = 0u64;
    scan::for_each(link, layout, &KeyRange::all(), |found| {
        keys += found.len() as u64;
        Ok(())
    })?;
    let mut pipe = redis::pipe();
    pipe.cmd("ZCARD").arg(&layout.names).cmd("HLEN").arg(&layout.companions);
    pipe.cmd("DBSIZE").cmd("INFO").arg("memory");
    let mut replies = link.call(&pipe, Effect::Read)?.into_iter();
    let details = vec![
        ("internalKeys", count(replies.next())?),
        ("companions", count(replies.next())?),
        ("databaseKeys", count(replies.next())?),
    ];
    // A user who may not ask the server for this figure has none.
    let memory_bytes = match replies.next() {
        Some(reply) => text(&reply)
            .and_then(|text| text.lines().find_map(|line| line.strip_prefix("used_memory:")))
            .and_then(|bytes| bytes.trim().parse().ok()),
        _ => None,
    };
    Ok(Stats { keys: Some(keys), memory_bytes, details, ..Stats::default() })
}

/// Reads every key. With `repair`, damaged ones are renamed into our namespace, where nothing lists them. Blocks.
pub(super) fn verify(link: &Link, layout: &Layout, repair: bool, progress: Progress<'_>) -> Result<Report> {
    let mut report = Report::default();
    let total = stats(link, layout)?;
    let total = total.keys.unwrap_or(0) + total.details.first().map_or(0, |(_, count)| *count);
    let keys = scan::sorted(link, layout, &KeyRange::all())?;
    for keys in keys.chunks(PAGE_KEYS) {
        let mut pipe = redis::pipe();
        for key in keys {
            pipe.cmd("GET").arg(layout.name(key));
        }
        for (key, reply) in keys.iter().zip(link.call(&pipe, Effect::Read)?) {
            let read = string(key, Some(reply)).and_then(|text| text.map(|text| user_value(key, text)).transpose());
            match read {
                Ok(_) => {}
                Err(error) if error.code() == Code::Corrupted => {
                    if repair {
                        set_aside(link, layout, key)?;
                    }
                    report.errors.push(error.in_engine(NAME));
                }
                Err(error) => return Err(error),
            }
        }
        report.checked += keys.len() as u64;
        progress(report.checked, total.max(report.checked))?;
    }
    verify_internal(link, layout, &mut report)?;
    each_field(link, &layout.companions, |field, text| {
        if Companion::parse(text).is_none() {
            report.errors.push(Error::corrupted("the times and metadata of the key are damaged").at_key(field));
        }
        Ok(())
    })?;
    progress(report.checked, report.checked)?;
    Ok(report)
}

/// Each value must be a record, and its name must be in the sorted set.
fn verify_internal(link: &Link, layout: &Layout, report: &mut Report) -> Result<()> {
    let mut values = 0u64;
    let mut damaged = Vec::new();
    let mut fields: Vec<Key> = Vec::new();
    each_field(link, &layout.values, |field, text| {
        values += 1;
        if let Err(error) = internal_record(field, text.clone()) {
            damaged.push(error);
        }
        fields.push(field.clone());
        Ok(())
    })?;
    report.errors.extend(damaged);
    report.checked += values;
    for fields in fields.chunks(PAGE_FIELDS) {
        let mut pipe = redis::pipe();
        pipe.cmd("ZMSCORE").arg(&layout.names);
        for field in fields {
            pipe.arg(&field[..]);
        }
        for (field, score) in fields.iter().zip(array(link.call(&pipe, Effect::Read)?.pop())?) {
            if score == RespValue::Nil && lacks_name(link, layout, field)? {
                report.errors.push(Error::corrupted("an internal record is not in the list of names").at_key(field));
            }
        }
    }
    Ok(())
}

/// True if a record is there without its name, as of one moment.
fn lacks_name(link: &Link, layout: &Layout, field: &[u8]) -> Result<bool> {
    let source = "return redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 and not redis.call('ZSCORE', KEYS[2], ARGV[1])";
    let reply = link.call(&run_once(source, &[&layout.values, &layout.names], &[field]), Effect::Read)?.pop();
    Ok(matches!(reply, Some(RespValue::Int(1) | RespValue::Boolean(true))))
}

fn set_aside(link: &Link, layout: &Layout, key: &[u8]) -> Result<()> {
    let mut pipe = redis::pipe();
    pipe.cmd("RENAME").arg(layout.name(key)).arg([&layout.damaged, key].concat());
    match link.call(&pipe, Effect::Write)?.pop() {
        Some(RespValue::Okay) => Ok(()),
        // Somebody has deleted the key in the meantime.
        Some(RespValue::ServerError(text)) if text.details() == Some("no such key") => Ok(()),
        Some(RespValue::ServerError(text)) => Err(refused(&text)),
        _ => Err(unexpected()),
    }
}

/// Removes companions without a key, and internal records that have expired. Blocks.
pub(super) fn compact(link: &Link, layout: &Layout) -> Result<()> {
    let mut companions = Vec::new();
    each_field(link, &layout.companions, |field, _| {
        companions.push(field.clone());
        Ok(())
    })?;
    let now = now();
    let mut expired = Vec::new();
    each_field(link, &layout.values, |field, text| {
        if internal_record(field, text.clone()).is_ok_and(|record| record.expired(now)) {
            expired.push(field.clone());
        }
        Ok(())
    })?;
    let now = now.to_string();
    for (what, fields) in [(&b"companions"[..], companions), (b"internal", expired)] {
        for fields in fields.chunks(PAGE_FIELDS) {
            let mut args: Vec<&[u8]> = vec![what, &layout.prefix, now.as_bytes()];
            args.extend(fields.iter().map(AsRef::<[u8]>::as_ref));
            let keys: [&[u8]; 3] = [&layout.companions, &layout.names, &layout.values];
            if let Some(RespValue::ServerError(text)) = link.call(&run_once(SWEEP, &keys, &args), Effect::Write)?.pop()
            {
                return Err(refused(&text));
            }
        }
    }
    Ok(())
}

/// Gives every field of a hash to `take`. A field may come twice.
fn each_field(link: &Link, hash: &[u8], mut take: impl FnMut(&Key, &Key) -> Result<()>) -> Result<()> {
    let mut cursor: Vec<u8> = b"0".to_vec();
    loop {
        let mut pipe = redis::pipe();
        pipe.cmd("HSCAN").arg(hash).arg(&cursor).arg("COUNT").arg(PAGE_FIELDS);
        let (items, next) = scan_page(link.call(&pipe, Effect::Read)?.pop())?;
        let mut items = items.into_iter();
        while let (Some(RespValue::BulkString(field)), Some(RespValue::BulkString(text))) = (items.next(), items.next())
        {
            take(&Bytes::from(field), &Bytes::from(text))?;
        }
        if next == b"0" {
            return Ok(());
        }
        cursor = next;
    }
}
