//! OpenStack over HTTPS: listeners, tokens, envelopes. Nothing is decided here.
//!
//! Each service brings its routes; this crate finds the one that a request is for, authenticates,
//! reads the body within its limits, calls the route on a blocking thread (services are
//! synchronous), and renders the answer or the refusal in the words of the protocol. One table for
//! all protocols instead of a framework's router: the coverage tests read the same table that
//! serves.

mod discovery;
mod dispatch;
mod errors;
mod flood;
mod page;
mod server;
pub mod tls;

pub use discovery::with_discovery;
pub use dispatch::{Edge, Listener, Mount};
pub use errors::{Dialect, render};
pub use page::page;
pub use server::serve;
