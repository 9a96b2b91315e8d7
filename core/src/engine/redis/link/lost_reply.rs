//! Commits whose reply was lost with the connection. The next connection asks the server what became of them, before it
//! sends anything else. Nothing is sent twice.
//!
//! The server keeps the replies to the latest calls of each client: the script that commits writes them. A call whose
//! reply was not kept was not carried out. It cannot be carried out later either, once the server has ended the
//! connection it came by. Only the same server process proves that, and only while it still has an earlier reply of
//! this client.

use std::time::Instant;

use redis::{Pipeline, Value as RespValue};

use super::super::fault::Loss;
use super::super::write::KEPT_REPLIES;
use super::call::{OnReply, deliver};
use crate::format::redis::kept_reply;

/// A commit that the server may have carried out.
pub(super) struct LostReply {
    pub number: u64,
    pub on_reply: OnReply,
    pub loss: Loss,
    /// At this moment its caller is told that the outcome is unknown.
    pub deadline: Instant,
}

impl LostReply {
    /// Tells the caller that the outcome is unknown.
    pub(super) fn give_up(self) {
        deliver(self.on_reply, Err(self.loss.of_sent(true)));
    }
}

/// Asks for the replies to `lost` and to call `newest_kept`, the latest whose reply was certainly kept.
pub(super) fn pack_question(pipe: &mut Pipeline, client: &[u8], lost: &[LostReply], newest_kept: u64) {
    pipe.cmd("HMGET").arg(client).arg(newest_kept % KEPT_REPLIES);
    for lost in lost {
        pipe.arg(lost.number % KEPT_REPLIES);
    }
}

/// Tells the callers of `lost` what the answer to [`pack_question`] proves. `is_final`: the server carries out nothing
/// more of what was sent before, and is the same process as then.
pub(super) fn resolve(lost: Vec<LostReply>, newest_kept: u64, is_final: bool, answer: Option<RespValue>) {
    let items = match answer {
        Some(RespValue::Array(items)) => items,
        _ => Vec::new(),
    };
    let mut kept = items.into_iter().map(|item| match item {
        RespValue::BulkString(text) => kept_reply(&text),
        _ => None,
    });
    // If this reply is gone, eviction or another program has deleted what the server kept for this client.
    let has_kept = kept.next().flatten().is_some_and(|(number, _)| newest_kept > 0 && number >= newest_kept);
    for lost in lost {
        match kept.next().flatten() {
            Some((number, reply)) if number == lost.number => deliver(lost.on_reply, Ok(vec![to_resp(reply)])),
            // A later call took the place of its reply.
            Some((number, _)) if number > lost.number => lost.give_up(),
            _ if has_kept && is_final => deliver(lost.on_reply, Err(lost.loss.of_unapplied())),
            _ => lost.give_up(),
        }
    }
}

/// A kept reply as the server would have sent it.
#[allow(clippy::cast_possible_truncation, reason = "the cast saturates")]
fn to_resp(reply: serde_json::Value) -> RespValue {
    match reply {
        serde_json::Value::Array(items) => RespValue::Array(items.into_iter().map(to_resp).collect()),
        serde_json::Value::String(text) => RespValue::BulkString(text.into_bytes()),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => RespValue::Int(number),
            // The server prints whole numbers beyond 14 digits as it prints fractions.
            None => RespValue::Int(number.as_f64().unwrap_or_default() as i64),
        },
        _ => RespValue::Nil,
    }
}
