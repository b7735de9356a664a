//! Catalogues that somebody brings: a table becomes one, whatever is wrong with it is told by row and
//! field, its states follow the clauses that it refers to, and what is installed is what is loaded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/cloud.rs"]
#[allow(dead_code)]
mod cloud;

use cloud::Running;
use jinyun_base::Time;
use jinyun_engine::Failure;
use jinyun_evidence::checks::CHECKS;
use jinyun_evidence::{
    Answer, BYTES, Catalogue, Catalogues, Context, FLAWS, Finding, Half, Imported, Malformed, Method, State,
    Titles, Verdict, import, routes, standings,
};
use jinyun_policy::{Actor, ActorKind, Duty, Scope};
use jinyun_rest::{Body, Call, Door};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::{Arc, Mutex};

const SAMPLE: &str = include_str!("../standards-import-samples/internal-rules.csv");

fn shipped() -> &'static Catalogues {
    Catalogue::shipped().unwrap_or_else(|e| panic!("{e}"))
}

fn titles() -> Titles {
    Titles {
        key: "sample".into(),
        title_en: "Sample internal rules".into(),
        title_zh: "示例内部规定".into(),
        ..Titles::default()
    }
}

fn table(file: &str, text: impl AsRef<[u8]>) -> Result<Imported, Malformed> {
    import(file, text.as_ref(), &titles(), shipped())
}

fn taken(text: &str) -> Catalogue {
    table("t.csv", text).unwrap_or_else(|e| panic!("{e}")).catalogue
}

