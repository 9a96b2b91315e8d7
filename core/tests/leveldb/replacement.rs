//! The replacement of the content: its layout on the disk, what it leaves, and what happens beside it.
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use holdfast_core::engine::leveldb::{LevelDbOptions, open};
use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::{Projection, Staged, for_each_page};
use holdfast_core::record::now;
use holdfast_core::testing::{Calls, error_of, json, key};
use holdfast_core::{Batch, Code, EngineExt, KeyRange, Op, Record, Space, Value};
use rocksdb::{ColumnFamilyDescriptor, DB, Options};

use super::support::*;

pub(crate) fn staged(name: &str, text: &str) -> Staged {
    let record = Record::bare(Value::json(text.as_bytes().to_vec()), None);
    Staged { space: Space::User, key: key(name), record }
}

pub(crate) fn replace(lease: &Lease, records: Vec<Staged>) -> u64 {
    let mut staging = lease.engine().stage().unwrap();
    staging.write(records).unwrap();
    staging.swap().unwrap().seq
}

/// The column families of a closed store, in the order of their names.
pub(crate) fn families(path: &Path) -> Vec<String> {
    let mut families = DB::list_cf(&Options::default(), path).unwrap();
    families.sort();
    families
}

const FIRST: [&str; 3] = ["default", "engine", "internal"];

/// The column families of a store whose current generation is `number`.
pub(crate) fn families_of(number: u64) -> Vec<String> {
    let later = ["expiry", "internal", "user"].map(|part| format!("{part}.{number}"));
    let mut families: Vec<String> = FIRST.map(str::to_owned).into_iter().chain(later).collect();
    families.sort();
    families
}

fn raw(path: &Path) -> DB {
    let families = families(path).into_iter().map(|name| ColumnFamilyDescriptor::new(name, Options::default()));
    DB::open_cf_descriptors(&Options::default(), path, families).unwrap()
}

/// Waits until the sweep has removed what `is_left` sees.
fn wait_until_gone(what: &str, is_left: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while is_left() {
        assert!(Instant::now() < deadline, "{what} stays");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn tables(path: &Path) -> u64 {
    let files = std::fs::read_dir(path).unwrap().map(|file| file.unwrap());
    let tables = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "sst"));
    tables.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

#[test]
fn a_store_that_was_never_replaced_has_the_layout_of_old() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    lease.engine().set("a", "1");
    let mut staging = lease.engine().stage().unwrap();
    staging.write(vec![staged("b", "1")]).unwrap();
    drop(staging);
    lease.close().unwrap();
    assert_eq!(families(root.path()), FIRST);
    let db = raw(root.path());
    assert_eq!(db.get_cf(db.cf_handle("engine").unwrap(), "generation").unwrap(), None);
}

#[test]
fn the_marker_names_the_column_families_of_the_content() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    lease.engine().set("old", "1");
    lease.engine().commit(Batch::one(Op::set(&b"\0store"[..], Value::json("7")).in_space(Space::Internal))).unwrap();
    for round in 1..=3 {
        replace(&lease, vec![staged("a", &round.to_string())]);
    }
    lease.engine().set("later", "1");
    lease.close().unwrap();
    // An opening removes what the sweep has not removed yet.
    let lease = start(root.path());
    assert_eq!(lease.engine().keys(&KeyRange::all()), ["a", "later"]);
    lease.close().unwrap();
    assert_eq!(families(root.path()), families_of(3));
    let db = raw(root.path());
    assert_eq!(db.get_cf(db.cf_handle("engine").unwrap(), "generation").unwrap().unwrap(), b"3");
    assert_eq!(db.get_cf(db.cf_handle("engine").unwrap(), "format").unwrap().unwrap(), b"holdfast 1");
    let user = db.cf_handle("user.3").unwrap();
    assert_eq!(&db.get_cf(user, "a").unwrap().unwrap()[18..], b"3");
    assert!(db.get_cf(user, "later").unwrap().is_some());
    assert!(db.get_cf(db.cf_handle("internal.3").unwrap(), b"\0store").unwrap().is_some());
    drop(db);
    wait_until_gone("the content of generation 0", || {
        let lease = start(root.path());
        std::thread::sleep(Duration::from_millis(1500));
        lease.close().unwrap();
        let db = raw(root.path());
        ["default", "internal"]
            .iter()
            .any(|name| db.iterator_cf(db.cf_handle(name).unwrap(), rocksdb::IteratorMode::Start).next().is_some())
    });
}

