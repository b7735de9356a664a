//! What tests put on this machine and take away again: directories, and a PostgreSQL of their own,
//! made in a temporary directory, reached by a private socket, ended and removed when the process
//! that asked for it ends its guard.
//!
//! For tests only. Debian's `postgresql-15` must be installed; it refuses to run as root, so for
//! root it runs as the unprivileged user `postgres` that the package made.

mod dir;

pub use dir::Dir;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

/// A running server; dropping it ends and removes it.
pub struct Server {
    child: Child,
    number: Mutex<u32>,
    /// Removed after the server has ended.
    dir: Dir,
}

fn bin() -> Option<PathBuf> {
    ["15", "16", "17"].iter().map(|v| PathBuf::from(format!("/usr/lib/postgresql/{v}/bin")))
        .find(|p| p.join("postgres").exists())
}

fn command(bin: &Path, name: &str) -> Command {
    // SAFETY: getuid cannot fail and has no preconditions.
    if unsafe { libc::getuid() } == 0 {
        let mut c = Command::new("setpriv");
        c.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=KILL"]);
        c.arg(bin.join(name));
        c
    } else {
        Command::new(bin.join(name))
    }
}

impl Server {
    /// Starts a server. `None`, with a sentence on stderr, where PostgreSQL is not installed.
    pub fn start() -> Option<Server> {
        let Some(bin) = bin() else {
            let _ = writeln!(std::io::stderr(), "PostgreSQL is not installed (postgresql-15)");
            return None;
        };
        let dir = Dir::new("pg");
        // SAFETY: getuid cannot fail and has no preconditions.
        if unsafe { libc::getuid() } == 0 {
            run(Command::new("chown").arg("postgres:").arg(&*dir));
        }
        let data = dir.join("data");
        run(command(&bin, "initdb").args(["-A", "trust", "-N", "-E", "UTF8", "--locale=C", "-D"])
            .arg(&data).current_dir("/"));
        let child = command(&bin, "postgres").arg("-D").arg(&data).arg("-k").arg(&*dir)
            .args(["-c", "listen_addresses=", "-c", "max_connections=200"])
            .current_dir("/").stdout(Stdio::null()).stderr(Stdio::null()).spawn()
            .expect("start postgres");
        let server = Server { child, number: Mutex::new(0), dir };
        let ready = || {
            command(&bin, "psql").args(["-d", "postgres", "-tAc", "select 1", "-h"])
                .arg(&*server.dir).current_dir("/").stderr(Stdio::null()).output()
                .is_ok_and(|o| o.status.success())
        };
        for _ in 0..400 {
            if ready() {
                return Some(server);
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        panic!("PostgreSQL did not come up in {}", server.dir.display());
    }

    /// A connection string and a schema name that nobody else uses.
    pub fn database(&self) -> (String, String) {
        let mut n = self.number.lock().expect("number");
        *n += 1;
        let user = if unsafe { libc::getuid() } == 0 { "user=postgres " } else { "" };
        (format!("host={} {user}dbname=postgres", self.dir.display()), format!("t{n}"))
    }
}

fn run(command: &mut Command) {
    let out = command.stdin(Stdio::null()).output().expect("run");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT: fast shutdown. setpriv has exec'd, so the child is the server itself.
        // SAFETY: the pid is our own child's, which has not been waited for.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGINT) };
        let _ = self.child.wait();
    }
}
