use super::*;
use crate::batch::Op;
use crate::value::Value;

const ID: u64 = 0x0123_4567_89ab_cdef;

fn entries() -> Vec<Entry> {
    vec![
        Entry::Store { index: 0, id: 0x0a0b, intents: true, name: "sqlite".into() },
        Entry::Undo {
            number: 300,
            store: 1,
            written: vec![Op::set("k", Value::json("1"))],
            before: vec![Op::delete("k")],
        },
        Entry::Commit { number: 7 },
        Entry::Undone { number: 300, store: 1 },
        Entry::Clean { store: 0 },
    ]
}

/// A log with one frame for each entry, and the place of each frame.
fn log(entries: &[Entry]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = header(ID);
    let mut places = Vec::new();
    for entry in entries {
        places.push(bytes.len());
        let mut body = Vec::new();
        put(&mut body, entry);
        bytes.extend_from_slice(&frame(ID, bytes.len() as u64, &body));
    }
    (bytes, places)
}

fn text(entries: &[Entry]) -> String {
    format!("{entries:?}")
}

#[test]
fn the_bytes_are_those_of_the_first_release() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    assert_eq!(hex(&header(ID)), "484654584c4f470001000000efcdab89674523013a0e29c43f24c42a");
    let bodies: Vec<String> = entries()
        .iter()
        .map(|entry| {
            let mut body = Vec::new();
            put(&mut body, entry);
            hex(&body)
        })
        .collect();
    assert_eq!(
        bodies,
        [
            "010000000000000000000000000000000a0b010673716c697465",
            "03ac0201060100016b0131040102016b",
            "0207",
            "04ac0201",
            "0500",
        ]
    );
    assert_eq!(hex(&frame(ID, 28, &[2, 7])), "02000000e7978b6f0207757a959f1593aeb0");
}

#[test]
fn entries_come_back() {
    let (bytes, places) = log(&entries());
    let contents = read(ID, &bytes.clone().into()).unwrap().unwrap();
    assert_eq!(text(&contents.entries), text(&entries()));
    assert_eq!(contents.end, bytes.len() as u64);
    assert_eq!(Some(contents.last), places.last().map(|place| *place as u64));
}

#[test]
fn a_log_cut_anywhere_says_what_was_whole() {
    let (bytes, places) = log(&entries());
    for cut in 0..bytes.len() {
        let contents = read(ID, &Bytes::copy_from_slice(&bytes[..cut])).unwrap();
        let Some(contents) = contents else {
            assert!(cut < HEADER, "cut at {cut}");
            continue;
        };
        let whole = places.iter().filter(|place| **place < cut).count();
        let whole = if places.contains(&cut) { whole } else { whole.saturating_sub(1) };
        assert_eq!(text(&contents.entries), text(&entries()[..whole]), "cut at {cut}");
    }
}

#[test]
fn a_byte_changed_anywhere_is_a_torn_end_or_damage_but_never_another_entry() {
    let (bytes, places) = log(&entries());
    let last = *places.last().unwrap();
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            let found = read(ID, &changed.into());
            if at < last {
                let code = found.err().map(|error| error.code());
                assert!(
                    code == Some(Code::Corrupted) || (8..12).contains(&at) && code == Some(Code::UnsupportedFormat),
                    "byte {at}: {code:?}"
                );
            } else {
                let contents = found.unwrap().unwrap();
                assert_eq!(text(&contents.entries), text(&entries()[..places.len() - 1]), "byte {at}");
            }
        }
    }
}

#[test]
fn bytes_of_another_log_or_place_are_nothing() {
    let (bytes, places) = log(&entries());
    assert_eq!(read(ID + 1, &bytes.clone().into()).err().map(|error| error.code()), Some(Code::Corrupted));
    let mut moved = header(ID);
    moved.extend_from_slice(&bytes[places[1]..]);
    let contents = read(ID, &moved.into()).unwrap().unwrap();
    assert!(contents.entries.is_empty());
}

#[test]
fn a_header_that_never_reached_the_disk_is_no_damage() {
    assert!(read(ID, &Bytes::from_static(&[0; HEADER])).unwrap().is_none());
    assert!(read(ID, &Bytes::new()).unwrap().is_none());
    assert!(read(ID, &Bytes::from_static(&[0; HEADER + 1])).is_err());
}
