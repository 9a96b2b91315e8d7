//! The parts of stored formats: LEB128 varints, bytes behind their length, and the ends of ranges.

use std::ops::Bound;

use bytes::Bytes;

use crate::key::Key;

/// Appends a varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(low_seven_bits(number) | 0x80);
        number >>= 7;
    }
    out.push(low_seven_bits(number));
}

fn low_seven_bits(number: u64) -> u8 {
    let [low, ..] = number.to_le_bytes();
    low & 0x7f
}

/// Appends a length and that many bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends the end of a range.
pub(crate) fn put_bound(out: &mut Vec<u8>, bound: &Bound<Key>) {
    match bound {
        Bound::Unbounded => out.push(0),
        Bound::Included(key) => {
            out.push(1);
            put_bytes(out, key);
        }
        Bound::Excluded(key) => {
            out.push(2);
            put_bytes(out, key);
        }
    }
}

/// Reads the bytes of the functions above, one after the other. A method returns `None` for other bytes.
pub(crate) struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a Bytes) -> Self {
        Reader { bytes, at: 0 }
    }

    /// The number of bytes that were read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return None;
            }
            number |= part << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<Bytes> {
        let end = self.at.checked_add(length)?;
        if end > self.bytes.len() {
            return None;
        }
        let slice = self.bytes.slice(self.at..end);
        self.at = end;
        Some(slice)
    }

    /// Bytes behind their length.
    pub(crate) fn slice(&mut self) -> Option<Bytes> {
        let length = usize::try_from(self.varint()?).ok()?;
        self.take(length)
    }

    pub(crate) fn bound(&mut self) -> Option<Bound<Key>> {
        match self.byte()? {
            0 => Some(Bound::Unbounded),
            1 => Some(Bound::Included(self.slice()?)),
            2 => Some(Bound::Excluded(self.slice()?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_comes_back_and_ends_where_it_should(number: u64, behind: u8) {
            let mut out = Vec::new();
            put_varint(&mut out, number);
            let length = out.len();
            out.push(behind);
            let out = Bytes::from(out);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.varint(), Some(number));
            prop_assert_eq!(reader.at(), length);
        }
    }

    #[test]
    fn what_does_not_fit_64_bits_is_no_number() {
        let longest = Bytes::from_static(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
        assert_eq!(Reader::new(&longest).varint(), Some(u64::MAX));
        for bad in [&b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"[..], &[0xff; 11], &[0x80], &[]] {
            assert_eq!(Reader::new(&Bytes::from_static(bad)).varint(), None);
        }
    }
}
