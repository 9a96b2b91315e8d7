//! The file engine: what only it does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_core::batch::{Batch, IntentId, Op};
use holdfast_core::conformance::Fixture;
use holdfast_core::engine::file::{Encoding, FileOptions, open};
use holdfast_core::engine::intent::Decision;
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::{Durability, Engine, EngineExt, Projection, Read, Reply, Request, for_each_page};
use holdfast_core::record::{Record, now};
use holdfast_core::{Code, Key, KeyRange, Result, Space, Value};

fn options(path: &Path) -> FileOptions {
    FileOptions { durability: Durability::Normal, ..FileOptions::new(path) }
}

struct File(tempfile::TempDir, Durability);

impl File {
    fn new(durability: Durability) -> Self {
        File(tempfile::tempdir().unwrap(), durability)
    }
}

impl Fixture for File {
    fn open(&self) -> Result<Lease> {
        open(FileOptions { durability: self.1, ..FileOptions::new(self.0.path()) })
    }

    fn persistent(&self) -> bool {
        true
    }
}

mod full {
    use super::{Durability, File};
    holdfast_core::conformance!(File::new(Durability::Full));
}

mod none {
    use super::{Durability, File};
    holdfast_core::conformance!(File::new(Durability::None));
}

#[test]
fn a_damaged_intent_stops_writes_until_it_is_set_aside() {
    for durability in [Durability::Full, Durability::Normal] {
        holdfast_core::conformance::intents::a_damaged_intent_stops_writes_until_it_is_set_aside(&File::new(
            durability,
        ));
    }
}

#[test]
fn an_intent_that_fails_to_be_carried_out_still_stands() {
    let root = tempfile::tempdir().unwrap();
    let lease = open(options(root.path())).unwrap();
    let engine = lease.engine();
    let id = IntentId { log: 1, number: 1 };
    engine.prepare(id, Batch { ops: vec![op("a", "1"), op("b", "1")], ..Batch::default() }).unwrap();
    std::fs::create_dir_all(root.path().join("a.json/x")).unwrap();
    assert!(engine.resolve(id, Decision::Apply).is_err());
    assert_eq!(engine.commit(Batch::one(op("b", "2"))).unwrap_err().code(), Code::Conflict);
    std::fs::remove_dir_all(root.path().join("a.json")).unwrap();
    assert!(engine.resolve(id, Decision::Apply).unwrap().is_some());
    assert_eq!(engine.commit(Batch::one(op("b", "2"))).err().map(|error| error.code()), None);
}

fn op(key: &str, text: &str) -> Op {
    Op::Set {
        space: Space::User,
        key: Key::copy_from_slice(key.as_bytes()),
        value: Value::json(text.to_owned()),
        expires_at: None,
        metadata: None,
    }
}

fn delete(key: &str) -> Op {
    Op::Delete { space: Space::User, key: Key::copy_from_slice(key.as_bytes()) }
}

fn set(engine: &Arc<dyn Engine>, key: &str, text: &str) {
    engine.commit(Batch::one(op(key, text))).unwrap();
}

fn entry(engine: &Arc<dyn Engine>, key: &str) -> Result<Option<Record>> {
    let read = Read::Entry(Space::User, Key::copy_from_slice(key.as_bytes()));
    let reply = match engine.try_read(&read) {
        Some(reply) => reply?,
        None => engine.wait(Request::Read(read))?,
    };
    match reply {
        Reply::Entry(record) => Ok(record),
        _ => panic!("the reply is of the wrong kind"),
    }
}

fn get(engine: &Arc<dyn Engine>, key: &str) -> Option<String> {
    entry(engine, key).unwrap().map(|record| String::from_utf8(record.value.to_text().to_vec()).unwrap())
}

fn keys(engine: &Arc<dyn Engine>) -> Vec<String> {
    keys_of(engine, &KeyRange::all())
}

