//! After a fault, a caller is told what the server holds.
//!
//! Each fault hits a dozen commits in flight: plain and conditional writes, deletions that tell, increments. Then every
//! answer is compared with the store, read over a connection of its own: what succeeded is there with the outcome told,
//! what was refused or said to be not applied is not, and never appears later.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::calls::{connect, increment, options, set, until_ok};
use crate::proxy::{DROP_REPLIES, HOLD, PASS, Proxy, REFUSE, RELEASE};
use crate::redis_server::RedisServer;
use holdfast_core::engine::redis::{RedisOptions, open};
use holdfast_core::engine::{Engine, Reply, Request};
use holdfast_core::testing::{Calls, json, key};
use holdfast_core::{Batch, Check, Code, Commit, Error, Op, Outcome};

/// A fixed sequence that looks random.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// A commit in flight, and what is true if it was applied.
enum Call {
    Set(String),
    /// Only if the key is absent, which it is.
    SetAbsent(String),
    /// Only if a key is absent that is there: never applied.
    Refused(String),
    Delete(String),
    Add,
}

impl Call {
    fn batch(&self) -> Batch {
        let set = |name: &str| Batch::one(Op::set(key(name), json("1")));
        match self {
            Call::Set(name) => set(name),
            Call::SetAbsent(name) => set(name).with_checks([Check::absent(key(name))]).reporting(),
            Call::Refused(name) => set(name).with_checks([Check::absent("there")]),
            Call::Delete(name) => Batch::one(Op::delete(key(name))).reporting(),
            Call::Add => Batch::one(Op::add("n", 1.0)).reporting(),
        }
    }
}

#[derive(Default, Debug)]
struct Tally {
    faults: u64,
    calls: u64,
    done: u64,
    not_applied: u64,
    refused: u64,
    unknown: u64,
    unknown_of_cuts: u64,
}

/// A dozen commits. What they delete is there.
fn calls(truth: &dyn Engine, round: u64, dice: &mut Dice) -> Vec<Call> {
    let draw = |i| {
        let name = format!("r{round}/{i}");
        match dice.below(8) {
            0 | 1 => Call::Set(name),
            2 => Call::SetAbsent(name),
            3 => Call::Refused(name),
            4 => {
                truth.set(&name, "0");
                Call::Delete(name)
            }
            _ => Call::Add,
        }
    };
    (0..12).map(draw).collect()
}

/// Submits a dozen commits between `arm` and `fault`, and checks each answer: the keys that must never be there.
fn strike(
    [engine, truth]: [&dyn Engine; 2],
    round: u64,
    dice: &mut Dice,
    tally: &mut Tally,
    arm: impl FnOnce(),
    fault: impl FnOnce(),
) -> Vec<String> {
    until_ok(|| set(engine, "there", "1"));
    let before = number(truth);
    let calls = calls(truth, round, dice);
    let (sender, receiver) = mpsc::channel();
    arm();
    for (i, call) in calls.iter().enumerate() {
        let sender = sender.clone();
        let done = move |reply: Result<Reply, Error>| drop(sender.send((i, reply)));
        engine.submit(Request::Commit(call.batch()), Box::new(done));
        if i == 6 {
            // The rest may be sent together with these, or after the fault.
            thread::yield_now();
        }
    }
    drop(sender);
    fault();
    let mut answers: Vec<Option<Result<Commit, Error>>> = calls.iter().map(|_| None).collect();
    for (i, reply) in receiver {
        let reply = reply.map(|reply| match reply {
            Reply::Commit(commit) => commit,
            _ => panic!("a commit was made"),
        });
        assert!(answers[i].replace(reply).is_none(), "answered once");
    }
    tally.faults += 1;
    tally.calls += calls.len() as u64;
    let (mut sure, mut maybe, mut sums, mut last) = (0, 0, Vec::new(), 0);
    let mut never = Vec::new();
    for (call, answer) in calls.iter().zip(answers) {
        let answer = answer.expect("each call is answered");
        let applied = match &answer {
            Ok(commit) => {
                assert!(commit.seq > last, "commit numbers follow the calls: {} after {last}", commit.seq);
                last = commit.seq;
                tally.done += 1;
                Some(true)
            }
            Err(error) => match error.code() {
                Code::UnknownOutcome => {
                    tally.unknown += 1;
                    None
                }
                Code::Connection => {
                    tally.not_applied += 1;
                    Some(false)
                }
                Code::Conflict => {
                    tally.refused += 1;
                    assert!(matches!(call, Call::Refused(_)), "{error}");
                    Some(false)
                }
                _ => panic!("round {round}: {error}"),
            },
        };
        let there = |name: &str| until_ok(|| truth.try_value(name)).is_some();
        match call {
            Call::Set(name) | Call::SetAbsent(name) => {
                if let Some(applied) = applied {
                    assert_eq!(there(name), applied, "round {round}: {name} {answer:?}");
                }
                if applied == Some(false) {
                    never.push(name.clone());
                }
            }
            Call::Refused(name) => {
                assert_ne!(applied, Some(true));
                assert!(!there(name), "round {round}: {name}");
            }
            Call::Delete(name) => {
                if let Some(applied) = applied {
                    assert_eq!(!there(name), applied, "round {round}: {name} {answer:?}");
                }
            }
            Call::Add => match applied {
                Some(true) => sure += 1,
                None => maybe += 1,
                Some(false) => {}
            },
        }
        for outcome in answer.iter().flat_map(|commit| &commit.outcomes) {
            match outcome {
                Outcome::Added { value, .. } => sums.push(*value),
                Outcome::Deleted { existed } => assert!(existed, "round {round}: it was there"),
                _ => {}
            }
        }
    }
    let added = number(truth) - before;
    assert!(
        added >= f64::from(sure) && added <= f64::from(sure + maybe),
        "round {round}: {added} of {sure} and {maybe}"
    );
    assert!(sums.is_sorted_by(|a, b| a < b) && sums.iter().all(|sum| *sum > before), "round {round}: {sums:?}");
    never
}

