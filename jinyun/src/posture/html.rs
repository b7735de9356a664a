//! `jinyun posture --html`: the posture as a page that is made anew every few seconds.
//!
//! A page that a browser loads again from a file needs no server, no port and no token in the browser: what
//! asks the platform is this command, as whoever has signed in. It writes beside the page and renames, so
//! that nobody reads half of one. What cannot be asked later (the token is over, nothing answers) ends
//! nothing: the page says so and shows what was known before, and whoever signs in again finds it going on.

use super::now::Known;
use super::{CLAUSES, Filter, array, institution};
use crate::control;
use crate::fail::{Failed, REFUSED};
use crate::say;
use crate::session::{Session, Wish};
use crate::whole::put;
use jinyun_base::Fault;
use jinyun_report::html::live::{self, Frame, Live};
use std::path::Path;
use std::time::Duration;

/// The posture as it is now, and of which platform.
fn ask(wish: &Wish, filter: &Filter) -> Result<(Live, String), Failed> {
    let session = Session::open(wish)?;
    if institution(&session)?.is_some() {
        let say = "the page is of the platform's clauses: an institution's own half is what \
                   `jinyun posture` and `jinyun duty list` show";
        return Err(Failed::new(REFUSED, say));
    }
    let clauses = array(session.get("the clauses", CLAUSES)?, "clauses");
    filter.check(&clauses)?;
    let (value, _) = Known::read(&session, clauses)?.shown(filter);
    let live = serde_json::from_value(value)
        .map_err(|e| Fault::new(format!("the platform's answer cannot be shown: {e}")))?;
    Ok((live, session.profile.url.clone()))
}

/// Writes the page whole, or leaves the one before.
fn write(file: &Path, live: &Live, frame: Frame<'_>) -> Result<(), Failed> {
    put(file, live::page(live, frame).as_bytes()).map_err(Failed::from)
}

/// Writes it, once or until interrupted. What fails the first time fails; later the page says so.
pub(super) fn run(wish: &Wish, filter: &Filter, file: &Path, every: Option<u32>) -> Result<(), Failed> {
    let (mut live, mut of) = ask(wish, filter)?;
    write(file, &live, Frame { of: &of, every, trouble: None })?;
    say::out(&format!("{}: the posture of {of}", file.display()));
    let Some(seconds) = every else { return Ok(()) };
    let mut said = None;
    loop {
        std::thread::sleep(Duration::from_secs(seconds.into()));
        let trouble = match ask(wish, filter) {
            Ok(newer) => {
                (live, of) = newer;
                None
            }
            Err(failed) => Some(failed.say),
        };
        if let Some(trouble) = trouble.as_ref().filter(|trouble| said.as_ref() != Some(*trouble)) {
            say::err(&format!("jinyun: {trouble}"));
        }
        let told = trouble.as_ref().map(|trouble| format!("{}: {trouble}", control::now().seconds()));
        said = trouble;
        write(file, &live, Frame { of: &of, every, trouble: told.as_deref() })?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_there_whole_and_nothing_beside_it() {
        let dir = jinyun_testdb::Dir::new("posture");
        let file = dir.join("posture.html");
        let live = Live::default();
        write(&file, &live, Frame { of: "https://a", every: None, trouble: None }).unwrap();
        let before = std::fs::read_to_string(&file).unwrap();
        assert!(before.starts_with("<!DOCTYPE html>") && !before.contains("refresh"));
        let frame = Frame { of: "https://a", every: Some(7), trouble: Some("token <over>") };
        write(&file, &live, frame).unwrap();
        let after = std::fs::read_to_string(&file).unwrap();
        assert!(after.contains("content=\"7\"") && after.contains("token &lt;over&gt;"), "{after}");
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
        let nowhere = dir.join("nothing").join("posture.html");
        let frame = Frame { of: "https://a", every: None, trouble: None };
        assert!(write(&nowhere, &live, frame).unwrap_err().say.contains("posture.html"));
    }
}
