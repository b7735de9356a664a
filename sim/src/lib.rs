//! The whole cloud on one thread, from a seed.
//!
//! Problem: what crashes, races and half-sent messages do to a control plane is found in production
//! or not at all. Mechanism: the real control plane (write path, services, driver) over a real
//! SQLite file, simulated hosts, a clock and a network that are nothing but numbers drawn from a
//! seed. The [`world`] provokes; the [`check`]ers, apart from it, judge; the same seed gives the
//! same run. Faults: the control process dies before or after any commit and between any two steps,
//! the disk is full, messages to and from hosts are lost, doubled and reordered, hosts die and come
//! back empty, guests end by themselves. People do their part: rules come and go while commands wait
//! for votes, voters vote twice, late and with roles that they have lost, institutions allow the
//! provider's staff something and end it. When the faults stop, the cloud has to converge.

mod agreed;
pub mod check;
mod consented;
mod deciders;
mod hosts;
mod outcome;
mod past;
mod people;
mod tenants;
pub mod world;

pub use outcome::Outcome;
pub use world::World;

/// Runs one seed. `Err` says what was violated.
pub fn run(seed: u64, steps: usize) -> Result<Outcome, String> {
    let mut world = World::new(seed).map_err(|e| format!("setting up: {e}"))?;
    world.provoke(steps)?;
    world.calm()?;
    check::converged(&mut world)?;
    check::records(&mut world)?;
    check::overdue(&mut world)?;
    Ok(world.outcome())
}
