//! Reading inventories: what is taken in which form, and what is refused with row, line and field.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{read_rows, row};
use jinyun_planner::read::{csv, limits, minutes, yaml};
use serde_json::json;

#[test]
fn headings_and_words_in_two_languages() {
    let english = "systems:\n  - id: a\n    name: Office\n    data: [public, personal]\n    amount: few\n    \
        rto: 4h\n    depends_on: none\n    level: 3\n";
    let chinese = "系统:\n  - 系统编号: a\n    系统名称: Office\n    数据种类: 公开信息；个人信息\n    \
        敏感数据量: 较少\n    恢复时间目标: 240分钟\n    依赖系统: 无\n    等保级别: 第三级\n";
    let table = "System ID,系统名称,kinds-of-data,敏感数据量,rto,depends_on,等保级别\r\n\
        a,Office,public;个人信息,little,4 小时,none,level 3\r\n";
    let first = yaml::read(english).unwrap();
    assert_eq!(first, yaml::read(chinese).unwrap());
    assert_eq!(first, csv::read(table).unwrap());
    let system = &first.systems[0];
    assert_eq!(system.facts.get("data").unwrap(), ["public", "personal"]);
    assert_eq!((system.rto, system.rpo), (Some(240), None));
    assert_eq!((system.depends_on.clone(), system.shares.clone()), (Some(vec![]), None));
}

#[test]
fn unknown_is_an_answer() {
    for word in ["unknown", "未知", "不详", "待定", "\"?\"", "~", "\"\"", ""] {
        let text = format!("systems:\n  - id: a\n    name: A\n    amount: {word}\n");
        let inventory = yaml::read(&text).unwrap();
        assert_eq!(inventory.systems[0].facts.get("amount"), None, "{word}");
    }
}

#[test]
fn malformed_yaml_names_row_line_and_field() {
    let one = |member: &str| format!("systems:\n  - id: a\n    name: A\n    {member}\n");
    let cases: &[(String, &[&str])] = &[
        (one("amount: lots"), &["row 1", "line 4", "field amount", "none (无)", "unknown (未知)"]),
        (one("data: [public, gossip]"), &["row 1", "line 4", "field data", "personal (个人信息)"]),
        (one("data: []"), &["field data", "is an empty list"]),
        (one("data: [public, public]"), &["field data", "twice"]),
        (one("gains: [none, cost]"), &["field gains", "none beside"]),
        (one("amount: [few]"), &["field amount", "one value"]),
        (one("amount: {few: 1}"), &["field amount", "must not hold members"]),
        (one("rto: 4"), &["field rto", "30m"]),
        (one("rto: -4h"), &["field rto", "30m"]),
        (one("rto: 99999999h"), &["field rto", "30m"]),
        (one("level: 6"), &["field level", "1 (第一级)"]),
        (one("colour: crimson"), &["row 1", "field colour", "no heading", "amount"]),
        (one("owner: \"a\\u202eb\""), &["field owner", "is no such text"]),
        (one("owner: \"a\\nb\""), &["field owner", "is no such text"]),
        (one("name: B"), &["row 1", "field name", "stands twice"]),
        (one("系统名称: B"), &["field name", "stands twice"]),
        (one("depends_on: b"), &["field depends_on", "no row has"]),
        (one("depends_on: a"), &["field depends_on", "its own row"]),
        (one("depends_on: [B!]"), &["field depends_on", "is no id"]),
        (one("amount: &x few"), &[]),
        (one("amount: *x"), &["not valid YAML"]),
        (one("amount: !!str few"), &["tag"]),
        ("systems:\n  - id: a\n".into(), &["row 1", "field name", "is required"]),
        ("systems:\n  - name: A\n".into(), &["row 1", "field id", "is required"]),
        ("systems:\n  - id: A b\n    name: A\n".into(), &["field id", "is no id"]),
        ("systems:\n  - {id: a, name: A}\n  - {id: a, name: B}\n".into(),
            &["row 2", "line 3", "field id", "another row"]),
        ("systems: []\n".into(), &["a list of 1 to 300 rows"]),
        ("systems: none\n".into(), &["a list of 1 to 300 rows"]),
        ("systems:\n  - a\n".into(), &["row 1", "must hold members"]),
        ("institution: x\nsystems:\n  - {id: a, name: A}\n".into(), &["`institution` must hold"]),
        ("institution: {stage: old}\nsystems:\n  - {id: a, name: A}\n".into(),
            &["institution", "field stage", "existing (已开业)"]),
        ("servers: []\n".into(), &["unknown member"]),
        ("systems: [\n".into(), &["not valid YAML"]),
        ("- a\n".into(), &["must have a member `systems`"]),
        ("".into(), &["must have a member `systems`"]),
        ("systems:\n  - {id: a, name: A}\n---\nx\n".into(), &["second document"]),
        ("systems: [[[[[[[[x]]]]]]]]\n".into(), &["nested too deeply"]),
    ];
    for (text, wants) in cases {
        let read = yaml::read(text);
        if wants.is_empty() {
            assert!(read.is_ok(), "{text}: {read:?}");
            continue;
        }
        let lines = read.expect_err(text).lines("f.yaml").join("\n");
        assert!(lines.starts_with("f.yaml: "), "{lines}");
        for want in *wants {
            assert!(lines.contains(want), "{text}\nsays {lines}\nwithout {want}");
        }
        for value in ["lots", "gossip", "crimson", "99999999"] {
            assert!(!lines.contains(value), "a value is repeated: {lines}");
        }
    }
}

