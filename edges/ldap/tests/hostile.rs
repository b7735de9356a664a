//! A server that answers what it wants: whatever that is, the answer comes in time, in bounded memory,
//! and nobody is let in by it. (That the right password lets in is proved by `tests/ldap.py`, with a
//! real server.)

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jinyun_base::Secret;
use jinyun_identity::{Answer, Directories, LdapSettings, Unreachable};
use jinyun_ldap::Client;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x84][..], &length, content].concat()
}

fn message(id: u8, tag: u8, content: &[u8]) -> Vec<u8> {
    element(0x30, &[&[2, 1, id][..], element(tag, content).as_slice()].concat())
}

/// The end of an operation with a result code.
fn done(id: u8, tag: u8, code: u8) -> Vec<u8> {
    message(id, tag, &[10, 1, code, 4, 0, 4, 0])
}

fn person(id: u8, dn: &str) -> Vec<u8> {
    called(id, dn, "ann", "1", 0)
}

/// An entry with a name, an id, and so many mail addresses.
fn called(id: u8, dn: &str, name: &str, unique: &str, mails: usize) -> Vec<u8> {
    let text = |t: &str| element(4, t.as_bytes());
    let attribute = |name: &str, value: &str| {
        element(0x30, &[text(name), element(0x31, &text(value))].concat())
    };
    let mails = element(0x30, &[text("mail"), element(0x31, &text("").repeat(mails))].concat());
    let all = [attribute("uid", name), attribute("entryUUID", unique), mails].concat();
    message(id, 0x64, &[text(dn), element(0x30, &all)].concat())
}

/// What a server that answers the n-th message with the n-th bytes leads to. An empty answer is
/// silence.
fn asked(answers: Vec<Vec<u8>>) -> (Result<Answer, Unreachable>, Duration) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut bytes = [0u8; 4096];
        for answer in answers {
            if socket.read(&mut bytes).unwrap_or(0) == 0 {
                return;
            }
            // The client may have had enough.
            let _ = socket.write_all(&answer);
        }
        while socket.read(&mut bytes).unwrap_or(0) != 0 {}
    });
    let settings = LdapSettings {
        url: format!("ldap://127.0.0.1:{port}"),
        suffix: "dc=x".into(),
        ..LdapSettings::default()
    };
    let client = Client::patient(Duration::from_millis(1500));
    let (none, password) = (Secret::new(String::new()), Secret::new("Secret-1".to_string()));
    let begin = Instant::now();
    let answer = client.prove(&settings, &none, "ann", &password);
    let took = begin.elapsed();
    server.join().unwrap();
    (answer, took)
}

