//! Figures, verification, and the removal of what nothing refers to any more.

use super::fault::{refused, unexpected};
use super::layout::{Companion, Layout, internal_record, user_value};
use super::link::Link;
use super::names;
use super::read::{array, bulk};
use super::resp::{Resp, arg, arg_parts, command, pack};
use super::script::run_once;
use crate::engine::{Progress, Report, Stats};
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange};

/// Entries of a hash or keys looked at in one step.
const STEP: &[u8] = b"512";

/// Removes companions without a key and internal records that have expired, unless they were written since.
const SWEEP: &str = include_str!("sweep.lua");

fn number(reply: Option<Resp>) -> Result<u64> {
    match reply {
        Some(Resp::Int(count)) => u64::try_from(count).map_err(|_| unexpected()),
        Some(Resp::Error(text)) => Err(refused(&text)),
        _ => Err(unexpected()),
    }
}

/// Counts of keys and the server's memory.
pub fn stats(link: &Link, layout: &Layout) -> Result<Stats> {
    let mut keys = 0u64;
    names::for_each(link, layout, &KeyRange::all(), |found| {
        keys += found.len() as u64;
        Ok(())
    })?;
    let mut bytes = Vec::new();
    pack(&mut bytes, &[b"ZCARD", &layout.names]);
    pack(&mut bytes, &[b"HLEN", &layout.companions]);
    pack(&mut bytes, &[b"DBSIZE"]);
    pack(&mut bytes, &[b"INFO", b"memory"]);
    let mut replies = link.call(bytes, 4, false)?.into_iter();
    let details = vec![
        ("internalKeys", number(replies.next())?),
        ("companions", number(replies.next())?),
        ("databaseKeys", number(replies.next())?),
    ];
    // The figure is the server's; a user without the right to ask for it has none.
    let memory_bytes = match replies.next() {
        Some(Resp::Bulk(text)) => std::str::from_utf8(&text)
            .ok()
            .and_then(|text| text.lines().find_map(|line| line.strip_prefix("used_memory:")))
            .and_then(|bytes| bytes.trim().parse().ok()),
        _ => None,
    };
    Ok(Stats { keys: Some(keys), memory_bytes, disk_bytes: None, details })
}

/// Reads every key. With `repair`, damaged ones are renamed into our namespace, where nothing lists them.
pub fn verify(link: &Link, layout: &Layout, repair: bool, progress: Progress<'_>) -> Result<Report> {
    let mut report = Report::default();
    let total = stats(link, layout)?;
    let total = total.keys.unwrap_or(0) + total.details.first().map_or(0, |(_, count)| *count);
    let keys = names::sorted(link, layout, &KeyRange::all())?;
    for keys in keys.chunks(256) {
        let mut bytes = Vec::new();
        for key in keys {
            command(&mut bytes, 2);
            arg(&mut bytes, b"GET");
            arg_parts(&mut bytes, &[&layout.prefix, key]);
        }
        for (key, reply) in keys.iter().zip(link.call(bytes, keys.len(), false)?) {
            let read = bulk(key, Some(reply)).and_then(|text| text.map(|text| user_value(key, text)).transpose());
            match read {
                Ok(_) => {}
                Err(error) if error.code() == Code::Corrupted => {
                    if repair {
                        set_aside(link, layout, key)?;
                    }
                    report.errors.push(error.in_engine(super::fault::ENGINE));
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

/// Each value must be a record, and have its name in the sorted set; as many names as values.
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
    for fields in fields.chunks(512) {
        let mut bytes = Vec::new();
        command(&mut bytes, fields.len() + 2);
        arg(&mut bytes, b"ZMSCORE");
        arg(&mut bytes, &layout.names);
        fields.iter().for_each(|field| arg(&mut bytes, field));
        for (field, score) in fields.iter().zip(array(link.call(bytes, 1, false)?.pop())?) {
            if score == Resp::Nil && still_there(link, layout, field)? {
                report.errors.push(Error::corrupted("an internal record is not in the list of names").at_key(field));
            }
        }
    }
    Ok(())
}

/// True if a record is there without its name as of one moment: it was not deleted in between.
fn still_there(link: &Link, layout: &Layout, field: &[u8]) -> Result<bool> {
    let source = "return redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 and not redis.call('ZSCORE', KEYS[2], ARGV[1])";
    let reply = link.call(run_once(source, &[&layout.values, &layout.names], &[field]), 1, false)?.pop();
    Ok(reply == Some(Resp::Int(1)))
}

fn set_aside(link: &Link, layout: &Layout, key: &[u8]) -> Result<()> {
    let mut bytes = Vec::new();
    command(&mut bytes, 3);
    arg(&mut bytes, b"RENAME");
    arg_parts(&mut bytes, &[&layout.prefix, key]);
    arg_parts(&mut bytes, &[&layout.damaged, key]);
    match link.call(bytes, 1, true)?.pop() {
        Some(Resp::Simple(_)) => Ok(()),
        // Gone in the meantime.
        Some(Resp::Error(text)) if text.starts_with(b"ERR no such key") => Ok(()),
        Some(Resp::Error(text)) => Err(refused(&text)),
        _ => Err(unexpected()),
    }
}

/// Removes what expired or lost its key.
pub fn compact(link: &Link, layout: &Layout) -> Result<()> {
    let mut companions = Vec::new();
    each_field(link, &layout.companions, |field, _| {
        companions.push(field.clone());
        Ok(())
    })?;
    let now = crate::record::now();
    let mut expired = Vec::new();
    each_field(link, &layout.values, |field, text| {
        if internal_record(field, text.clone()).is_ok_and(|record| record.expired(now)) {
            expired.push(field.clone());
        }
        Ok(())
    })?;
    let now = now.to_string();
    for (what, fields) in [(&b"companions"[..], companions), (b"internal", expired)] {
        for fields in fields.chunks(512) {
            let mut args: Vec<&[u8]> = vec![what, &layout.prefix, now.as_bytes()];
            args.extend(fields.iter().map(AsRef::<[u8]>::as_ref));
            let keys: [&[u8]; 3] = [&layout.companions, &layout.names, &layout.values];
            if let Some(Resp::Error(text)) = link.call(run_once(SWEEP, &keys, &args), 1, true)?.pop() {
                return Err(refused(&text));
            }
        }
    }
    Ok(())
}

/// Hands every field of a hash to `take`, some perhaps twice.
fn each_field(link: &Link, hash: &[u8], mut take: impl FnMut(&Key, &Key) -> Result<()>) -> Result<()> {
    let mut cursor: Vec<u8> = b"0".to_vec();
    loop {
        let mut bytes = Vec::new();
        pack(&mut bytes, &[b"HSCAN", hash, &cursor, b"COUNT", STEP]);
        let mut reply = array(link.call(bytes, 1, false)?.pop())?;
        let (Some(Resp::Array(items)), Some(Resp::Bulk(next))) = (reply.pop(), reply.pop()) else {
            return Err(unexpected());
        };
        for pair in items.chunks(2) {
            if let [Resp::Bulk(field), Resp::Bulk(text)] = pair {
                take(field, text)?;
            }
        }
        if next.as_ref() == b"0" {
            return Ok(());
        }
        cursor = next.to_vec();
    }
}
