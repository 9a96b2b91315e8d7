//! A group of batches, with the process dying at each change of the disk.

use super::*;
use crate::record::now;

#[test]
fn a_batch_over_both_keyspaces_is_whole_or_absent_wherever_the_process_dies() {
    let at = now() + 60_000;
    let long = "L".repeat(300);
    let before = [batch(vec![
        set(Space::User, "a", "\"old\"", None),
        set(Space::User, "b/c", "\"old\"", Some(at)),
        set(Space::Internal, "i", "\"old\"", None),
    ])];
    let group = [batch(vec![
        set(Space::User, "a", "\"new\"", Some(at)),
        delete("b/c"),
        set(Space::User, "d/e/f", "\"new\"", None),
        set(Space::User, &long, "\"new\"", None),
        set(Space::Internal, "i", "\"new\"", None),
    ])];
    let state = |ops: &[Op]| -> Contents {
        ops.iter()
            .filter_map(|op| match op {
                Op::Set { space, key, value, expires_at, .. } => {
                    Some(((*space, key.clone()), (value.clone(), *expires_at)))
                }
                _ => None,
            })
            .collect()
    };
    let (old, new) = (state(&before[0].ops), state(&group[0].ops));
    for durability in [Durability::Full, Durability::Normal] {
        die_everywhere(durability, &before, &group, |found| *found == old || *found == new);
    }
}

#[test]
fn a_plain_write_is_the_old_value_or_the_new_wherever_the_process_dies() {
    let before = [batch(vec![set(Space::User, "a/b", "\"old\"", None)])];
    let group = [batch(vec![set(Space::User, "a/b", "\"new\"", None)])];
    for durability in [Durability::Full, Durability::Normal, Durability::None] {
        die_everywhere(durability, &before, &group, |found| {
            let value = &found.get(&(Space::User, Key::from_static(b"a/b"))).unwrap().0;
            [Value::json("\"old\""), Value::json("\"new\"")].contains(value)
        });
    }
}

#[test]
fn a_batch_over_plain_keys_is_whole_or_absent_wherever_the_process_dies() {
    let user = |key: &str, text: &str| set(Space::User, key, text, None);
    let before = [batch(vec![
        user("same", &text("o", 100)),
        user("shrinks", &text("o", 9000)),
        user("grows", &text("o", 10)),
        user("folder/huge", &text("o", 100_000)),
        user("folder/goes", &text("o", 10)),
        user("stays", &text("o", 10)),
    ])];
    let group = [batch(vec![
        user("same", &text("n", 100)),
        user("shrinks", &text("n", 10)),
        user("grows", &text("n", 9000)),
        user("folder/huge", &text("n", 10)),
        user("new/one", &text("n", 10)),
        delete("folder/goes"),
    ])];
    let (old, new) = (after(&before, &[]), after(&before, &group));
    for durability in BELOW_FULL {
        die_everywhere(durability, &before, &group, |found| *found == old || *found == new);
    }
}

#[test]
fn a_group_of_batches_is_each_batch_whole_or_absent_wherever_the_process_dies() {
    let user = |key: &str, text: &str| batch(vec![set(Space::User, key, text, None)]);
    let keys = ["a", "b", "c"];
    let before = keys.map(|key| user(key, "\"before\""));
    let value = |found: &Contents, key: &str| {
        found.get(&(Space::User, Key::copy_from_slice(key.as_bytes()))).map(|(value, _)| value.to_text().to_vec())
    };
    let singles = keys.map(|key| user(key, "\"x\""));
    let pairs = [
        batch(vec![set(Space::User, "a", "\"x\"", None), set(Space::User, "b", "\"x\"", None)]),
        batch(vec![delete("c"), set(Space::User, "d", "\"x\"", None)]),
    ];
    for durability in BELOW_FULL {
        die_everywhere(durability, &before, &singles, |found| {
            keys.iter().all(|key| {
                let value = value(found, key);
                value.as_deref() == Some(b"\"before\"") || value.as_deref() == Some(b"\"x\"")
            })
        });
        die_everywhere(durability, &before, &pairs, |found| {
            value(found, "a") == value(found, "b") && value(found, "c").is_some() == value(found, "d").is_none()
        });
    }
}