/// The golden layout of a store whose content was replaced.
#[test]
fn a_store_of_generation_5_is_read() {
    let root = tempfile::tempdir().unwrap();
    start(root.path()).close().unwrap();
    let mut db = raw(root.path());
    for name in ["user.5", "internal.5", "expiry.5"] {
        db.create_cf(name, &Options::default()).unwrap();
    }
    let record = b"\x01\x04\x2a\0\0\0\0\0\0\0\x10\x27\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\x1f\0{\"a\":1}";
    db.put_cf(db.cf_handle("user.5").unwrap(), "k", record).unwrap();
    db.put_cf(db.cf_handle("expiry.5").unwrap(), b"x\0\x1f\xff\xff\xff\xff\xff\xff\0k", "").unwrap();
    db.put_cf(db.cf_handle("engine").unwrap(), "generation", "5").unwrap();
    db.put("k", "generation 0 is not read").unwrap();
    drop(db);
    let read_only = open(LevelDbOptions { read_only: true, ..options(root.path()) }).unwrap();
    assert_eq!(read_only.engine().value("k").as_deref(), Some("{\"a\":1}"));
    read_only.close().unwrap();
    let lease = start(root.path());
    let record = lease.engine().entry("k").unwrap();
    assert_eq!((record.version.seq(), record.expires_at), (Some(42), Some(0x001f_ffff_ffff_ffff)));
    assert!(lease.engine().verify(false, &mut |_, _| Ok(())).unwrap().errors.is_empty());
    replace(&lease, vec![staged("k", "2")]);
    lease.close().unwrap();
    drop(start(root.path()));
    assert_eq!(families(root.path()), families_of(6));
}

#[test]
fn what_a_newer_version_has_left_is_refused() {
    type Change = fn(&mut DB);
    let changes: [(&str, Code, Change); 5] = [
        ("generation", Code::UnsupportedFormat, |db| {
            db.put_cf(db.cf_handle("engine").unwrap(), "generation", "v2 of it").unwrap();
        }),
        ("generation", Code::UnsupportedFormat, |db| {
            db.put_cf(db.cf_handle("engine").unwrap(), "generation", "07").unwrap();
        }),
        ("blobs.1", Code::UnsupportedFormat, |db| db.create_cf("blobs.1", &Options::default()).unwrap()),
        ("user.0", Code::UnsupportedFormat, |db| db.create_cf("user.0", &Options::default()).unwrap()),
        ("user.9", Code::Corrupted, |db| {
            db.put_cf(db.cf_handle("engine").unwrap(), "generation", "9").unwrap();
        }),
    ];
    for (named, code, change) in changes {
        let root = tempfile::tempdir().unwrap();
        start(root.path()).close().unwrap();
        let mut db = raw(root.path());
        change(&mut db);
        drop(db);
        let before = families(root.path());
        let error = error_of(open(options(root.path())));
        assert_eq!(error.code(), code, "{error}");
        assert!(error.message().contains(named), "{error}");
        assert_eq!(error.message().contains("newer version"), code == Code::UnsupportedFormat, "{error}");
        assert_eq!(families(root.path()), before);
    }
}

