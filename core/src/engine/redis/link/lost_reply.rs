//! Commits whose reply was lost with the connection: the next one asks the server what became of them, before anything
//! else is sent over it. Nothing is sent twice.
//!
//! The server keeps the replies to the latest calls of each client, written by the very script that commits. A call it has not
//! kept was not carried out, and cannot be any more once the connection it came by has been killed; that is proved only by
//! the same server process, while it still has an earlier reply of this client.

use std::time::Instant;

use redis::{Pipeline, Value as Answer};

use super::super::fault::Loss;
use super::super::layout::kept_reply;
use super::super::write::SLOTS;
use super::call::{Settle, settle};

/// A commit that may have been carried out.
pub struct Doubt {
    pub number: u64,
    pub settle: Settle,
    pub loss: Loss,
    /// When its caller is told that nobody knows.
    pub until: Instant,
}

impl Doubt {
    pub fn give_up(self) {
        settle(self.settle, Err(self.loss.of_sent(true)));
    }
}

/// Asks for the replies to `doubts` and to call `proof`, the latest that is known to be kept.
pub fn pack_question(pipe: &mut Pipeline, client: &[u8], doubts: &[Doubt], proof: u64) {
    pipe.cmd("HMGET").arg(client).arg(proof % SLOTS);
    for doubt in doubts {
        pipe.arg(doubt.number % SLOTS);
    }
}

/// Tells each of `doubts` what the answer to [`pack_question`] proves. `fenced`: what was sent before cannot be carried out any more,
/// and the server has not been another process since.
pub fn tell(doubts: Vec<Doubt>, proof: u64, fenced: bool, answer: Option<Answer>) {
    let items = match answer {
        Some(Answer::Array(items)) => items,
        _ => Vec::new(),
    };
    let mut kept = items.into_iter().map(|item| match item {
        Answer::BulkString(text) => kept_reply(&text),
        _ => None,
    });
    // Without it, what the server kept for this client is lost: by eviction or by a foreign hand.
    let proved = kept.next().flatten().is_some_and(|(number, _)| proof > 0 && number >= proof);
    for doubt in doubts {
        match kept.next().flatten() {
            Some((number, reply)) if number == doubt.number => settle(doubt.settle, Ok(vec![to_answer(reply)])),
            // A later call took its slot.
            Some((number, _)) if number > doubt.number => doubt.give_up(),
            _ if proved && fenced => settle(doubt.settle, Err(doubt.loss.of_unapplied())),
            _ => doubt.give_up(),
        }
    }
}

/// A kept reply as the server would have sent it.
fn to_answer(reply: serde_json::Value) -> Answer {
    match reply {
        serde_json::Value::Array(items) => Answer::Array(items.into_iter().map(to_answer).collect()),
        serde_json::Value::String(text) => Answer::BulkString(text.into_bytes()),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => Answer::Int(number),
            // The server prints whole numbers beyond 14 digits as it prints fractions.
            None => Answer::Int(number.as_f64().unwrap_or_default() as i64),
        },
        _ => Answer::Nil,
    }
}
