//! Connections that probes open and keep, to see whether a cut ends what was open before it.
//!
//! Problem: a filter that refuses new connections may let those pass that it knows already, and a
//! probe that lives for a second never sees one. Mechanism: both ends of a connection are kept here
//! under a name that the asker gives, for a minute at most and only a few at a time: a control
//! plane that forgets to close one costs nothing for long. That nothing arrives is the answer to the
//! question; that there is no such connection is not.

use super::netns::enter;
use super::probe::{CONNECT, Outcome, Seat, WAIT, failed, judge, listen};
use crate::locked;
use socket2::SockRef;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long a connection is kept.
const LIFE: Duration = Duration::from_secs(60);
/// How many there are at most.
const MOST: usize = 8;
/// The longest name, and the longest message.
const LONGEST: usize = 512;

/// The connections that are kept.
#[derive(Debug, Default)]
pub struct Held(Mutex<BTreeMap<String, Session>>);

#[derive(Debug)]
struct Session {
    client: TcpStream,
    server: TcpStream,
    until: Instant,
}

impl Held {
    /// Opens a connection and keeps it.
    pub fn open(&self, from: &Seat, to: &Seat, tcp: u16, name: &str) -> Outcome {
        if name.is_empty() || name.len() > LONGEST {
            return Err(format!("A connection's name has 1 to {LONGEST} bytes."));
        }
        self.tidy();
        let full = |held: &BTreeMap<String, Session>| {
            (held.len() >= MOST || held.contains_key(name))
                .then(|| format!("{MOST} connections are kept already, or one of this name."))
        };
        if let Some(why) = full(&locked(&self.0)) {
            return Err(why);
        }
        let listener = listen(to, || TcpListener::bind((Ipv4Addr::UNSPECIFIED, tcp)))?;
        let begin = Instant::now();
        let target = SocketAddr::V4(SocketAddrV4::new(to.ip, tcp));
        let made = enter(&from.space, || {
            Ok(TcpStream::connect_timeout(&target, CONNECT))
        });
        let client = match made.map_err(failed("the sender's namespace"))? {
            Ok(client) => client,
            Err(e) => return judge(&e, from, target, begin.elapsed().as_millis()),
        };
        // The last packet of the handshake may still be on its way: this waits a moment at most.
        let server = accepted(&listener, &client).map_err(failed("the receiver"))?;
        for stream in [&client, &server] {
            let timed = stream
                .set_read_timeout(Some(WAIT))
                .and_then(|()| stream.set_write_timeout(Some(WAIT)))
                .and_then(|()| stream.set_nodelay(true));
            timed.map_err(failed("the connection"))?;
        }
        let session = Session {
            client,
            server,
            until: begin + LIFE,
        };
        let mut held = locked(&self.0);
        if let Some(why) = full(&held) {
            return Err(why);
        }
        held.insert(name.to_owned(), session);
        let ms = begin.elapsed().as_millis();
        Ok((true, format!("{target} accepted after {ms} ms; it is kept")))
    }

    /// Sends something each way.
    pub fn pass(&self, name: &str, nonce: &str) -> Outcome {
        if nonce.is_empty() || nonce.len() > LONGEST {
            return Err(format!("A nonce has 1 to {LONGEST} bytes."));
        }
        self.tidy();
        // Taken out meanwhile: nothing waits for a lock while a message does not arrive.
        let mut session = locked(&self.0).remove(name).ok_or_else(none)?;
        let there = send(&mut session.client, &mut session.server, nonce);
        let back = send(&mut session.server, &mut session.client, nonce);
        locked(&self.0).insert(name.to_owned(), session);
        let word = |passed: &Result<(), String>| match passed {
            Ok(()) => "arrives".to_owned(),
            Err(why) => format!("does not arrive ({why})"),
        };
        let how = format!(
            "from the client: {}; to the client: {}",
            word(&there),
            word(&back)
        );
        Ok((there.is_ok() || back.is_ok(), how))
    }

    /// Closes a connection.
    pub fn close(&self, name: &str) -> Outcome {
        match locked(&self.0).remove(name) {
            Some(_) => Ok((true, "it is closed".to_owned())),
            None => Err(none()),
        }
    }

    /// Lets go of what has been kept too long.
    pub fn tidy(&self) {
        let now = Instant::now();
        locked(&self.0).retain(|_, session| session.until > now);
    }
}

fn none() -> String {
    "There is no connection of this name: it was kept too long or never opened.".to_owned()
}

fn accepted(listener: &TcpListener, client: &TcpStream) -> io::Result<TcpStream> {
    SockRef::from(listener).set_read_timeout(Some(WAIT))?;
    let (server, from) = listener.accept()?;
    if from != client.local_addr()? {
        return Err(io::Error::other("somebody else connected"));
    }
    Ok(server)
}

/// Whatever comes out at the other end has passed, be it what an earlier attempt sent.
fn send(from: &mut TcpStream, to: &mut TcpStream, nonce: &str) -> Result<(), String> {
    from.write_all(nonce.as_bytes())
        .map_err(|e| e.to_string())?;
    let mut said = [0; LONGEST];
    match to.read(&mut said) {
        Ok(0) => Err("it is closed".to_owned()),
        Ok(_) => Ok(()),
        Err(e) => Err(e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let server = accepted(&listener, &client).unwrap();
        for stream in [&client, &server] {
            stream
                .set_read_timeout(Some(Duration::from_millis(50)))
                .unwrap();
        }
        (client, server)
    }

    #[test]
    fn a_kept_connection_passes_until_it_is_cut_and_goes_in_time() {
        let held = Held::default();
        let (client, server) = pair();
        let cut = server.try_clone().unwrap();
        let until = Instant::now() + LIFE;
        let session = Session {
            client,
            server,
            until,
        };
        locked(&held.0).insert("a".into(), session);
        assert!(held.pass("a", "x").unwrap().0);
        cut.shutdown(std::net::Shutdown::Both).unwrap();
        assert!(!held.pass("a", "x").unwrap().0);
        assert!(held.close("a").is_ok());
        // One that is not there is no answer to anything.
        assert!(held.pass("a", "x").is_err() && held.close("a").is_err());
        let (client, server) = pair();
        let session = Session {
            client,
            server,
            until: Instant::now(),
        };
        locked(&held.0).insert("old".into(), session);
        assert!(held.pass("old", "x").is_err());
    }
}