#[test]
fn a_read_only_store_is_not_replaced_and_keeps_what_is_left() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    replace(&lease, vec![staged("a", "1")]);
    lease.close().unwrap();
    let mut db = raw(root.path());
    db.create_cf("user.7", &Options::default()).unwrap();
    drop(db);
    let before = families(root.path());
    let lease = open(LevelDbOptions { read_only: true, ..options(root.path()) }).unwrap();
    assert_eq!(lease.engine().stage().map(drop).unwrap_err().code(), Code::ReadOnly);
    assert_eq!(lease.engine().value("a").as_deref(), Some("1"));
    lease.close().unwrap();
    assert_eq!(families(root.path()), before);
    // A writer removes it, and its number is not used again while it is there.
    let lease = start(root.path());
    replace(&lease, vec![staged("a", "2")]);
    lease.close().unwrap();
    drop(start(root.path()));
    assert_eq!(families(root.path()), families_of(8));
}

#[test]
fn two_hundred_thousand_records_in_any_order_replace_as_many() {
    const RECORDS: u64 = 200_000;
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    let filler = "x".repeat(150);
    let name = |n: u64| format!("k{n:06}");
    let text = |n: u64, round: u64| format!("\"{n} {round} {filler}\"");
    for round in 0..3 {
        let mut staging = lease.engine().stage().unwrap();
        // The first round in order, the others not.
        let step = if round == 0 { 1 } else { 77_773 };
        for first in (0..RECORDS).step_by(1000) {
            let number = |n: u64| n * step % RECORDS;
            staging
                .write((first..first + 1000).map(|n| staged(&name(number(n)), &text(number(n), round))).collect())
                .unwrap();
        }
        // Later records of keys that went out long ago.
        staging.write((0..100).map(|n| staged(&name(n * 1999), &text(n, 99))).collect()).unwrap();
        assert_eq!(estimated_keys(&lease.engine().stats().unwrap()) > 0, round > 0, "what is staged does not count");
        staging.swap().unwrap();
        let mut count = 0;
        for_each_page(&*lease.engine().view().unwrap(), Space::User, &KeyRange::all(), Projection::Values, |page| {
            for (key, _) in &page {
                assert_eq!(*key, name(count));
                count += 1;
            }
            Ok(true)
        })
        .unwrap();
        assert_eq!(count, RECORDS);
        for n in (0..RECORDS).step_by(997) {
            let expected = if n % 1999 == 0 && n / 1999 < 100 { text(n / 1999, 99) } else { text(n, round) };
            assert_eq!(lease.engine().value(&name(n)), Some(expected), "{n}");
        }
        let keys = estimated_keys(&lease.engine().stats().unwrap());
        assert!((RECORDS..RECORDS * 2).contains(&keys), "{keys}");
    }
    assert!(lease.engine().verify(false, &mut |_, _| Ok(())).unwrap().errors.is_empty());
    lease.engine().compact().unwrap();
    assert_eq!(estimated_keys(&lease.engine().stats().unwrap()), RECORDS);
}

#[test]
fn the_space_of_the_old_content_is_given_back_once_no_view_sees_it() {
    let root = tempfile::tempdir().unwrap();
    let lease =
        open(LevelDbOptions { compression: holdfast_core::engine::leveldb::Compression::None, ..options(root.path()) })
            .unwrap();
    let value = format!("\"{}\"", "x".repeat(1000));
    // Tables in the first level, others below it, and a memtable.
    for n in 0..40_000 {
        lease.engine().set(&format!("k{n:06}"), &value);
    }
    for count in [40_000, 10] {
        let full = tables(root.path());
        assert!(full > 20 << 20, "{full}");
        let view = lease.engine().view().unwrap();
        replace(&lease, (0..count).map(|n| staged(&format!("k{n:06}"), &value)).collect());
        // The sweep has time to remove it, but may not.
        std::thread::sleep(Duration::from_millis(2500));
        assert_eq!(view.count(Space::User, &KeyRange::all()).unwrap(), 40_000);
        assert!(tables(root.path()) > 20 << 20);
        drop(view);
        let left = 1100 * count + (1 << 20);
        wait_until_gone(&format!("the content before one of {count} records"), || tables(root.path()) > left);
    }
}

