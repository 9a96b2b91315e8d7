//! Ranges of keys against the list of the rules that made them.

use std::ops::Bound;

use bytes::Bytes;
use holdfast_core::KeyRange;
use holdfast_core::key::prefix_end;

type Rule = Box<dyn Fn(&[u8]) -> bool>;

/// Any bytes as a list of rules: the range holds exactly the keys that meet all of them.
pub fn range(bytes: &[u8]) {
    let mut range = KeyRange::all();
    let mut rules: Vec<Rule> = Vec::new();
    let mut keys: Vec<Bytes> = vec![Bytes::new()];
    for step in bytes.split(|byte| *byte == b'\n').take(12) {
        let Some((kind, rest)) = step.split_first() else { continue };
        let key = Bytes::copy_from_slice(&rest[..rest.len().min(8)]);
        keys.push(key.clone());
        keys.push([&key[..], b"\0"].concat().into());
        keys.push([&key[..], b"z"].concat().into());
        keys.extend(prefix_end(&key));
        match kind % 7 {
            0 => {
                range.raise_start(Bound::Included(key.clone()));
                rules.push(Box::new(move |other| other >= &key[..]));
            }
            1 => {
                range.raise_start(Bound::Excluded(key.clone()));
                rules.push(Box::new(move |other| other > &key[..]));
            }
            2 => {
                range.lower_end(Bound::Included(key.clone()));
                rules.push(Box::new(move |other| other <= &key[..]));
            }
            3 => {
                range.lower_end(Bound::Excluded(key.clone()));
                rules.push(Box::new(move |other| other < &key[..]));
            }
            4 => {
                range.narrow_to_prefix(&key);
                rules.push(Box::new(move |other| other.starts_with(&key)));
            }
            5 => {
                range.except.push(key.clone());
                rules.push(Box::new(move |other| !other.starts_with(&key)));
            }
            _ => range.reverse = !range.reverse,
        }
    }
    keys.sort();
    for key in &keys {
        let inside = rules.iter().all(|rule| rule(key));
        assert_eq!(range.contains(key), inside, "{range:?} and {key:?}");
        assert!(!inside || !range.is_empty());
    }
    intervals_are_the_range(&range, &keys);
    pages_go_on_behind_a_key(&range, &keys);
}

fn intervals_are_the_range(range: &KeyRange, keys: &[Bytes]) {
    let intervals = range.intervals();
    for part in &intervals {
        assert!(part.is_interval() && !part.is_empty());
    }
    for key in keys {
        let times = intervals.iter().filter(|part| part.contains(key)).count();
        assert_eq!(times, usize::from(range.contains(key)), "{range:?} and {key:?}");
    }
}

fn pages_go_on_behind_a_key(range: &KeyRange, keys: &[Bytes]) {
    for key in keys {
        let rest = range.after(key);
        for other in keys {
            let behind = if range.reverse { other < key } else { other > key };
            assert_eq!(rest.contains(other), range.contains(other) && behind, "{range:?} after {key:?}, {other:?}");
        }
        if let Some(end) = prefix_end(key) {
            assert!(end > *key && !end.starts_with(key));
            for other in keys {
                assert!(!other.starts_with(key) || *other < end);
            }
        }
    }
}
