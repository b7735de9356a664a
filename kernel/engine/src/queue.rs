//! The writer's thread and the queue before it.
//!
//! While one group is being committed (an fsync, a round trip), the next one gathers: under load
//! many commands share a commit, alone a command waits for nobody.

use crate::command::{Answer, Failure, Job};
use crate::core::Core;
use crate::driver::Submit;
use jinyun_base::{Fault, Time};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// At most so many jobs in one transaction: it bounds how long the first one waits.
const GROUP: usize = 256;
/// At most so many jobs in the queue: beyond that the sender waits (back-pressure, not loss).
const QUEUE: usize = 4096;

type Reply = Box<dyn FnOnce(Result<Answer, Failure>) + Send>;

enum Message {
    Job(Box<Job>, Reply),
    With(Box<dyn FnOnce(&mut Core) + Send>),
}

/// Sends jobs to the writer's thread.
#[derive(Clone)]
pub struct Handle {
    sender: SyncSender<Message>,
}

impl Handle {
    /// Sends a job; `reply` is called once it is committed or refused.
    pub fn send(&self, job: Job, reply: impl FnOnce(Result<Answer, Failure>) + Send + 'static) {
        let message = Message::Job(Box::new(job), Box::new(reply));
        if let Err(e) = self.sender.send(message)
            && let Message::Job(_, reply) = e.0
        {
            reply(Err(stopped()));
        }
    }

    /// Sends a job and waits.
    pub fn run(&self, job: Job) -> Result<Answer, Failure> {
        let (sender, receiver) = sync_channel(1);
        self.send(job, move |answer| {
            // The one who asked may have gone away; the job is done all the same.
            let _ = sender.send(answer);
        });
        receiver.recv().unwrap_or_else(|_| Err(stopped()))
    }

    /// Runs something between two groups, with the core at hand: checkpoints, exports.
    pub fn with<T: Send + 'static>(&self, work: impl FnOnce(&mut Core) -> T + Send + 'static)
        -> Result<T, Fault> {
        let (sender, receiver) = sync_channel(1);
        let work = move |core: &mut Core| {
            let _ = sender.send(work(core));
        };
        let gone = || Fault::new("the writer has stopped");
        self.sender.send(Message::With(Box::new(work))).map_err(|_| gone())?;
        receiver.recv().map_err(|_| gone())
    }
}

fn stopped() -> Failure {
    Fault::new("the writer has stopped; nothing was changed").into()
}

impl Submit for Handle {
    fn submit(&mut self, job: Job) -> Result<Answer, Failure> {
        self.run(job)
    }
}

/// The receiving end: run it on a thread of its own.
pub struct Queue {
    receiver: Receiver<Message>,
}

impl Queue {
    /// A queue and the handle that feeds it.
    pub fn new() -> (Handle, Queue) {
        let (sender, receiver) = sync_channel(QUEUE);
        (Handle { sender }, Queue { receiver })
    }

    /// Serves jobs until all handles are gone.
    pub fn serve(self, mut core: Core, clock: impl Fn() -> Time) {
        while let Ok(first) = self.receiver.recv() {
            let mut next = Some(first);
            let (mut jobs, mut replies, mut then) = (Vec::new(), Vec::new(), None);
            while let Some(message) = next {
                match message {
                    Message::Job(job, reply) => {
                        jobs.push(*job);
                        replies.push(reply);
                    }
                    Message::With(work) => {
                        then = Some(work);
                        break;
                    }
                }
                next = if jobs.len() < GROUP { self.receiver.try_recv().ok() } else { None };
            }
            if !jobs.is_empty() {
                let answers = core.run(jobs, clock());
                replies.into_iter().zip(answers).for_each(|(reply, answer)| reply(answer));
            }
            if let Some(work) = then {
                work(&mut core);
            }
        }
    }
}