/// A staged record is as old as the beginning of the replacement, so a view taken since is younger than it.
#[test]
fn a_view_does_not_take_a_new_record_out_of_the_cache() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    lease.engine().set("k", "1");
    let mut staging = lease.engine().stage().unwrap();
    lease.engine().set("other", "1");
    let view = lease.engine().view().unwrap();
    staging.write(vec![staged("k", "2")]).unwrap();
    staging.swap().unwrap();
    assert_eq!(lease.engine().value("k").as_deref(), Some("2"));
    let seen = view.try_get(Space::User, b"k").unwrap().unwrap().unwrap();
    assert_eq!(seen.value.to_text(), &b"1"[..]);
    let new = lease.engine().view().unwrap();
    assert_eq!(new.try_get(Space::User, b"k").unwrap().unwrap().unwrap().value.to_text(), &b"2"[..]);
}

#[test]
fn expired_records_of_a_replaced_content_are_freed_by_the_sweep() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    lease.engine().run(Op::set("old", json("1")).expiring(now() + 3_600_000));
    let expiring = |name: &str, at: u64| Staged {
        record: Record { expires_at: Some(at), ..staged(name, "1").record },
        ..staged(name, "1")
    };
    let mut staging = lease.engine().stage().unwrap();
    staging
        .write(vec![expiring("gone", 1), expiring("soon", now() + 100), expiring("later", now() + 3_600_000)])
        .unwrap();
    staging.swap().unwrap();
    lease.engine().run(Op::set("written", json("1")).expiring(now() + 100));
    let seq = lease.engine().view().unwrap().seq();
    std::thread::sleep(Duration::from_millis(200));
    wait_until_gone("an expired record", || lease.engine().view().unwrap().seq() < seq + 6);
    assert_eq!(lease.engine().keys(&KeyRange::all()), ["later"]);
    lease.close().unwrap();
    let db = raw(root.path());
    let all = |name: &str| -> Vec<Box<[u8]>> {
        let entries = db.iterator_cf(db.cf_handle(name).unwrap(), rocksdb::IteratorMode::Start);
        entries.map(|entry| entry.unwrap().0).collect()
    };
    assert_eq!(all("user.1").len(), 1, "the records are freed, not only hidden");
    assert_eq!(all("expiry.1").len(), 1);
    assert!(all("engine").iter().all(|key| !key.starts_with(b"x")), "the old index is gone");
}

#[test]
fn replacements_beside_readers_and_writers_are_whole() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    let name = |n: usize| format!("k{n:03}");
    let content = |round: usize| (0..200).map(|n| staged(&name(n), &round.to_string())).collect::<Vec<_>>();
    replace(&lease, content(0));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !over.load(Ordering::Relaxed) {
                    let view = lease.engine().view().unwrap();
                    let mut seen = Vec::new();
                    for_each_page(&*view, Space::User, &KeyRange::prefix("k"), Projection::Values, |page| {
                        seen.extend(page.into_iter().map(|(_, item)| format!("{item:?}")));
                        Ok(true)
                    })
                    .unwrap();
                    assert_eq!(seen.len(), 200);
                    assert!(seen.iter().all(|value| *value == seen[0]), "a view mixes two contents");
                    // The cache must show the current content, never an earlier one again.
                    let round = lease.engine().value("k100").unwrap().parse::<usize>().unwrap();
                    assert!(round >= last);
                    last = round;
                }
            });
        }
        scope.spawn(|| {
            let mut n = 0;
            while !over.load(Ordering::Relaxed) {
                let commit = lease.engine().set("w", &n.to_string());
                let found = lease.engine().entry("w");
                // A replacement may have come between; otherwise it is there.
                assert!(found.is_none_or(|record| record.version.seq() == Some(commit.seq)));
                n += 1;
            }
        });
        for round in 1..=30 {
            replace(&lease, content(round));
            assert_eq!(lease.engine().value("k100"), Some(round.to_string()));
        }
        over.store(true, Ordering::Relaxed);
    });
    lease.close().unwrap();
    let lease = start(root.path());
    assert_eq!(lease.engine().keys(&KeyRange::prefix("k")).len(), 200);
    assert_eq!(lease.engine().value("k199").as_deref(), Some("30"));
}
