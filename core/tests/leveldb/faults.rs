//! Damaged, foreign and impossible folders are told apart, and left as they are.
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use holdfast_core::engine::leveldb::{Compression, LevelDbOptions, open};
use holdfast_core::engine::{Durability, Projection, Request, for_each_page};
use holdfast_core::testing::{Calls, code_of, error_of, json};
use holdfast_core::{Batch, Code, EngineExt, KeyRange, Op, Space};

use super::support::*;

/// The data files, with their bytes.
fn data(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(path).unwrap().map(|file| file.unwrap().path());
    files
        .filter(|file| {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            !name.starts_with("LOG") && name != "LOCK" && name != ".holdfast.lock"
        })
        .map(|file| (file.clone(), fs::read(&file).unwrap()))
        .collect()
}

fn files(path: &Path, matches: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    data(path).into_keys().filter(|file| matches(&file.file_name().unwrap().to_string_lossy())).collect()
}

/// The largest data file that matches.
fn file(path: &Path, matches: impl Fn(&str) -> bool) -> PathBuf {
    files(path, matches).into_iter().max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap()
}

fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == extension)
}

fn is_log(name: &str) -> bool {
    has_extension(name, "log")
}

fn is_table(name: &str) -> bool {
    has_extension(name, "sst")
}

fn is_manifest(name: &str) -> bool {
    name.starts_with("MANIFEST")
}

/// A store of 500 records, in tables or still in the WAL.
fn filled(path: &Path, in_tables: bool) {
    let lease = open(LevelDbOptions { compression: Compression::None, ..options(path) }).unwrap();
    for n in 0..500 {
        lease.engine().set(&format!("k{n:03}"), &format!("\"{}\"", n.to_string().repeat(40)));
    }
    if in_tables {
        lease.engine().compact().unwrap();
    }
    lease.close().unwrap();
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 0x10;
    fs::write(file, bytes).unwrap();
}

fn cut(file: &Path, keep: u64) {
    fs::OpenOptions::new().write(true).open(file).unwrap().set_len(keep).unwrap();
}

fn assert_corrupted_and_untouched(path: &Path, what: &str) {
    let before = data(path);
    let error = error_of(open(options(path)));
    assert_eq!(error.code(), Code::Corrupted, "{what}: {error}");
    assert_eq!(error.engine(), Some("leveldb"));
    assert!(data(path) == before, "{what}: opening changed the folder");
}

#[test]
fn damage_to_the_stores_own_files_is_corrupted_and_nothing_is_overwritten() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 10] = [
        ("CURRENT emptied", |path| cut(&path.join("CURRENT"), 0)),
        ("CURRENT cut", |path| cut(&path.join("CURRENT"), 5)),
        ("CURRENT names nothing", |path| fs::write(path.join("CURRENT"), "MANIFEST-999999\n").unwrap()),
        ("CURRENT is something else", |path| fs::write(path.join("CURRENT"), "hello").unwrap()),
        ("CURRENT removed", |path| fs::remove_file(path.join("CURRENT")).unwrap()),
        ("manifest removed", |path| fs::remove_file(file(path, is_manifest)).unwrap()),
        ("manifest emptied", |path| cut(&file(path, is_manifest), 0)),
        ("manifest damaged", |path| flip(&file(path, is_manifest), 20)),
        ("table cut", |path| cut(&file(path, is_table), 1000)),
        ("table removed", |path| fs::remove_file(file(path, is_table)).unwrap()),
    ];
    for (what, damage) in damages {
        let root = tempfile::tempdir().unwrap();
        filled(root.path(), true);
        damage(root.path());
        assert_corrupted_and_untouched(root.path(), what);
    }
}

#[test]
fn a_log_damaged_in_its_middle_is_corrupted_at_full_and_ends_there_below_it() {
    let root = tempfile::tempdir().unwrap();
    filled(root.path(), false);
    let log = file(root.path(), is_log);
    flip(&log, usize::try_from(fs::metadata(&log).unwrap().len()).unwrap() / 2);
    let before = data(root.path());
    let error = error_of(open(LevelDbOptions { durability: Durability::Full, ..options(root.path()) }));
    assert_eq!(error.code(), Code::Corrupted, "{error}");
    assert!(data(root.path()) == before, "opening changed the folder");
    // After power loss the disk may have any part of what was not synced.
    let lease = start(root.path());
    let found = lease.engine().keys(&KeyRange::all());
    assert!((200..300).contains(&found.len()), "{}", found.len());
    assert!(
        (0..found.len()).all(|n| lease.engine().value(&format!("k{n:03}")).is_some()),
        "the commits before it, all of them"
    );
}

#[test]
fn a_log_torn_at_its_end_loses_the_torn_record_alone() {
    let root = tempfile::tempdir().unwrap();
    filled(root.path(), false);
    let log = file(root.path(), is_log);
    cut(&log, fs::metadata(&log).unwrap().len() - 5);
    let lease = start(root.path());
    assert_eq!(lease.engine().keys(&KeyRange::all()).len(), 499);
    assert!(lease.engine().value("k498").is_some());
    lease.engine().set("k499", "1");
    lease.close().unwrap();
    assert_eq!(start(root.path()).engine().keys(&KeyRange::all()).len(), 500);
}