#[test]
fn only_a_plain_yes_lets_in() {
    let ann = || [person(1, "uid=ann,dc=x"), done(1, 0x65, 0)].concat();
    let two = [person(1, "uid=ann,dc=x"), person(1, "uid=ann,dc=y"), done(1, 0x65, 0)].concat();
    let cut = [person(1, "uid=ann,dc=x"), done(1, 0x65, 4)].concat();
    let nameless = [person(1, ""), done(1, 0x65, 0)].concat();
    let (none, no_groups) = (done(1, 0x65, 0), || done(2, 0x65, 0));
    let yes = || done(3, 0x61, 0);
    let deep = (0..200_000).fold(Vec::new(), |mut all: Vec<u8>, _| {
        all.extend([0x30, 0x84, 0, 1, 0, 0]);
        all
    });
    let dn = "uid=ann,dc=x";
    let one = |name: &str, unique: &str, mails: usize| {
        [called(1, dn, name, unique, mails), done(1, 0x65, 0)].concat()
    };
    let many: Vec<u8> = (0..=1000).flat_map(|_| person(2, dn)).chain(done(2, 0x65, 4)).collect();
    let cases: Vec<(&str, Vec<Vec<u8>>, &str)> = vec![
        ("another spelling", vec![one("\u{e1}nn", "1", 0), no_groups(), yes()],
            "wrong: the directory has no entry"),
        ("a name in capitals", vec![one("ANN", "1", 0), no_groups(), yes()], "proved uid=ann,dc=x"),
        ("a long id", vec![one("ann", &"1".repeat(256), 0), no_groups(), yes()],
            "unusable: the entry has not one value of entryuuid"),
        ("many values", vec![one("ann", "1", 2000)], "no: the server's answer"),
        ("many groups", vec![ann(), many.clone(), yes()], "unusable: somebody is in more than"),
        ("many groups, wrong", vec![ann(), many, done(3, 0x61, 49)], "wrong: wrong password"),
        ("right", vec![ann(), no_groups(), yes()], "proved uid=ann,dc=x entryuuid 1"),
        ("wrong", vec![ann(), no_groups(), done(3, 0x61, 49)], "wrong: wrong password"),
        ("nobody", vec![none, no_groups(), yes()], "wrong: the directory has no entry"),
        ("two", vec![two, no_groups(), yes()], "wrong: more than one entry"),
        ("more than were sent", vec![cut, no_groups(), yes()], "wrong: more than one entry"),
        // A bind with an empty name succeeds without a password.
        ("without a name", vec![nameless, no_groups(), yes()], "wrong: the directory has no entry"),
        ("busy", vec![ann(), no_groups(), done(3, 0x61, 51)], "no: the directory answers a bind"),
        ("another's answer", vec![ann(), no_groups(), done(2, 0x61, 0)], "no: the server's answer"),
        ("another operation's", vec![ann(), no_groups(), done(3, 0x65, 0)], "no: the server's answer"),
        ("goodbye", vec![done(0, 0x78, 52)], "no: the server ended the connection"),
        ("no tree", vec![done(1, 0x65, 32)], "no: the directory answers a search with code 32"),
        ("groups fail", vec![ann(), done(2, 0x65, 50)], "no: the directory answers a search"),
        ("a web server", vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()], "no: the server answers"),
        ("endless", vec![vec![0x30, 0x84, 0x7F, 0xFF, 0xFF, 0xFF, 1, 2, 3]], "no: the answer is larger"),
        ("indefinite", vec![vec![0x30, 0x80, 2, 1, 1, 0, 0]], "no: the server answers"),
        ("deep", vec![message(1, 0x64, &deep)], "no: the server's answer"),
        ("deep in a value", vec![[message(1, 0x64, &[element(4, b"uid=a"), element(0x30, &deep)].concat()),
            done(1, 0x65, 0)].concat()], "no: the server's answer"),
        ("crowd", vec![person(1, "uid=ann,dc=x").repeat(9)], "no: the server sends more entries"),
        ("silence", vec![Vec::new()], "no: no answer in time"),
        ("half an answer", vec![ann()[..20].to_vec()], "no: no answer in time"),
    ];
    for (what, answers, want) in cases {
        let (answer, took) = asked(answers);
        let said = match answer {
            Ok(Answer::Proved(e)) => format!("proved {} {} {}", e.dn, e.attribute, e.unique),
            Ok(Answer::Wrong(why)) => format!("wrong: {why}"),
            Ok(Answer::Unusable(why)) => format!("unusable: {why}"),
            Err(Unreachable(why)) => format!("no: {why}"),
        };
        assert!(said.starts_with(want), "{what}: {said}");
        assert!(took < Duration::from_secs(10), "{what}: {took:?}");
    }
}

#[test]
fn nothing_is_sent_without_a_password() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = LdapSettings {
        url: format!("ldap://{}", listener.local_addr().unwrap()),
        suffix: "dc=x".into(),
        ..LdapSettings::default()
    };
    let none = || Secret::new(String::new());
    let answer = Client::default().prove(&settings, &none(), "ann", &none());
    assert_eq!(answer, Ok(Answer::Wrong("an empty or overlong password")));
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "somebody has connected");
    drop(listener);
    let password = Secret::new("x".to_string());
    let answer = Client::default().prove(&settings, &none(), "ann", &password);
    assert!(answer.is_err(), "nobody listens there");
}
