//! `jinyun journal`: what is taken away and verified elsewhere.

use crate::instance::Instance;
use crate::say;
use jinyun_base::Fault;
use jinyun_store::Db;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// What to do with the journal.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Write an export of the entries up to the newest checkpoint.
    Export {
        /// First entry.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Where to.
        file: PathBuf,
    },
}

/// Runs it.
pub fn run(instance: &Instance, command: Command) -> Result<(), Fault> {
    let Command::Export { from, file } = command;
    let settings = instance.settings()?;
    let mut db = Db::open(&instance.store(&settings))?;
    let bad = |e: std::io::Error| Fault::new(format!("{}: {e}", file.display()));
    let mut out = BufWriter::new(File::create(&file).map_err(bad)?);
    let period = db.export(&instance.name, from, &mut out)?;
    out.flush().map_err(bad)?;
    say::out(&format!(
        "{}: entries {} to {} of instance \"{}\", epoch {}", file.display(), period.from,
        period.to - 1, period.instance, period.epoch
    ));
    Ok(())
}
