//! The device grant as a state machine: who waits, who answers, what a poll is told. Time is handed in.

use super::*;
use jinyun_base::SeedEntropy;

const HOME: &str = "10.9.8.7";

fn at(seconds: i64) -> Time {
    Time((1_700_000_000 + seconds) * Time::SECOND)
}

fn asks(source: &str, seconds: i64) -> Asks {
    let door = Door::Tenants;
    Asks { client: "jinyun login on desk".into(), source: source.into(), door, at: at(seconds) }
}

fn token() -> Box<Token> {
    Box::new(Token {
        user: "u1".into(), scope: None, methods: vec!["passkey".into()], issued: at(0).0,
        began: None, expires: at(3600).0, audit: vec!["a".into()], app_credential: None, trust: None,
        federation: None,
    })
}

fn open(devices: &Devices, source: &str, seconds: i64) -> Option<Opened> {
    // What is drawn differs with what is there already.
    let seed = devices.with(|i| i.grants.len() as u64) + seconds.unsigned_abs() * 10_000;
    devices.open(asks(source, seconds), &mut SeedEntropy::new(seed))
}

fn eyes(user: &Id, seconds: i64) -> Eyes<'_> {
    Eyes { user, door: Door::Tenants, now: at(seconds) }
}

fn poll(devices: &Devices, opened: &Opened, seconds: i64) -> Poll {
    devices.poll(opened.device_code.expose(), Door::Tenants, at(seconds))
}

#[test]
fn short_codes_are_read_as_people_type_them() {
    for (typed, want) in [
        ("BCDF-GHJK", Some("BCDFGHJK")), ("bcdf ghjk", Some("BCDFGHJK")),
        ("bcdfghjk", Some("BCDFGHJK")), (" BCDF-GHJK ", Some("BCDFGHJK")),
        ("BCDF-GHJ", None), ("BCDF-GHJKL", None), ("ACDF-GHJK", None), ("BCDF-GHJ1", None),
        ("", None), ("ＢCDF-GHJK", None), ("BCDF_GHJK", None),
    ] {
        assert_eq!(read(typed).as_deref(), want, "{typed}");
    }
    assert_eq!(read(&"-".repeat(65)), None);
    let devices = Devices::default();
    let opened = open(&devices, HOME, 0).unwrap();
    let plain = read(&opened.user_code).unwrap();
    assert_eq!((opened.user_code.len(), shown(&plain)), (9, opened.user_code.clone()));
    // 256 bits in base64url.
    assert_eq!(opened.device_code.expose().len(), 43);
}

#[test]
fn an_answer_is_told_once() {
    let user = Id::new("u1");
    for (verdict, want) in [
        (Verdict::Allowed(token()), Poll::Allowed(token())),
        (Verdict::Refused, Poll::Refused),
    ] {
        let devices = Devices::default();
        let opened = open(&devices, HOME, 0).unwrap();
        let code = opened.user_code.as_str();
        assert_eq!(poll(&devices, &opened, 1), Poll::Pending);
        assert_eq!(devices.look(code, eyes(&user, 2)), Ok(asks(HOME, 0)));
        assert_eq!(devices.claim(code, eyes(&user, 3)), Ok(asks(HOME, 0)));
        // While one answer is recorded there is no other.
        assert_eq!(devices.claim(code, eyes(&user, 3)), Err(No::Missing));
        assert_eq!(poll(&devices, &opened, 4), Poll::Pending);
        devices.settle(code, verdict);
        // What is settled is not settled again.
        devices.settle(code, Verdict::Undone);
        assert_eq!(devices.claim(code, eyes(&user, 5)), Err(No::Missing));
        assert_eq!(poll(&devices, &opened, 7), want);
        assert_eq!(poll(&devices, &opened, 10), Poll::Unknown);
    }
}

