use std::sync::mpsc;
use std::time::Duration;

use super::*;

const SOON: Duration = Duration::from_secs(60);

/// More tasks than every tier has threads.
const MANY: usize = 4 * WAITING_THREADS;

#[test]
fn every_tier_saturated_with_waiting_tasks_ends() {
    let (sender, receiver) = mpsc::channel();
    let workers: Vec<Arc<Worker>> = (0..4).map(|_| Arc::new(Worker::new("test-worker"))).collect();
    for n in 0..MANY {
        let (sender, worker) = (sender.clone(), workers[n % 4].clone());
        // A call of a model, which waits for a transaction, which waits for an engine, which waits for the disk.
        model(move |started| {
            started.unwrap();
            let answer = ask(waiting, move || ask(|task| worker.spawn(task), move || ask(disk, move || n)));
            sender.send(answer).unwrap();
        });
    }
    let mut answers: Vec<usize> = (0..MANY).map(|_| receiver.recv_timeout(SOON).unwrap()).collect();
    answers.sort_unstable();
    assert_eq!(answers, (0..MANY).collect::<Vec<_>>());
}

/// Runs `call` in a tier and waits for what it gives.
fn ask<T: Send + 'static>(
    tier: impl FnOnce(Box<dyn FnOnce(Result<()>) + Send>),
    call: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (sender, receiver) = mpsc::channel();
    tier(Box::new(move |started| {
        started.unwrap();
        sender.send(call()).unwrap();
    }));
    receiver.recv_timeout(SOON).unwrap()
}

#[test]
fn a_worker_runs_its_tasks_in_order() {
    let worker = Worker::new("test-order");
    let (sender, receiver) = mpsc::channel();
    for n in 0..100 {
        let sender = sender.clone();
        worker.spawn(move |_| sender.send(n).unwrap());
    }
    let order: Vec<i32> = (0..100).map(|_| receiver.recv_timeout(SOON).unwrap()).collect();
    assert_eq!(order, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_panic_in_a_task_leaves_its_thread() {
    let worker = Worker::new("test-panic");
    worker.spawn(|_| panic!("a defect"));
    assert_eq!(ask(|task| worker.spawn(task), || 7), 7);
}

#[test]
fn closing_a_group_hastens_what_was_to_run_later() {
    let group = TaskGroup::default();
    let (sender, receiver) = mpsc::channel();
    let later = sender.clone();
    group.later(SOON * 60, move |last| later.send(last).unwrap());
    group.join();
    assert_eq!(receiver.try_recv(), Ok(true));
    assert!(!group.run(move |_| sender.send(false).unwrap()), "a closed group takes a task");
}

#[test]
fn a_group_is_joined_when_its_tasks_are_over() {
    let group = TaskGroup::default();
    let (sender, receiver) = mpsc::channel();
    for n in 0..20 {
        let sender = sender.clone();
        assert!(group.run(move |_| {
            std::thread::sleep(Duration::from_millis(5));
            sender.send(n).unwrap();
        }));
    }
    group.join();
    assert_eq!(receiver.try_iter().count(), 20);
}

#[test]
fn alarms_ring_in_the_order_they_are_due() {
    let (sender, receiver) = mpsc::channel();
    for delay in [90, 30, 60] {
        let sender = sender.clone();
        after(Duration::from_millis(delay), move || sender.send(delay).unwrap());
    }
    let order: Vec<u64> = (0..3).map(|_| receiver.recv_timeout(SOON).unwrap()).collect();
    assert_eq!(order, [30, 60, 90]);
}
