//! The statement of shared responsibility: who carries which clause, and how each half stands.
//!
//! For each tenant one document, as a page and as JSON. A tenant's own states replace those that
//! the assessment has for tenants in general; it sees no other tenant. What is physical, a document
//! or done by people is stated alike: a border that names the technical clauses only is none.

use crate::html::{badge, both, document, esc, titles, told};
use crate::model::{Assessment, Clause, Side, State, Tenant};
use crate::words::{self, Both, line, minute};
use serde_json::{Value, json};

/// A statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// How its files are named: `responsibility-<word>`.
    pub name: String,
    /// For people.
    pub html: String,
    /// For machines.
    pub json: Value,
}

/// One statement for each tenant; one in general if none is named.
pub fn statements(of: &Assessment, made: i64) -> Vec<Statement> {
    let general = [Tenant::default()];
    let tenants = if of.tenants.is_empty() { &general[..] } else { &of.tenants[..] };
    let mut done: Vec<Statement> = Vec::new();
    for tenant in tenants {
        let plain: String = tenant.id.chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(64).collect();
        let plain = if plain.is_empty() { "general".to_string() } else { plain };
        let mut name = format!("responsibility-{plain}");
        // Ids that differ in other characters only are still two tenants.
        while done.iter().any(|d| d.name == name) {
            name.push_str("-x");
        }
        done.push(Statement { name, html: page(of, tenant, made), json: facts(of, tenant, made) });
    }
    done
}

/// How the tenant's half stands; `None` if it has none.
fn theirs(tenant: &Tenant, clause: &Clause) -> Option<State> {
    let has = matches!(clause.duty, Side::User | Side::Both);
    has.then(|| tenant.states.get(&clause.id).copied().or(clause.tenant_state).unwrap_or_default())
}

/// How the provider's half stands; `None` if it has none.
fn ours(clause: &Clause) -> Option<State> {
    (clause.duty != Side::User).then_some(clause.state)
}

fn asked(clauses: &[Clause]) -> impl Iterator<Item = &Clause> {
    clauses.iter().filter(|c| c.state != State::Informative)
}

fn counts(of: &Assessment) -> [usize; 4] {
    let count = |side: Side| {
        of.standards.iter().flat_map(|s| asked(&s.clauses)).filter(|c| c.duty == side).count()
    };
    [Side::Provider, Side::User, Side::Both, Side::Other].map(count)
}

fn facts(of: &Assessment, tenant: &Tenant, made: i64) -> Value {
    let standards: Vec<Value> = of.standards.iter().map(|s| {
        let clauses: Vec<Value> = asked(&s.clauses).map(|c| json!({
            "id": c.id,
            "level": c.level,
            "kind": c.kind,
            "duty": words::side_code(c.duty),
            "title_zh": c.title_zh,
            "title_en": c.title_en,
            "provider_state": ours(c).map(words::code),
            "tenant_state": theirs(tenant, c).map(words::code),
            "provider_does": c.platform,
            "provider_does_zh": c.platform_zh,
            "tenant_does": c.tenant_does,
            "tenant_does_zh": c.tenant_does_zh,
            "platform_sees": c.seen,
            "platform_sees_zh": c.seen_zh,
            "not_answered": c.missing,
            "not_answered_zh": c.missing_zh,
        })).collect();
        json!({ "id": s.id, "name": s.name, "clauses": clauses })
    }).collect();
    let [provider, user, both, other] = counts(of);
    json!({
        "format": "jinyun-responsibility/1",
        "instance": of.instance,
        "tenant": { "id": tenant.id, "name": tenant.name },
        "made": made,
        "period": { "from": of.period.from, "to": of.period.to },
        "counts": { "provider": provider, "tenant": user, "both": both, "not_said": other },
        "standards": standards,
    })
}

fn page(of: &Assessment, tenant: &Tenant, made: i64) -> String {
    let name = match (tenant.name.is_empty(), tenant.id.is_empty()) {
        (false, _) => line(&tenant.name),
        (true, false) => line(&tenant.id),
        (true, true) => "各租户 every tenant".to_string(),
    };
    let [provider, user, shared, other] = counts(of);
    let mut body = format!(
        "<header>\n<h1>{}</h1>\n<p>{}: {}<br>{}: {}<br>{}: {} - {}<br>{}: {}</p>\n<p>{}: {provider}; \
         {}: {user}; {}: {shared}; {}: {other}</p>\n</header>\n",
        both(("责任共担声明", "Statement of shared responsibility")),
        both(("租户", "Tenant")), esc(&name), both(("实例", "Instance")), esc(&of.instance),
        both(("评估期间", "Period")), esc(&minute(Some(of.period.from))),
        esc(&minute(Some(of.period.to))), both(("生成于", "Made")), esc(&minute(Some(made))),
        both(("提供方条款", "provider's")), both(("租户条款", "tenant's")),
        both(("双方条款", "both")), both(("未注明", "not said")),
    );
    let groups: [(Side, Both); 4] = [
        (Side::Both, ("双方各有部分", "Each has a part")),
        (Side::User, ("租户承担", "The tenant's")),
        (Side::Provider, ("提供方承担", "The provider's")),
        (Side::Other, ("未注明", "Not said")),
    ];
    for (side, title) in groups {
        let rows: String = of.standards.iter().flat_map(|s| asked(&s.clauses).map(move |c| (s, c)))
            .filter(|(_, c)| c.duty == side).map(|(s, c)| {
                let state = |state: Option<State>| state.map(badge).unwrap_or_else(|| "-".into());
                format!("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}<br>{}</td></tr>\n",
                    esc(&s.name), esc(&c.id), titles(&c.title_zh, &c.title_en), state(ours(c)),
                    state(theirs(tenant, c)), told(&c.tenant_does_zh, &c.tenant_does))
            }).collect();
        if rows.is_empty() {
            continue;
        }
        let heads: [Both; 5] = [("标准", "Standard"), ("条款", "Clause"), ("标题", "Title"),
            ("提供方", "Provider's half"), ("租户", "Tenant's half")];
        let heads: String = heads.iter().map(|h| format!("<th>{}</th>", both(*h))).collect();
        body.push_str(&format!("<h2>{}</h2>\n<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\
            </tbody>\n</table>\n", both(title)));
    }
    body.push_str(&format!("<p>{}</p>\n", both((
        "租户部分的状态来自平台的记录；平台看不到租户系统内部。",
        "How the tenant's half stands is what the platform has on record; it does not see into the \
         tenant's systems.",
    ))));
    document(&format!("责任共担声明 Shared responsibility: {name}"), &body)
}