#[test]
fn an_answer_that_was_not_recorded_was_not_given() {
    let (devices, user) = (Devices::default(), Id::new("u1"));
    let opened = open(&devices, HOME, 0).unwrap();
    devices.claim(&opened.user_code, eyes(&user, 1)).unwrap();
    devices.settle(&opened.user_code, Verdict::Undone);
    assert_eq!(poll(&devices, &opened, 2), Poll::Pending);
    assert!(devices.claim(&opened.user_code, eyes(&user, 3)).is_ok());
}

#[test]
fn whoever_polls_too_often_has_to_be_slower() {
    let devices = Devices::default();
    let opened = open(&devices, HOME, 0).unwrap();
    // At which second, and what is told.
    let cases = [
        (0, Poll::Pending), (2, Poll::Pending), (3, Poll::SlowDown(7)), (9, Poll::SlowDown(12)),
        (21, Poll::Pending), (22, Poll::SlowDown(17)), (39, Poll::Pending),
    ];
    for (second, want) in cases {
        assert_eq!(poll(&devices, &opened, second), want, "{second}");
    }
    for n in 0..40 {
        match poll(&devices, &opened, 40 + n) {
            Poll::SlowDown(seconds) => assert!(seconds <= SLOWEST, "{seconds}"),
            other => panic!("{other:?}"),
        }
    }
    // An answer does not make it quicker, and is not lost.
    let user = Id::new("u1");
    devices.claim(&opened.user_code, eyes(&user, 80)).unwrap();
    devices.settle(&opened.user_code, Verdict::Allowed(token()));
    assert_eq!(poll(&devices, &opened, 81), Poll::SlowDown(SLOWEST));
    assert_eq!(poll(&devices, &opened, 81 + SLOWEST), Poll::Allowed(token()));
}

#[test]
fn it_ends_by_itself() {
    let user = Id::new("u1");
    for answered in [false, true] {
        let devices = Devices::default();
        let opened = open(&devices, HOME, 0).unwrap();
        if answered {
            devices.claim(&opened.user_code, eyes(&user, 1)).unwrap();
            devices.settle(&opened.user_code, Verdict::Allowed(token()));
        }
        assert_eq!(devices.look(&opened.user_code, eyes(&user, LIFE)), Err(No::Missing));
        assert_eq!(devices.claim(&opened.user_code, eyes(&user, LIFE)), Err(No::Missing));
        assert_eq!(poll(&devices, &opened, LIFE), Poll::Expired, "{answered}");
        assert_eq!(poll(&devices, &opened, LIFE + 10), Poll::Unknown);
    }
    // What is over is there for a while, and then it is not.
    let devices = Devices::default();
    let first = open(&devices, HOME, 0).unwrap();
    open(&devices, HOME, LIFE + GRACE - 1).unwrap();
    assert_eq!(poll(&devices, &first, LIFE + GRACE - 1), Poll::Expired);
    let second = open(&devices, HOME, 2 * LIFE).unwrap();
    open(&devices, HOME, 3 * LIFE + GRACE).unwrap();
    assert_eq!(poll(&devices, &second, 3 * LIFE + GRACE), Poll::Unknown);
}

#[test]
fn what_waits_is_bounded() {
    let devices = Devices::default();
    for n in 0..EACH {
        assert!(open(&devices, HOME, 0).is_some(), "{n}");
    }
    assert!(open(&devices, HOME, 1).is_none());
    // Addresses of one /64 are one source.
    for n in 0..EACH {
        assert!(open(&devices, &format!("2001:db8::{n}"), 1).is_some(), "{n}");
    }
    assert!(open(&devices, "2001:db8::ffff", 1).is_none());
    // One customer may have all of a /48: it counts as a whole, too.
    let mut near = EACH;
    while open(&devices, &format!("2001:db8:0:{near:x}::1"), 1).is_some() {
        near += 1;
    }
    assert_eq!(near, NEAR);
    assert!(open(&devices, "2001:db8:1::1", 1).is_some());
    let mut more = 0;
    while open(&devices, &format!("10.{}.{}.1", more / 250, more % 250), 2).is_some() {
        more += 1;
    }
    assert_eq!(devices.with(|i| i.grants.len()), ALL);
    assert!(open(&devices, "192.0.2.1", LIFE - 1).is_none());
    // Those that are over make place, at once where there is none.
    assert!(open(&devices, HOME, LIFE).is_some());
    assert!(open(&devices, "192.0.2.1", LIFE + GRACE + 2).is_some());
    assert!(devices.with(|i| i.grants.len()) < 10);
}