#[test]
fn every_flaw_is_told_up_to_a_bound() {
    let text = "systems:\n  - id: a\n    amount: x\n    level: x\n  - name: B\n    load: x\n";
    assert_eq!(yaml::read(text).unwrap_err().flaws.len(), 5);
    let rows: Vec<_> = (0..80).map(|n| json!({ "id": format!("a{n}") })).collect();
    let refused = read_rows(json!({}), rows).unwrap_err();
    assert_eq!((refused.flaws.len(), refused.more), (limits::FLAWS, 30));
    assert!(refused.lines("f").last().unwrap().contains("30 more"));
}

#[test]
fn tables_are_taken_as_rfc_4180_has_them() {
    let good = "\u{feff}id,name,purpose\n\"a\",\"A, \"\"big\"\" one\",\n\nb,B,two\n";
    let inventory = csv::read(good).unwrap();
    assert_eq!(inventory.systems[0].facts.text("name"), "A, \"big\" one");
    assert_eq!(inventory.systems[0].facts.get("purpose"), None);
    assert_eq!(inventory.systems.len(), 2);
    let cases = [
        ("id,name\na\n", "line 2: has 1 cells, but there are 2 headings"),
        ("id,name\na,\"A\n", "line 2: has a quoted cell that does not end"),
        ("id,name\na,\"A\"x\n", "line 2: has text after a closing quote"),
        ("id,name\na,A\"x\n", "line 2: has a quote inside a cell"),
        ("id,name\na,\"A\nB\"\n", "line 2, field name: is no such text"),
        ("id,name,amount\na,A,\n\nb,B,lots\n", "row 2, line 4, field amount: is none of the words"),
        ("id,name,id\na,A,b\n", "line 1, field id: stands twice"),
        ("id,nom\na,A\n", "line 1, field nom: is no heading"),
        ("id,nom\na,A\n", "line 1, field name: is missing among the headings"),
        ("id,name,\na,A,x\n", "row 1, line 2: has a cell in a column without a heading"),
        ("id;name\na;A;B\n", "line 2: has 3 cells, but there are 2 headings"),
        ("id,name\n", "a list of 1 to 300 rows"),
        ("", "is empty"),
    ];
    for (text, want) in cases {
        let lines = csv::read(text).unwrap_err().lines("f.csv").join("\n");
        assert!(lines.contains(want), "{text:?} says {lines}");
    }
}

#[test]
fn tables_may_have_other_separators() {
    let comma = csv::read("id,name,data,purpose\na,A,public；personal,\"x, y; z\"\n").unwrap();
    for (text, what) in [
        ("id;name;data;purpose\na;A;public；personal;\"x, y; z\"\n", "semicolons"),
        ("id;name;data;purpose\na;A;\"public;personal\";\"x, y; z\"\n", "a list in quotes"),
        ("\u{feff}id\tname\tdata\tpurpose\r\na\tA\tpublic;personal\t\"x, y; z\"\r\n", "tabs"),
        ("\n系统编号;系统名称;数据种类;业务说明;;\na;A;public、personal;\"x, y; z\";;\n", "empty columns"),
    ] {
        assert_eq!(csv::read(text).unwrap_or_else(|e| panic!("{what}: {e:?}")), comma, "{what}");
    }
}

#[test]
fn a_wrong_heading_is_told_once() {
    let rows = "a,A,b,x\n".repeat(40);
    let flaws = csv::read(&format!("id,name,id,colour\n{rows}")).unwrap_err().flaws;
    let told: Vec<(usize, &str)> = flaws.iter().map(|flaw| (flaw.line, flaw.field.as_str())).collect();
    assert_eq!(told, [(1, "id"), (1, "colour")]);
    // All torn rows at once.
    let flaws = csv::read("id,name\na\nb,B\nc\n").unwrap_err().flaws;
    assert_eq!(flaws.iter().map(|flaw| flaw.line).collect::<Vec<_>>(), [2, 4]);
}

