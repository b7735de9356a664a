//! The picture of the waves: a column each, a box for each system in its order.

use super::Lang;
use super::html::plain;
use crate::plan::{Plan, SystemPlan};
use crate::words::{Model, Word};
use std::fmt::Write;

const COLUMN: usize = 196;
const BOX: usize = 180;
const ROW: usize = 30;
const TOP: usize = 40;

fn colour(model: Option<Model>) -> &'static str {
    match model {
        Some(Model::Public) => "#d5ecd4",
        Some(Model::Community) => "#d3e3f6",
        Some(Model::Private) => "#f7e2c8",
        Some(Model::Hybrid) => "#e8d8f3",
        Some(Model::Stay) => "#e0e0e0",
        None => "#fff4bf",
    }
}

/// At most so many characters; Chinese ones count twice.
fn short(text: &str, room: usize) -> String {
    let mut used = 0;
    let mut out = String::new();
    for c in text.chars() {
        used += if c.is_ascii() { 1 } else { 2 };
        if used > room {
            out.push('…');
            break;
        }
        out.push(c);
    }
    out
}

/// The picture.
pub fn picture(plan: &Plan, lang: Lang) -> String {
    let at = |wave: usize| {
        let mut here: Vec<&SystemPlan> =
            plan.systems.iter().filter(|s| s.migration.wave == Some(wave)).collect();
        here.sort_by_key(|s| s.migration.place);
        here
    };
    let mut columns: Vec<(String, Vec<&SystemPlan>)> = plan.waves.iter().map(|wave| {
        let title = match lang {
            Lang::Zh => format!("第{}批", wave.wave),
            Lang::En => format!("wave {}", wave.wave),
        };
        (title, at(wave.wave))
    }).collect();
    let stays = |s: &&SystemPlan| s.model.is == Some(Model::Stay);
    let open = |s: &&SystemPlan| s.migration.wave.is_none() && s.model.is != Some(Model::Stay);
    let rest: [(&str, Vec<&SystemPlan>); 2] = [
        (lang.pick("待定", "undecided"), plan.systems.iter().filter(open).collect()),
        (lang.pick("不上云", "stays"), plan.systems.iter().filter(stays).collect()),
    ];
    for (title, systems) in rest {
        if !systems.is_empty() {
            columns.push((title.into(), systems));
        }
    }
    let tall = columns.iter().map(|(_, systems)| systems.len()).max().unwrap_or_default();
    let width = columns.len().max(4) * COLUMN;
    let height = TOP + tall * ROW + 40;
    let mut out = String::new();
    // Nobody writes to a String in vain.
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>{}</title>",
        lang.pick("迁移批次图", "the waves of the migration"),
    );
    for (i, (title, systems)) in columns.iter().enumerate() {
        let x = i * COLUMN + 8;
        let head = format!("{title} ({})", systems.len());
        let _ = writeln!(out, "<text x=\"{x}\" y=\"24\" font-weight=\"bold\">{}</text>", plain(&head));
        for (j, system) in systems.iter().enumerate() {
            let y = TOP + j * ROW;
            // Systems of one group have a dashed frame and the group's number.
            let (dash, group) = match system.migration.group {
                Some(group) => (" stroke-dasharray=\"4 2\"", format!("G{group}")),
                None => ("", String::new()),
            };
            let _ = writeln!(
                out,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{BOX}\" height=\"24\" rx=\"3\" fill=\"{}\" \
                 stroke=\"#5b6470\"{dash}/>\n<text x=\"{}\" y=\"{}\">{}</text>\n\
                 <text x=\"{}\" y=\"{}\" text-anchor=\"end\" font-size=\"10\">{group}</text>",
                colour(system.model.is), x + 6, y + 16,
                plain(&short(lang.pick(&system.name, &system.name_en), 24)),
                x + BOX - 5, y + 16,
            );
        }
    }
    let mut x = 8;
    let y = TOP + tall * ROW + 12;
    let known = Model::ALL.iter().map(|(model, label)| {
        (Some(*model), lang.pick(label.zh, label.en))
    });
    for (model, name) in known.chain([(None, lang.pick("待定", "undecided"))]) {
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"14\" height=\"14\" fill=\"{}\" stroke=\"#5b6470\"/>\n\
             <text x=\"{}\" y=\"{}\" font-size=\"11\">{}</text>",
            colour(model), x + 18, y + 11, plain(name),
        );
        let wide: usize = name.chars().map(|c| if c.is_ascii() { 6 } else { 12 }).sum();
        x += 34 + wide;
    }
    out.push_str("</svg>");
    out
}