fn keys_of(engine: &Arc<dyn Engine>, range: &KeyRange) -> Vec<String> {
    let mut keys = Vec::new();
    let view = engine.view().unwrap();
    for_each_page(&*view, Space::User, range, Projection::Keys, |page| {
        keys.extend(page.into_iter().map(|(key, _)| String::from_utf8(key.to_vec()).unwrap()));
        Ok(true)
    })
    .unwrap();
    keys
}

#[test]
fn a_key_is_an_indented_json_file_where_one_looks_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    set(lease.engine(), "users/alice", "{\"age\":30}");
    assert_eq!(fs::read_to_string(dir.path().join("users/alice.json")).unwrap(), "{\n  \"age\": 30\n}");
    assert_eq!(get(lease.engine(), "users/alice").unwrap(), "{\"age\":30}");
    lease.engine().commit(Batch::one(delete("users/alice"))).unwrap();
    assert!(!dir.path().join("users").exists(), "the folder went with its last file");
    assert!(dir.path().exists());
}

#[test]
fn the_other_encoding_is_utf16_with_or_without_a_mark() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(FileOptions { encoding: Encoding::Utf16Le, ..options(dir.path()) }).unwrap();
    set(lease.engine(), "k", "\"\u{e9}\"");
    assert_eq!(fs::read(dir.path().join("k.json")).unwrap(), b"\"\0\xe9\0\"\0");
    fs::write(dir.path().join("k.json"), b"\xff\xfe1\0").unwrap();
    assert_eq!(get(lease.engine(), "k").unwrap(), "1");
}

#[test]
fn hand_edits_are_seen_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    let engine = lease.engine();
    let path = dir.path().join("k.json");
    set(engine, "k", "1");
    for round in 0..200 {
        let text = (round % 7).to_string();
        fs::write(&path, &text).unwrap();
        assert_eq!(get(engine, "k").unwrap(), text, "round {round}");
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(get(engine, "k"), None);
    fs::create_dir(dir.path().join("made")).unwrap();
    fs::write(dir.path().join("made/By.json"), "1").unwrap();
    fs::write(dir.path().join("made/by-hand.json"), " [ 1 ] ").unwrap();
    assert_eq!(keys(engine), ["made/by-hand"]);
    assert_eq!(get(engine, "made/by-hand").unwrap(), "[1]");
}

#[test]
fn an_edit_takes_expiry_and_metadata_away_and_reformatting_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    let engine = lease.engine();
    let at = now() + 60_000;
    let write = Op::Set {
        space: Space::User,
        key: Key::from_static(b"k"),
        value: Value::json("{\"a\":1}"),
        expires_at: Some(at),
        metadata: Some(Bytes::from_static(b"{\"m\":1}")),
    };
    engine.commit(Batch::one(write)).unwrap();
    let version = entry(engine, "k").unwrap().unwrap().version;
    fs::write(dir.path().join("k.json"), "{\"a\":1}").unwrap();
    let record = entry(engine, "k").unwrap().unwrap();
    assert_eq!((record.expires_at, record.version), (Some(at), version));
    assert_eq!(record.metadata.as_deref(), Some(&b"{\"m\":1}"[..]));
    fs::write(dir.path().join("k.json"), "{\"a\":2}").unwrap();
    let record = entry(engine, "k").unwrap().unwrap();
    assert_eq!((record.expires_at, record.metadata), (None, None));
    // A plain write of the first value is a new record: nothing of the old one comes back.
    set(engine, "k", "{\"a\":1}");
    assert_eq!(entry(engine, "k").unwrap().unwrap().expires_at, None);
}

