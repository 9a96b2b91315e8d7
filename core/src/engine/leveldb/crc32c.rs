//! CRC-32C (Castagnoli), byte by byte: it is computed once, after a crash.

/// The effect of each byte on a checksum.
#[allow(clippy::indexing_slicing, reason = "the compiler runs it: out of bounds would be an error of the build")]
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_u32;
    while byte < 256 {
        let mut sum = byte;
        let mut bit = 0;
        while bit < 8 {
            sum = (sum >> 1) ^ (0x82f6_3b78 * (sum & 1));
            bit += 1;
        }
        table[byte as usize] = sum;
        byte += 1;
    }
    table
};

/// The checksum of two pieces, one behind the other.
pub(super) fn crc32c(first: &[u8], second: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        let [low, ..] = sum.to_le_bytes();
        (sum >> 8) ^ TABLE.get(usize::from(low ^ byte)).copied().unwrap_or(0)
    };
    !first.iter().chain(second).fold(!0, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        assert_eq!(crc32c(b"1234", b"56789"), 0xe306_9283);
    }
}
