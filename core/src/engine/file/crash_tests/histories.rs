//! Random histories with restarts and crashes.

use proptest::prelude::*;

use super::*;
use crate::record::now;

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(u8, Option<u8>, bool)>),
    Restart,
    Crash(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let write = (0..12_u8, proptest::option::of(any::<u8>()), any::<bool>());
    prop_oneof![
        6 => prop::collection::vec(write.clone(), 1..2).prop_map(Step::Commit),
        4 => prop::collection::vec(write, 1..6).prop_map(Step::Commit),
        1 => Just(Step::Restart),
        1 => (0..30_u64).prop_map(Step::Crash),
    ]
}

const KEYS: [&str; 12] = ["a", "A", "a/b", "a/b/c", "a/", "..", "x.json", "x.json/y", "b", "con", "b/\u{e9}", "c"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_history_with_restarts_and_crashes_leaves_what_a_map_holds(
        steps in prop::collection::vec(step(), 1..24),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let at = now() + 600_000;
        let mut store = open(dir.path(), Durability::Normal);
        let mut model = Contents::new();
        let mut dies_at = None;
        for step in steps {
            match step {
                Step::Restart => {
                    store.close().unwrap();
                    drop(store);
                    store = open(dir.path(), Durability::Normal);
                }
                Step::Crash(steps) => dies_at = Some(steps),
                Step::Commit(writes) => {
                    let mut after = model.clone();
                    let mut ops = Vec::new();
                    for (key, value, internal) in writes {
                        let key = KEYS[usize::from(key)];
                        let id = |space| (space, Key::from_static(key.as_bytes()));
                        let Some(value) = value else {
                            ops.push(delete(key));
                            after.remove(&id(Space::User));
                            continue;
                        };
                        let space = if internal && value % 4 == 0 { Space::Internal } else { Space::User };
                        let expires_at = (value % 3 == 0).then_some(at);
                        // Some outgrow their blocks.
                        let text = if value % 5 == 0 { text("v", usize::from(value) * 80) } else { value.to_string() };
                        ops.push(set(space, key, &text, expires_at));
                        after.insert(id(space), (Value::json(text), expires_at));
                    }
                    failpoints::set(dies_at);
                    let result = store.write_group(&[batch(ops)]).remove(0);
                    let died = failpoints::reached();
                    failpoints::set(None);
                    if dies_at.take().is_some() && died {
                        drop(store);
                        store = open(dir.path(), Durability::Normal);
                        let found = state(&store);
                        let is_right = found == model || found == after;
                        prop_assert!(is_right, "{:?} is neither {:?} nor {:?}", found, model, after);
                        model = found;
                    } else {
                        prop_assert!(result.is_ok(), "{:?}", result);
                        model = after;
                    }
                }
            }
            prop_assert_eq!(&state(&store), &model);
        }
    }
}
