//! The plan of a workload, made from a seed: numbered batches, and the events between them.
//!
//! Every batch carries its number in all it writes. A batch of several keys also writes a marker of its own, which
//! nothing but a replacement of the whole content touches again: the markers tell which batches a store holds. A batch
//! of one key writes a key that only such batches and replacements write.

use bytes::Bytes;
use holdfast_core::{Key, Space, Value};

use crate::random::Random;

/// Far in the future: such a record carries side data and never expires.
pub(crate) const EXPIRY: u64 = 4_102_444_800_000;

#[derive(Clone, Debug)]
pub(crate) enum Write {
    Set { space: Space, key: Key, value: Value, expires_at: Option<u64>, metadata: Option<Bytes> },
    Add { space: Space, key: Key, by: f64 },
    Delete { space: Space, key: Key },
    DeletePrefix { space: Space, prefix: Key },
}

/// The condition of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    None,
    /// The key has the version it was just seen with: holds.
    Current(Key),
    /// The key has a version nothing ever had: refused with CONFLICT.
    Stale(Key),
}

#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// Its place among all batches of the plan.
    pub(crate) number: u64,
    pub(crate) writes: Vec<Write>,
    pub(crate) guard: Guard,
    /// The key of its marker; `None` for a batch of one key.
    pub(crate) marker: Option<(Space, Key)>,
    /// The writes, all of them sets, replace the whole content of the store.
    pub(crate) replaces: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    One(Job),
    /// Requested together, without waiting: they may be committed as one group.
    Burst(Vec<Job>),
    /// Replaces the content.
    Replace(Job),
    /// Stages a content, and drops it.
    Abandon(Job),
    Compact,
    Reopen,
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
}

const USER: [&str; 10] = ["a/0", "a/1", "a/2", "b/deep/er/0", "b/deep/er/1", "b/x", "c", "A", "b/\u{e9}", "LONG"];
const INTERNAL: [&str; 4] = ["i/0", "i/1", "j/0", "j/1"];
const ALONE: [&str; 4] = ["s/0", "s/1", "s/deep/2", "s/3"];
const PREFIXES: [&str; 4] = ["a/", "b/deep/", "i/", "j/"];
/// Bytes of values: mostly small, now and then many pages.
const LENGTHS: [usize; 12] = [1, 1, 12, 40, 150, 150, 600, 600, 3_000, 5_000, 18_000, 100_000];

impl Plan {
    /// A plan of `batches` batches, some of them replacements of the content where the store `has_replacements`.
    #[must_use]
    pub(crate) fn new(seed: u64, batches: u64, has_replacements: bool) -> Self {
        let mut random = Random::of(seed, 1);
        let mut steps = Vec::new();
        let mut number = 0;
        let mut large = 0;
        while number < batches {
            let step = match random.below(100) {
                0..22 => Step::One(alone(&mut random, &mut number)),
                22..36 => {
                    let many = 2 + random.below(4);
                    let jobs = (0..many).map(|_| match random.chance(50) {
                        true => alone(&mut random, &mut number),
                        false => several(&mut random, &mut number, &mut large, false),
                    });
                    Step::Burst(jobs.collect())
                }
                36..41 => Step::Compact,
                41..47 => Step::Reopen,
                47..54 if has_replacements => Step::Replace(content(&mut random, next(&mut number), &mut large)),
                54..57 if has_replacements => Step::Abandon(content(&mut random, number, &mut large)),
                _ => Step::One(several(&mut random, &mut number, &mut large, true)),
            };
            steps.push(step);
        }
        Plan { steps }
    }

    pub(crate) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.steps.iter().flat_map(|step| match step {
            Step::One(job) | Step::Replace(job) => std::slice::from_ref(job),
            Step::Burst(jobs) => jobs.as_slice(),
            Step::Abandon(_) | Step::Compact | Step::Reopen => &[],
        })
    }
}

fn key(name: &str) -> Key {
    match name {
        // Over the limit of a file name: the file engine keeps it under a hash.
        "LONG" => Key::from("L".repeat(300)),
        name => Key::copy_from_slice(name.as_bytes()),
    }
}

