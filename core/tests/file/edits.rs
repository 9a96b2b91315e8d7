//! Files that people and other programs change, and files that are damaged.

use super::*;

#[test]
fn hand_edits_are_seen_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    let engine = lease.engine();
    let path = dir.path().join("k.json");
    engine.set("k", "1");
    for round in 0..200 {
        let text = (round % 7).to_string();
        fs::write(&path, &text).unwrap();
        assert_eq!(engine.value("k").unwrap(), text, "round {round}");
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(engine.value("k"), None);
    fs::create_dir(dir.path().join("made")).unwrap();
    fs::write(dir.path().join("made/By.json"), "1").unwrap();
    fs::write(dir.path().join("made/by-hand.json"), " [ 1 ] ").unwrap();
    assert_eq!(engine.keys(&KeyRange::all()), ["made/by-hand"]);
    assert_eq!(engine.entry("made/by-hand").unwrap().value, json("[1]"));
}

#[test]
fn an_edit_takes_expiry_and_metadata_away_and_reformatting_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    let engine = lease.engine();
    let at = now() + 60_000;
    let metadata = Bytes::from_static(b"{\"m\":1}");
    engine.run(Op::set("k", json("{\"a\":1}")).expiring(at).with_metadata(metadata.clone()));
    let version = engine.entry("k").unwrap().version;
    fs::write(dir.path().join("k.json"), "{\"a\":1}").unwrap();
    let record = engine.entry("k").unwrap();
    assert_eq!((record.expires_at, record.version), (Some(at), version));
    assert_eq!(record.metadata, Some(metadata));
    fs::write(dir.path().join("k.json"), "{\"a\":2}").unwrap();
    let record = engine.entry("k").unwrap();
    assert_eq!((record.expires_at, record.metadata), (None, None));
    // A plain write of the first value is a new record: nothing of the old one comes back.
    engine.set("k", "{\"a\":1}");
    assert_eq!(engine.entry("k").unwrap().expires_at, None);
}

#[test]
fn a_file_that_is_no_json_is_corrupted_and_stays_until_it_is_set() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    let engine = lease.engine();
    for broken in ["", "{\"a\":", "\0\0\0"] {
        fs::write(dir.path().join("k.json"), broken).unwrap();
        let error = engine.try_entry("k").unwrap_err();
        assert_eq!((error.code(), error.key(), error.engine()), (Code::Corrupted, Some("k"), Some("file")));
        assert!(error.message().contains("k.json"), "{error}");
        assert_eq!(fs::read_to_string(dir.path().join("k.json")).unwrap(), broken);
    }
    engine.set("k", "1");
    assert_eq!(engine.value("k").unwrap(), "1");
}

#[test]
fn verify_reports_each_damaged_file_and_repair_sets_it_aside() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    let engine = lease.engine();
    for key in ["a", "b", "c/d"] {
        engine.set(key, "1");
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
    assert_eq!(engine.keys(&KeyRange::all()), ["a"]);
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
    let expiring = |name: &str, at| Op::set(key(name), json("1")).expiring(at);
    engine.run([expiring("gone", now() - 1), expiring("edited", now() - 1), expiring("stays", now() + 60_000)]);
    assert_eq!(engine.keys(&KeyRange::all()), ["stays"]);
    assert_eq!(engine.value("gone"), None);
    fs::write(dir.path().join("edited.json"), "2").unwrap();
    let start = std::time::Instant::now();
    while dir.path().join("gone.json").exists() {
        assert!(start.elapsed().as_secs() < 10, "no sweep came");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(engine.keys(&KeyRange::all()), ["edited", "stays"], "the newer value, written by hand, is no victim");
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
    engine.set("a", "\"a long text\"");
    let first = inode();
    for value in ["\"short\"", "\"other\"", "[1,2,3,4,5,6,7,8,9]", "1"] {
        let before = now();
        engine.set("a", value);
        assert_eq!(engine.value("a").as_deref(), Some(value));
        assert!(engine.entry("a").unwrap().updated_at >= Some(before));
        assert_eq!(inode(), first);
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "1", "nothing of a longer value is left");
    fs::hard_link(&path, dir.path().join("Second")).unwrap();
    engine.set("a", "2");
    assert_eq!(fs::read_to_string(dir.path().join("Second")).unwrap(), "1");
    assert_eq!(engine.value("a").as_deref(), Some("2"));
    lease.close().unwrap();
}

#[test]
fn compact_removes_what_takes_room_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    lease.engine().set("a/b", "1");
    fs::create_dir_all(dir.path().join("empty/below")).unwrap();
    fs::create_dir_all(dir.path().join("Foreign")).unwrap();
    fs::write(dir.path().join("a/.tmp-0123456789abcdef"), "1").unwrap();
    lease.engine().compact().unwrap();
    assert!(!dir.path().join("empty").exists());
    assert!(!dir.path().join("a/.tmp-0123456789abcdef").exists());
    assert!(dir.path().join("Foreign").exists());
    assert_eq!(lease.engine().keys(&KeyRange::all()), ["a/b"]);
}