#[test]
fn what_is_fetched_makes_place() {
    let (devices, user) = (Devices::default(), Id::new("u1"));
    let opened: Vec<Opened> = (0..EACH).filter_map(|_| open(&devices, HOME, 0)).collect();
    assert!(open(&devices, HOME, 1).is_none());
    devices.claim(&opened[3].user_code, eyes(&user, 1)).unwrap();
    devices.settle(&opened[3].user_code, Verdict::Refused);
    assert_eq!(poll(&devices, &opened[3], 2), Poll::Refused);
    assert!(open(&devices, HOME, 3).is_some());
}

#[test]
fn guessing_short_codes_ends() {
    let (ann, bob) = (Id::new("ann"), Id::new("bob"));
    // Who looks after Ann has guessed, and whether that one is barred: whoever shares an address with
    // her, as all do who come through one gateway, is not.
    for (looker, barred) in [(&ann, true), (&bob, false)] {
        let devices = Devices::default();
        let opened = open(&devices, "192.0.2.1", 0).unwrap();
        let code = opened.user_code.as_str();
        for n in 0..WRONG {
            let wrong = if n % 2 == 0 { "BBBB-BBBB" } else { "no code" };
            assert_eq!(devices.look(wrong, eyes(&ann, 1)), Err(No::Missing), "{n}");
        }
        let looks = |second| devices.look(code, eyes(looker, second)).err();
        let want = barred.then_some(No::Barred);
        assert_eq!((looks(2), looks(599)), (want, want), "{looker}");
        let claimed = devices.claim(code, eyes(looker, 2)).err();
        assert_eq!(claimed, want);
    }
    // To look again at what was answered is no guess; the bar is lifted by time.
    let devices = Devices::default();
    let opened = open(&devices, HOME, 0).unwrap();
    devices.claim(&opened.user_code, eyes(&ann, 1)).unwrap();
    devices.settle(&opened.user_code, Verdict::Refused);
    for _ in 0..2 * WRONG {
        assert_eq!(devices.look(&opened.user_code, eyes(&ann, 2)), Err(No::Missing));
    }
    for _ in 0..WRONG {
        assert_eq!(devices.look("BBBB-BBBB", eyes(&ann, 3)), Err(No::Missing));
    }
    assert_eq!(devices.look("BBBB-BBBB", eyes(&ann, 3)), Err(No::Barred));
    let second = open(&devices, HOME, 602).unwrap();
    assert_eq!(devices.look(&second.user_code, eyes(&ann, 602)), Err(No::Barred));
    assert!(devices.look(&second.user_code, eyes(&ann, 603)).is_ok());
}

#[test]
fn one_listener_knows_nothing_of_what_the_other_opened() {
    let (devices, user) = (Devices::default(), Id::new("u1"));
    let opened = open(&devices, HOME, 0).unwrap();
    let inner = Eyes { door: Door::Management, ..eyes(&user, 1) };
    assert_eq!(devices.look(&opened.user_code, inner), Err(No::Missing));
    assert_eq!(devices.claim(&opened.user_code, inner), Err(No::Missing));
    let code = opened.device_code.expose();
    assert_eq!(devices.poll(code, Door::Management, at(1)), Poll::Unknown);
    assert_eq!(devices.poll(code, Door::Tenants, at(1)), Poll::Pending);
}
