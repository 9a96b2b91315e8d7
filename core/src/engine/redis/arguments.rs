//! The arguments of a command, encoded as the protocol wants them.

use std::io::Write;

use redis::{RedisWrite, ToRedisArgs};

use crate::format::redis::Name;

/// A sequence of encoded arguments.
#[derive(Default)]
pub(super) struct Arguments {
    bytes: Vec<u8>,
    count: usize,
}

impl Arguments {
    #[must_use]
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Arguments { bytes: Vec::with_capacity(bytes), count: 0 }
    }

    pub(super) fn push(&mut self, argument: impl AsRef<[u8]>) {
        self.push_joined(&[], argument.as_ref());
    }

    /// Appends one argument that consists of two pieces.
    pub(super) fn push_joined(&mut self, head: &[u8], tail: &[u8]) {
        self.count += 1;
        put_header(&mut self.bytes, b'$', head.len() + tail.len());
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(tail);
        self.bytes.extend_from_slice(b"\r\n");
    }

    pub(super) fn push_number(&mut self, number: u64) {
        let mut digits = [0; 20];
        let text = decimal(number, &mut digits);
        self.push_joined(&[], text);
    }

    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn append(&mut self, other: &Arguments) {
        self.count += other.count;
        self.bytes.extend_from_slice(&other.bytes);
    }

    /// Appends the command with these arguments to `out`.
    pub(super) fn write_command(&self, out: &mut Vec<u8>) {
        put_header(out, b'*', self.count);
        out.extend_from_slice(&self.bytes);
    }

    /// The arguments as MessagePack arrays of at most `most` strings each.
    pub(super) fn packed(&self, most: usize) -> Vec<Vec<u8>> {
        let mut arrays = Vec::new();
        let mut strings = self.iter().peekable();
        while strings.peek().is_some() {
            let (mut array, mut count) = (vec![0xdd, 0, 0, 0, 0], 0_u32);
            for string in strings.by_ref().take(most) {
                count += 1;
                array.push(0xdb);
                array.extend_from_slice(&u32::try_from(string.len()).unwrap_or(u32::MAX).to_be_bytes());
                array.extend_from_slice(string);
            }
            if let Some(header) = array.get_mut(1..5) {
                header.copy_from_slice(&count.to_be_bytes());
            }
            arrays.push(array);
        }
        arrays
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let line = rest.iter().position(|byte| *byte == b'\r')?;
            let length: usize = std::str::from_utf8(rest.get(1..line)?).ok()?.parse().ok()?;
            let argument = rest.get(line + 2..line + 2 + length)?;
            rest = rest.get(line + 4 + length..)?;
            Some(argument)
        })
    }
}

fn put_header(out: &mut Vec<u8>, kind: u8, number: usize) {
    let mut digits = [0; 20];
    out.push(kind);
    out.extend_from_slice(decimal(number as u64, &mut digits));
    out.extend_from_slice(b"\r\n");
}

/// The digits of a number, which has at most 20.
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut from = digits.len();
    for (index, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        from = index;
        if number == 0 {
            break;
        }
    }
    digits.get(from..).unwrap_or_default()
}

/// The name of a user key is written without a copy of the key.
impl ToRedisArgs for Name<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let mut argument = out.writer_for_next_arg();
        // A write to memory cannot fail.
        let _ = argument.write_all(self.prefix).and_then(|()| argument.write_all(self.key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_a_command_and_come_back_packed() {
        let mut arguments = Arguments::default();
        for argument in [&b"SET"[..], b"a\r\nb", b""] {
            arguments.push(argument);
        }
        arguments.push_number(u64::MAX);
        arguments.push_number(0);
        let mut bytes = Vec::new();
        arguments.write_command(&mut bytes);
        assert_eq!(bytes, b"*5\r\n$3\r\nSET\r\n$4\r\na\r\nb\r\n$0\r\n\r\n$20\r\n18446744073709551615\r\n$1\r\n0\r\n");
        let packed = arguments.packed(2);
        assert_eq!(packed.len(), 3);
        assert_eq!(packed[0], b"\xdd\0\0\0\x02\xdb\0\0\0\x03SET\xdb\0\0\0\x04a\r\nb");
        assert_eq!(packed[2], b"\xdd\0\0\0\x01\xdb\0\0\0\x010");
    }
}
