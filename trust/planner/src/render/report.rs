//! What the document says, in its order: summary, waves, what comes before, what stays outside, who
//! answers for what, projects, questions, a page for each system, the clauses.

use super::{Block, Lang, svg};
use crate::fields::{self, Kind};
use crate::plan::{Migration, Plan, Project, SystemPlan};
use crate::rules::{Conclusion, Input, Reason};
use crate::words::*;
use std::collections::{BTreeMap, BTreeSet};

/// The whole document.
pub fn blocks(plan: &Plan, lang: Lang) -> Vec<Block> {
    let teller = Teller { plan, lang };
    let mut out = Vec::new();
    teller.opening(&mut out);
    teller.order(&mut out);
    teller.outside(&mut out);
    teller.duties(&mut out);
    teller.projects(&mut out);
    teller.questions(&mut out);
    plan.systems.iter().for_each(|system| teller.system(system, &mut out));
    teller.clauses(&mut out);
    out
}

struct Teller<'p> {
    plan: &'p Plan,
    lang: Lang,
}

impl<'p> Teller<'p> {
    fn pick<'t>(&self, zh: &'t str, en: &'t str) -> &'t str {
        self.lang.pick(zh, en)
    }

    fn say(&self, zh: &str, en: &str) -> String {
        self.pick(zh, en).into()
    }

    fn head(&self, columns: &[(&str, &str)]) -> Vec<String> {
        columns.iter().map(|(zh, en)| self.say(zh, en)).collect()
    }

    fn word<W: Word>(&self, word: W) -> String {
        let label = word.label();
        self.say(label.zh, label.en)
    }

    fn maybe<W: Word>(&self, word: Option<W>) -> String {
        word.map_or_else(|| self.say("待定", "undecided"), |word| self.word(word))
    }

    fn joined(&self, parts: &[String]) -> String {
        parts.join(self.pick("、", ", "))
    }

