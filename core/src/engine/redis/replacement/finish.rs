//! The steps behind the commit point of a replacement, of whichever client it is.

use redis::Value as RespValue;

use super::super::fault::unexpected;
use super::super::link::{Effect, Link};
use super::super::reply::{count, string};
use super::super::scan;
use super::stage::{checked, remove};
use crate::error::Result;
use crate::format::redis::{Layout, Marker, Phase, REPLACEMENT, intent_name};
use crate::key::{Key, KeyRange};
use crate::record::now;

const DELETE_OLD: &str = include_str!("delete_old.lua");
const WRITE_NEW: &str = include_str!("write_new.lua");

/// Steps sent together.
const STEPS: usize = 4;

/// Finishes the replacement that is under way, if there is one. Blocks.
pub(in super::super) fn finish(link: &Link, layout: &Layout) -> Result<()> {
    loop {
        let mut pipe = redis::pipe();
        pipe.cmd("GET").arg(&layout.replacement);
        let Some(text) = string(&[], link.call(&pipe, Effect::Read)?.pop())? else { return Ok(()) };
        let Marker { id, phase } = Marker::parse(&text)?;
        match phase {
            Phase::Deleting => delete_old(link, layout, &id)?,
            Phase::Writing => write_new(link, layout, &id)?,
        }
    }
}

/// What the opening of a store does: finishes the replacement that is under way, or removes what one has left that was
/// staged and not swapped. Blocks.
pub(in super::super) fn recover(link: &Link, layout: &Layout) -> Result<()> {
    finish(link, layout)?;
    // If the server refuses this, the content takes space, and nothing else.
    link.call(&remove(layout, &layout.staged(), ""), Effect::Staged).map(drop)
}

/// Deletes the old user keys. A key that is there when the first step is made is not missed.
fn delete_old(link: &Link, layout: &Layout, id: &str) -> Result<()> {
    let mut over = false;
    let mut delete = |keys: &[Key], next: &[u8]| -> Result<()> {
        if over {
            return Ok(());
        }
        let mut pipe = redis::pipe();
        pipe.cmd("EVAL").arg(DELETE_OLD).arg(keys.len() + 2).arg(&layout.replacement).arg(&layout.companions);
        for key in keys {
            pipe.arg(layout.name(key));
        }
        pipe.arg(id).arg(next);
        over = count(link.call(&pipe, Effect::Staged)?.pop())? == 0;
        Ok(())
    };
    scan::for_each(link, layout, &KeyRange::all(), |keys| delete(&keys, b""))?;
    delete(&[], b"w")
}

/// Writes the new content, chunk by chunk.
fn write_new(link: &Link, layout: &Layout, id: &str) -> Result<()> {
    let names = layout.staged();
    let chunks = names.chunks_of(id);
    let keys = [&layout.replacement, &chunks, &names.names, &names.values, &names.replaced, &layout.seq];
    let keys = keys.into_iter().chain([&layout.companions, &layout.names, &layout.values, &layout.ranges]);
    let keys: Vec<&[u8]> = keys.chain([&layout.log, &layout.feed]).map(Vec::as_slice).collect();
    let (prefix, held) = (layout.prefix.len().to_string(), intent_name(REPLACEMENT));
    loop {
        let mut pipe = redis::pipe();
        for _ in 0..STEPS {
            pipe.cmd("EVAL").arg(WRITE_NEW).arg(keys.len()).arg(&keys).arg(id).arg(now()).arg(&prefix).arg(&held);
        }
        for reply in link.call(&pipe, Effect::Staged)? {
            match checked(Some(reply))? {
                RespValue::Int(-1) => return Ok(()),
                RespValue::Int(_) => {}
                _ => return Err(unexpected()),
            }
        }
    }
}