fn value(random: &mut Random, number: u64, name: &str, large: &mut u32) -> Value {
    let mut length = random.pick(&LENGTHS);
    if length > 10_000 {
        // A few are enough: they make each crash point slower to build.
        *large += 1;
        if *large > 3 {
            length = 200;
        }
    }
    if length == 1 {
        return Value::json((number % 10).to_string());
    }
    let mut text = format!("\"{number} {name} ");
    let unit = format!("{number}.");
    while text.len() + 1 < length {
        text.push_str(&unit);
    }
    text.push('"');
    if random.chance(15) { Value::Binary(Bytes::from(text)) } else { Value::json(text) }
}

fn next(number: &mut u64) -> u64 {
    let this = *number;
    *number += 1;
    this
}

/// A batch of one write.
fn alone(random: &mut Random, number: &mut u64) -> Job {
    let number = next(number);
    let name = random.pick(&ALONE);
    let (space, key) = (Space::User, key(name));
    let write = if random.chance(20) {
        Write::Delete { space, key }
    } else {
        // Small enough to be written in place, and large ones too.
        let mut none = 0;
        Write::Set { space, key, value: value(random, number, name, &mut none), expires_at: None, metadata: None }
    };
    Job { number, writes: vec![write], guard: Guard::None, marker: None, replaces: false }
}

/// A batch of several writes over both keyspaces.
fn several(random: &mut Random, number: &mut u64, large: &mut u32, guarded: bool) -> Job {
    let number = next(number);
    // Some batches touch users' keys alone, which the file engine writes in another way.
    let plain = random.chance(40);
    let mut writes = Vec::new();
    for _ in 0..=random.below(5) {
        let internal = !plain && random.chance(35);
        let space = if internal { Space::Internal } else { Space::User };
        let name = if internal { random.pick(&INTERNAL) } else { random.pick(&USER) };
        let write = match random.below(100) {
            0..18 => Write::Delete { space, key: key(name) },
            18..26 => {
                let prefix = random.pick(&PREFIXES);
                let space = if prefix.starts_with(['i', 'j']) { Space::Internal } else { Space::User };
                Write::DeletePrefix { space, prefix: key(prefix) }
            }
            26..34 => {
                Write::Add { space, key: key("count"), by: 1.0 + f64::from(u8::try_from(random.below(9)).unwrap_or(0)) }
            }
            _ => Write::Set {
                space,
                key: key(name),
                value: value(random, number, name, large),
                expires_at: (!plain && random.chance(15)).then_some(EXPIRY),
                metadata: (!plain && random.chance(10)).then(|| Bytes::from(format!("{{\"batch\":{number}}}"))),
            },
        };
        writes.push(write);
    }
    let space = if plain || random.chance(50) { Space::User } else { Space::Internal };
    let marker = (space, Key::from(format!("m/{number:05}")));
    writes.push(Write::Set {
        space: marker.0,
        key: marker.1.clone(),
        value: Value::json(number.to_string()),
        expires_at: None,
        metadata: None,
    });
    let guard = match random.below(100) {
        _ if !guarded => Guard::None,
        0..15 => Guard::Current(key(random.pick(&USER))),
        15..22 => Guard::Stale(key(random.pick(&USER))),
        _ => Guard::None,
    };
    Job { number, writes, guard, marker: Some(marker), replaces: false }
}

/// A whole content, over both keyspaces.
fn content(random: &mut Random, number: u64, large: &mut u32) -> Job {
    let user = USER.iter().chain(&ALONE).map(|name| (Space::User, *name));
    let names: Vec<_> =
        user.chain(INTERNAL.map(|name| (Space::Internal, name))).filter(|_| random.chance(60)).collect();
    let set = |space, key, value, expires_at, metadata| Write::Set { space, key, value, expires_at, metadata };
    let mut writes = Vec::new();
    for (space, name) in names {
        let expires_at = random.chance(15).then_some(EXPIRY);
        let metadata = random.chance(15).then(|| Bytes::from(format!("{{\"content\":{number}}}")));
        writes.push(set(space, key(name), value(random, number, name, large), expires_at, metadata));
    }
    let marker = (Space::User, Key::from(format!("m/{number:05}")));
    writes.push(set(marker.0, marker.1.clone(), Value::json(number.to_string()), None, None));
    Job { number, writes, guard: Guard::None, marker: Some(marker), replaces: true }
}
