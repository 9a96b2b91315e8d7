//! Random batches, snapshots and restarts against an ordered map.
use std::collections::BTreeMap;

use holdfast_core::engine::leveldb::{LevelDbOptions, open};
use holdfast_core::engine::{Durability, EngineExt, Item, Projection, for_each_page};
use holdfast_core::testing::{Calls, json, key};
use holdfast_core::{Batch, Check, Code, KeyRange, Op, Space, Value, Version};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Commit { check: Option<(u8, bool)>, ops: Vec<Write> },
    Restart,
    Compact,
}

#[derive(Clone, Debug)]
enum Write {
    Set(u8, u16),
    SetExpired(u8),
    Add(u8),
    Delete(u8),
    DeleteRange(u8, u8),
}

fn name(n: u8) -> String {
    format!("k{:02}", n % 24)
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        4 => (any::<u8>(), any::<u16>()).prop_map(|(k, v)| Write::Set(k, v)),
        1 => any::<u8>().prop_map(Write::SetExpired),
        2 => any::<u8>().prop_map(Write::Add),
        2 => any::<u8>().prop_map(Write::Delete),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Write::DeleteRange(a, b)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (proptest::option::of((any::<u8>(), any::<bool>())), proptest::collection::vec(write(), 1..6))
            .prop_map(|(check, ops)| Step::Commit { check, ops }),
        1 => Just(Step::Restart),
        1 => Just(Step::Compact),
    ]
}

fn op(write: &Write) -> Op {
    match write {
        Write::Set(k, v) => Op::set(name(*k), json(v.to_string())),
        Write::SetExpired(k) => Op::set(name(*k), json("0")).expiring(1),
        Write::Add(k) => Op::add(name(*k), 1.0),
        Write::Delete(k) => Op::delete(name(*k)),
        Write::DeleteRange(a, b) => {
            let mut range = KeyRange::all();
            range.raise_start(std::ops::Bound::Included(key(&name(*a))));
            range.lower_end(std::ops::Bound::Excluded(key(&name(*b))));
            Op::delete_range(range)
        }
    }
}

type Model = BTreeMap<String, (u64, Version)>;

fn write_model(model: &mut Model, write: &Write, version: Version) {
    match write {
        Write::Set(k, v) => drop(model.insert(name(*k), (u64::from(*v), version))),
        Write::Add(k) => {
            let number = model.get(&name(*k)).map_or(0, |(number, _)| *number) + 1;
            model.insert(name(*k), (number, version));
        }
        Write::SetExpired(k) | Write::Delete(k) => drop(model.remove(&name(*k))),
        Write::DeleteRange(a, b) => model.retain(|key, _| *key < name(*a) || *key >= name(*b)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_store_is_an_ordered_map(
        steps in proptest::collection::vec(step(), 1..40),
        durability in prop_oneof![Just(Durability::None), Just(Durability::Normal)],
    ) {
        let root = tempfile::tempdir().unwrap();
        let options = || LevelDbOptions { durability, ..LevelDbOptions::new(root.path()) };
        let mut lease = open(options()).unwrap();
        let mut model = Model::new();
        let mut seq = 0;
        for step in steps {
            let view = lease.engine().view().unwrap();
            let before: Vec<_> = model.iter().map(|(key, (number, _))| (key.clone(), number.to_string())).collect();
            match &step {
                Step::Commit { check, ops } => {
                    let mut batch = Batch::of(ops.iter().map(op)).reporting();
                    let mut holds = true;
                    if let Some((k, honest)) = check {
                        let current = model.get(&name(*k)).map(|(_, version)| *version);
                        let version = if *honest { current } else { Some(Version::of_commit(u64::MAX)) };
                        holds = *honest;
                        batch.checks.push(Check::new(name(*k), version));
                    }
                    match lease.engine().commit(batch) {
                        Ok(commit) => {
                            prop_assert!(holds);
                            prop_assert!(commit.seq >= seq);
                            seq = commit.seq;
                            for write in ops {
                                write_model(&mut model, write, Version::of_commit(seq));
                            }
                        }
                        Err(error) => {
                            prop_assert!(!holds);
                            prop_assert_eq!(error.code(), Code::Conflict);
                        }
                    }
                }
                Step::Restart => {
                    lease.close().unwrap();
                    lease = open(options()).unwrap();
                }
                Step::Compact => lease.engine().compact().unwrap(),
            }
            if !matches!(step, Step::Restart) {
                let mut seen = Vec::new();
                for_each_page(&*view, Space::User, &KeyRange::all(), Projection::Values, |page| {
                    for (key, item) in page {
                        let Item::Value(value) = item else { continue };
                        let text = String::from_utf8(value.to_text().to_vec()).unwrap();
                        seen.push((String::from_utf8(key.to_vec()).unwrap(), text));
                    }
                    Ok(true)
                }).unwrap();
                prop_assert_eq!(seen, before, "a view taken before the step");
            }
            for n in 0..24 {
                let found = lease.engine().entry(&name(n));
                let found = found.map(|record| (record.value, record.version));
                let expected = model.get(&name(n)).map(|(v, version)| (Value::json(v.to_string()), *version));
                prop_assert_eq!(found, expected);
            }
        }
    }
}
