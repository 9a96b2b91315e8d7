//! Watching what other clients commit.

use std::sync::Arc;

use crate::calls::{connect, options, set};
use crate::proxy::{CUT_REPLIES, PASS, Proxy};
use crate::redis_server::RedisServer;
use holdfast_core::engine::redis::open;
use holdfast_core::engine::watch::{Change, Options, WatchedCommit};
use holdfast_core::engine::{Engine, EngineExt};
use holdfast_core::testing::{Calls, Watcher, json};
use holdfast_core::{Batch, Code, KeyRange, Op};

fn watch(engine: &Arc<dyn Engine>) -> Watcher {
    Watcher::new(engine, Options { max_commits: 100_000, ..Options::default() })
}

#[test]
fn commits_of_other_clients_are_told_whole_and_in_order() {
    let server = RedisServer::start(&[]);
    let (ours, theirs) = (connect(server.port), connect(server.port));
    let watcher = watch(ours.engine());
    std::thread::scope(|scope| {
        for client in [&ours, &theirs] {
            scope.spawn(move || {
                for _ in 0..500 {
                    client.engine().add("n", 1.0);
                }
            });
        }
    });
    let commits = watcher.next(1000).unwrap();
    let shown = |commit: &WatchedCommit| commit.changes.iter().map(Watcher::shown).collect();
    let told: Vec<Vec<String>> = commits.iter().map(shown).collect();
    assert_eq!(told, (1..=1000).map(|n| vec![format!("n={n}")]).collect::<Vec<_>>());
    assert!(commits.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq));
}

#[test]
fn a_large_batch_is_one_commit_and_large_values_are_read_by_their_keys() {
    let server = RedisServer::start(&[]);
    let (ours, theirs) = (connect(server.port), connect(server.port));
    let watcher = watch(ours.engine());
    let large = format!("\"{}\"", "x".repeat(100_000));
    let small = (0..5000).map(|i| Op::set(format!("k{i}"), json(i.to_string())));
    theirs.engine().run(Batch::of(small.chain([Op::set("large", json(&large))])));
    let commits = watcher.next(1).unwrap();
    assert_eq!(commits[0].changes.len(), 5001);
    assert!(commits[0].changes.iter().all(|change| matches!(change, Change::Set { value: Some(_), .. })));
    // More than a feed keeps at once, by several steps.
    for i in 0..3 {
        theirs.engine().set("large", &large.replace('x', &i.to_string()));
    }
    let told = watcher.told(3);
    assert!(told[2][0].contains("222"), "the last value is there");
    theirs.engine().run(Op::delete_range(KeyRange::prefix("k")));
    let mut gone = 0;
    loop {
        let commit = watcher.next(1).unwrap().remove(0);
        if commit.changes.iter().any(|change| matches!(change, Change::Clear { .. })) {
            break;
        }
        gone += commit.changes.len();
    }
    assert!((4000..5000).contains(&gone), "{gone} keys were deleted in steps, the rest with the range");
}

#[test]
fn a_lost_connection_and_a_lost_feed_end_a_watch() {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::to(server.port);
    let lease = connect(proxy.port);
    let watcher = watch(lease.engine());
    proxy.set(CUT_REPLIES);
    drop(set(lease.engine().as_ref(), "a", "1"));
    assert_eq!(watcher.error().code(), Code::Connection);
    proxy.set(PASS);

    let lease = open(options(server.port)).unwrap();
    let watcher = watch(lease.engine());
    lease.engine().set("a", "1");
    assert_eq!(watcher.told(1), [["a=1"]]);
    server.raw(&[b"DEL", b"app:\xffholdfast:feed"]);
    assert_eq!(watcher.error().code(), Code::Connection);
    let again = watch(lease.engine());
    lease.engine().set("b", "1");
    assert_eq!(again.told(1), [["b=1"]]);
}

#[test]
fn a_commit_that_is_missing_from_the_feed_ends_a_watch() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let watcher = watch(lease.engine());
    server.raw(&[b"INCR", b"app:\xffholdfast:seq"]);
    lease.engine().set("a", "1");
    assert_eq!(watcher.error().code(), Code::Connection);
}

#[test]
fn a_log_that_was_trimmed_says_where_it_can_be_resumed() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let engine = lease.engine();
    let start = engine.set("n", "0").seq;
    assert!(engine.logged(start, 1 << 20).unwrap().commits.is_empty());
    let commits: Vec<u64> = (0..50).map(|n| engine.set("n", &n.to_string()).seq).collect();
    assert_eq!(engine.logged(start, 1 << 20).unwrap().commits.len(), 50);
    server.raw(&[b"XTRIM", b"app:\xffholdfast:log", b"MAXLEN", b"10"]);
    let error = engine.logged(start, 1 << 20).unwrap_err();
    assert_eq!(error.code(), Code::PreconditionFailed);
    assert!(error.message().contains(&format!("since: {}", commits[39])), "{error}");
    let page = engine.logged(commits[39], 1 << 20).unwrap();
    assert_eq!(page.commits.first().map(|commit| commit.seq), Some(commits[40]));
    assert_eq!((page.through, page.more), (commits[49], false));
}

#[test]
fn an_engine_that_nobody_watches_writes_no_feed() {
    let server = RedisServer::start(&[]);
    let lease = connect(server.port);
    let exists = || server.raw(&[b"EXISTS", b"app:\xffholdfast:feed", b"app:\xffholdfast:log"]);
    lease.engine().set("a", "1");
    assert_eq!(exists(), b":0\r\n");
    let watcher = watch(lease.engine());
    assert_eq!(exists(), b":1\r\n");
    let left = server.raw(&[b"PTTL", b"app:\xffholdfast:feed"]);
    let left: u64 = String::from_utf8_lossy(&left).trim_matches([':', '\r', '\n']).parse().unwrap();
    assert!(left > 0 && left <= 60_000, "it ends by itself");
    drop(watcher);
    lease.engine().run(Op::delete("a"));
}