/// Power loss leaves some sectors of the last write, and not others.
#[test]
fn a_log_whose_last_record_has_holes_loses_that_record_alone_at_any_durability() {
    for durability in [Durability::Full, Durability::Normal, Durability::None] {
        let root = tempfile::tempdir().unwrap();
        let options = || LevelDbOptions { durability, ..options(root.path()) };
        let lease = open(options()).unwrap();
        lease.engine().set("first", "1");
        lease.engine().set("last", &format!("\"{}\"", "x".repeat(100_000)));
        lease.close().unwrap();
        let log = file(root.path(), is_log);
        let mut bytes = fs::read(&log).unwrap();
        let hole = bytes.len() - 60_000;
        bytes[hole..hole + 512].fill(0);
        fs::write(&log, bytes).unwrap();
        let lease = open(options()).unwrap();
        assert_eq!(
            (lease.engine().value("first").as_deref(), lease.engine().value("last")),
            (Some("1"), None),
            "{durability:?}"
        );
        lease.engine().set("last", "2");
        lease.close().unwrap();
        assert_eq!(open(options()).unwrap().engine().value("last").as_deref(), Some("2"));
    }
}

#[test]
fn a_damaged_block_is_corrupted_where_it_is_read_and_verify_names_it() {
    let root = tempfile::tempdir().unwrap();
    filled(root.path(), true);
    flip(&file(root.path(), is_table), 20_000);
    let lease = start(root.path());
    let damaged: Vec<_> = (0..500).filter(|n| lease.engine().try_entry(&format!("k{n:03}")).is_err()).collect();
    assert!((10..200).contains(&damaged.len()), "{}", damaged.len());
    let error = lease.engine().try_entry(&format!("k{:03}", damaged[0])).unwrap_err();
    assert_eq!(error.code(), Code::Corrupted);
    assert_eq!(error.key(), Some(format!("k{:03}", damaged[0]).as_str()));
    assert_eq!(code_of(lease.engine().wait(Request::Keys(KeyRange::all()))), Some(Code::Corrupted));
    let report = lease.engine().verify(false, &mut |_, _| Ok(())).unwrap();
    assert!(report.errors.iter().any(|error| error.code() == Code::Corrupted), "{report:?}");
    assert!(lease.engine().entry("k000").is_some());
}

#[test]
fn a_damaged_record_is_gone_after_a_delete_or_a_set_and_a_scan_gives_all_before_it() {
    let root = tempfile::tempdir().unwrap();
    filled(root.path(), true);
    let families = ["default", "internal", "engine"]
        .map(|name| rocksdb::ColumnFamilyDescriptor::new(name, rocksdb::Options::default()));
    let db = rocksdb::DB::open_cf_descriptors(&rocksdb::Options::default(), root.path(), families).unwrap();
    for key in ["k100", "k200"] {
        db.put(key, b"\x01").unwrap();
    }
    drop(db);
    let lease = start(root.path());
    let engine = lease.engine();
    assert_eq!(engine.keys(&KeyRange::all()).len(), 500);
    let view = engine.look();
    let mut found = 0;
    let error = for_each_page(&*view, Space::User, &KeyRange::all(), Projection::Values, |page| {
        found += page.len();
        Ok(true)
    });
    let error = error.unwrap_err();
    assert_eq!((found, error.code(), error.key()), (100, Code::Corrupted, Some("k100")));
    assert!(engine.delete("k100"), "it was there");
    assert!(!engine.has("k100"));
    engine.set("k200", "1");
    assert_eq!(engine.value("k200").as_deref(), Some("1"));
    lease.close().unwrap();
}

#[cfg(unix)]
#[test]
fn every_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let assert_private = || {
        for entry in fs::read_dir(root.path()).unwrap().flatten() {
            // RocksDB may have removed it since it was listed.
            let Ok(metadata) = entry.metadata() else { continue };
            assert_eq!(metadata.permissions().mode() & 0o077, 0, "{}", entry.path().display());
        }
    };
    let lease = start(root.path());
    assert_private();
    lease.engine().set("k", "1");
    lease.engine().compact().unwrap();
    lease.close().unwrap();
    assert!(fs::read_dir(root.path()).unwrap().count() > 5);
    assert_private();
    for entry in fs::read_dir(root.path()).unwrap().flatten() {
        fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let lease = start(root.path());
    assert_private();
    lease.close().unwrap();
}