#[test]
fn keys_are_in_the_order_of_their_bytes_whatever_their_names_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    let engine = lease.engine();
    let long = "x".repeat(4096);
    let deep = "A/".repeat(2048);
    let mut expected = vec![
        "a",
        "a/b",
        "a/",
        "a//",
        "a!b",
        "a0",
        "A",
        "B",
        "..",
        "../x",
        "con",
        "\u{e9}",
        "e\u{301}",
        "__proto__",
        "x\ny\0",
        ".holdfast/store.db",
        "x.json/y",
        "x",
        "x.json",
        "/",
        &long,
        &deep,
    ];
    engine.commit(Batch { ops: expected.iter().map(|key| op(key, "1")).collect(), ..Batch::default() }).unwrap();
    expected.sort_unstable();
    assert_eq!(keys(engine), expected);
    let mut reverse = KeyRange::all();
    reverse.reverse = true;
    expected.reverse();
    assert_eq!(keys_of(engine, &reverse), expected);
    for key in &expected {
        assert_eq!(get(engine, key).as_deref(), Some("1"), "{key:?}");
    }
    lease.close().unwrap();
    let lease = open(options(dir.path())).unwrap();
    expected.reverse();
    assert_eq!(keys(lease.engine()), expected, "long keys too outlive the process");
}

#[test]
fn a_file_that_is_no_json_is_corrupted_and_stays_until_it_is_set() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    let engine = lease.engine();
    for broken in ["", "{\"a\":", "\0\0\0"] {
        fs::write(dir.path().join("k.json"), broken).unwrap();
        let error = entry(engine, "k").unwrap_err();
        assert_eq!((error.code(), error.key(), error.engine()), (Code::Corrupted, Some("k"), Some("file")));
        assert!(error.message().contains("k.json"), "{error}");
        assert_eq!(fs::read_to_string(dir.path().join("k.json")).unwrap(), broken);
    }
    set(engine, "k", "1");
    assert_eq!(get(engine, "k").unwrap(), "1");
}

#[test]
fn verify_reports_each_damaged_file_and_repair_sets_it_aside() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    let engine = lease.engine();
    for key in ["a", "b", "c/d"] {
        set(engine, key, "1");
    }
    fs::write(dir.path().join("b.json"), "{").unwrap();
    fs::write(dir.path().join("c/d.json"), "").unwrap();
    fs::write(dir.path().join("Not A Key.json"), "1").unwrap();
    fs::write(dir.path().join(".tmp-0123456789abcdef"), "1").unwrap();
    let report = engine.verify(true, &mut |_, _| Ok(())).unwrap();
    assert_eq!(report.checked, 3);
    let damaged: Vec<_> = report.errors.iter().filter_map(|error| error.key()).collect();
    assert_eq!(damaged, ["b", "c/d"]);
    assert_eq!(report.errors.len(), 4, "{:?}", report.errors);
    assert_eq!(keys(engine), ["a"]);
    assert_eq!(fs::read_to_string(dir.path().join(".holdfast/quarantine/b.json")).unwrap(), "{");
    assert!(dir.path().join("Not A Key.json").exists());
    let report = engine.verify(false, &mut |_, _| Ok(())).unwrap();
    assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
}

#[test]
fn expired_keys_are_absent_at_once_and_swept_with_their_files() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    let engine = lease.engine();
    let expiring = |key: &'static str, at| Op::Set {
        space: Space::User,
        key: Key::from_static(key.as_bytes()),
        value: Value::json("1"),
        expires_at: Some(at),
        metadata: None,
    };
    let ops = vec![expiring("gone", now() - 1), expiring("edited", now() - 1), expiring("stays", now() + 60_000)];
    engine.commit(Batch { ops, ..Batch::default() }).unwrap();
    assert_eq!(keys(engine), ["stays"]);
    assert_eq!(get(engine, "gone"), None);
    fs::write(dir.path().join("edited.json"), "2").unwrap();
    let start = std::time::Instant::now();
    while dir.path().join("gone.json").exists() {
        assert!(start.elapsed().as_secs() < 10, "no sweep came");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(keys(engine), ["edited", "stays"], "the newer value, written by hand, is no victim");
}

