//! Reading what is: from the store, the journal, hosts and the machine. Nothing here judges.

pub(crate) mod crypto;
pub(crate) mod doors;
pub(crate) mod follow;
pub(crate) mod hosts;
pub(crate) mod images;
pub(crate) mod journal;
pub(crate) mod listeners;
pub(crate) mod proof;
pub(crate) mod remains;
pub(crate) mod secrets;
pub(crate) mod site;
