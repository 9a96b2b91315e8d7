//! Many calls at once.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use holdfast_core::engine::custom::{self, Call as HostCall, Host, OnAnswer, Traits};
use holdfast_core::engine::{Durability, Engine};
use holdfast_core::error::Result;
use holdfast_core::key::KeyRange;
use holdfast_core::model::{Call, Control, Reply, Steps};
use holdfast_core::testing::{Calls, ok};
use holdfast_core::threads;
use holdfast_core::transaction::{Options, Transaction, TransactionLog};

use super::host::{MapHost, Store};
use super::support::{Asked, EXPORT, Engines, IMPORT};

const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_thousand_open_streams_hold_no_thread() {
    let engines = Engines::open();
    for (name, lease) in &engines.each {
        let engine = lease.engine();
        for n in 0..20 {
            engine.set(&format!("k{n:02}"), "1");
        }
        let open: Vec<Asked> = (0..1000).map(|_| Asked::open(engine, EXPORT)).collect();
        for call in &open {
            assert!(matches!(ok(call.next(30)), Reply::Bytes(_)), "{name}");
        }
        // Other calls go on, and each of the thousand does.
        engine.set("another", "1");
        for call in &open {
            assert_eq!(ok(call.rest(1 << 10)).iter().filter(|byte| **byte == b'\n').count(), 19, "{name}");
        }
    }
}

/// A host that answers each call a little later, from the tier that waits for files alone.
struct SlowHost(Arc<MapHost>);

impl Host for SlowHost {
    fn traits(&self) -> Traits {
        self.0.traits()
    }

    fn call(&self, call: HostCall, answer: OnAnswer) {
        let later: OnAnswer = Box::new(move |answered| {
            threads::disk(move |started| {
                thread::sleep(Duration::from_micros(100));
                answer(started.and(answered));
            });
        });
        self.0.call(call, later);
    }

    fn close(&self) {
        self.0.close();
    }
}

/// The steps of one call, one after another, each of which asks for the next.
#[allow(clippy::needless_pass_by_value, reason = "the next step owns them")]
fn exported(call: Arc<Call>, lines: Arc<Mutex<usize>>, over: mpsc::Sender<Result<usize>>) {
    let again = call.clone();
    call.next(
        64,
        Box::new(move |reply| match reply {
            Ok(Reply::Bytes(piece)) => {
                *lines.lock().unwrap() += piece.iter().filter(|byte| **byte == b'\n').count();
                exported(again, lines, over);
            }
            Ok(_) => over.send(Ok(*lines.lock().unwrap())).unwrap(),
            Err(error) => over.send(Err(error)).unwrap(),
        }),
    );
}

#[test]
fn hundreds_of_calls_over_transactions_on_a_slow_engine_all_end() {
    const CALLS: usize = 300;
    let traits = Traits { name: "map", atomic_batch: true, expiry: true, metadata: true };
    let host = MapHost::open(Arc::<Mutex<Store>>::default(), Arc::default(), traits);
    let engine = custom::open(Arc::new(SlowHost(host)));
    let folder = tempfile::tempdir().unwrap();
    let log = TransactionLog::new(folder.path().join("log"), Durability::Normal);
    engine.set("shared/a", "1");
    engine.set("shared/b", "1");

    let (sender, receiver) = mpsc::channel();
    let request = r#"{"transfer":{"export":{"format":"jsonl","prefix":"shared/"}}}"#;
    let transactions: Vec<Arc<Transaction>> = (0..CALLS)
        .map(|n| {
            let transaction = Transaction::new(Options::default(), Some(log.clone()));
            let branch: Arc<dyn Engine> = transaction.on("map", &engine);
            let call = Call::new("map", Control::new(None), Arc::new(Steps::default()));
            let (started, over) = (call.clone(), sender.clone());
            let (import, key) = (branch.clone(), format!("own/{n:03}"));
            call.start(
                branch,
                request.into(),
                Box::new(move |reply| {
                    assert_eq!(ok(reply), Reply::Stream);
                    let sink = Call::new("map", Control::new(None), Arc::new(Steps::default()));
                    let finish = sink.clone();
                    sink.start(
                        import,
                        IMPORT.into(),
                        Box::new(move |reply| {
                            assert_eq!(ok(reply), Reply::Stream);
                            let line = format!("{{\"key\":\"{key}\",\"value\":1}}");
                            let last = finish.clone();
                            finish.write(
                                line.into(),
                                Box::new(move |reply| {
                                    ok(reply);
                                    last.finish(Box::new(move |reply| {
                                        ok(reply);
                                        exported(started, Arc::default(), over);
                                    }));
                                }),
                            );
                        }),
                    );
                }),
            );
            transaction
        })
        .collect();
    for _ in 0..CALLS {
        assert_eq!(ok(receiver.recv_timeout(PATIENCE).expect("a call does not end")), 2);
    }
    // One of them commits. The others read a range that it has changed since.
    let committed = transactions.iter().filter(|transaction| transaction.wait().is_ok()).count();
    assert!(committed >= 1);
    assert_eq!(engine.keys(&KeyRange::prefix("own/")).len(), committed);
    log.close();
}
