//! Records at rest, sequence numbers, expiry, views and their lifetimes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use holdfast_core::batch::Outcome;
use holdfast_core::engine::leveldb::{Compression, LevelDbOptions, open};
use holdfast_core::engine::{Durability, Engine, EngineExt, PAGE_BYTES, Projection, Read, Reply, Request};
use holdfast_core::record::now;
use holdfast_core::{Batch, Check, Code, KeyRange, Op, RangeCheck, Space, Value, Version};
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
    set(&lease, "a/b", "{\"n\":1}").unwrap();
    let written = entry(&lease, "a/b").unwrap().unwrap();
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
    let record = entry(&start(root.path()), "k").unwrap().unwrap();
    assert_eq!(record.value, Value::Binary(Bytes::from_static(b"\x00\xff")));
    assert_eq!(record.version, Version::of_commit(42));
    assert_eq!((record.updated_at, record.created_at), (Some(10_000), Some(5_000)));
    assert_eq!(record.expires_at, Some(0x001f_ffff_ffff_ffff));
    assert_eq!(record.metadata.as_deref(), Some(&b"{}"[..]));
}

#[test]
fn sequence_numbers_go_on_after_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let mut last = 0;
    for round in 0..4 {
        let lease = start(root.path());
        for n in 0..10 {
            let commit =
                lease.engine().commit(Batch::one(set_op(&format!("k{n}"), &round.to_string())).reporting()).unwrap();
            assert!(commit.seq > last, "{} after {last}", commit.seq);
            last = commit.seq;
            assert_eq!(commit.outcomes, vec![Outcome::Set { version: Version::of_commit(last) }]);
            assert_eq!(entry(&lease, &format!("k{n}")).unwrap().unwrap().version, Version::of_commit(last));
        }
        last = clear(&lease, KeyRange::all()).unwrap().seq;
        if round == 2 {
            lease.engine().compact().unwrap();
        }
        lease.close().unwrap();
    }
}

#[test]
fn a_view_stands_between_the_commits_around_it() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    let before = set(&lease, "a", "1").unwrap();
    let view = lease.engine().view().unwrap();
    let after =
        lease.engine().commit(Batch { ops: vec![set_op("a", "2"), set_op("b", "2")], ..Batch::default() }).unwrap();
    assert!(before.seq <= view.seq() && view.seq() < after.seq);
    assert_eq!(view.get(Space::User, b"a").unwrap().unwrap().value, Value::json("1"));
    assert!(view.get(Space::User, b"b").unwrap().is_none());
    let guarded = |since| Batch {
        range_checks: vec![RangeCheck { space: Space::User, range: KeyRange::prefix("b"), since }],
        ops: vec![set_op("c", "1")],
        ..Batch::default()
    };
    assert_eq!(lease.engine().commit(guarded(view.seq())).unwrap_err().code(), Code::Conflict);
    let view = lease.engine().view().unwrap();
    lease.engine().commit(guarded(view.seq())).unwrap();
}

#[test]
fn range_checks_from_before_a_restart_conflict() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    set(&lease, "a", "1").unwrap();
    let since = lease.engine().view().unwrap().seq();
    set(&lease, "b", "1").unwrap();
    lease.close().unwrap();
    let lease = start(root.path());
    let batch = Batch {
        range_checks: vec![RangeCheck { space: Space::User, range: KeyRange::all(), since }],
        ..Batch::default()
    };
    assert_eq!(lease.engine().commit(batch).unwrap_err().code(), Code::Conflict);
}

#[test]
fn created_at_outlives_overwriting_and_restarts_and_ends_with_the_record() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    set(&lease, "k", "1").unwrap();
    let created = entry(&lease, "k").unwrap().unwrap().created_at;
    assert!(created.is_some());
    lease.close().unwrap();
    std::thread::sleep(Duration::from_millis(5));
    let lease = start(root.path());
    set(&lease, "k", "2").unwrap();
    let record = entry(&lease, "k").unwrap().unwrap();
    assert_eq!(record.created_at, created);
    assert!(record.updated_at > created);
    lease.engine().commit(Batch::one(Op::Delete { space: Space::User, key: key("k") })).unwrap();
    set(&lease, "k", "3").unwrap();
    assert!(entry(&lease, "k").unwrap().unwrap().created_at > created);
}

