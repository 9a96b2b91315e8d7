//! The shapes of replies: what a command may answer, in either version of the protocol.

use bytes::Bytes;
use redis::Value as RespValue;

use super::fault::{refused, unexpected};
use crate::error::{Error, Result};

/// The string of a reply; nil is `None`. An error reply is an error of `key`, unless that is empty.
pub(super) fn string(key: &[u8], reply: Option<RespValue>) -> Result<Option<Bytes>> {
    match reply {
        Some(RespValue::Nil) => Ok(None),
        Some(RespValue::BulkString(text)) => Ok(Some(text.into())),
        Some(RespValue::ServerError(error)) if key.is_empty() => Err(refused(&error)),
        Some(RespValue::ServerError(error)) => Err(refused(&error).at_key(key)),
        _ => Err(unexpected()),
    }
}

/// The items of a reply.
pub(super) fn array(reply: Option<RespValue>) -> Result<Vec<RespValue>> {
    match reply {
        Some(RespValue::Array(items)) => Ok(items),
        Some(RespValue::ServerError(error)) => Err(refused(&error)),
        _ => Err(unexpected()),
    }
}

/// The count in a reply.
pub(super) fn count(reply: Option<RespValue>) -> Result<u64> {
    match reply {
        Some(RespValue::Int(count)) => u64::try_from(count).map_err(|_| unexpected()),
        Some(RespValue::ServerError(error)) => Err(refused(&error)),
        _ => Err(unexpected()),
    }
}

/// The text of a reply. The newer protocol has a type of its own for long texts.
pub(super) fn text(reply: &RespValue) -> Option<&str> {
    match reply {
        RespValue::BulkString(text) => std::str::from_utf8(text).ok(),
        RespValue::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

/// The number of the latest commit, from the reply to a GET of the commit counter.
pub(super) fn commit_number(reply: Option<RespValue>) -> Result<u64> {
    match string(&[], reply)? {
        None => Ok(0),
        Some(text) => std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).ok_or_else(unexpected),
    }
}

/// The replies inside EXEC. Errors of single commands are among them.
pub(super) fn exec_items(replies: Vec<RespValue>) -> Result<Vec<RespValue>> {
    let mut refusal: Option<Error> = None;
    for reply in replies {
        match reply {
            RespValue::Array(items) => return Ok(items),
            // The first refusal is the reason. The last one only says that EXEC was aborted.
            RespValue::ServerError(error) => {
                refusal.get_or_insert_with(|| refused(&error));
            }
            _ => {}
        }
    }
    Err(refusal.unwrap_or_else(unexpected))
}

/// One page of SCAN or HSCAN: its items, and the cursor of the next page.
pub(super) fn scan_page(reply: Option<RespValue>) -> Result<(Vec<RespValue>, Vec<u8>)> {
    let mut reply = array(reply)?;
    match (reply.pop(), reply.pop()) {
        (Some(RespValue::Array(items)), Some(RespValue::BulkString(cursor))) => Ok((items, cursor)),
        _ => Err(unexpected()),
    }
}
