//! The receiving thread: it gives replies to their calls, notices a server that hangs, and has the connection made
//! again.

use std::io;
use std::time::Duration;

use redis::Value as RespValue;

use super::super::fault::Loss;
use super::answer::answer;
use super::call::SentBody;
use super::connection::Connection;
use super::handshake::Established;
use super::reconnect;
use super::reply_parser::ReplyParser;
use super::state::LinkInner;

/// Bytes received at once.
const BUFFER: usize = 64 << 10;

/// A call, and all its replies.
type Answered = (SentBody, Vec<RespValue>);

/// Serves one connection after the other until the link is closed. Makes the first one if there is none.
pub(super) fn run(inner: &LinkInner, first: Option<Established>) {
    let mut current = match first {
        Some(Established { connection, identity, .. }) => Some((connection, identity)),
        None => reconnect::connect(inner, None, false),
    };
    while let Some((connection, identity)) = current {
        let loss = serve(inner, &connection);
        connection.shut();
        reconnect::give_up(inner, &connection, loss);
        current = reconnect::connect(inner, identity.as_ref(), true);
    }
    inner.refuse_queue();
}

/// Receives until the connection is of no more use.
fn serve(inner: &LinkInner, connection: &Connection) -> Loss {
    // So often the thread looks for a call that waits too long.
    let timeout = (inner.settings.command_timeout / 8).clamp(Duration::from_millis(5), Duration::from_millis(500));
    if connection.set_receive_timeout(timeout).is_err() {
        return Loss::Disconnected;
    }
    let mut buffer = vec![0; BUFFER];
    let mut parser = ReplyParser::default();
    let mut replies = Vec::new();
    let mut answered = Vec::new();
    loop {
        let mut loss = None;
        let mut take = |bytes: &[u8]| {
            if parser.feed(bytes, &mut replies).is_err() {
                loss = Some(Loss::ProtocolError);
            }
        };
        match connection.receive(&mut buffer, &mut take) {
            Ok(true) => {}
            Ok(false) => return Loss::Disconnected,
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => continue,
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {}
                _ => return Loss::Disconnected,
            },
        }
        let loss = if replies.is_empty() {
            loss.or_else(|| is_late(inner).then_some(Loss::TimedOut))
        } else {
            loss.or(assign(inner, &mut replies, &mut answered))
        };
        for (body, replies) in answered.drain(..) {
            answer(inner, body, replies);
        }
        if let Some(loss) = loss {
            return loss;
        }
    }
}

/// Assigns each reply to the call that it belongs to.
fn assign(inner: &LinkInner, replies: &mut Vec<RespValue>, answered: &mut Vec<Answered>) -> Option<Loss> {
    let mut state = inner.state.lock();
    for reply in replies.drain(..) {
        if let RespValue::Push { .. } = reply {
            // It belongs to no call.
            continue;
        }
        let Some(call) = state.in_flight.front_mut() else {
            // No call waits for this reply, so the call of the next one would be a guess.
            return Some(Loss::ProtocolError);
        };
        call.replies.push(reply);
        call.missing -= 1;
        if call.missing == 0
            && let Some(call) = state.in_flight.pop_front()
        {
            answered.extend(state.settle(call));
        }
    }
    if state.queue_repeated() || state.wants_sending() {
        inner.work.notify_one();
    }
    if state.closing && state.is_idle() {
        inner.quiet.notify_all();
    }
    None
}

/// True if the first call in flight has waited too long.
fn is_late(inner: &LinkInner) -> bool {
    let state = inner.state.lock();
    let timeout = inner.settings.command_timeout;
    state.in_flight.front().is_some_and(|call| call.since.elapsed() >= timeout)
}