/// Row, field and a part of the sentence.
type Told = (&'static str, &'static str, &'static str);

/// That exactly these flaws are told, in this order.
fn tells(case: &str, file: &str, bytes: &[u8], want: &[Told]) {
    let malformed = table(file, bytes).map(|_| ()).expect_err(case);
    let got: Vec<(&str, &str)> = malformed.flaws.iter()
        .map(|flaw| (flaw.row.split(" (").next().unwrap(), flaw.field.as_str())).collect();
    let wanted: Vec<(&str, &str)> = want.iter().map(|(row, field, _)| (*row, *field)).collect();
    assert_eq!(got, wanted, "{case}: {malformed}");
    for (flaw, (_, _, says)) in malformed.flaws.iter().zip(want) {
        assert!(flaw.says.contains(says), "{case}: {flaw}");
        assert_eq!(flaw.file, file, "{case}");
    }
}

#[test]
fn a_malformed_table_is_told_by_row_and_field() {
    const H: &str = "id,title,refs,owner,period,not_applicable\n";
    let row = |cells: &str| format!("{H}{cells}\n");
    let long = |n: usize| "x".repeat(n);
    let of = |head: &str, cells: &str| format!("{head}\n{cells}\n");
    let cases: Vec<(&str, String, Vec<Told>)> = vec![
        ("nothing", "".into(), vec![("", "", "is empty")]),
        ("no row", H.into(), vec![("", "", "has no row")]),
        ("blank rows", row(",,,,,"), vec![("", "", "has no row")]),
        ("unknown heading", of("id,title,refs,colour", "A,a,7.1-E-a,red"),
            vec![("row 1", "`colour`", "is no known heading; there are id (编号)")]),
        ("another table", of("name,worth", "A,b"), vec![("row 1", "`name`", "no known heading"),
            ("row 1", "`worth`", "no known heading"), ("row 1", "id", "is missing")]),
        ("heading twice", of("id,title,标题,refs", "A,a,b,7.1-E-a"),
            vec![("row 1", "title", "stands twice")]),
        ("no column of ids", of("title,refs", "a,7.1-E-a"), vec![("row 1", "id", "is missing")]),
        ("no heading", of("id,title,refs,", "A,a,7.1-E-a,x"), vec![("row 2", "", "without a heading")]),
        ("no id", row(",a,7.1-E-a,,,"), vec![("row 2", "id", "is missing")]),
        ("an id with a blank", row("A B,a,7.1-E-a,,,"), vec![("row 2", "id", "must be 1 to 64")]),
        ("an id with a slash", row("A/tenant,a,7.1-E-a,,,"), vec![("row 2", "id", "must be 1 to 64")]),
        ("an id twice", row("A,a,7.1-E-a,,,\nB,b,7.1-E-a,,,\nA,c,7.1-E-a,,,"),
            vec![("row 4", "id", "stands in row 2 (line 2) too")]),
        ("an id of a shipped standard", row("7.1-E-a,a,7.2.5-B-b,,,"),
            vec![("row 2", "id", "is an id of jrt0167 already")]),
        ("a row that is not", row("A,a,9.9.9-Z-z,,,"),
            vec![("row 2", "refs", "names a row `9.9.9-Z-z` that there is not: ids look like")]),
        ("a chapter", row("A,a,7.2.5,,,"), vec![("row 2", "refs", "one by one, 7.2.5-")]),
        ("no such standard", row("A,a,iso27001:7.1-E-a,,,"),
            vec![("row 2", "refs", "names a standard `iso27001` that there is not; there are jrt0167")]),
        ("another standard's row", row("A,a,guide:7.1-E-a,,,"),
            vec![("row 2", "refs", "of guide, but that is a row of jrt0167")]),
        ("its own row", row("A,a,A,,,"), vec![("row 2", "refs", "names its own row")]),
        ("a row twice", row("A,a,7.1-E-a;jrt0167:7.1-E-a,,,"), vec![("row 2", "refs", "twice")]),
        ("a circle of two", row("A,a,B,,,\nB,b,A,,,"), vec![("row 2", "refs", "leads back"),
            ("row 3", "refs", "leads back")]),
        ("a circle of three", row("A,a,B,,,\nB,b,7.1-E-a C,,,\nC,c,sample:A,,,"),
            vec![("row 2", "refs", "leads back"), ("row 3", "refs", "leads back"),
                ("row 4", "refs", "leads back")]),
        ("no period", row("A,a,,facility manager,now and then,"),
            vec![("row 2", "period", "is no period: write P1M")]),
        ("no period at all", row("A,a,,机房主管,,"), vec![("row 2", "period", "is missing")]),
        ("no owner", row("A,a,,,P1Y,"), vec![("row 2", "owner", "is missing: a duty has an owner")]),
        ("no such owner", row("A,a,,the cat,P1Y,"), vec![("row 2", "owner", "is no role; there are")]),
        ("no answer", row("A,a,,,,"), vec![("row 2", "refs", "is empty, and nothing else answers")]),
        ("a clause and a duty", row("A,a,7.1-E-a,management,P1Y,"),
            vec![("row 2", "owner", "is a second answer beside refs")]),
        ("a clause and a reason", row("A,a,7.1-E-a,,,no such thing"),
            vec![("row 2", "not_applicable", "is a second answer beside refs")]),
        ("a duty and a reason", row("A,a,,management,P1Y,no such thing"),
            vec![("row 2", "owner", "is a second answer beside not_applicable")]),
        ("no title", row("A,,7.1-E-a,,,"), vec![("row 2", "title", "is missing")]),
        ("a long title", row(&format!("A,{},7.1-E-a,,,", long(401))),
            vec![("row 2", "title", "is longer than 400")]),
        ("a long reason", row(&format!("A,a,,,,{}", long(401))),
            vec![("row 2", "not_applicable", "is longer than 400")]),
        ("a huge cell", of("id,title,refs,text", &format!("A,a,7.1-E-a,{}", long(4001))),
            vec![("row 2", "text", "is longer than 4000")]),
        ("a quote without an end", row("A,a,7.1-E-a,,,\nB,\"b,7.1-E-a,,,\nC,c,7.1-E-a,,,"),
            vec![("row 3", "", "has a quote that does not end")]),
        ("a quote in a cell", row("A,19\" rack,7.1-E-a,,,\nB,b,7.1-E-a,,,"),
            vec![("row 2", "", "has a quote that does not end")]),
        ("too few cells", row("A,a\nB,b,7.1-E-a,,,"), vec![("row 2", "", "has 2 cells")]),
        ("too many cells", row("A,a, with a comma,7.1-E-a,,,no"), vec![("row 2", "", "has 7 cells")]),
        ("a bell", row("A,a\u{7},7.1-E-a,,,"), vec![("row 2", "title", "control character")]),
        ("a zero byte", row("A,a\0,7.1-E-a,,,"), vec![("", "", "zero byte")]),
        ("paper for a mechanism", of("id,title,kind,owner,period", "A,a,technical,management,P1Y"),
            vec![("row 2", "kind", "does not stand in for a mechanism")]),
        ("nothing built of paper", of("id,title,kind,not_built", "A,a,制度,all of it"),
            vec![("row 2", "kind", "must be technical")]),
        ("a sort that is none", of("id,title,kind,refs", "A,a,odd,7.1-E-a"),
            vec![("row 2", "kind", "must be one of technical (技术)")]),
        ("nobody", of("id,title,责任,refs", "A,a,nobody,7.1-E-a"),
            vec![("row 2", "who", "must be one of provider (服务商)")]),
        ("no area", of("id,title,area,refs", "A,a,XYZ,7.1-E-a"), vec![("row 2", "area", "APP, AUD")]),
        ("no tier", of("id,title,tier,refs", "A,a,gold,7.1-E-a"),
            vec![("row 2", "tier", "must be one of basic (基本)")]),
        ("valid and back again", of("id,title,owner,period,valid", "A,a,management,P1Y,P3Y"),
            vec![("row 2", "valid", "is for what is done once")]),
        ("valid for some time", of("id,title,owner,period,valid", "A,a,management,once,long"),
            vec![("row 2", "valid", "is no period")]),
        ("days in words", of("id,title,owner,period,first", "A,a,management,P1Y,ten"),
            vec![("row 2", "first", "must be a number of days")]),
        ("a photo", of("id,title,owner,period,record", "A,a,management,P1Y,photo"),
            vec![("row 2", "record", "must be one of document (文件)")]),
        ("open without rows", of("id,title,owner,period,open", "A,a,management,P1Y,the rest"),
            vec![("row 2", "open", "is for rows that refs")]),
        ("a record of a check", of("id,title,refs,shows", "A,a,7.1-E-a,that it is so"),
            vec![("row 2", "shows", "is for duties")]),
        ("the tenant's owner", of("id,title,who,owner", "A,a,tenant,management"),
            vec![("row 2", "owner", "is for the provider's duties")]),
        ("what the tenant does, of the provider's", of("id,title,refs,tenant_does", "A,a,7.1-E-a,it"),
            vec![("row 2", "tenant_does", "leave it empty")]),
        ("no tenant's half", of("id,title,who,refs", "A,a,both,7.1-E-a"),
            vec![("row 2", "refs", "none of those rows has a tenant's half: say in tenant_does")]),
        ("no provider's half", row("A,a,9.5-B-a,,,"),
            vec![("row 2", "refs", "none of those rows has a provider's half")]),
        ("what asks for nothing", row("A,a,B.1,,,"),
            vec![("row 2", "refs", "names only rows that ask for nothing")]),
        ("see nothing", of("id,title,refs,see", "A,a,7.1-E-a,nothing"),
            vec![("row 2", "see", "names a row `nothing` that there is not")]),
        ("all at once", row("\"A,\na\",a,7.1-E-a,,,\n,a,,,,\nC,c,\nD,,nowhere,,P1X,\nE,\"e,C,,,"), vec![
            ("row 2", "id", "must be 1 to 64"), ("row 3", "id", "is missing"),
            ("row 3", "refs", "is empty"), ("row 4", "", "has 3 cells"),
            ("row 5", "title", "is missing"), ("row 5", "refs", "`nowhere`"),
            ("row 5", "period", "is a second answer beside refs"), ("row 6", "", "has a quote")]),
        ("all of a row at once", row("B,,nowhere,the cat,P1X,"), vec![("row 2", "title", "is missing"),
            ("row 2", "refs", "`nowhere`"), ("row 2", "owner", "is a second answer beside refs")]),
        ("all of a duty at once", row("B,b,,the cat,P1X,"), vec![("row 2", "owner", "is no role"),
            ("row 2", "period", "is no period")]),
    ];
    assert!(cases.len() >= 50);
    // A row is named as a spreadsheet shows it, and by its line, whatever ends a line.
    for (end, text) in [("LF", "id,title,refs\nA,\"a\nb\",7.1-E-a\nB,b,nowhere\n"),
        ("CRLF", "id,title,refs\r\nA,\"a\r\nb\",7.1-E-a\r\nB,b,nowhere\r\n")]
    {
        let malformed = table("t.csv", text).map(|_| ()).unwrap_err();
        let said = malformed.to_string();
        assert!(said.starts_with("t.csv, row 3 (line 4), field refs: "), "{end}: {said}");
    }
    for (case, text, want) in &cases {
        tells(case, "t.csv", text.as_bytes(), want);
    }
}

#[test]
fn what_is_no_table_says_what_to_do() {
    let good = "id,title,refs\nA,a,7.1-E-a\n";
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(good.encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    let cases: Vec<(&str, &str, Vec<u8>, Told)> = vec![
        ("GBK", "t.csv", [b"id,title,refs\nA,".as_slice(), &[0xb1, 0xe0], b",7.1-E-a\n"].concat(),
            ("line 2", "", "is not UTF-8: save it as UTF-8")),
        ("UTF-16", "t.csv", utf16, ("", "", "is UTF-16")),
        ("a workbook that is called a table", "t.csv", b"PK\x03\x04rest".to_vec(),
            ("", "", "save the sheet as CSV")),
        ("a workbook", "t.xlsx", b"PK\x03\x04rest".to_vec(), ("", "", "save the sheet as CSV")),
        ("a text", "t.doc", good.into(), ("", "", "must end in .csv or .yaml")),
        ("no ending", "t", good.into(), ("", "", "must end in .csv or .yaml")),
        ("a huge file", "t.csv", vec![b'x'; BYTES + 1], ("", "", "is longer than")),
        ("no YAML", "t.yaml", b"[".to_vec(), ("line 2", "", "is not valid YAML")),
        ("no list", "t.yaml", b"rows: 5\n".to_vec(), ("", "", "must be a list of rows")),
        ("more than a list", "t.yaml", b"rows: []\nkey: x\n".to_vec(), ("", "", "must be a list of rows")),
        ("an empty list", "t.yaml", b"rows: []\n".to_vec(), ("", "", "has no row")),
        ("a word", "t.yaml", b"- word\n".to_vec(), ("row 1", "", "must hold members")),
        ("an alias", "t.yaml", b"- &a {id: A, title: a, refs: 7.1-E-a}\n- *a\n".to_vec(),
            ("line 2", "", "alias")),
        ("a tag", "t.yaml", b"- !!map {id: A}\n".to_vec(), ("line 1", "", "tag")),
        ("a member twice", "t.yaml", b"- {id: A, id: B}\n".to_vec(), ("line 1", "", "`id` twice")),
        ("an unknown member", "t.yaml", b"- {id: A, title: a, refs: 7.1-E-a, state: met}\n".to_vec(),
            ("row 1", "`state`", "is no known heading")),
        ("a list in a list", "t.yaml", b"- {id: A, title: a, refs: [7.1-E-a, [x]]}\n".to_vec(),
            ("row 1", "refs", "must be text")),
        ("two documents", "t.yaml", b"- {id: A}\n---\n- {id: B}\n".to_vec(), ("line 3", "", "second")),
    ];
    for (case, file, bytes, (row, field, says)) in cases {
        let malformed = table(file, &bytes).map(|_| ()).expect_err(case);
        let [flaw] = &malformed.flaws[..] else { panic!("{case}: {malformed}") };
        // Where a parser finds the end is its own affair.
        let there = row.starts_with("line") && case == "no YAML" || flaw.row.split(" (").next() == Some(row);
        assert!(there && flaw.field == field && flaw.says.contains(says), "{case}: {flaw}");
    }
    let many: String = (0..60).map(|n| format!("A{n},a,nowhere\n")).collect();
    let malformed = table("t.csv", format!("id,title,refs\n{many}")).map(|_| ()).unwrap_err();
    assert_eq!((malformed.flaws.len(), malformed.more), (FLAWS, 10));
    assert!(malformed.to_string().ends_with("\nand 10 more"), "{malformed}");
    // A key that is none, or somebody else's.
    for (key, says) in [("jrt0167", "another standard has it"), ("all", "must be 2 to 24"),
        ("X", "must be 2 to 24"), ("", "is empty"), ("../x", "must be 2 to 24")]
    {
        let titles = Titles { key: key.into(), ..titles() };
        let malformed = import("t.csv", good.as_bytes(), &titles, shipped()).map(|_| ()).unwrap_err();
        let flaw = &malformed.flaws[0];
        assert!(flaw.field == "key" && flaw.says.contains(says), "{key}: {flaw}");
    }
}

#[test]
fn every_spreadsheet_programs_table_is_read_alike() {
    let want = taken("id,title,refs,text\nA,a,7.1-E-a,\"one, \"\"two\"\"\nthree; four\"\nB,b,A,\n");
    let Answer::SameAs { same_as } = &want.clauses[0].answer else { panic!() };
    assert_eq!(same_as, &["7.1-E-a"]);
    assert_eq!(want.clauses[0].items[0].en, "one, \"two\"\nthree; four");
    for (case, text) in [
        ("with a mark", "\u{feff}id,title,refs,text\nA,a,7.1-E-a,\"one, \"\"two\"\"\nthree; four\"\nB,b,A,\n"),
        ("DOS", "id,title,refs,text\r\nA,a,7.1-E-a,\"one, \"\"two\"\"\r\nthree; four\"\r\nB,b,A,\r\n"),
        ("semicolons", "id;title;refs;text\nA;a;7.1-E-a;\"one, \"\"two\"\"\nthree; four\"\nB;b;A;\n"),
        ("tabs", "id\ttitle\trefs\ttext\nA\ta\t7.1-E-a\t\"one, \"\"two\"\"\nthree; four\"\nB\tb\tA\t\n"),
        ("Chinese headings", "编号,标题,对应条款,要求\nA,a,7.1-E-a,\"one, \"\"two\"\"\nthree; four\"\nB,b,A,\n"),
        ("headings as people write them",
            " ID ,Title,Refs*,Requirement:\nA,a,7.1-E-a,\"one, \"\"two\"\"\nthree; four\"\nB,b,A,\n"),
        ("columns in another order, and empty ones",
            "text,refs,id,,title\n\"one, \"\"two\"\"\nthree; four\",7.1-E-a,A,,a\n,A,B,,b\n,,,,\n"),
        ("no line end at the end", "id,title,refs,text\nA,a,7.1-E-a,\"one, \"\"two\"\"\nthree; four\"\nB,b,A,"),
    ] {
        assert_eq!(taken(text), want, "{case}");
    }
    let yaml = "- {id: A, title: a, refs: [7.1-E-a], text: \"one, \\\"two\\\"\\nthree; four\"}\n\
        - id: B\n  title: b\n  refs: A\n  text: ~\n";
    let mut read = table("t.yaml", yaml).unwrap_or_else(|e| panic!("{e}")).catalogue;
    read.file.clone_from(&want.file);
    assert_eq!(read, want);
}

#[test]
fn what_is_written_is_what_is_read() {
    let Imported { catalogue, answered, duties, not_built, silent } =
        table("t.csv", SAMPLE).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((answered, duties, not_built, silent), (3, 2, 0, 1));
    let hard = taken("id,title,refs,note,who,tenant_does,owner,period,valid,first,not_built,level\n\
        7.10,no,\"7.1-E-a\n7.2.5-B-b\",\"# ' \"\" : {[*&!|>%@`\u{2028}\u{202e}\",,,,,,,,二级\n\
        A-2,~,,,both,\"say: yes\",管理层,一次,P3Y,0,,enhanced\n\
        A-3,true,,,,,,,,,\"- it\",\n");
    for catalogue in [catalogue, hard] {
        let text = catalogue.write().unwrap();
        let again = Catalogue::bring("t.csv", text.as_bytes()).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(again, catalogue);
        assert_eq!(again.write().unwrap(), text);
        shipped().with([again]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(text.lines().filter(|line| line.starts_with("  - {\"id\": ")).count(),
            catalogue.clauses.len(), "a row is a line:\n{text}");
        assert!(!text.contains(['\u{2028}', '\u{202e}']));
    }
}

fn found(check: &str, verdict: Verdict) -> Finding {
    Finding {
        check: check.into(),
        verdict,
        population: 1,
        sampled: 1,
        method: Method::Check,
        at: 0,
        half: Half::Provider,
        says: String::new(),
        says_nothing_about: String::new(),
        entries: Vec::new(),
    }
}

type States = BTreeMap<String, (State, Option<State>)>;

fn states(all: &Catalogues, findings: &[Finding]) -> States {
    standings(all, findings, &Context::default()).into_iter()
        .map(|s| (s.clause.id, (s.state, s.tenant_state))).collect()
}

/// What each check says, by a function of its number.
fn say(verdict: impl Fn(usize) -> Verdict) -> Vec<Finding> {
    CHECKS.iter().enumerate().map(|(n, check)| found(check.name, verdict(n))).collect()
}

#[test]
fn a_row_stands_and_falls_with_the_clauses_that_it_names() {
    let sample = taken(SAMPLE);
    let all = shipped().with([sample]).unwrap_or_else(|e| panic!("{e}"));
    let met = states(&all, &say(|_| Verdict::Met));
    let of = |states: &States, id: &str| states[id].0;
    assert_eq!(met["SR-1.1"], met["7.1-E-a"]);
    // It says itself that it is answered in part, so it is never more than that.
    assert_eq!(of(&met, "SR-1.2"), of(&met, "7.2.5-B-b").max(State::Partly));
    assert_eq!(of(&met, "SR-1.3"), of(&met, "SR-1.1").max(of(&met, "SR-1.2")));
    assert_eq!(of(&met, "SR-2.1"), State::Due);
    assert_eq!(of(&met, "SR-2.2"), State::Tenant);
    assert_eq!(of(&met, "SR-3.1"), State::NotApplicable);
    let standing = standings(&all, &[], &Context::default()).into_iter()
        .find(|s| s.clause.id == "SR-3.1").unwrap();
    let taken_out = standing.exception.unwrap();
    assert!(taken_out.reason.contains("本行尚无此设备") && taken_out.who.contains("sample"));
    // Each check of those two clauses in turn says that it is not so: the row is red, and the one that
    // rests on it, and the others are as they were.
    for (clause, row, other) in [("7.1-E-a", "SR-1.1", "SR-1.2"), ("7.2.5-B-b", "SR-1.2", "SR-1.1")] {
        let names: Vec<&str> = all.clause(clause).unwrap().checks().collect();
        assert!(!names.is_empty());
        for name in names {
            let mut findings = say(|_| Verdict::Met);
            findings.iter_mut().filter(|f| f.check == name).for_each(|f| f.verdict = Verdict::Failed);
            let red = states(&all, &findings);
            assert_eq!(of(&red, row), State::Failed, "{name}");
            assert_eq!(of(&red, "SR-1.3"), State::Failed, "{name}");
            let shared = ["7.1-E-a", "7.2.5-B-b"].iter()
                .all(|id| all.clause(id).unwrap().checks().any(|check| check == name));
            assert!(shared || of(&red, other) == of(&met, other), "{name}");
        }
    }
    let stale = Context { now: Time(3600 * Time::SECOND), ..Context::default() };
    let old = standings(&all, &say(|_| Verdict::Met), &stale);
    assert!(old.iter().any(|s| s.clause.id == "SR-1.1" && s.state == State::Stale));
}

fn cell(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[test]
fn the_shipped_rows_as_a_table_stand_as_they_do() {
    let plain = states(shipped(), &say(|_| Verdict::Met));
    let mut text = "id,title_en,title_zh,tier,who,area,refs,facts\n".to_string();
    for (_, clause) in shipped().clauses() {
        let words = |value: Value| value.as_str().unwrap().to_string();
        let nothing = plain[&clause.id].0 == State::Informative;
        let id = format!("X-{}", clause.id);
        let cells = [id.as_str(), &clause.title_en, &clause.title_zh,
            &words(serde_json::to_value(clause.level).unwrap()),
            &words(serde_json::to_value(clause.duty).unwrap()), &clause.area,
            if nothing { "" } else { &clause.id }, if nothing { "so" } else { "" }].map(cell);
        text.push_str(&(cells.join(",") + "\n"));
    }
    let all = shipped().with([taken(&text)]).unwrap_or_else(|e| panic!("{e}"));
    use Verdict::{Error, Failed, Met, Partly};
    let rounds: [Vec<Finding>; 4] = [say(|_| Met), say(|n| [Met, Failed, Partly, Error][n % 4]),
        say(|n| [Failed, Met, Met][n % 3]), Vec::new()];
    for findings in rounds {
        let states = states(&all, &findings);
        for (_, clause) in shipped().clauses() {
            assert_eq!(states[&format!("X-{}", clause.id)], states[&clause.id], "{}", clause.id);
        }
    }
}

#[test]
fn a_malformed_catalogue_tells_everything() {
    let row = |id: &str, more: &str| format!("  - {{id: {id}, level: basic, duty: provider, kind: technical, \
        area: CPL, title_en: a, title_zh: 甲, platform: p, evidence: e{more}}}\n");
    let file = |rows: &str| format!("key: own\nstandard: s\ntitle_en: a\ntitle_zh: 甲\nabout: a\n\
        clauses:\n{rows}");
    let bring = |text: &str| Catalogue::bring("own.yaml", text.as_bytes())
        .and_then(|one| shipped().with([one]).map(|_| ()));
    let same = ", answer: {same_as: [7.1-E-a]}";
    bring(&file(&row("1", same))).unwrap_or_else(|e| panic!("{e}"));
    for (rows, want) in [
        (row("1", ""), vec!["row 1, field answer: is missing"]),
        (row("1", ", answer: {same_as: [7.1-E-a], facts: so}"), vec!["row 1, field answer: takes exactly"]),
        (row("1", ", not_applicable: no, answer: {facts: so}"),
            vec!["row 1, field not_applicable: stands beside an answer"]),
        (row("1", ", answer: {facts: so}, open: it"), vec!["row 1, field open: is for rows that others"]),
        (row("1", ", answer: {checks: [no-such-check]}"), vec!["row 1, field answer.checks: names a check"]),
        (row("1", &format!("{same}, state: met, met: x")),
            vec!["row 1, field met: is not known", "row 1, field state: is not known"]),
        (row("1", ", answer: {same_as: [nowhere, gone]}"),
            vec!["row 1, field answer.same_as: there is no row nowhere",
                "row 1, field answer.same_as: there is no row gone"]),
        (row("7.1-E-a", same), vec!["row 7.1-E-a, field id: another row has it, in jrt0167"]),
        (row("1", same) + &row("1", same), vec!["row 1, field id: another row has it"]),
        (row("a/b", same), vec!["row a/b, field id: must be 1 to 64"]),
        (row("1", ", answer: {duty: {owner: the cat, every: often, first: soon, record: photo, shows_en: a}}"),
            vec!["field answer.duty.owner", "field answer.duty.every", "field answer.duty.first",
                "field answer.duty.record", "field answer.duty.shows_zh: is missing"]),
        (row("1", "") + "  - word\n" + &row("3", ", answer: {same_as: 5}"),
            vec!["row 1, field answer: is missing", "row 2: must hold members",
                "row 3, field answer.same_as: "]),
    ] {
        let malformed = bring(&file(&rows)).unwrap_err();
        let said: Vec<String> = malformed.flaws.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), want.len(), "{malformed}");
        for (said, want) in said.iter().zip(want) {
            assert!(said.starts_with("own.yaml, row ") && said.contains(want), "{said} is not {want}");
        }
    }
    for (text, want) in [
        ("", "is empty"), ("- 1\n", "must hold members"), ("clauses: []\n", "field key: is missing"),
        ("key: own\nclauses: []\n", "field standard: is missing"),
        (&*file("  []\n"), "field clauses: must hold 1 to"),
    ] {
        let malformed = bring(text).unwrap_err();
        assert!(malformed.to_string().contains(want), "{malformed} is not {want}");
    }
}

/// Asks a route as one of the provider's duties.
fn ask(running: &Running, evidence: &Arc<jinyun_evidence::Evidence>, duty: Duty, asked: (&str, &str),
    body: &[u8]) -> Result<Value, String> {
    let (method, key) = asked;
    let actor = Actor {
        kind: ActorKind::User,
        id: "u".into(),
        domain: "default".into(),
        scope: Scope::System,
        role: None,
        duty: Some(duty),
    };
    let routes = routes(evidence.clone());
    let route = routes.iter().find(|route| {
        route.method == method && route.path.starts_with("/v1/catalogues")
    }).unwrap();
    let call = Call {
        via: Default::default(),
        door: Door::Management,
        cloud: &running.cloud,
        actor: &actor,
        path: vec![("key", key.into())],
        query: Vec::new(),
        body: Value::Null,
        request: "req".into(),
        source: None,
        base: String::new(),
        version: None,
        token: None,
        headers: Vec::new(),
        input: Mutex::new((!body.is_empty()).then(|| Box::new(Cursor::new(body.to_vec())) as Box<dyn Read + Send>)),
    };
    match (route.run)(&call) {
        Ok(reply) => match reply.body {
            Body::Json(value) => Ok(value),
            _ => Ok(Value::Null),
        },
        Err(Failure::Refused(refusal)) => Err(format!("{}: {refusal}", refusal.code())),
        Err(Failure::Fault(fault)) => panic!("{method}: {fault}"),
    }
}

#[test]
fn what_is_installed_is_loaded_if_nobody_changed_it() {
    let running = Running::new("installed", &[]);
    let open = || Arc::new(running.evidence());
    let sample = taken(SAMPLE).write().unwrap();
    let (security, audit) = (Duty::SecurityAdmin, Duty::AuditAdmin);
    let evidence = open();
    let state = |evidence: &Arc<jinyun_evidence::Evidence>| -> String {
        let all = ask(&running, evidence, audit, ("GET", ""), b"").unwrap();
        let one = all["catalogues"].as_array().unwrap().iter().find(|one| one["key"] == "sample").cloned();
        one.map_or("none".into(), |one| one["state"].as_str().unwrap().into())
    };
    // Nobody else, and nothing that does not fit.
    for duty in [Duty::SystemAdmin, audit] {
        let said = ask(&running, &evidence, duty, ("POST", ""), sample.as_bytes()).unwrap_err();
        assert!(said.starts_with("forbidden"), "{said}");
    }
    for (body, want) in [("", "is missing"), ("key: x\n", "field clauses: is missing"),
        (&*sample.replace("7.1-E-a", "7.1-E-z"), "there is no row 7.1-E-z"),
        (&*"x".repeat(BYTES + 1), "bytes at most")]
    {
        let said = ask(&running, &evidence, security, ("POST", ""), body.as_bytes()).unwrap_err();
        assert!(said.contains(want), "{said} is not {want}");
    }
    assert_eq!(state(&evidence), "none");
    // How many entries from a number on say that it was loaded, by its digest.
    let length = || running.cloud.reader.lend(|db| db.journal_length()).unwrap();
    let loads = |from: u64, sha256: &str| {
        let told = running.cloud.reader.lend(|db| {
            let end = db.journal_length()?;
            db.entries(from, end)
        }).unwrap();
        let told = told.into_iter().map(|e| String::from_utf8(e).unwrap());
        told.filter(|e| e.contains("evidence:catalogue:load") && e.contains(sha256)).count()
    };
    let before = length();
    let made = ask(&running, &evidence, security, ("POST", ""), sample.as_bytes()).unwrap();
    let sha256 = made["catalogue"]["sha256"].as_str().unwrap().to_string();
    // At once, and the journal says so.
    assert_eq!(made["catalogue"]["rows"], 6);
    assert_eq!(made["catalogue"]["state"], "loaded");
    assert_eq!((state(&evidence).as_str(), loads(before, &sha256)), ("loaded", 1));
    assert_eq!(evidence.catalogues().get("sample").unwrap().clauses.len(), 6);
    let twice = ask(&running, &evidence, security, ("POST", ""), sample.as_bytes()).unwrap_err();
    assert!(twice.contains("sample"), "{twice}");
    // The next process has it, and says so too.
    let before = length();
    let next = open();
    assert_eq!((state(&next).as_str(), loads(before, &sha256)), ("loaded", 1));
    assert_eq!(next.catalogues().get("sample").unwrap().clauses.len(), 6);
    assert!(!next.refresh().unwrap() && loads(before, &sha256) == 1, "nothing is new");
    // The text of the requirements is in no entry.
    let all = running.cloud.reader.lend(|db| {
        let end = db.journal_length()?;
        db.entries(0, end)
    }).unwrap();
    assert!(all.iter().all(|e| !String::from_utf8_lossy(e).contains("管理接口一律")));
    // One letter of the file: refused, and the shipped ones go on.
    let file = running.dir.join("evidence/catalogues").join(format!("{sha256}.yaml"));
    std::fs::write(&file, sample.replace("每年至少", "每年最多")).unwrap();
    let altered = open();
    assert_eq!(state(&altered), "refused");
    let refused = altered.refused();
    let [(key, why)] = refused.as_slice() else { panic!("{refused:?}") };
    assert!(key == "sample" && why.contains("was changed after it was installed"), "{why}");
    assert!(why.contains(&sha256) && altered.catalogues().get("sample").is_none());
    assert_eq!(altered.catalogues().iter().count(), shipped().iter().count());
    std::fs::remove_file(&file).unwrap();
    let gone = open();
    assert!(gone.refused()[0].1.contains("cannot be read"), "{:?}", gone.refused());
    // As it was: it is taken again, by the process that refused it. Then it is removed.
    std::fs::write(&file, &sample).unwrap();
    let back = gone;
    assert!(back.refresh().unwrap());
    assert_eq!(state(&back), "loaded");
    for (duty, key, want) in [(audit, "sample", "forbidden"), (security, "nothing", "not_found"),
        (security, "jrt0167", "conflict")]
    {
        let said = ask(&running, &back, duty, ("DELETE", key), b"").unwrap_err();
        assert!(said.starts_with(want), "{said}");
    }
    ask(&running, &back, security, ("DELETE", "sample"), b"").unwrap();
    assert!(state(&back) == "none" && back.catalogues().get("sample").is_none() && !file.exists());
    // What another process did is seen when somebody says that there is something to look at.
    assert_eq!((state(&next).as_str(), next.refresh().unwrap(), state(&next).as_str()),
        ("removed", true, "none"));
    assert_eq!(state(&open()), "none");
}