#[cfg(unix)]
#[test]
fn a_file_with_a_second_name_is_replaced_and_any_other_written_in_place_below_full() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let lease = open(FileOptions { durability: Durability::Normal, ..FileOptions::new(dir.path()) }).unwrap();
    let engine = lease.engine();
    let path = dir.path().join("a.json");
    let inode = || fs::metadata(&path).unwrap().ino();
    set(engine, "a", "\"a long text\"");
    let first = inode();
    for value in ["\"short\"", "\"other\"", "[1,2,3,4,5,6,7,8,9]", "1"] {
        let before = now();
        set(engine, "a", value);
        assert_eq!(get(engine, "a").as_deref(), Some(value));
        assert!(entry(engine, "a").unwrap().unwrap().updated_at >= Some(before));
        assert_eq!(inode(), first);
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "1", "nothing of a longer value is left");
    fs::hard_link(&path, dir.path().join("Second")).unwrap();
    set(engine, "a", "2");
    assert_eq!(fs::read_to_string(dir.path().join("Second")).unwrap(), "1");
    assert_eq!(get(engine, "a").as_deref(), Some("2"));
    lease.close().unwrap();
}

#[test]
fn a_view_shows_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    let engine = lease.engine();
    for key in ["a", "b/x", "c"] {
        set(engine, key, "1");
    }
    let view = engine.view().unwrap();
    set(engine, "a", "2");
    engine.commit(Batch { ops: vec![delete("b/x"), op("b/y", "2"), op("d", "2")], ..Batch::default() }).unwrap();
    let mut seen = Vec::new();
    for_each_page(&*view, Space::User, &KeyRange::all(), Projection::Records, |page| {
        seen.extend(page.into_iter().map(|(key, item)| match item {
            holdfast_core::engine::Item::Record(record) => (key, record.value),
            _ => panic!("not a record"),
        }));
        Ok(true)
    })
    .unwrap();
    let expected: Vec<_> =
        ["a", "b/x", "c"].iter().map(|key| (Key::from_static(key.as_bytes()), Value::json("1"))).collect();
    assert_eq!(seen, expected);
    assert_eq!(view.get(Space::User, b"b/x").unwrap().unwrap().value, Value::json("1"));
    assert_eq!(view.get(Space::User, b"d").unwrap(), None);
    assert_eq!(keys(engine), ["a", "b/y", "c", "d"]);
}

#[test]
fn the_time_of_making_outlives_overwriting_and_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    set(lease.engine(), "k", "1");
    let made = entry(lease.engine(), "k").unwrap().unwrap().created_at.unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    set(lease.engine(), "k", "2");
    lease.close().unwrap();
    let lease = open(options(dir.path())).unwrap();
    let record = entry(lease.engine(), "k").unwrap().unwrap();
    assert_eq!(record.created_at, Some(made));
    assert!(record.updated_at.unwrap() >= made + 10);
}

#[test]
fn the_sequence_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    let first = lease.engine().commit(Batch::one(op("k", "1"))).unwrap().seq;
    lease.close().unwrap();
    let lease = open(options(dir.path())).unwrap();
    assert!(lease.engine().commit(Batch::one(op("k", "2"))).unwrap().seq > first);
}

#[cfg(unix)]
#[test]
fn symbolic_links_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.json"), "1").unwrap();
    let lease = open(options(dir.path())).unwrap();
    let engine = lease.engine();
    std::os::unix::fs::symlink(outside.path().join("secret.json"), dir.path().join("k.json")).unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("folder")).unwrap();
    assert_eq!(get(engine, "k"), None);
    assert_eq!(get(engine, "folder/secret"), None);
    assert_eq!(keys(engine), Vec::<String>::new());
    assert!(engine.commit(Batch::one(op("folder/secret", "2"))).is_err());
    set(engine, "k", "2");
    assert_eq!(fs::read_to_string(outside.path().join("secret.json")).unwrap(), "1", "the link was replaced");
    assert_eq!(get(engine, "k").unwrap(), "2");
}

#[cfg(unix)]
#[test]
fn what_is_made_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(&dir.path().join("deep/base"))).unwrap();
    set(lease.engine(), "a/b", "1");
    for (path, mode) in
        [("deep", 0o700), ("deep/base/a", 0o700), ("deep/base/a/b.json", 0o600), ("deep/base/.holdfast", 0o700)]
    {
        let found = fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{path}");
    }
}