#[test]
fn a_group_is_one_after_the_other_and_a_failing_batch_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let lease = open(LevelDbOptions { durability: Durability::Full, ..LevelDbOptions::new(root.path()) }).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let absent = Check { space: Space::User, key: key("once"), version: None };
    for n in 0..100 {
        let sender = sender.clone();
        let add = Op::Add { space: Space::User, key: key("n"), by: 1.0, expires_at: None, metadata: None };
        let once = Batch {
            checks: vec![absent.clone()],
            ops: vec![set_op("once", &n.to_string()), add, set_op(&format!("won/{n}"), "1")],
            report: true,
            ..Batch::default()
        };
        lease.engine().submit(
            holdfast_core::engine::Request::Commit(once),
            Box::new(move |reply| sender.send(reply.map(drop).map_err(|error| error.code())).unwrap()),
        );
    }
    let replies: Vec<_> = receiver.iter().take(100).collect();
    assert_eq!(replies.iter().filter(|reply| reply.is_ok()).count(), 1);
    assert!(replies.iter().flat_map(|reply| reply.as_ref().err()).all(|code| *code == Code::Conflict));
    assert_eq!(get(&lease, "n").as_deref(), Some("1"));
    assert_eq!(keys(&lease, &KeyRange::prefix("won/")).unwrap().len(), 1);
}

#[test]
fn ranges_small_and_large_are_deleted_with_what_the_same_batch_wrote() {
    let root = tempfile::tempdir().unwrap();
    for count in [10, 3000] {
        let lease = start(&root.path().join(count.to_string()));
        let ops = (0..count).map(|n| set_op(&format!("k/{n:05}"), "1")).collect();
        lease.engine().commit(Batch { ops, ..Batch::default() }).unwrap();
        set(&lease, "a", "1").unwrap();
        let delete = Op::DeleteRange { space: Space::User, range: KeyRange::prefix("k/") };
        let ops = vec![set_op("k/zz", "1"), delete, set_op("k/new", "2")];
        lease.engine().commit(Batch { ops, ..Batch::default() }).unwrap();
        assert_eq!(keys(&lease, &KeyRange::all()).unwrap(), ["a", "k/new"], "{count}");
        assert_eq!(get(&lease, "k/00001"), None);
        assert_eq!(get(&lease, "k/zz"), None);
        let mut tail = KeyRange::all();
        tail.start = std::ops::Bound::Excluded(key("a"));
        clear(&lease, tail).unwrap();
        assert_eq!(keys(&lease, &KeyRange::all()).unwrap(), ["a"]);
        lease.close().unwrap();
        assert_eq!(keys(&start(&root.path().join(count.to_string())), &KeyRange::all()).unwrap(), ["a"]);
    }
}

#[test]
fn clearing_everything_takes_every_key_whatever_its_bytes() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    let mut ops: Vec<Op> = (0..2000).map(|n| set_op(&format!("k/{n:05}"), "1")).collect();
    ops.push(set_op(&"\u{10ffff}".repeat(1000), "1"));
    lease.engine().commit(Batch { ops, ..Batch::default() }).unwrap();
    clear(&lease, KeyRange::all()).unwrap();
    assert!(keys(&lease, &KeyRange::all()).unwrap().is_empty());
}

#[test]
fn expired_records_are_gone_at_once_and_freed_by_the_sweep() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    let soon = now() + 30;
    set_until(&lease, "gone", "1", soon).unwrap();
    set_until(&lease, "renewed", "1", soon).unwrap();
    set_until(&lease, "renewed", "2", now() + 3_600_000).unwrap();
    set_until(&lease, "kept", "1", soon).unwrap();
    set(&lease, "kept", "2").unwrap();
    let view = lease.engine().view().unwrap();
    assert_eq!(view.count(Space::User, &KeyRange::all()).unwrap(), 3);
    std::thread::sleep(Duration::from_millis(40));
    assert_eq!(get(&lease, "gone"), None);
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
    assert_eq!(get(&lease, "renewed").as_deref(), Some("2"));
    assert_eq!(get(&lease, "kept").as_deref(), Some("2"));
}

#[test]
fn views_outlive_the_store_and_say_closed() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    set(&lease, "a", "1").unwrap();
    let view = lease.engine().view().unwrap();
    let engine: Arc<dyn Engine> = lease.engine().clone();
    lease.close().unwrap();
    assert_eq!(view.get(Space::User, b"a").unwrap_err().code(), Code::Closed);
    let page = view.scan(Space::User, &KeyRange::all(), Projection::Keys, None, PAGE_BYTES);
    assert_eq!(page.unwrap_err().code(), Code::Closed);
    assert_eq!(engine.commit(Batch::one(set_op("a", "2"))).unwrap_err().code(), Code::Closed);
    let again = start(root.path());
    assert_eq!(get(&again, "a").as_deref(), Some("1"));
    drop(view);
    assert_eq!(get(&again, "a").as_deref(), Some("1"));
}