fn number(engine: &dyn Engine) -> f64 {
    until_ok(|| engine.try_value("n")).map_or(0.0, |text| text.parse().unwrap())
}

fn hasty(port: u16) -> RedisOptions {
    RedisOptions { command_timeout: Duration::from_millis(400), ..options(port) }
}

/// Faults of the network, each seeded. `flushes`: the server forgets its scripts in between.
fn network(seed: u64, faults: u64, flushes: bool) -> Tally {
    let server = RedisServer::start(&[]);
    let proxy = Proxy::to(server.port);
    let lease = open(hasty(proxy.port)).unwrap();
    let truth = connect(server.port);
    let (engine, truth) = (lease.engine().as_ref(), truth.engine().as_ref());
    let mut dice = Dice(seed);
    let mut tally = Tally::default();
    let mut never = Vec::new();
    for round in 0..faults {
        let kind = dice.below(20);
        let mut bytes = |below| u32::try_from(dice.below(below)).unwrap();
        let (replies, requests) = (bytes(400), bytes(9000));
        let pause = Duration::from_millis(if kind < 19 { dice.below(600) } else { dice.below(60) });
        if flushes {
            server.raw(&[b"SCRIPT", b"FLUSH"]);
        }
        let unknown = tally.unknown;
        let arm = || match kind {
            0..=8 => proxy.cut_replies_after(replies),
            9..=16 => proxy.cut_requests_after(requests),
            17 => proxy.set(DROP_REPLIES),
            18 => proxy.set(HOLD),
            _ => {}
        };
        let fault = || match kind {
            17 | 18 => {
                thread::sleep(pause);
                proxy.set(PASS);
            }
            19 => {
                proxy.set(REFUSE);
                thread::sleep(pause);
                proxy.set(PASS);
            }
            _ => {}
        };
        never.extend(strike([engine, truth], round, &mut dice, &mut tally, arm, fault));
        if kind == 18 {
            // What was held back arrives now, long after its caller was told.
            proxy.set(RELEASE);
            thread::sleep(Duration::from_millis(20));
        }
        proxy.set(PASS);
        if kind <= 16 {
            tally.unknown_of_cuts += tally.unknown - unknown;
        }
    }
    for name in never {
        assert_eq!(truth.value(&name), None, "what was told as not applied never appears");
    }
    let sure = number(truth);
    assert_eq!(until_ok(|| increment(engine, "n", 1.0)), sure + 1.0);
    tally
}

/// Servers that die or hang. What they have acknowledged is on their disk.
fn server(seed: u64, faults: u64) -> Tally {
    let mut server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let lease = open(hasty(server.port)).unwrap();
    let mut dice = Dice(seed);
    let mut tally = Tally::default();
    for round in 0..faults {
        let truth = connect(server.port);
        let engines: [&dyn Engine; 2] = [lease.engine().as_ref(), truth.engine().as_ref()];
        let hangs = dice.below(2) == 0;
        let pause = Duration::from_millis(dice.below(if hangs { 900 } else { 4 }));
        let fault = || {
            if hangs {
                server.freeze();
                thread::sleep(pause);
                server.thaw();
            } else {
                thread::sleep(pause);
                server.crash_and_restart();
            }
        };
        strike(engines, round, &mut dice, &mut tally, || (), fault);
    }
    tally
}

#[test]
fn every_answer_after_a_fault_is_what_the_server_holds() {
    let networks = (0..4).map(|seed| thread::spawn(move || network(seed, 125, seed % 2 == 0)));
    let servers = (10..12).map(|seed| thread::spawn(move || server(seed, 20)));
    let tallies: Vec<Tally> = networks
        .chain(servers)
        .collect::<Vec<_>>()
        .into_iter()
        .map(|run| run.join().expect("no wrong answer"))
        .collect();
    let sum = |count: fn(&Tally) -> u64| tallies.iter().map(count).sum::<u64>();
    let (faults, calls, unknown) = (sum(|t| t.faults), sum(|t| t.calls), sum(|t| t.unknown));
    println!(
        "{faults} faults, {calls} commits in flight: {} done, {} refused, {} not applied, \
         {unknown} of unknown outcome, 0 wrong answers",
        sum(|t| t.done),
        sum(|t| t.refused),
        sum(|t| t.not_applied),
    );
    assert!(faults >= 500);
    assert!(sum(|t| t.not_applied) > 100 && unknown < calls / 10, "most answers are proven");
    let of_cuts = sum(|t| t.unknown_of_cuts);
    assert!(of_cuts < calls / 100, "a server that can be asked says what became of each call: {of_cuts}");
}
