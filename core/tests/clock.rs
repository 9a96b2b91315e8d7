//! The clock of the process: a test sets it, and what has expired stays absent when it goes back.
//!
//! There is one clock, so this is one test in a process of its own.

use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::{Durability, EngineExt, file, leveldb, memory, set_clock, sqlite};
use holdfast_core::record::now;
use holdfast_core::testing::{Calls, TempStore, json};
use holdfast_core::{Batch, KeyRange, Op, Result};

const DAY: u64 = 86_400_000;
const START: u64 = 1_000 * DAY;

type Open = fn(&std::path::Path) -> Result<Lease>;

#[test]
fn what_has_expired_stays_absent_when_the_clock_goes_back() {
    let engines: [(&str, Open); 4] = [
        ("memory", |_| Ok(Lease::private(memory::open(memory::MemoryOptions::default())))),
        ("file", |folder| {
            file::open(file::FileOptions {
                durability: Durability::None,
                ..file::FileOptions::new(folder.join("files"))
            })
        }),
        ("sqlite", |folder| {
            let options = sqlite::SqliteOptions::new(folder.join("store.db"));
            sqlite::open(sqlite::SqliteOptions { durability: Durability::None, ..options })
        }),
        ("leveldb", |folder| {
            let options = leveldb::LevelDbOptions::new(folder.join("db"));
            leveldb::open(leveldb::LevelDbOptions { durability: Durability::None, ..options })
        }),
    ];
    let before = now();
    for (name, open) in engines {
        set_clock(Some(START));
        assert_eq!(now(), START);
        let store = TempStore::new(open);
        let lease = store.lease();
        let engine = lease.engine();
        for n in 0..1_200 {
            engine.run(Op::set(format!("many/{n}"), json("1")).expiring(START + 10));
        }
        engine.run(Op::set("seen", json("1")).expiring(START + 1_000));
        engine.run(Op::set("unseen", json("1")).expiring(START + 1_000));
        engine.run(Op::set("later", json("1")).expiring(START + DAY));
        engine.set("kept", "1");
        assert_eq!(engine.entry("kept").and_then(|record| record.updated_at), Some(START), "{name}");
        assert!(engine.has("seen") && engine.has("unseen") && engine.has("many/7"), "{name}");

        set_clock(Some(START + 1_000));
        assert_eq!(engine.value("seen"), None, "{name}");

        for back in [START + 999, START, START - DAY] {
            set_clock(Some(back));
            assert_eq!(now(), back);
            assert_eq!(engine.value("seen"), None, "{name}, at {back}");
            assert!(engine.entry("unseen").is_none(), "{name}, at {back}");
            assert_eq!(engine.keys(&KeyRange::all()), ["kept", "later"], "{name}, at {back}");
        }
        // A sweep by itself, as each second makes one, leaves nothing in a cache either.
        engine.run(Op::set("swept", json("1")).expiring(START));
        assert!(engine.has("swept"));
        set_clock(Some(START));
        while engine.stats().is_ok_and(|stats| stats.keys.is_some_and(|keys| keys > 2)) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        set_clock(Some(START - DAY));
        assert!(!engine.has("swept"), "{name}");

        // What is written from then on expires by the new time.
        engine.run(Op::set("seen", json("2")).expiring(START - DAY + 1_000));
        let created = engine.entry("seen").and_then(|record| record.created_at);
        assert_eq!(created, Some(START - DAY), "{name}: the old record is no part of it");
        set_clock(Some(START - DAY + 999));
        assert!(engine.has("seen"), "{name}");
        set_clock(Some(START - DAY + 1_000));
        assert!(!engine.has("seen"), "{name}");
        engine.run(Batch::one(Op::add("seen", 1.0)));
        assert_eq!(engine.value("seen").as_deref(), Some("1"), "{name}");
        set_clock(None);
        assert!(now() >= before, "the clock of the system goes on");
        assert!(!engine.has("later"), "{name}: that moment is long over");
        assert!(engine.has("kept"));
    }
}
