use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::Result;
use crate::threads::{self, guarded};

type Step = Box<dyn FnOnce(Result<()>) + Send>;

/// Runs steps one at a time, in order, in the tier [`model`](threads::model).
///
/// Each step is a task of the tier by itself: while nobody asks for a step no thread is held, and calls with many steps
/// take turns with others. A transaction has one `Steps` for all its calls, so that they take effect in order.
#[derive(Default)]
pub struct Steps {
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Step>,
    running: bool,
}

impl Steps {
    /// Runs `step` behind the steps before. It learns whether it has a thread, as a task of the tier does.
    pub fn run(self: &Arc<Self>, step: impl FnOnce(Result<()>) + Send + 'static) {
        {
            let mut queue = self.queue.lock();
            queue.waiting.push_back(Box::new(step));
            if std::mem::replace(&mut queue.running, true) {
                return;
            }
        }
        self.go_on();
    }

    fn go_on(self: &Arc<Self>) {
        let steps = self.clone();
        threads::model(move |started| {
            let without_thread = started.is_err();
            while let Some(step) = steps.take() {
                let started = started.clone();
                // The step tells its caller of a panic inside it.
                let _ = guarded(|| {
                    step(started);
                    Ok(())
                });
                // Without a thread the steps are refused one after another. To go on would recurse.
                if !without_thread {
                    break;
                }
            }
            if !steps.is_over() {
                steps.go_on();
            }
        });
    }

    fn take(&self) -> Option<Step> {
        self.queue.lock().waiting.pop_front()
    }

    /// Notes that no step waits, if that is so.
    fn is_over(&self) -> bool {
        let mut queue = self.queue.lock();
        if queue.waiting.is_empty() {
            queue.running = false;
        }
        !queue.running
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const SOON: Duration = Duration::from_secs(60);

    #[test]
    fn steps_run_one_at_a_time_and_in_order_beside_a_panic() {
        let steps = Arc::new(Steps::default());
        let (sender, receiver) = mpsc::channel();
        for n in 0..100 {
            let sender = sender.clone();
            steps.run(move |started| {
                started.unwrap();
                assert!(n % 10 != 3, "a defect");
                sender.send(n).unwrap();
            });
        }
        let order: Vec<u32> = (0..90).map(|_| receiver.recv_timeout(SOON).unwrap()).collect();
        assert_eq!(order, (0..100).filter(|n| n % 10 != 3).collect::<Vec<_>>());
    }
}
