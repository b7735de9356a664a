//! Method: the test plays the control plane on a real socket; every wait has a limit.

use super::*;
use std::os::unix::net::UnixListener;
use std::sync::mpsc::{Receiver, channel};

const LIMIT: Duration = Duration::from_secs(20);

struct Plane {
    listener: UnixListener,
    path: PathBuf,
    link: Link,
    events: Receiver<Event>,
    asks: Receiver<(u64, Ask)>,
    stop: Arc<AtomicBool>,
}

impl Plane {
    fn new(name: &str) -> Plane {
        let path = std::env::temp_dir().join(format!("jy-link-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let (to_events, events) = channel();
        let (to_asks, asks) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let facts = Box::new(HostFacts::default);
        let ears = Ears {
            events: to_events,
            asks: to_asks,
            facts,
        };
        let link = Link::start(path.clone(), "h1".into(), ears, Arc::clone(&stop)).unwrap();
        Plane {
            listener,
            path,
            link,
            events,
            asks,
            stop,
        }
    }

    /// The next connection, after its greeting.
    fn accept(&self) -> (UnixStream, BufReader<UnixStream>) {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let hello = said(&mut reader);
        assert!(matches!(hello, FromHost::Hello { host, .. } if host == "h1"));
        let event = self.events.recv_timeout(LIMIT).unwrap();
        assert!(matches!(event, Event::Connected));
        (stream, reader)
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.link.close();
        let _ = std::fs::remove_file(&self.path);
    }
}

fn said(reader: &mut BufReader<UnixStream>) -> FromHost {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

fn say(stream: &mut UnixStream, message: &ToHost) {
    let mut line = serde_json::to_vec(message).unwrap();
    line.push(b'\n');
    stream.write_all(&line).unwrap();
}

#[test]
fn documents_and_questions_arrive_and_nonsense_does_no_harm() {
    let plane = Plane::new("hear");
    let (mut stream, _reader) = plane.accept();
    stream
        .write_all(b"nonsense\n{\"t\":\"unknown\"}\n")
        .unwrap();
    let want = HostWant {
        generation: 7,
        ..HostWant::default()
    };
    say(&mut stream, &ToHost::Want(want.clone()));
    say(
        &mut stream,
        &ToHost::Ask {
            n: 3,
            ask: Ask::Facts,
        },
    );
    let all = vec![PasswordFor {
        guest: "g".into(),
        ports: vec!["p".into()],
        password: SecretText("dGV4dA==".into()),
    }];
    say(&mut stream, &ToHost::Passwords { all: all.clone() });
    let event = plane.events.recv_timeout(LIMIT).unwrap();
    assert!(matches!(event, Event::Want(got) if *got == want));
    let event = plane.events.recv_timeout(LIMIT).unwrap();
    assert!(matches!(event, Event::Passwords(got) if got == all));
    assert!(!format!("{all:?}").contains("dGV4"), "a password is printed");
    assert_eq!(plane.asks.recv_timeout(LIMIT).unwrap(), (3, Ask::Facts));
}

#[test]
fn a_lost_control_plane_is_found_again() {
    let plane = Plane::new("again");
    for _ in 0..3 {
        let (stream, _) = plane.accept();
        drop(stream);
    }
    let (stream, _) = plane.accept();
    assert_eq!(plane.link.apart(), None);
    // So that it does not come back.
    std::fs::remove_file(&plane.path).unwrap();
    drop(stream);
    let begin = Instant::now();
    while plane.link.apart().is_none() {
        assert!(begin.elapsed() < LIMIT, "it is still believed to be there");
        std::thread::yield_now();
    }
}

#[test]
fn keys() {
    let plane = Plane::new("keys");
    let (mut stream, mut reader) = plane.accept();
    let answers = [
        Some(SecretText("dGV4dA==".into())),
        None,
        Some(SecretText("not base64!".into())),
    ];
    for (answer, fatal) in answers.into_iter().zip([None, Some(true), Some(true)]) {
        let link = plane.link.clone();
        let asking = std::thread::spawn(move || link.key("d1"));
        let FromHost::NeedKey { n, disk } = said(&mut reader) else {
            unreachable!()
        };
        assert_eq!(disk, "d1");
        // An answer to another question is not this one's.
        say(
            &mut stream,
            &ToHost::Key {
                n: n + 1,
                key: None,
            },
        );
        say(&mut stream, &ToHost::Key { n, key: answer });
        let got = asking.join().unwrap();
        assert_eq!(got.err().map(|fault| fault.fatal), fatal);
    }
    // A connection that goes takes the hope for an answer with it, at once.
    let link = plane.link.clone();
    let asking = std::thread::spawn(move || link.key("d2"));
    said(&mut reader);
    drop((stream, reader));
    let fault = asking.join().unwrap().unwrap_err();
    assert!(!fault.fatal && fault.why.contains("no answer"), "{fault:?}");
}

#[test]
fn without_a_control_plane_there_is_no_key_and_no_waiting() {
    let (events, _) = channel();
    let (asks, _) = channel();
    let ears = Ears {
        events,
        asks,
        facts: Box::new(HostFacts::default),
    };
    let stop = Arc::new(AtomicBool::new(false));
    let link = Link::start("/nonexistent/s".into(), "h".into(), ears, Arc::clone(&stop)).unwrap();
    assert!(link.apart().is_some());
    let fault = link.key("d").unwrap_err();
    assert!(
        !fault.fatal && fault.why.contains("no control plane"),
        "{fault:?}"
    );
    stop.store(true, Ordering::Relaxed);
}

#[test]
fn frames() {
    let mut input = io::Cursor::new(b"{}\n\n[1]".to_vec());
    let mut frame = Vec::new();
    assert!(read_frame(&mut input, &mut frame).unwrap() && frame == b"{}");
    assert!(read_frame(&mut input, &mut frame).unwrap() && frame.is_empty());
    assert!(read_frame(&mut input, &mut frame).is_err());
    assert!(!read_frame(&mut input, &mut frame).unwrap());
    let long = io::repeat(b'a').take(MAX_FRAME as u64 + 9);
    let error = read_frame(&mut BufReader::new(long), &mut frame).unwrap_err();
    assert_eq!(error.to_string(), "a frame is too long");
}
