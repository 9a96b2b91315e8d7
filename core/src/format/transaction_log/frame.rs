use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The size of a frame beside its body, in bytes: the length and its check in front, the checksum behind.
pub const FRAME: usize = 16;

/// The frame of a body at byte `at` of log `id`. A body is shorter than 4 GiB.
#[must_use]
pub fn frame(id: u64, at: u64, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    let seed = seed(id, at);
    let mut out = Vec::with_capacity(body.len() + FRAME);
    out.extend_from_slice(&length);
    out.extend_from_slice(&length_check(length, seed));
    out.extend_from_slice(body);
    out.extend_from_slice(&xxh3_64_with_seed(body, seed).to_le_bytes());
    out
}

fn seed(id: u64, at: u64) -> u64 {
    // The odd constant keeps small offsets from cancelling out against ids that differ little.
    id ^ at.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn length_check(length: [u8; 4], seed: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = xxh3_64_with_seed(&length, seed).to_le_bytes();
    [a, b, c, d]
}

/// The body of the frame at byte `at` of log `id`; `None` if there is no whole one.
pub(super) fn frame_at(id: u64, bytes: &Bytes, at: usize) -> Option<Bytes> {
    let seed = seed(id, at as u64);
    let rest = bytes.get(at..)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (check, rest) = rest.split_first_chunk::<4>()?;
    if *check != length_check(*length, seed) {
        return None;
    }
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let sum = rest.get(length..)?.first_chunk::<8>()?;
    let body = rest.get(..length)?;
    (xxh3_64_with_seed(body, seed) == u64::from_le_bytes(*sum)).then(|| bytes.slice_ref(body))
}
