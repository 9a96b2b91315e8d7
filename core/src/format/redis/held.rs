use crate::batch::IntentId;
use crate::record::Millis;

/// The name of an intent in the hash of held keys.
#[must_use]
pub fn intent_name(id: IntentId) -> String {
    format!("{:016x}-{:016x}", id.log, id.number)
}

/// The mark of a held key: the intent, and the time at which it was made. The version of the key follows.
#[must_use]
pub fn held_mark(id: IntentId, at: Millis) -> String {
    format!("{} {at:013} ", intent_name(id))
}

/// The intent that holds a key, and the time at which it was made, from the mark of the key.
#[must_use]
pub fn held_by(text: &[u8]) -> Option<(IntentId, Millis)> {
    let text = std::str::from_utf8(text).ok()?;
    let mut fields = text.split(' ');
    let (log, number) = fields.next()?.split_once('-')?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    Some((IntentId { log: hex(log)?, number: hex(number)? }, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_a_key_comes_back() {
        let id = IntentId { log: 0xabc, number: u64::MAX };
        let text = held_mark(id, 1_800_000_000_000) + "8ab";
        assert_eq!(&text[48..], "8ab", "the script cuts here");
        assert_eq!(&text[..33], intent_name(id), "and here");
        assert_eq!(held_by(text.as_bytes()), Some((id, 1_800_000_000_000)));
        for other in ["", "x", "1-2", "1-2 x", "12 3"] {
            assert_eq!(held_by(other.as_bytes()), None, "{other}");
        }
    }
}
