//! The Redis protocol, version 2: commands are packed, replies are parsed as their bytes arrive.
//!
//! Source: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use bytes::{Buf, Bytes, BytesMut};

/// A reply of the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Resp {
    Nil,
    Int(i64),
    /// A status line such as `OK`.
    Simple(Bytes),
    Bulk(Bytes),
    Array(Vec<Resp>),
    /// An error line: a code word, a space, a text.
    Error(Bytes),
}

/// The bytes are no reply of this protocol: the connection cannot be trusted any more.
#[derive(Debug)]
pub struct Malformed;

/// A reply line, which holds no data, is at most this long.
const MAX_LINE: usize = 64 << 10;
/// Nesting of arrays; our own commands never need more than three.
const MAX_DEPTH: usize = 8;
/// Bulks from this size on are cut out of the receive buffer, smaller ones copied so that they do not keep it.
const CUT_OUT: usize = 16 << 10;

/// Starts a command of `args` arguments, its name included.
pub fn command(out: &mut Vec<u8>, args: usize) {
    header(out, b'*', args);
}

/// Appends an argument to the command started last.
pub fn arg(out: &mut Vec<u8>, bytes: &[u8]) {
    arg_parts(out, &[bytes]);
}

/// Appends an argument made of several pieces.
pub fn arg_parts(out: &mut Vec<u8>, parts: &[&[u8]]) {
    header(out, b'$', parts.iter().map(|part| part.len()).sum());
    for part in parts {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a whole command.
pub fn pack(out: &mut Vec<u8>, args: &[&[u8]]) {
    command(out, args.len());
    for bytes in args {
        arg(out, bytes);
    }
}

fn header(out: &mut Vec<u8>, kind: u8, number: usize) {
    out.push(kind);
    decimal(out, number);
    out.extend_from_slice(b"\r\n");
}

fn decimal(out: &mut Vec<u8>, mut number: usize) {
    let from = out.len();
    loop {
        // A digit fits a byte.
        out.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(from..) {
        digits.reverse();
    }
}

/// Parses replies from bytes that arrive in pieces. No byte is looked at twice, but for an unfinished line.
#[derive(Default)]
pub struct Parser {
    buffer: BytesMut,
    /// The arrays around the next reply: what is missing, and what is there.
    open: Vec<(usize, Vec<Resp>)>,
    /// The length of the bulk whose bytes are awaited.
    bulk: Option<usize>,
}

impl Parser {
    /// Takes what arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole reply, or `None` until more has arrived.
    #[allow(clippy::should_implement_trait, reason = "None means that more must arrive, not the end")]
    pub fn next(&mut self) -> Result<Option<Resp>, Malformed> {
        loop {
            let Some(mut reply) = self.piece()? else { return Ok(None) };
            // Fill the arrays that this reply completes.
            loop {
                let Some((missing, items)) = self.open.last_mut() else { return Ok(Some(reply)) };
                items.push(reply);
                *missing -= 1;
                if *missing > 0 {
                    break;
                }
                reply = Resp::Array(self.open.pop().map(|(_, items)| items).unwrap_or_default());
            }
        }
    }

    /// The next reply that is not the beginning of an array.
    fn piece(&mut self) -> Result<Option<Resp>, Malformed> {
        loop {
            if let Some(length) = self.bulk {
                return self.take_bulk(length);
            }
            let Some(line) = self.line()? else { return Ok(None) };
            let (kind, rest) = line.split_first().ok_or(Malformed)?;
            let reply = match kind {
                b'+' => Resp::Simple(line.slice(1..)),
                b'-' => Resp::Error(line.slice(1..)),
                b':' => Resp::Int(integer(rest)?),
                b'$' => match integer(rest)? {
                    -1 => Resp::Nil,
                    length => {
                        self.bulk = Some(usize::try_from(length).map_err(|_| Malformed)?);
                        continue;
                    }
                },
                b'*' => match integer(rest)? {
                    -1 => Resp::Nil,
                    0 => Resp::Array(Vec::new()),
                    count => {
                        let count = usize::try_from(count).map_err(|_| Malformed)?;
                        if self.open.len() == MAX_DEPTH {
                            return Err(Malformed);
                        }
                        self.open.push((count, Vec::with_capacity(count.min(4096))));
                        continue;
                    }
                },
                _ => return Err(Malformed),
            };
            return Ok(Some(reply));
        }
    }

    fn take_bulk(&mut self, length: usize) -> Result<Option<Resp>, Malformed> {
        let whole = length.checked_add(2).ok_or(Malformed)?;
        if self.buffer.len() < whole {
            return Ok(None);
        }
        self.bulk = None;
        let bytes = if length < CUT_OUT {
            let bytes = Bytes::copy_from_slice(self.buffer.get(..length).ok_or(Malformed)?);
            self.buffer.advance(length);
            bytes
        } else {
            self.buffer.split_to(length).freeze()
        };
        if !self.buffer.starts_with(b"\r\n") {
            return Err(Malformed);
        }
        self.buffer.advance(2);
        Ok(Some(Resp::Bulk(bytes)))
    }

    /// The next line without its end.
    fn line(&mut self) -> Result<Option<Bytes>, Malformed> {
        let Some(end) = memchr::memchr(b'\n', &self.buffer) else {
            return if self.buffer.len() > MAX_LINE { Err(Malformed) } else { Ok(None) };
        };
        let line = self.buffer.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(Malformed)?;
        let line = Bytes::copy_from_slice(line);
        self.buffer.advance(end + 1);
        Ok(Some(line))
    }
}

fn integer(text: &[u8]) -> Result<i64, Malformed> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLIES: &[u8] =
        b"+OK\r\n:-12\r\n$-1\r\n$5\r\na\r\nbc\r\n*3\r\n$1\r\nx\r\n*2\r\n:1\r\n*0\r\n-ERR no\r\n*-1\r\n$0\r\n\r\n";

    fn expected() -> Vec<Resp> {
        let bulk = |text: &'static [u8]| Resp::Bulk(Bytes::from_static(text));
        vec![
            Resp::Simple(Bytes::from_static(b"OK")),
            Resp::Int(-12),
            Resp::Nil,
            bulk(b"a\r\nbc"),
            Resp::Array(vec![
                bulk(b"x"),
                Resp::Array(vec![Resp::Int(1), Resp::Array(Vec::new())]),
                Resp::Error(Bytes::from_static(b"ERR no")),
            ]),
            Resp::Nil,
            bulk(b""),
        ]
    }

    #[test]
    fn replies_are_the_same_however_the_bytes_are_cut() {
        for size in 1..=REPLIES.len() {
            let mut parser = Parser::default();
            let mut replies = Vec::new();
            for piece in REPLIES.chunks(size) {
                parser.feed(piece);
                while let Some(reply) = parser.next().unwrap() {
                    replies.push(reply);
                }
            }
            assert_eq!(replies, expected(), "pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for text in
            ["x\r\n", "\r\n", ":a\r\n", "$-2\r\n", "*-5\r\n", "$1\r\nab\r\n", "+OK\n", "$99999999999999999999\r\n"]
        {
            let mut parser = Parser::default();
            parser.feed(text.as_bytes());
            assert!(parser.next().is_err(), "{text:?}");
        }
        let mut deep = Parser::default();
        deep.feed(&b"*1\r\n".repeat(100));
        assert!(deep.next().is_err());
    }

    #[test]
    fn a_command_is_counted_in_bytes() {
        let mut out = Vec::new();
        pack(&mut out, &[b"SET", "k\u{e9}".as_bytes(), b""]);
        assert_eq!(out, "*3\r\n$3\r\nSET\r\n$3\r\nk\u{e9}\r\n$0\r\n\r\n".as_bytes());
    }
}
