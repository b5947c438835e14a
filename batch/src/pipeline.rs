//! Work on all processors, results in order, and never more than a few pieces of it in memory.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::Error;

/// Pieces of work in flight per processor.
const DEPTH: usize = 3;

/// Stack of a thread: address space is bounded on some machines, and nothing here is recursive
/// beyond what parsers allow.
const STACK: usize = 1 << 20;

/// A thread to be started.
pub(crate) fn thread() -> thread::Builder {
    thread::Builder::new().stack_size(STACK)
}

/// Number of processors to use.
#[must_use]
pub fn workers() -> usize {
    thread::available_parallelism().map_or(1, Into::into)
}

/// Makes jobs on one thread, works on them on all processors and takes the results on this thread,
/// in the order of the jobs. An error of `take` ends everything, as does a machine without a thread
/// to spare.
///
/// # Errors
/// What `take` returns, and [`Error::NoThread`].
pub fn run<J: Send, R: Send, E: From<Error>>(
    jobs: impl Iterator<Item = J> + Send,
    work: impl Fn(J) -> R + Sync,
    take: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let workers = workers();
    let (to_workers, queue) = sync_channel(workers);
    let (to_taker, results) = sync_channel(workers);
    // A job needs a ticket, which comes back when its result was taken.
    let (give_back, tickets) = sync_channel(DEPTH * workers);
    for _ in 0..DEPTH * workers {
        // There is room for all, and the other end is here.
        let _ = give_back.send(());
    }
    let (queue, work) = (Arc::new(Mutex::new(queue)), &work);
    // Every thread owns its ends of the channels: the first one that stops lets all others stop.
    thread::scope(|scope| {
        thread()
            .spawn_scoped(scope, move || produce(jobs, &to_workers, &tickets))
            .map_err(Error::NoThread)?;
        for number in 0..workers {
            let (queue, to_taker) = (Arc::clone(&queue), to_taker.clone());
            match thread().spawn_scoped(scope, move || labour(&queue, work, &to_taker)) {
                Err(error) if number == 0 => return Err(Error::NoThread(error).into()),
                // Fewer workers do it too.
                Err(_) => break,
                Ok(_) => {}
            }
        }
        drop((queue, to_taker));
        in_order(results, take, give_back)
    })
}

fn produce<J>(
    jobs: impl Iterator<Item = J>,
    to_workers: &SyncSender<(usize, J)>,
    tickets: &Receiver<()>,
) {
    for job in jobs.enumerate() {
        if tickets.recv().is_err() || to_workers.send(job).is_err() {
            return;
        }
    }
}

fn labour<J, R>(
    queue: &Mutex<Receiver<(usize, J)>>,
    work: impl Fn(J) -> R,
    to_taker: &SyncSender<(usize, R)>,
) {
    loop {
        let job = queue.lock().ok().and_then(|queue| queue.recv().ok());
        let Some((number, job)) = job else { return };
        if to_taker.send((number, work(job))).is_err() {
            return;
        }
    }
}

fn in_order<R, E>(
    results: Receiver<(usize, R)>,
    mut take: impl FnMut(R) -> Result<(), E>,
    give_back: SyncSender<()>,
) -> Result<(), E> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (number, result) in results {
        early.insert(number, result);
        while let Some(result) = early.remove(&next) {
            take(result)?;
            next += 1;
            let _ = give_back.send(());
        }
    }
    // After an error too: without tickets the producer stops.
    drop(give_back);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn results_come_in_order_and_few_are_in_flight() {
        let made = AtomicUsize::new(0);
        let jobs = (0..500_usize).inspect(|_| {
            made.fetch_add(1, Ordering::SeqCst);
        });
        let mut next = 0;
        let most = DEPTH * workers() + 1;
        let taken = run(
            jobs,
            |job| {
                // Some jobs take long, so that others overtake them.
                (0..job % 7 * 1000).for_each(|_| core::hint::spin_loop());
                job
            },
            |job| {
                assert!(made.load(Ordering::SeqCst) <= next + most);
                assert_eq!(job, next);
                next += 1;
                Ok::<_, Error>(())
            },
        );
        assert!(taken.is_ok());
        assert_eq!(next, 500);
    }

    #[test]
    fn an_error_ends_an_endless_run() {
        let end = |job| if job < 10 { Ok(()) } else { Err(Error::Unfit("ten".to_owned())) };
        assert_eq!(run(0.., |job: u64| job, end).unwrap_err().to_string(), "ten");
    }
}
