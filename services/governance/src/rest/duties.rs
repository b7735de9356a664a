//! Duties, their records and reminders: `/v1/duties`, `/v1/records`, `/v1/reminders`.
//!
//! A duty is shown whether or not it has a row. A file is decided about before its first byte is
//! read, and everything that can be wrong with its record is said then too.

use super::{
    Run, Shown, act, made, object, one, only, page, place, route, said, saying, sees, text_or_null, word,
};
use crate::duty::{Assign, Tracked, may_record, tracked};
use crate::record::{Asked, room};
use crate::{Duty, DutyDefault, DutyRecord, Governance, LARGEST, RecordSort, ReminderKind};
use jinyun_base::{Day, Id, Refusal, Refused};
use jinyun_engine::{Command, Failure, Have, Resource};
use jinyun_identity::Domain;
use jinyun_policy::{Object, Scope};
use jinyun_rest::{Body, Call, Reply, Route};
use serde_json::{Value, json};
use std::sync::Arc;

const SORTS: &[&str] = &["document", "statement", "certificate", "report"];

fn show(duty: &Tracked, today: Day) -> Value {
    let DutyDefault { clause, standard, side, on, shows_zh, shows_en, .. } = &duty.default;
    let own = duty.row.as_ref().and_then(|row| row.every);
    json!({
        "id": duty.id,
        "clause": clause,
        "standard": standard,
        "side": side,
        "domain_id": duty.domain,
        "owner": duty.owner(),
        "user_id": text_or_null(duty.user()),
        "every": own.or(duty.default.every),
        "valid": duty.default.valid,
        "on": text_or_null(on),
        "record": duty.default.record,
        "shows_zh": shows_zh,
        "shows_en": shows_en,
        "assigned": duty.row.is_some(),
        "set_due": duty.row.as_ref().and_then(|row| row.due),
        "last": duty.last,
        "due": duty.due,
        "state": duty.state(today),
        "damaged": duty.damaged,
    })
}

/// The duty of the path, with what is asked of it.
fn find(governance: &Governance, call: &Call<'_>, word: &str)
    -> Result<(Tracked, Command, Object), Failure> {
    let (id, book) = (call.param("id"), governance.book());
    let missing = || Refusal::not_found("duty", id);
    let (default, domain) = book.duties.find(id).ok_or_else(missing)?;
    if call.view(|view| view.get::<Domain>(&domain))?.is_none() {
        return Err(missing().into());
    }
    let duty = call.view(|view| tracked(view, default, &domain))?;
    let mut command = call.command(format!("governance:duty:{word}")).at(&domain, &"".into());
    let mut about = object(Duty::KIND, &duty.id, &domain);
    if duty.row.is_some() {
        command = command.on(duty.id.clone());
        about.owner = Some(duty.user()).filter(|user| !user.is_empty()).map(Id::new);
    }
    Ok((duty, command, about))
}

/// The same, if the caller may see it.
fn seen(governance: &Governance, call: &Call<'_>) -> Result<Tracked, Failure> {
    let (duty, command, about) = find(governance, call, "show")?;
    call.cloud.reader.allow(&command, &about)?;
    if sees(call.actor, &duty.domain) {
        return Ok(duty);
    }
    let asked = command.on(duty.id.clone());
    Err(call.cloud.reader.deny(&asked, Refusal::not_found("duty", &duty.id)))
}

fn list(governance: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    only(call, &["domain_id", "standard", "owner", "state", "record", "limit", "marker"])?;
    let domain = call.ask("domain_id").map_or_else(|| place(call), Id::new);
    let (command, book) = (call.command("governance:duty:list"), governance.book());
    let all = |domain: &Id| call.view(|view| book.duties.of(view, domain));
    // Whoever was named and holds no role sees what they were named for.
    let mut found = if call.actor.scope == Scope::None {
        let mut both = all(&domain)?;
        both.retain(|duty| duty.user() == call.actor.id.as_str());
        both
    } else {
        let about = object(jinyun_base::Kind("domain"), &domain, &domain);
        call.cloud.reader.allow(&command, &about)?;
        if !sees(call.actor, &domain) {
            let hidden = Refusal::not_found("domain", &domain);
            return Err(call.cloud.reader.deny(&command.on(domain), hidden));
        }
        all(&domain)?
    };
    let today = governance.today();
    let fits = |name: &str, value: &str| call.ask(name).is_none_or(|asked| asked == value);
    found.retain(|duty| {
        fits("standard", &duty.default.standard) && fits("owner", duty.owner())
            && fits("state", duty.state(today))
            && fits("record", duty.default.record.map_or("", RecordSort::word))
    });
    let shown = found.iter().map(|duty| show(duty, today)).collect();
    Ok(Reply::ok(json!({ "duties": page(call, shown)? })))
}

fn assign(governance: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    // Who may not see it learns nothing from trying to change it.
    seen(governance, call)?;
    let (duty, command, _) = find(governance, call, "assign")?;
    let words = call.words("duty")?;
    words.only(&["owner", "user_id", "due", "every"])?;
    // Null takes away.
    let text = |name: &'static str| -> Result<Option<String>, Failure> {
        match words.has(name) {
            true => Ok(Some(words.text(name)?.unwrap_or_default())),
            false => Ok(None),
        }
    };
    let asked = Assign {
        default: duty.default.clone(),
        owner: text("owner")?,
        user: text("user_id")?,
        due: text("due")?,
        every: text("every")?,
    };
    call.run(command.with(json!(asked)))?;
    let duty = call.view(|view| tracked(view, &duty.default, &duty.domain))?;
    Ok(Reply::ok(json!({ "duty": show(&duty, governance.today()) })))
}

