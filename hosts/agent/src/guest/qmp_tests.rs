//! Method: lines as QEMU 7.2 sends them for the parser; a thread that plays QEMU on a real socket
//! for the conversation.

use super::*;
use jinyun_testdb::Dir;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;

#[test]
fn lines() {
    let cases: [(&str, Result<Line, ()>); 8] = [
        (
            r#"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""},
             "capabilities": ["oob"]}}"#,
            Ok(Line::Greeting),
        ),
        (
            r#"{"return": {}, "id": 1}"#,
            Ok(Line::Return(Some(1), json!({}))),
        ),
        (
            r#"{"return": {"status": "prelaunch", "running": false}, "id": 2}"#,
            Ok(Line::Return(
                Some(2),
                json!({"status": "prelaunch", "running": false}),
            )),
        ),
        (
            r#"{"id": 3, "error": {"class": "GenericError", "desc": "Invalid password"}}"#,
            Ok(Line::Error(Some(3), "Invalid password".into())),
        ),
        (
            r#"{"error": {"class": "GenericError", "desc": "JSON parse error"}}"#,
            Ok(Line::Error(None, "JSON parse error".into())),
        ),
        (
            r#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN",
             "data": {"guest": true, "reason": "guest-shutdown"}}"#,
            Ok(Line::Event(
                "SHUTDOWN".into(),
                json!({"guest": true, "reason": "guest-shutdown"}),
            )),
        ),
        (
            r#"{"event": "RESUME"}"#,
            Ok(Line::Event("RESUME".into(), Value::Null)),
        ),
        (r#"[1, 2]"#, Err(())),
    ];
    for (text, expect) in cases {
        assert_eq!(parse(text.as_bytes()).map_err(|_| ()), expect, "{text}");
    }
    assert!(parse(b"{").is_err());
    assert!(parse(b"\xff").is_err());
}

/// Plays QEMU: greets, then answers each line it gets with the next of `answers`.
fn fake(answers: &'static [&'static str]) -> (Dir, JoinHandle<Vec<String>>) {
    let dir = Dir::new("qmp");
    let listener = UnixListener::bind(dir.join("socket")).unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        stream.write_all(b"{\"QMP\": {}}\n").unwrap();
        let mut got = vec![lines.next().unwrap().unwrap()];
        stream.write_all(b"{\"return\": {}, \"id\": 1}\n").unwrap();
        for answer in answers {
            got.push(lines.next().unwrap().unwrap());
            stream.write_all(answer.as_bytes()).unwrap();
        }
        got
    });
    (dir, thread)
}

#[test]
fn events_and_late_replies_do_not_confuse_a_conversation() {
    let (dir, thread) = fake(&[
        "{\"event\": \"STOP\"}\n{\"return\": 9, \"id\": 1}\n{\"return\": 7, \"id\": 2}\n",
        "{\"error\": {\"desc\": \"no\"}, \"id\": 3}\n",
    ]);
    let mut qmp = Qmp::connect(&dir.join("socket"), PATIENCE).unwrap();
    assert_eq!(qmp.call("a", json!({})).unwrap(), json!(7));
    assert!(matches!(qmp.call("b", json!({})), Err(QmpError::Refused(why)) if why == "no"));
    let sent = thread.join().unwrap();
    assert!(sent[0].contains("qmp_capabilities") && sent[1].contains("\"execute\":\"a\""));
    // The other end is gone now, and that is told rather than waited for.
    assert!(matches!(qmp.call("c", json!({})), Err(QmpError::Gone(_))));
}

#[test]
fn a_secret_is_sent_whole() {
    let (dir, thread) = fake(&["{\"return\": {}, \"id\": 2}\n"]);
    let mut qmp = Qmp::connect(&dir.join("socket"), PATIENCE).unwrap();
    let secret = Secret::from_base64("dGV4dA==".into()).unwrap();
    qmp.add_secret("key0", &secret).unwrap();
    let sent = thread.join().unwrap();
    let value: Value = serde_json::from_str(&sent[1]).unwrap();
    let expect = json!({"qom-type": "secret", "id": "key0", "format": "base64",
        "data": "dGV4dA=="});
    assert_eq!(value["arguments"], expect);
    assert_eq!(value["id"], 2);
}

#[test]
fn a_line_without_end_is_given_up() {
    let dir = Dir::new("qmp");
    let path = dir.join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let part = vec![b'a'; 1 << 16];
        while stream.write_all(&part).is_ok() {}
    });
    assert!(matches!(
        Qmp::connect(&path, PATIENCE),
        Err(QmpError::Gone(_))
    ));
    thread.join().unwrap();
}