#[test]
fn a_damaged_or_foreign_database_is_refused_and_left_alone() {
    let newer = |path: &Path| {
        // The format's number lies at byte 60 of the file, big-endian.
        let mut bytes = fs::read(path).unwrap();
        bytes[63] = 99;
        fs::write(path, bytes).unwrap();
    };
    let cut = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2 + 100]).unwrap();
    };
    let garbage = |path: &Path| fs::write(path, [b'x'; 8192]).unwrap();
    let damages: [&dyn Fn(&Path); 3] = [&garbage, &cut, &newer];
    let codes = [Code::Corrupted, Code::Corrupted, Code::UnsupportedFormat];
    for (damage, code) in damages.into_iter().zip(codes) {
        let dir = tempfile::tempdir().unwrap();
        let lease = open(options(dir.path())).unwrap();
        set(lease.engine(), "k", "1");
        lease.close().unwrap();
        let path = dir.path().join(".holdfast/store.db");
        damage(&path);
        let before = fs::read(&path).unwrap();
        for read_only in [false, true] {
            let error = open(FileOptions { read_only, ..options(dir.path()) }).err().unwrap();
            assert_eq!((error.code(), error.engine()), (code, Some("file")), "{error}");
        }
        assert!(fs::read(&path).unwrap() == before, "the database was touched");
        assert!(dir.path().join("k.json").exists());
    }
}

#[test]
fn a_read_only_store_is_read_without_a_trace() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    set(lease.engine(), "a/b", "1");
    lease.close().unwrap();
    let list = || {
        let mut names: Vec<_> = fs::read_dir(dir.path().join(".holdfast"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name(), entry.metadata().unwrap().modified().unwrap()))
            .collect();
        names.sort();
        names
    };
    let before = list();
    let lease = open(FileOptions { read_only: true, ..options(dir.path()) }).unwrap();
    assert_eq!(keys(lease.engine()), ["a/b"]);
    assert_eq!(get(lease.engine(), "a/b").unwrap(), "1");
    let error = lease.engine().commit(Batch::one(op("c", "1"))).unwrap_err();
    assert_eq!(error.code(), Code::ReadOnly);
    assert_eq!(list(), before);
    lease.close().unwrap();
    // A folder that no store was ever in can be read as well.
    let plain = tempfile::tempdir().unwrap();
    fs::write(plain.path().join("k.json"), "1").unwrap();
    let lease = open(FileOptions { read_only: true, ..options(plain.path()) }).unwrap();
    assert_eq!(keys(lease.engine()), ["k"]);
    assert!(!plain.path().join(".holdfast").exists());
}

#[test]
fn compact_removes_what_takes_room_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    set(lease.engine(), "a/b", "1");
    fs::create_dir_all(dir.path().join("empty/below")).unwrap();
    fs::create_dir_all(dir.path().join("Foreign")).unwrap();
    fs::write(dir.path().join("a/.tmp-0123456789abcdef"), "1").unwrap();
    lease.engine().compact().unwrap();
    assert!(!dir.path().join("empty").exists());
    assert!(!dir.path().join("a/.tmp-0123456789abcdef").exists());
    assert!(dir.path().join("Foreign").exists());
    assert_eq!(keys(lease.engine()), ["a/b"]);
}

#[test]
fn a_path_that_cannot_be_a_folder_is_an_invalid_argument() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "x").unwrap();
    for path in ["file", "file/below"] {
        let error = open(options(&dir.path().join(path))).err().unwrap();
        assert_eq!((error.code(), error.engine()), (Code::InvalidArgument, Some("file")), "{error}");
    }
    fs::rename(dir.path().join("file"), dir.path().join("app.asar")).unwrap();
    let error = open(options(&dir.path().join("app.asar/data"))).err().unwrap();
    assert_eq!(error.code(), Code::InvalidArgument);
}
