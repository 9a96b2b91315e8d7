//! Records at rest: their bytes, their times, their expiry, and the figures of a store.
use std::time::{Duration, Instant};

use bytes::Bytes;
use holdfast_core::engine::leveldb::{Compression, LevelDbOptions, open};
use holdfast_core::record::now;
use holdfast_core::testing::{Calls, error_of, json};
use holdfast_core::{Code, EngineExt, KeyRange, Op, Space, Value, Version};
use rocksdb::{ColumnFamilyDescriptor, DB, Options};

use super::support::*;

fn raw(path: &std::path::Path) -> DB {
    let families = ["default", "internal", "engine"].map(|name| ColumnFamilyDescriptor::new(name, Options::default()));
    DB::open_cf_descriptors(&Options::default(), path, families).unwrap()
}

#[test]
fn records_lie_under_their_own_keys_in_the_documented_bytes() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    lease.engine().set("a/b", "{\"n\":1}");
    let written = lease.engine().entry("a/b").unwrap();
    lease.close().unwrap();
    let db = raw(root.path());
    let bytes = db.get("a/b").unwrap().unwrap();
    assert_eq!(&bytes[..2], &[1, 0]);
    assert_eq!(bytes[2..10], written.version.seq().unwrap().to_le_bytes());
    assert_eq!(bytes[10..18], written.updated_at.unwrap().to_le_bytes());
    assert_eq!(&bytes[18..], b"{\"n\":1}");
    assert_eq!(db.get_cf(db.cf_handle("engine").unwrap(), "format").unwrap().unwrap(), b"holdfast 1");
}

#[test]
fn records_of_format_1_are_read() {
    let root = tempfile::tempdir().unwrap();
    start(root.path()).close().unwrap();
    let db = raw(root.path());
    let golden = b"\x01\x0f\x2a\0\0\0\0\0\0\0\x10\x27\0\0\0\0\0\0\x88\x13\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\x1f\0\
        \x02\0\0\0{}\x00\xff";
    db.put("k", golden).unwrap();
    drop(db);
    let record = start(root.path()).engine().entry("k").unwrap();
    assert_eq!(record.value, Value::Binary(Bytes::from_static(b"\x00\xff")));
    assert_eq!(record.version, Version::of_commit(42));
    assert_eq!((record.updated_at, record.created_at), (Some(10_000), Some(5_000)));
    assert_eq!(record.expires_at, Some(0x001f_ffff_ffff_ffff));
    assert_eq!(record.metadata.as_deref(), Some(&b"{}"[..]));
}

#[test]
fn created_at_outlives_overwriting_and_restarts_and_ends_with_the_record() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    lease.engine().set("k", "1");
    let created = lease.engine().entry("k").unwrap().created_at;
    assert!(created.is_some());
    lease.close().unwrap();
    std::thread::sleep(Duration::from_millis(5));
    let lease = start(root.path());
    lease.engine().set("k", "2");
    let record = lease.engine().entry("k").unwrap();
    assert_eq!(record.created_at, created);
    assert!(record.updated_at > created);
    lease.engine().run(Op::delete("k"));
    lease.engine().set("k", "3");
    assert!(lease.engine().entry("k").unwrap().created_at > created);
}

#[test]
fn expired_records_are_gone_at_once_and_freed_by_the_sweep() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    let soon = now() + 30;
    lease.engine().run(Op::set("gone", json("1")).expiring(soon));
    lease.engine().run(Op::set("renewed", json("1")).expiring(soon));
    lease.engine().run(Op::set("renewed", json("2")).expiring(now() + 3_600_000));
    lease.engine().run(Op::set("kept", json("1")).expiring(soon));
    lease.engine().set("kept", "2");
    let view = lease.engine().view().unwrap();
    assert_eq!(view.count(Space::User, &KeyRange::all()).unwrap(), 3);
    std::thread::sleep(Duration::from_millis(40));
    assert_eq!(lease.engine().value("gone"), None);
    assert_eq!(view.count(Space::User, &KeyRange::all()).unwrap(), 2, "a view too goes by the clock");
    // The process-wide sweep runs once a second; its writes too take sequence numbers.
    let deadline = Instant::now() + Duration::from_secs(10);
    while lease.engine().view().unwrap().seq() == view.seq() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(view);
    lease.close().unwrap();
    let db = raw(root.path());
    assert!(db.get("gone").unwrap().is_none(), "the record is freed, not only hidden");
    assert!(db.get("renewed").unwrap().is_some());
    let index = db.iterator_cf(db.cf_handle("engine").unwrap(), rocksdb::IteratorMode::Start);
    let left: Vec<_> = index.map(|entry| entry.unwrap().0).filter(|key| key.starts_with(b"x")).collect();
    assert_eq!(left.len(), 1, "only the renewed key has an expiry to come");
    drop(db);
    let lease = start(root.path());
    assert_eq!(lease.engine().value("renewed").as_deref(), Some("2"));
    assert_eq!(lease.engine().value("kept").as_deref(), Some("2"));
}

#[test]
fn every_compression_reads_what_another_wrote() {
    let root = tempfile::tempdir().unwrap();
    let all = [Compression::None, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    for (n, compression) in (0..).zip(all) {
        let lease = open(LevelDbOptions { compression, bloom_bits: 4 * n, ..options(root.path()) }).unwrap();
        let value = format!("\"{}\"", "text ".repeat(1000));
        lease.engine().set(&format!("k{n}"), &value);
        lease.engine().compact().unwrap();
        for earlier in 0..=n {
            assert_eq!(lease.engine().value(&format!("k{earlier}")).as_ref(), Some(&value));
        }
        lease.close().unwrap();
    }
}

#[test]
fn one_path_is_one_store_if_the_options_agree() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    let same = start(&root.path().join("."));
    lease.engine().set("a", "1");
    assert_eq!(same.engine().value("a").as_deref(), Some("1"));
    let other = LevelDbOptions { cache_size: 64 << 20, ..options(root.path()) };
    assert_eq!(error_of(open(other)).code(), Code::InvalidArgument);
    lease.close().unwrap();
    assert_eq!(same.engine().value("a").as_deref(), Some("1"));
}

#[test]
fn figures_say_what_is_there() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    let value = format!("\"{}\"", "x".repeat(1000));
    for n in 0..1000 {
        lease.engine().set(&format!("k{n}"), &value);
    }
    let stats = lease.engine().stats().unwrap();
    assert_eq!((stats.keys, estimated_keys(&stats)), (None, 1000));
    // RocksDB's own estimate leaves out the tables that were there when it was opened.
    lease.engine().compact().unwrap();
    lease.close().unwrap();
    let lease = start(root.path());
    for n in 0..10 {
        lease.engine().delete(&format!("k{n}"));
    }
    assert_eq!(estimated_keys(&lease.engine().stats().unwrap()), 990);
    for n in 0..10 {
        lease.engine().set(&format!("k{n}"), &value);
    }
    assert!(stats.memory_bytes.unwrap() > 1_000_000);
    assert!(stats.disk_bytes.unwrap() > 100_000);
    let mut told = Vec::new();
    let report = lease.engine().verify(false, &mut |done, total| {
        told.push((done, total));
        Ok(())
    });
    let report = report.unwrap();
    assert!(report.checked >= 1000 && report.errors.is_empty());
    assert!(told.last().is_some_and(|(done, total)| done == total));
}
