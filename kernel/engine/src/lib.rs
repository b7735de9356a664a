//! The write path, the resources that ride on it, and the driver that makes records real.
//!
//! Problem: permission, quota, metering, audit and recovery are each forgotten somewhere when every
//! resource does them by itself. Mechanism: a [`Resource`] says only what is its own; a
//! [`Command`] is data; [`Core`] runs it: policy, approval, the resource's rules, then one
//! transaction with the row, its claims, links, quota, meters, the journal entry and a nudge. What
//! happens later on hosts is planned by pure functions ([`Plan`]) that the [`Driver`] carries out
//! step by step, each step again a command. There is no saga and no undo: after a crash the driver
//! looks at what has not converged and goes on.

mod command;
mod core;
mod ctx;
mod derive;
mod driver;
mod queue;
mod reader;
mod registry;
mod replay;
mod resource;
mod view;

pub use command::{Answer, Command, Failure, Job, StatusReport, Via};
pub use core::{Core, Observer};
pub use ctx::{Change, Ctx, Place};
pub use driver::{Driver, Maker, Submit};
pub use queue::{Handle, Queue};
pub use reader::Reader;
pub use registry::{ActionDef, Approver, Guard, Limiter, Need, Registry, Verb};
pub use replay::replay;
pub use resource::{Cost, Derived, Fact, Have, Plan, Resource, Step};
pub use view::{Seen, View};

pub use jinyun_journal::Effect;
pub use jinyun_store::{Claim, Link, OnDelete, Query, Row, Status, Stored};