impl Shown for DutyRecord {
    const ONE: &'static str = "record";
    const MANY: &'static str = "records";
    const FILTERS: &'static [&'static str] = &["duty", "clause", "kind", "damage"];

    fn show(have: &Have<DutyRecord>, _: Day) -> Value {
        let spec = &have.spec;
        json!({
            "id": have.id,
            "duty": spec.duty,
            "clause": spec.clause,
            "domain_id": spec.domain,
            "title": spec.title,
            "from": spec.from,
            "to": spec.to,
            "kind": spec.kind,
            "file": spec.file,
            "statement": spec.statement,
            "user_id": spec.by,
            "recorded_at": have.created.seconds(),
            "withdrawn": saying(spec.withdrawn.as_ref()),
            "damage": spec.damage.map(|damage| damage.what),
            "damaged_at": spec.damage.map(|damage| damage.at.seconds()),
        })
    }
}

impl Shown for ReminderKind {
    const ONE: &'static str = "reminder";
    const MANY: &'static str = "reminders";
    const FILTERS: &'static [&'static str] = &["duty", "stage"];

    fn show(have: &Have<ReminderKind>, _: Day) -> Value {
        let spec = &have.spec;
        json!({
            "id": have.id,
            "duty": spec.duty,
            "clause": spec.clause,
            "domain_id": spec.domain,
            "due": spec.due,
            "stage": spec.stage,
            "to": spec.to,
            "user_id": text_or_null(&spec.user),
            "told_at": have.created.seconds(),
        })
    }
}

/// Decides about a record before anything of it is read.
fn may(call: &Call<'_>, duty: &Tracked, command: &Command, about: &Object) -> Result<(), Failure> {
    call.cloud.reader.allow(command, about)?;
    let hidden = || Refusal::not_found("duty", &duty.id);
    let decided = match sees(call.actor, &duty.domain) {
        true => may_record(call.actor, duty),
        false => Err(hidden()),
    };
    decided.map_err(|refusal| call.cloud.reader.deny(command, refusal))
}

/// Records a duty by a statement.
fn state(governance: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    let (duty, command, about) = find(governance, call, "record")?;
    may(call, &duty, &command, &about)?;
    let words = call.words("record")?;
    words.only(&["title", "from", "to", "kind", "statement"])?;
    let asked = Asked {
        default: duty.default,
        title: words.need("title")?,
        from: super::day(&words, "from")?,
        to: super::day(&words, "to")?,
        kind: word(&words, "kind", SORTS)?,
        file: None,
        statement: said(&words, "statement")?,
    };
    made::<DutyRecord>(governance, call, command.with(json!(asked)), 201)
}