    fn name(&self, id: &str) -> &'p str {
        let system = self.plan.systems.iter().find(|s| s.id == id);
        system.map_or("", |s| self.lang.pick(&s.name, &s.name_en))
    }

    fn names(&self, ids: &[String]) -> String {
        let names: Vec<String> = ids.iter().map(|id| self.name(id).to_string()).collect();
        self.joined(&names)
    }

    /// A sentence with its clauses.
    fn reason(&self, reason: &Reason) -> String {
        let text = self.pick(&reason.zh, &reason.en);
        if reason.cites.is_empty() {
            return text.into();
        }
        let cites = reason.cites.join(self.pick("、", ", "));
        match self.lang {
            Lang::Zh => format!("{text}（{cites}）"),
            Lang::En => format!("{text} ({cites})"),
        }
    }

    fn reasons(&self, reasons: &[Reason]) -> Vec<String> {
        reasons.iter().map(|reason| self.reason(reason)).collect()
    }

    fn field(&self, code: &str) -> &'static str {
        fields::field(code).map_or("", |field| self.lang.pick(field.zh, field.en))
    }

    /// The values of an input, in words.
    fn values(&self, input: &Input) -> String {
        let Some(values) = &input.value else { return self.say("未知", "unknown") };
        if values.is_empty() {
            return self.say("无", "none");
        }
        let field = fields::field(input.field);
        if field.is_some_and(|field| matches!(field.kind, Kind::Ids)) {
            return self.names(values);
        }
        let labels = field.map(fields::Field::labels).unwrap_or_default();
        let shown = |value: &String| {
            let label = labels.iter().find(|label| label.code == value);
            label.map_or_else(|| value.clone(), |label| self.say(label.zh, label.en))
        };
        self.joined(&values.iter().map(shown).collect::<Vec<String>>())
    }

    fn inputs(&self, inputs: &[Input]) -> String {
        let one = |input: &Input| match self.lang {
            Lang::Zh => format!("{}：{}", self.field(input.field), self.values(input)),
            Lang::En => format!("{}: {}", self.field(input.field), self.values(input)),
        };
        let all: Vec<String> = inputs.iter().map(one).collect();
        all.join(self.pick("；", "; "))
    }

    fn fields(&self, codes: &[&'static str]) -> String {
        let names: Vec<String> = codes.iter().map(|code| self.field(code).to_string()).collect();
        self.joined(&names)
    }

    fn opening(&self, out: &mut Vec<Block>) {
        let plan = self.plan;
        let title = self.pick("信息系统云化规划", "Plan of a move to the cloud");
        out.push(Block::Title(match plan.name.is_empty() {
            true => title.into(),
            false => format!("{}{}{title}", plan.name, self.pick("", ": ")),
        }));
        out.push(Block::Text(self.say(
            "本规划由信息系统清单按条文逐项推导。每项结论都注明条款编号和所依据的输入；缺少输入的不作推断，\
             列为待答问题。规划是建议，定级、审批与监管沟通仍由机构完成。",
            "This plan is derived from an inventory of information systems. Each conclusion names its \
             clauses and the inputs it rests on. Where an input is missing nothing is guessed; it is \
             asked. A plan proposes: grading, approval and supervisors' consent remain the institution's.",
        )));
        out.push(Block::Text(self.say(
            "编号以 IAC- 开头的出自 T/IAC CCSA 32—2019，以 GD- 开头的出自云计算服务安全指南 2020 年征求意见稿\
             （经二手介绍），其余出自 JR/T 0167—2020。",
            "Ids that begin with IAC- are of T/IAC CCSA 32-2019, with GD- of the 2020 draft of the \
             security guide for cloud services (known at second hand), all others of JR/T 0167-2020.",
        )));
        out.push(Block::Heading(2, self.say("摘要", "Summary")));
        let known = |input: &&Input| input.value.is_some();
        let institution: Vec<Input> = plan.institution.iter().filter(known).cloned().collect();
        if !institution.is_empty() {
            out.push(Block::Text(self.inputs(&institution)));
        }
        let summary = &plan.summary;
        out.push(Block::Text(match self.lang {
            Lang::Zh => format!(
                "共 {} 个系统，其中 {} 个不应使用金融云；提出 {} 个项目；尚有 {} 个问题，其中 {} 个是请复核已有的\
                 回答；未决条件 {} 项，涉及 {} 个系统。",
                summary.systems, summary.barred, summary.projects, summary.questions, summary.again,
                summary.conditions, summary.conditional,
            ),
            Lang::En => format!(
                "{} systems, of which {} must not use a finance cloud; {} projects; {} questions, {} of \
                 them about answers to look at again; {} open conditions, about {} systems.",
                summary.systems, summary.barred, summary.projects, summary.questions, summary.again,
                summary.conditions, summary.conditional,
            ),
        }));
        if !plan.conditions.is_empty() {
            out.push(Block::Text(self.say(
                "以下系统虽已排入批次，未决条件落实之前不迁：",
                "These systems have their wave and do not move before the open condition is settled:",
            )));
            let items = plan.conditions.iter().map(|condition| {
                let group = condition.group.map_or(String::new(), |group| format!("G{group} "));
                let (names, why) = (self.names(&condition.systems), self.reason(&condition.why));
                format!("{group}{names}{}{why}", self.pick("：", ": "))
            });
            out.push(Block::List(items.collect()));
        }
        let mut rows = Vec::new();
        self.counts::<Class>(&mut rows, self.pick("系统分类", "class"), &summary.class);
        self.counts::<Model>(&mut rows, self.pick("部署模型", "deployment model"), &summary.model);
        self.counts::<Service>(&mut rows, self.pick("服务类别", "category of service"), &summary.service);
        self.counts::<Turn>(&mut rows, self.pick("迁移批次", "wave"), &summary.wave);
        let head = self.head(&[("项目", "by"), ("取值", "value"), ("系统数", "systems")]);
        out.push(Block::Table(head, rows));
    }

    /// Rows of the summary: the words of a list in their order, then what is undecided or stays.
    fn counts<W: Word>(&self, rows: &mut Vec<Vec<String>>, by: &str, counts: &BTreeMap<String, usize>) {
        let mut put = |value: String, count: &usize| {
            rows.push(vec![by.into(), value, count.to_string()]);
        };
        for (word, label) in W::ALL {
            if let Some(count) = counts.get(label.code) {
                put(self.word(*word), count);
            }
        }
        if let Some(count) = counts.get("stay").filter(|_| W::of("stay").is_none()) {
            put(self.word(Model::Stay), count);
        }
        if let Some(count) = counts.get("undecided") {
            put(self.say("待定", "undecided"), count);
        }
    }

    fn order(&self, out: &mut Vec<Block>) {
        let plan = self.plan;
        out.push(Block::Heading(2, self.say("迁移批次", "Waves")));
        out.push(Block::Picture(svg::picture(plan, self.lang)));
        let head = self.head(&[("批次", "wave"), ("次序", "place"), ("系统", "system"), ("分类", "class"),
            ("部署模型", "model"), ("服务类别", "service"), ("护栏", "guardrails"),
            ("同组与未决条件", "group, open condition")]);
        let mut rows = Vec::new();
        for wave in &plan.waves {
            for (i, id) in wave.systems.iter().enumerate() {
                let Some(system) = plan.systems.iter().find(|s| s.id == *id) else { continue };
                let mut group = system.migration.group.map_or(String::new(), |group| format!("G{group}"));
                if plan.conditions.iter().any(|condition| condition.systems.contains(id)) {
                    group.push_str(self.pick(" 未决", " open"));
                }
                rows.push(vec![
                    wave.wave.to_string(),
                    (i + 1).to_string(),
                    self.name(id).into(),
                    self.maybe(system.class.is),
                    self.maybe(system.model.is),
                    self.maybe(system.service.is),
                    self.maybe(system.profile.is),
                    group,
                ]);
            }
        }
        out.push(Block::Table(head, rows));
        out.extend(plan.waves.first().map(|wave| Block::Text(self.reason(&wave.why))));
        for group in &plan.groups {
            let title = match self.lang {
                Lang::Zh => format!("G{}：{}", group.group, self.names(&group.systems)),
                Lang::En => format!("G{}: {}", group.group, self.names(&group.systems)),
            };
            out.push(Block::Text(title));
            out.push(Block::List(self.reasons(&group.why)));
        }
        out.push(Block::Heading(2, self.say("先行工作", "Before anything moves")));
        out.push(Block::List(self.reasons(&plan.before)));
    }

    fn outside(&self, out: &mut Vec<Block>) {
        let plan = self.plan;
        out.push(Block::Heading(2, self.say("不用金融云与不上云的系统", "Systems outside of a finance cloud")));
        if plan.outside.is_empty() {
            out.push(Block::Text(self.say("没有。", "None.")));
        } else {
            let head = self.head(&[("系统", "system"), ("准入", "admission"), ("去处", "place"),
                ("理由", "why")]);
            let rows = plan.outside.iter().map(|one| vec![
                self.name(&one.system).into(),
                self.maybe(one.admission),
                self.maybe(one.model),
                self.reasons(&one.why).join(self.pick("", " ")),
            ]);
            out.push(Block::Table(head, rows.collect()));
        }
        if !plan.undecided.is_empty() {
            let say = self.pick("待答问题未清、暂不能排批次的系统：",
                "Systems that cannot be placed before questions are answered: ");
            out.push(Block::Text(format!("{say}{}", self.names(&plan.undecided))));
        }
    }

    fn duties(&self, out: &mut Vec<Block>) {
        out.push(Block::Heading(2, self.say("责任划分矩阵", "Who answers for what")));
        out.push(Block::Text(self.say(
            "私有云上“服务商”一栏由机构自己的云平台团队承担。机构对业务与数据的最终责任在任何一栏都不减轻。",
            "On a private cloud the provider's cells are the institution's own platform team's. In no \
             column is the institution's final responsibility for business and data lessened.",
        )));
        let head = self.head(&[("层", "layer"), ("IaaS", "IaaS"), ("PaaS", "PaaS"), ("SaaS", "SaaS"),
            ("条款", "clauses")]);
        let rows = self.plan.responsibilities.iter().map(|duty| vec![
            self.say(duty.zh, duty.en),
            self.word(duty.iaas),
            self.word(duty.paas),
            self.word(duty.saas),
            duty.cites.join(self.pick("、", ", ")),
        ]);
        out.push(Block::Table(head, rows.collect()));
    }

    fn projects(&self, out: &mut Vec<Block>) {
        out.push(Block::Heading(2, self.say("项目与护栏", "Projects and guardrails")));
        let head = self.head(&[("项目", "project"), ("系统", "system"), ("环境", "environment"),
            ("部署模型", "model"), ("服务类别", "service"), ("护栏", "guardrails"), ("批次", "wave"),
            ("条款", "clauses")]);
        let row = |project: &Project| vec![
            project.name.clone(),
            self.name(&project.system).into(),
            self.word(project.environment),
            self.word(project.model),
            self.maybe(project.service),
            self.word(project.profile),
            project.wave.map_or_else(|| self.say("待定", "undecided"), |wave| wave.to_string()),
            project.cites.join(self.pick("、", ", ")),
        ];
        out.push(Block::Table(head, self.plan.projects.iter().map(row).collect()));
        out.push(Block::Text(self.say(
            "各档护栏所拒绝的，逐档累加；此外的要求见各系统“迁移前须完成”。",
            "What the guardrails of each profile refuse, one on top of the other; whatever else is \
             asked is under \"Before it moves\" of each system.",
        )));
        let guards = self.plan.guardrails.iter().map(|guard| {
            let (profile, refuses) = (self.word(guard.profile), self.reason(&guard.refuses));
            format!("{profile}{}{refuses}", self.pick("：", ": "))
        });
        out.push(Block::List(guards.collect()));
    }

    fn questions(&self, out: &mut Vec<Block>) {
        out.push(Block::Heading(2, self.say("待答问题", "Questions")));
        if self.plan.questions.is_empty() {
            out.push(Block::Text(self.say("没有。", "None.")));
            return;
        }
        let head = self.head(&[("对象", "about"), ("字段", "field"), ("问题", "question"),
            ("为何要问", "because of")]);
        let rows = self.plan.questions.iter().map(|question| vec![
            match &question.system {
                Some(id) => self.name(id).into(),
                None => self.say("机构", "the institution"),
            },
            question.field.into(),
            self.say(question.zh, question.en),
            question.cites.join(self.pick("、", ", ")),
        ]);
        out.push(Block::Table(head, rows.collect()));
    }

    /// A row of a system's conclusions.
    fn conclusion<W: Word>(&self, name: &str, conclusion: &Conclusion<W>) -> Vec<String> {
        let open = !conclusion.ask.is_empty() || !conclusion.after.is_empty();
        let is = match (conclusion.is, conclusion.given) {
            (Some(word), true) => format!("{}{}", self.word(word), self.pick("（给定）", " (stated)")),
            (Some(word), false) => self.word(word),
            (None, _) if open => self.say("待定", "undecided"),
            (None, _) => self.say("不适用", "does not apply"),
        };
        let mut rests = self.inputs(&conclusion.rests_on);
        if !conclusion.ask.is_empty() {
            let ask = self.fields(&conclusion.ask);
            rests = format!("{}{ask}", self.pick("缺：", "missing: "));
        } else if !conclusion.after.is_empty() {
            let after = self.fields(&conclusion.after);
            rests = format!("{}{after}", self.pick("先要定：", "first: "));
        }
        vec![name.into(), is, self.reasons(&conclusion.why).join(self.pick("", " ")), rests]
    }

    fn system(&self, system: &SystemPlan, out: &mut Vec<Block>) {
        out.push(Block::Page);
        out.push(Block::Heading(2, format!("{} ({})", self.name(&system.id), system.id)));
        let about: Vec<Input> =
            system.about.iter().filter(|input| input.value.is_some()).cloned().collect();
        if !about.is_empty() {
            out.push(Block::Text(self.inputs(&about)));
        }
        let head = self.head(&[("结论项", "conclusion"), ("结论", "is"), ("理由", "why"),
            ("所依据的输入", "rests on")]);
        out.push(Block::Table(head, vec![
            self.conclusion(self.pick("系统分类", "class"), &system.class),
            self.conclusion(self.pick("信息类型", "type of information"), &system.info),
            self.conclusion(self.pick("业务类型", "type of business"), &system.business),
            self.conclusion(self.pick("等保级别", "classified protection"), &system.level),
            self.conclusion(self.pick("重要性", "importance"), &system.importance),
            self.conclusion(self.pick("保护能力", "protection"), &system.protection),
            self.conclusion(self.pick("恢复档次", "step of recovery"), &system.recovery),
            self.conclusion(self.pick("金融云准入", "admission"), &system.admission),
            self.conclusion(self.pick("部署模型", "deployment model"), &system.model),
            self.conclusion(self.pick("服务类别", "category of service"), &system.service),
            self.conclusion(self.pick("护栏档", "guardrails"), &system.profile),
        ]));
        self.migration(&system.migration, out);
        out.push(Block::Heading(3, self.say("需求分析", "Needs")));
        let head = self.head(&[("方面", "aspect"), ("已知", "given"), ("推论", "what follows"),
            ("要问", "to ask")]);
        let rows = system.needs.iter().map(|need| vec![
            format!("{} {}", need.clause, self.pick(need.zh, need.en)),
            self.inputs(&need.given),
            self.reasons(&need.follows).join(self.pick("", " ")),
            self.fields(&need.ask),
        ]);
        out.push(Block::Table(head, rows.collect()));
        self.split(system, out);
        let lists = [
            (self.pick("数据所在", "Place of data"), &system.residence),
            (self.pick("迁移前须完成", "Before it moves"), &system.before),
            (self.pick("迁移前须完成，而本平台不提供", "Before it moves: not offered by this platform"),
                &system.lacks),
            (self.pick("回退与退出", "The way back, and out"), &system.exit),
        ];
        for (title, reasons) in lists {
            if !reasons.is_empty() {
                out.push(Block::Heading(3, title.into()));
                out.push(Block::List(self.reasons(reasons)));
            }
        }
    }

    fn migration(&self, migration: &Migration, out: &mut Vec<Block>) {
        out.push(Block::Heading(3, self.say("迁移次序", "Place in the order")));
        let at = match (self.lang, migration.wave, migration.place) {
            (Lang::Zh, Some(wave), Some(place)) => format!("第{wave}批，批内第{place}位。"),
            (Lang::En, Some(wave), Some(place)) => format!("Wave {wave}, place {place}."),
            _ => self.say("未排批次。", "No wave."),
        };
        out.push(Block::Text(at));
        out.push(Block::List(self.reasons(&migration.why)));
    }

    fn split(&self, system: &SystemPlan, out: &mut Vec<Block>) {
        let Some(service) = system.service.is else { return };
        let mut by: BTreeMap<Party, BTreeSet<usize>> = BTreeMap::new();
        for part in &system.responsibilities {
            let layer = self.plan.responsibilities.iter().position(|duty| duty.layer == part.layer);
            by.entry(part.party).or_default().extend(layer);
        }
        let title = self.pick("责任划分", "Who answers for it");
        out.push(Block::Heading(3, format!("{title} ({})", self.word(service))));
        let own = system.model.is == Some(Model::Private);
        let items = by.iter().map(|(party, layers)| {
            let who = match own && *party == Party::Provider {
                true => self.say("机构自己的云平台团队", "the institution's own platform team"),
                false => self.word(*party),
            };
            let layers: Vec<String> = layers.iter()
                .filter_map(|i| self.plan.responsibilities.get(*i))
                .map(|duty| self.say(duty.zh, duty.en)).collect();
            format!("{who}{}{}", self.pick("：", ": "), layers.join(self.pick("；", "; ")))
        });
        out.push(Block::List(items.collect()));
    }

    fn clauses(&self, out: &mut Vec<Block>) {
        out.push(Block::Page);
        out.push(Block::Heading(2, self.say("引用的条款", "Clauses cited")));
        let head = self.head(&[("编号", "id"), ("要点", "about")]);
        let rows = self.plan.clauses.iter()
            .map(|clause| vec![clause.id.to_string(), self.say(clause.zh, clause.en)]);
        out.push(Block::Table(head, rows.collect()));
    }
}