#[test]
fn a_name_that_is_too_long_is_not_missing() {
    let long = "文".repeat(limits::TEXT + 1);
    for differs in [[("name", long.as_str())], [("id", "A b")]] {
        let flaws = read_rows(json!({}), vec![row("a", &differs)]).unwrap_err().flaws;
        let says: Vec<&str> = flaws.iter().map(|flaw| flaw.says.as_str()).collect();
        assert!(says.len() == 1 && !says[0].contains("required"), "{says:?}");
    }
}

#[test]
fn kinds_of_data_and_their_amount_go_together() {
    for (data, amount, fine) in [
        ("public", "none", true), ("public", "few", false), ("public", "massive", false),
        ("public", "unknown", true), ("personal", "none", false), ("public;personal", "none", false),
        ("public;personal", "few", true), ("state_secret", "none", false), ("unknown", "massive", true),
        ("unknown", "none", true),
    ] {
        let read = read_rows(json!({}), vec![row("a", &[("data", data), ("amount", amount)])]);
        assert_eq!(read.is_ok(), fine, "{data}, {amount}");
        if let Err(malformed) = read {
            let lines = malformed.lines("f").join("\n");
            assert!(lines.starts_with("f: row 1, field amount: says that there is"), "{lines}");
            assert_eq!(malformed.flaws.len(), 1);
        }
    }
}

#[test]
fn a_document_may_speak_of_the_institution_alone() {
    let facts = yaml::about("institution:\n  stage: existing\n  private_cloud: 无\n").unwrap();
    assert_eq!((facts.text("stage"), facts.text("private_cloud")), ("existing", "no"));
    let same = yaml::about("机构:\n  机构阶段: 已开业\n  私有云: no\n").unwrap();
    assert_eq!(facts, same);
    let cases = [
        ("institution:\n  stage: old\n", "institution, line 2, field stage: is none of the words"),
        ("institution: x\n", "`institution` must hold members"),
        ("institution:\n  stage: new\nsystems:\n  - {id: a, name: A}\n", "has a member beside `institution`"),
        ("stage: new\n", "has a member beside `institution`"),
        ("", "must have a member `institution`"),
        ("{}\n", "must have a member `institution`"),
    ];
    for (text, want) in cases {
        let lines = yaml::about(text).unwrap_err().lines("f").join("\n");
        assert!(lines.contains(want), "{text:?} says {lines}");
    }
}

#[test]
fn json_tells_all_that_is_no_text() {
    let flaws = read_rows(json!({ "stage": 1 }), vec![json!({ "id": 7, "name": true })]).unwrap_err().flaws;
    let fields: Vec<&str> = flaws.iter().map(|flaw| flaw.field.as_str()).collect();
    assert_eq!(fields, ["institution.stage", "systems[0].id", "systems[0].name"]);
}

#[test]
fn an_inventory_has_a_bound() {
    let rows = |n: usize| (0..n).map(|i| row(&format!("s{i}"), &[])).collect::<Vec<_>>();
    assert!(read_rows(json!({}), rows(limits::SYSTEMS)).is_ok());
    assert!(read_rows(json!({}), rows(limits::SYSTEMS + 1)).is_err());
    let long = " ".repeat(limits::BYTES + 1);
    assert!(yaml::read(&long).is_err() && csv::read(&long).is_err());
    let text = |n: usize| {
        let long = "文".repeat(n);
        read_rows(json!({}), vec![row("a", &[("purpose", long.as_str())])])
    };
    assert!(text(limits::TEXT).is_ok());
    assert!(text(limits::TEXT + 1).is_err());
    let many = |n: usize| {
        let all = (0..n).map(|i| format!("i{i}")).collect::<Vec<_>>().join(";");
        read_rows(json!({}), vec![row("a", &[("interfaces", all.as_str())])])
    };
    assert!(many(limits::VALUES).is_ok());
    assert!(many(limits::VALUES + 1).is_err());
}

#[test]
fn spans_of_time() {
    let cases = [("30m", Some(30)), ("4h", Some(240)), ("2d", Some(2880)), ("0m", Some(0)),
        ("30分钟", Some(30)), ("4 小时", Some(240)), ("2天", Some(2880)), ("4", None), ("h", None),
        ("-4h", None), ("1.5h", None), ("4294967296m", None), ("999999d", Some(1_439_998_560))];
    for (text, want) in cases {
        assert_eq!(minutes(text), want, "{text}");
    }
}