/// Records a duty by a file, which is the body; what is said of it stands in the query.
fn upload(governance: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    let (duty, command, about) = find(governance, call, "record")?;
    may(call, &duty, &command, &about)?;
    only(call, &["title", "from", "to", "kind", "statement"])?;
    let day = |name: &str| call.ask(name).map(|text| Day::read(name, text)).transpose();
    let kind = match call.ask("kind") {
        None => None,
        Some(word) => {
            let say = || Refusal::invalid("kind", format!("must be one of {}", SORTS.join(", ")));
            Some(RecordSort::named(word).ok_or_else(say)?)
        }
    };
    let mut asked = Asked {
        default: duty.default,
        title: call.ask("title").unwrap_or_default().into(),
        from: day("from")?,
        to: day("to")?,
        kind,
        file: None,
        statement: call.ask("statement").unwrap_or_default().into(),
    };
    asked.judge(governance.today(), true)?;
    let room = call.view(|view| room(view, &duty.domain))?;
    if room == 0 {
        let say = "No more files are kept for this institution: ask the provider's staff for room.";
        return Err(Refusal::new(Refused::TooLarge, say).into());
    }
    let input = call.input.lock().ok().and_then(|mut input| input.take());
    let Some(mut input) = input else {
        return Err(Refusal::invalid("file", "is missing: send it as the request's body").into());
    };
    let received = governance.files.receive(&mut *input, LARGEST.min(room))?;
    governance.files.settle(received, &duty.domain, |file| {
        asked.file = Some(file.clone());
        made::<DutyRecord>(governance, call, command.with(json!(asked)), 201)
    })
}

fn download(governance: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    let have = one::<DutyRecord>(call)?;
    let Some(file) = &have.spec.file else {
        return Err(Refusal::not_found("file of record", &have.id).into());
    };
    // A changed file is not handed out as the proof that it was.
    if let Some(what) = governance.files.check(&have.domain, file)? {
        let say = format!(
            "The file of record {} is {what} and is not handed out: whoever has the right one can \
             record it again.", have.id
        );
        let asked = call.command("governance:duty_record:show").on(have.id.clone());
        return Err(call.cloud.reader.deny(&asked, Refusal::conflict(say)));
    }
    let body = Body::File(governance.files.path(&have.domain, file)?);
    Ok(Reply { status: 200, body, headers: Vec::new() }
        .header("content-disposition", "attachment").header("x-content-type-options", "nosniff"))
}

fn withdraw(governance: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    let words = call.words("withdrawal")?;
    words.only(&["reason"])?;
    act::<DutyRecord>(governance, call, "withdraw", json!({ "reason": said(&words, "reason")? }))
}

pub(super) fn routes(governance: &Arc<Governance>) -> Vec<Route> {
    let add = |method: &'static str, path: &str, action: &str, run: Run| {
        route(governance, method, path, action, run)
    };
    vec![
        add("GET", "/v1/duties", "duty:list", list),
        add("GET", "/v1/duties/{id}", "duty:show", |governance, call| {
            let duty = seen(governance, call)?;
            Ok(Reply::ok(json!({ "duty": show(&duty, governance.today()) })))
        }),
        add("PATCH", "/v1/duties/{id}", "duty:assign", assign),
        add("POST", "/v1/duties/{id}/records", "duty:record", state),
        add("POST", "/v1/duties/{id}/file", "duty:record", upload).stream(),
        add("GET", "/v1/records", "duty_record:list", super::list::<DutyRecord>),
        add("GET", "/v1/records/{id}", "duty_record:show", super::show::<DutyRecord>),
        add("GET", "/v1/records/{id}/file", "duty_record:show", download),
        add("POST", "/v1/records/{id}/withdraw", "duty_record:withdraw", withdraw),
        add("GET", "/v1/reminders", "reminder:list", super::list::<ReminderKind>),
    ]
}