#[test]
fn verify_names_each_record_that_is_none() {
    let root = tempfile::tempdir().unwrap();
    filled(root.path(), true);
    let families = ["default", "internal", "engine"]
        .map(|name| rocksdb::ColumnFamilyDescriptor::new(name, rocksdb::Options::default()));
    let db = rocksdb::DB::open_cf_descriptors(&rocksdb::Options::default(), root.path(), families).unwrap();
    db.put("k100", "{}").unwrap();
    db.put("k200", b"\x02 of the future").unwrap();
    drop(db);
    let lease = start(root.path());
    let report = lease.engine().verify(false, &mut |_, _| Ok(())).unwrap();
    let found: Vec<_> = report.errors.iter().map(|error| (error.key(), error.code())).collect();
    assert_eq!(found, [(Some("k100"), Code::UnsupportedFormat), (Some("k200"), Code::UnsupportedFormat)]);
    assert_eq!(report.checked, 501, "all records and the format marker");
    assert_eq!(lease.engine().try_entry("k200").unwrap_err().code(), Code::UnsupportedFormat);
    assert!(lease.engine().entry("k101").is_some());
}

#[test]
fn a_leveldb_database_is_refused_and_left_alone() {
    for table in [None, Some("000005.ldb")] {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("CURRENT"), "MANIFEST-000002\n").unwrap();
        fs::write(root.path().join("MANIFEST-000002"), b"\x56\xf9\xb8\xf8\x1c\0\x01\x01\x1aleveldb.BytewiseComparator")
            .unwrap();
        fs::write(root.path().join("000003.log"), "").unwrap();
        if let Some(table) = table {
            fs::write(root.path().join(table), b"\x57\xfb\x80\x8b\x24\x75\x47\xdb").unwrap();
        }
        let before = fs::read_dir(root.path()).unwrap().count();
        let error = error_of(open(options(root.path())));
        assert_eq!(error.code(), Code::UnsupportedFormat);
        assert!(error.message().contains("LevelDB"), "{error}");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), before);
    }
}

#[test]
fn another_programs_rocksdb_database_is_refused_and_left_alone() {
    let root = tempfile::tempdir().unwrap();
    rocksdb::DB::open_default(root.path()).unwrap().put("a", "b").unwrap();
    let before = data(root.path());
    let error = error_of(open(options(root.path())));
    assert_eq!(error.code(), Code::UnsupportedFormat);
    assert!(error.message().contains("RocksDB"), "{error}");
    assert!(data(root.path()) == before && !root.path().join(".holdfast.lock").exists());
}

#[test]
fn a_store_of_a_newer_format_is_refused() {
    let root = tempfile::tempdir().unwrap();
    start(root.path()).close().unwrap();
    let families = ["default", "internal", "engine"]
        .map(|name| rocksdb::ColumnFamilyDescriptor::new(name, rocksdb::Options::default()));
    let db = rocksdb::DB::open_cf_descriptors(&rocksdb::Options::default(), root.path(), families).unwrap();
    db.put_cf(db.cf_handle("engine").unwrap(), "format", "holdfast 2").unwrap();
    drop(db);
    let error = error_of(open(options(root.path())));
    assert_eq!(error.code(), Code::UnsupportedFormat);
    assert!(error.message().contains("newer"), "{error}");
}

#[test]
fn a_store_whose_making_was_interrupted_is_made() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join(".holdfast.lock"), "").unwrap();
    drop(rocksdb::DB::open_default(root.path()).unwrap());
    start(root.path()).engine().set("a", "1");
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("MANIFEST-000001"), "").unwrap();
    fs::write(other.path().join("app.log"), "a log of the user's own").unwrap();
    start(other.path()).engine().set("a", "1");
}

#[test]
fn paths_that_cannot_be_a_store_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "mine").unwrap();
    let archive = root.path().join("app.asar");
    fs::write(&archive, "mine").unwrap();
    for path in [file.clone(), file.join("below"), archive.clone(), archive.join("data"), PathBuf::new()] {
        assert_eq!(error_of(open(options(&path))).code(), Code::InvalidArgument, "{}", path.display());
    }
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    let tiny = LevelDbOptions { cache_size: 1000, ..options(&root.path().join("db")) };
    assert_eq!(error_of(open(tiny)).code(), Code::InvalidArgument);
    assert!(!root.path().join("db").exists());
    let parents = root.path().join("with/its/parents");
    start(&parents).engine().set("a", "1");
}

#[test]
fn a_read_only_store_reads_and_refuses_every_write() {
    let root = tempfile::tempdir().unwrap();
    let read_only = || LevelDbOptions { read_only: true, ..options(root.path()) };
    assert_eq!(error_of(open(read_only())).code(), Code::Io, "there is nothing to read yet");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    filled(root.path(), false);
    let before = data(root.path());
    let lease = open(read_only()).unwrap();
    assert_eq!(lease.engine().value("k001").map(|text| text.len()), Some(42));
    assert_eq!(lease.engine().keys(&KeyRange::all()).len(), 500);
    let batches =
        [Batch::one(Op::set("a", json("1"))), Batch::one(Op::delete_range(KeyRange::all())), Batch::default()];
    for batch in batches {
        assert_eq!(lease.engine().commit(batch).unwrap_err().code(), Code::ReadOnly);
    }
    assert_eq!(lease.engine().compact().unwrap_err().code(), Code::ReadOnly);
    lease.close().unwrap();
    assert!(data(root.path()) == before);
}
