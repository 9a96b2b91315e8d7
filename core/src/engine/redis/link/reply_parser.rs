//! Parses replies from bytes that arrive in pieces.

use std::io::{self, Read};

use redis::{Parser, RedisResult, Value as RespValue};

/// The parser of one connection. It keeps the pieces of an unfinished reply.
#[derive(Default)]
pub(super) struct ReplyParser {
    parser: Parser,
}

impl ReplyParser {
    /// Appends each reply that `bytes` completes. After an error the connection cannot be trusted any more.
    pub(super) fn feed(&mut self, bytes: &[u8], replies: &mut Vec<RespValue>) -> RedisResult<()> {
        let mut piece = Piece(bytes);
        loop {
            match self.parser.parse_value(&mut piece) {
                Ok(reply) => replies.push(reply),
                Err(error) if error.is_timeout() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// A stream that would block where its bytes end: the end of a stream would be an error to the parser.
struct Piece<'a>(&'a [u8]);

impl Read for Piece<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.0.read(buffer) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8], size: usize) -> RedisResult<Vec<RespValue>> {
        let mut parser = ReplyParser::default();
        let mut found = Vec::new();
        bytes.chunks(size).try_for_each(|piece| parser.feed(piece, &mut found))?;
        Ok(found)
    }

    #[test]
    fn replies_are_the_same_however_the_bytes_are_cut() {
        let mut bytes = b"+OK\r\n+QUEUED\r\n:-12\r\n$-1\r\n$5\r\na\r\nbc\r\n".to_vec();
        bytes.extend(b"*3\r\n$1\r\nx\r\n*2\r\n:1\r\n*0\r\n-ERR no\r\n*-1\r\n$0\r\n\r\n");
        let text = |text: &str| RespValue::BulkString(text.into());
        for size in 1..=bytes.len() {
            let found = parse(&bytes, size).unwrap();
            let [ok, queued, number, nil, cut, nested, none, empty] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!((ok, queued), (&RespValue::Okay, &RespValue::SimpleString("QUEUED".into())), "pieces of {size}");
            assert_eq!((number, nil), (&RespValue::Int(-12), &RespValue::Nil));
            assert_eq!((cut, none, empty), (&text("a\r\nbc"), &RespValue::Nil, &text("")));
            let RespValue::Array(items) = nested else { panic!("{nested:?}") };
            let [x, inner, RespValue::ServerError(error)] = items.as_slice() else { panic!("{items:?}") };
            assert_eq!(
                (x, inner),
                (&text("x"), &RespValue::Array(vec![RespValue::Int(1), RespValue::Array(Vec::new())]))
            );
            assert_eq!((error.code(), error.details()), ("ERR", Some("no")));
        }
    }

    #[test]
    fn a_large_reply_arrives_in_many_pieces() {
        let large = "x".repeat(1 << 20);
        let bytes = format!("${}\r\n{large}\r\n:1\r\n", large.len());
        assert_eq!(parse(bytes.as_bytes(), 1000).unwrap(), [RespValue::BulkString(large.into()), RespValue::Int(1)]);
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for text in ["x\r\n", "\r\n", ":a\r\n", "$1\r\nab\r\n", "$99999999999999999999\r\n", "HTTP/1.1 400\r\n"] {
            for size in [2, 100] {
                assert!(parse(text.as_bytes(), size).is_err(), "{text:?} in pieces of {size}");
            }
        }
        assert!(parse(&b"*1\r\n".repeat(1000), 100).is_err());
        // A length beyond memory is waited for, not made room for.
        assert_eq!(parse(b"*9999999999\r\n:1\r\n", 100).unwrap(), []);
    }
}
