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
    fs::write(dir.path().join("k.json"), "{\"a\":1}").unwrap();
    let record = engine.entry("k").unwrap();
    assert_eq!(record.expires_at, Some(at));
    assert_eq!(record.metadata, Some(metadata));
    fs::write(dir.path().join("k.json"), "{\"a\":2}").unwrap();
    let record = engine.entry("k").unwrap();
    assert_eq!((record.expires_at, record.metadata), (None, None));
    // A plain write of the first value is a new record: nothing of the old one comes back.
    engine.set("k", "{\"a\":1}");
    assert_eq!(engine.entry("k").unwrap().expires_at, None);
}

#[test]
fn all_that_a_record_holds_belongs_to_its_version() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k.json");
    let lease = open(options(dir.path())).unwrap();
    let engine = lease.engine();
    let metadata = |text: &'static str| Op::set("k", json("1")).with_metadata(Bytes::from_static(text.as_bytes()));
    let touch = || {
        let later = fs::metadata(&path).unwrap().modified().unwrap() + std::time::Duration::from_millis(5);
        fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    };
    engine.set("k", "1");
    let mut versions = vec![engine.version("k").unwrap()];
    let mut note = |what: &str| {
        let version = engine.version("k").unwrap();
        assert!(!versions.contains(&version), "{what}");
        versions.push(version);
    };
    engine.run(metadata("1"));
    note("metadata");
    engine.run(metadata("2"));
    note("other metadata");
    touch();
    note("the time of the write");
    let created = engine.entry("k").unwrap().created_at;
    engine.delete("k");
    while Some(now()) <= created {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    engine.set("k", "1");
    note("the time when it was made");
    let version = engine.version("k");
    lease.close().unwrap();
    let lease = open(options(dir.path())).unwrap();
    assert_eq!(lease.engine().version("k"), version, "opening changes nothing");
}

#[test]
fn the_version_that_a_commit_returns_is_that_of_the_record_in_the_file() {
    for durability in [Durability::Full, Durability::Normal] {
        let dir = tempfile::tempdir().unwrap();
        let lease = open(FileOptions { durability, ..FileOptions::new(dir.path()) }).unwrap();
        let metadata = Op::set("c", json("1")).with_metadata(Bytes::from_static(b"1"));
        let writes = [Op::set("a", json("1")), Op::set("a", json("2")), Op::add("n", 1.0), metadata];
        let expected = writes.map(|op| {
            let key = op.key().unwrap().1.clone();
            let commit = lease.engine().run(Batch::of([op]).reporting());
            let Some(Outcome::Set { version } | Outcome::Added { version, .. }) = commit.outcomes.first().cloned()
            else {
                panic!("{commit:?}")
            };
            (key, version)
        });
        lease.close().unwrap();
        let lease = open(FileOptions { durability, ..FileOptions::new(dir.path()) }).unwrap();
        for (key, version) in expected.into_iter().skip(1) {
            assert_eq!(lease.engine().version(std::str::from_utf8(&key).unwrap()), Some(version), "{key:?}");
        }
    }
}

#[test]
fn a_file_that_is_no_json_is_gone_after_a_delete() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    let engine = lease.engine();
    let later = now() + 60_000;
    for expiring in [false, true] {
        let set = Op::set("k", json("1"));
        engine.run(if expiring { set.expiring(later) } else { set });
        fs::write(dir.path().join("k.json"), "{").unwrap();
        assert_eq!(engine.try_entry("k").unwrap_err().code(), Code::Corrupted);
        assert!(engine.delete("k"), "it was there");
        assert!(!dir.path().join("k.json").exists());
        assert_eq!(engine.value("k"), None);
    }
}

#[test]
fn a_scan_gives_all_before_a_damaged_file_and_goes_on_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    let engine = lease.engine();
    for key in ["a", "b", "c", "d"] {
        engine.set(key, "1");
    }
    fs::write(dir.path().join("c.json"), "{").unwrap();
    let view = engine.look();
    let read = |range: KeyRange| {
        let mut found = Vec::new();
        let result = for_each_page(&*view, Space::User, &range, Projection::Records, |page| {
            found.extend(page.into_iter().map(|(key, _)| key));
            Ok(true)
        });
        (found, result.err().map(|error| (error.code(), error.key().map(str::to_owned))))
    };
    let damage = Some((Code::Corrupted, Some("c".to_owned())));
    assert_eq!(read(KeyRange::all()), (vec![key("a"), key("b")], damage.clone()));
    let reverse = KeyRange { reverse: true, ..KeyRange::all() };
    assert_eq!(read(reverse), (vec![key("d")], damage));
    assert_eq!(read(KeyRange::all().after(b"c")), (vec![key("d")], None));
}

#[cfg(target_os = "linux")]
#[test]
fn a_closed_store_has_no_file_open_while_views_of_it_are_held() {
    let dir = tempfile::tempdir().unwrap();
    let open_files = || {
        let all = fs::read_dir("/proc/self/fd").unwrap().flatten();
        all.filter_map(|entry| fs::read_link(entry.path()).ok()).filter(|path| path.starts_with(dir.path())).count()
    };
    for read_only in [false, true] {
        let lease = open(FileOptions { read_only, ..options(dir.path()) }).unwrap();
        let engine = lease.engine().clone();
        if !read_only {
            engine.set("a/b", "1");
        }
        let view = engine.look();
        assert!(view.get(Space::User, b"a/b").unwrap().is_some());
        assert!(open_files() > 0);
        lease.close().unwrap();
        assert_eq!(open_files(), 0);
        assert_eq!(code_of(view.get(Space::User, b"a/b")), Some(Code::Closed));
        drop((view, engine));
    }
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

#[cfg(unix)]
#[test]
fn a_file_that_is_overwritten_keeps_its_mode_and_a_new_one_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    for durability in [Durability::Full, Durability::Normal] {
        let dir = tempfile::tempdir().unwrap();
        let lease = open(FileOptions { durability, ..FileOptions::new(dir.path()) }).unwrap();
        let engine = lease.engine();
        let path = dir.path().join("a.json");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        engine.set("a", "1");
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
        let large = format!("{:?}", "x".repeat(200_000));
        let writes = [
            Batch::one(Op::set("a", json("2"))),
            Batch::one(Op::set("a", json("3")).with_metadata(Bytes::from_static(b"1"))),
            Batch::of([Op::set("a", json("4")), Op::set("b", json("4"))]),
            Batch::one(Op::set("a", json(large))),
            Batch::one(Op::set("a", json("5"))),
        ];
        for write in writes {
            engine.run(write);
            assert_eq!(mode(), 0o664, "{durability:?}");
        }
        engine.delete("a");
        engine.set("a", "6");
        assert_eq!(mode(), 0o600);
        for entry in fs::read_dir(dir.path().join(".holdfast")).unwrap().flatten() {
            let others = entry.metadata().unwrap().permissions().mode() & 0o077;
            assert_eq!(others, 0, "{}", entry.path().display());
        }
        lease.close().unwrap();
    }
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
