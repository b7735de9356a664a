//! What narrows decisions, and what judges the rows that a command leaves.

use super::*;

/// Lets ann do nothing without a second factor, and hides the crate that is named after it.
struct Strict;

impl Limiter for Strict {
    fn limit(&self, asked: &Command, object: &Object, now: Option<Time>) -> Result<(), Refusal> {
        let second = asked.via.methods.iter().any(|m| m == "totp");
        let hidden = object.what.as_ref().is_some_and(|(_, id)| id.as_str() == "hidden");
        // A job brings its time, a read has none.
        assert_eq!(now.is_none(), asked.action.ends_with(":show"));
        match asked.actor.id.as_str() == "ann" && (hidden || !second) {
            true => Err(Refusal::new(Refused::Forbidden, "strict")),
            false => Ok(()),
        }
    }
}

#[test]
fn what_narrows_is_asked_after_policy_for_commands_and_reads_and_its_no_is_on_record() {
    on_both(|config| {
        let mut registry = kinds();
        registry.limiter = Some(Arc::new(Strict));
        let registry = Arc::new(registry);
        let mut w = World::with(config.clone(), registry.clone());
        let with = |mut command: Command| {
            command.via.methods = vec!["password".into(), "totp".into()];
            command
        };
        assert_eq!(code(w.run(make("a"))), "forbidden");
        let entry = w.last();
        assert_eq!((entry.outcome.as_str(), entry.reason.unwrap().message.as_str()),
            ("refused", "strict"));
        let row = w.run(with(make("a"))).unwrap().row.unwrap();
        let named = with(make("b").with(json!({ "name": "b", "id": "hidden" })));
        assert_eq!(code(w.run(named)), "ok");
        // It never makes a yes of policy's no: a reader creates nothing, whatever the token is.
        let mut reader = with(make("c"));
        reader.actor = user("ray", Role::Reader, "p");
        assert_eq!(code(w.run(reader)), "forbidden");
        let clock = w.now;
        let (handle, queue) = Queue::new();
        let core = w.core;
        let writer = std::thread::spawn(move || queue.serve(core, move || Time(clock)));
        let reader = Reader::new(config.clone(), registry, handle);
        let ask = || Command::new("toy:crate:show", user("ann", Role::Member, "p"), "r");
        let cases = [
            ("a", ask().on(row.id.clone()), "forbidden"),
            ("a, two factors", with(ask()).on(row.id.clone()), "ok"),
            ("hidden", with(ask()).on("hidden"), "forbidden"),
        ];
        for (what, command, want) in cases {
            let got = reader.show::<Crate>(&command).map(|_| Answer::default());
            assert_eq!(code(got), want, "{what}");
        }
        let list = |command: Command| -> Vec<Id> {
            reader.list::<Crate>(&command, &Query::default()).unwrap().into_iter().map(|h| h.id)
                .collect()
        };
        assert_eq!(list(ask()), Vec::<Id>::new());
        assert_eq!(list(with(ask())), [row.id]);
        drop(reader);
        writer.join().unwrap();
        let mut db = Db::open(&config).unwrap();
        let refused = db.entries(0, 1000).unwrap().iter()
            .map(|b| serde_json::from_slice::<Entry>(b).unwrap())
            .filter(|e| e.action == "toy:crate:show" && e.outcome == "refused").count();
        assert_eq!(refused, 2);
    });
}

/// Crates are at most of size 7; one that was larger before may stay so. Remembers what it was shown.
#[derive(Default)]
struct Rail {
    shown: Mutex<Vec<(Option<i64>, Option<i64>)>>,
}

impl Guard for Rail {
    fn watches(&self, kind: &str) -> bool {
        kind == "crate"
    }

    fn judge(&self, view: &mut View<'_>, _: &Command, changes: &[Change], _: Time)
        -> Result<(), Failure> {
        let size = |spec: &Option<Value>| spec.as_ref().and_then(|s| s["size"].as_i64());
        for change in changes {
            let (old, new) = (size(&change.old), size(&change.new));
            self.shown.lock().unwrap().push((old, new));
            let there = view.get::<Crate>(&change.id)?.map(|c| c.spec.size);
            assert_eq!(there, new, "the view is that of the command");
            if new.is_some_and(|n| n > 7) && old.is_none_or(|o| o <= 7) {
                return Err(Refusal::new(Refused::Forbidden, "too large").into());
            }
        }
        Ok(())
    }
}

#[test]
fn a_guard_judges_what_a_command_leaves_behind_by_whatever_way() {
    on_both(|config| {
        let rail = Arc::new(Rail::default());
        let mut guarded = kinds();
        guarded.guard = Some(rail.clone());
        let mut w = World::with(config.clone(), Arc::new(guarded));
        let ann = user("ann", Role::Member, "p");
        let size = |n: i64| json!({ "name": "a", "size": n });
        assert_eq!(code(w.run(make("a").with(size(8)))), "forbidden");
        assert_eq!(w.last().reason.unwrap().message, "too large");
        // Nothing of it stayed: the name is free.
        let row = w.run(make("a").with(size(7))).unwrap().row.unwrap();
        let act = |action: &str| Command::new(action, ann.clone(), "r").on(row.id.clone());
        let update = |n: i64| act("toy:crate:update").with(json!({ "size": n }));
        assert_eq!(code(w.run(update(8))), "forbidden", "a change instead of a creation");
        assert_eq!(w.core.writer.db.used(&"p".into(), "volume").unwrap(), 7);
        // Of kinds that it does not watch it is shown nothing.
        w.run(Command::new("toy:lamp:create", ann.clone(), "r")
            .with(json!({ "name": "l", "crate_id": row.id, "part": true }))).unwrap();
        w.run(act("toy:crate:delete")).unwrap();
        let shown = rail.shown.lock().unwrap().clone();
        assert_eq!(shown, [(None, Some(8)), (None, Some(7)), (Some(7), Some(8)), (Some(7), None)]);
        // What was there before the guard is no reason to refuse a change of something else.
        let mut w = World::with(config.clone(), registry());
        let big = w.run(make("big").with(json!({ "name": "big", "size": 9 }))).unwrap().row.unwrap();
        let mut guarded = kinds();
        guarded.guard = Some(rail);
        let mut w = World::with(config, Arc::new(guarded));
        let rename = Command::new("toy:crate:update", ann, "r").on(big.id);
        assert_eq!(code(w.run(rename.with(json!({ "name": "bigger" })))), "ok");
    });
}