#[test]
fn readers_beside_a_writer_see_pages_of_one_moment() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    let all = |round: usize| Batch {
        ops: (0..200).map(|n| set_op(&format!("k{n:03}"), &round.to_string())).collect(),
        ..Batch::default()
    };
    lease.engine().commit(all(0)).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| (1..200).for_each(|round| drop(lease.engine().commit(all(round)).unwrap())));
        for _ in 0..200 {
            let view = lease.engine().view().unwrap();
            let mut seen = Vec::new();
            let range = KeyRange::all();
            holdfast_core::engine::for_each_page(&*view, Space::User, &range, Projection::Values, |page| {
                seen.extend(page.into_iter().map(|(_, item)| format!("{item:?}")));
                Ok(true)
            })
            .unwrap();
            assert_eq!(seen.len(), 200);
            assert!(seen.iter().all(|value| *value == seen[0]), "a view mixes two commits");
            // The cache must show what the writer wrote, never what a reader read before.
            let first = get(&lease, "k000").unwrap().parse::<usize>().unwrap();
            let second = get(&lease, "k000").unwrap().parse::<usize>().unwrap();
            assert!(second >= first);
        }
    });
    assert_eq!(get(&lease, "k199").as_deref(), Some("199"));
}

#[test]
fn what_memory_holds_is_answered_on_the_callers_thread() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    let engine = lease.engine();
    let all: Vec<_> = (0..100).map(|n| key(&format!("k{n}"))).collect();
    for name in &all {
        let set = Batch::one(set_op(std::str::from_utf8(name).unwrap(), "1"));
        engine.try_commit(&set).expect("no disk is needed").unwrap();
    }
    let get = |name: &str| Read::Get(Space::User, key(name));
    assert!(matches!(engine.try_read(&get("k7")), Some(Ok(Reply::Value(Some(_))))));
    assert!(matches!(engine.try_read(&get("absent")), Some(Ok(Reply::Value(None)))));
    let many = engine.try_read(&Read::Many(Space::User, all));
    assert!(matches!(many, Some(Ok(Reply::Values(values))) if values.iter().all(Option::is_some)));
    assert!(engine.try_view().is_some());
    engine.compact().unwrap();
    lease.close().unwrap();
    let lease = start(root.path());
    assert!(lease.engine().try_read(&get("k7")).is_none(), "this one needs the disk, once");
    assert!(matches!(lease.engine().wait(Request::Read(get("k7"))), Ok(Reply::Value(Some(_)))));
    assert!(lease.engine().try_read(&get("k7")).is_some());
}

#[test]
fn at_full_nothing_is_written_on_the_callers_thread() {
    let root = tempfile::tempdir().unwrap();
    let lease = open(LevelDbOptions { durability: Durability::Full, ..LevelDbOptions::new(root.path()) }).unwrap();
    assert!(lease.engine().try_commit(&Batch::one(set_op("a", "1"))).is_none());
    assert_eq!(get(&lease, "a"), None);
}

#[test]
fn pages_resume_in_both_directions() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    let ops = (0..1000).map(|n| set_op(&format!("k{n:04}"), "1")).collect();
    lease.engine().commit(Batch { ops, ..Batch::default() }).unwrap();
    let view = lease.engine().view().unwrap();
    for reverse in [false, true] {
        let mut range = KeyRange::glob("k?[13579]*");
        range.reverse = reverse;
        let (mut seen, mut after) = (Vec::new(), None::<holdfast_core::Key>);
        loop {
            let page = view.scan(Space::User, &range, Projection::Keys, after.as_deref(), 100).unwrap();
            assert!(page.entries.len() <= 5);
            seen.extend(page.entries.into_iter().map(|(key, _)| key));
            let Some(next) = page.next else { break };
            after = Some(next);
        }
        assert_eq!(seen.len(), 500);
        assert!(seen.windows(2).all(|pair| (pair[0] < pair[1]) != reverse));
    }
}

#[test]
fn every_compression_reads_what_another_wrote() {
    let root = tempfile::tempdir().unwrap();
    let all = [Compression::None, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    for (n, compression) in all.into_iter().enumerate() {
        let lease = open(LevelDbOptions { compression, bloom_bits: 4 * n as u32, ..options(root.path()) }).unwrap();
        let value = format!("\"{}\"", "text ".repeat(1000));
        set(&lease, &format!("k{n}"), &value).unwrap();
        lease.engine().compact().unwrap();
        for earlier in 0..=n {
            assert_eq!(get(&lease, &format!("k{earlier}")).as_ref(), Some(&value));
        }
        lease.close().unwrap();
    }
}

#[test]
fn one_path_is_one_store_if_the_options_agree() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    let same = start(&root.path().join("."));
    set(&lease, "a", "1").unwrap();
    assert_eq!(get(&same, "a").as_deref(), Some("1"));
    let other = LevelDbOptions { cache_size: 64 << 20, ..options(root.path()) };
    assert_eq!(refused(other).code(), Code::InvalidArgument);
    lease.close().unwrap();
    assert_eq!(get(&same, "a").as_deref(), Some("1"));
}

#[test]
fn figures_say_what_is_there() {
    let root = tempfile::tempdir().unwrap();
    let lease = start(root.path());
    let value = format!("\"{}\"", "x".repeat(1000));
    for n in 0..1000 {
        set(&lease, &format!("k{n}"), &value).unwrap();
    }
    let stats = lease.engine().stats().unwrap();
    assert_eq!(stats.keys, Some(1000));
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
