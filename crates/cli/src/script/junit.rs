//! Results as build servers read them: JUnit's XML.

use std::io;

use estab_sim::script::run::Verdict;
use quick_xml::Writer;
use quick_xml::events::BytesText;

use super::{Done, Ending, Sum};

/// The whole document.
pub(super) fn to_xml(scripts: &[Done], sum: Sum) -> io::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    let count = scripts.len().to_string();
    let (failures, errors) = (sum.failed.to_string(), sum.errors.to_string());
    let time = format!("{:.3}", sum.took.as_secs_f64());
    writer
        .create_element("testsuite")
        .with_attribute(("name", "estab script"))
        .with_attribute(("tests", count.as_str()))
        .with_attribute(("failures", failures.as_str()))
        .with_attribute(("errors", errors.as_str()))
        .with_attribute(("time", time.as_str()))
        .write_inner_content(|writer| scripts.iter().try_for_each(|done| case(writer, done)))?;
    let mut xml = writer.into_inner();
    xml.push(b'\n');
    Ok(xml)
}

fn case(writer: &mut Writer<Vec<u8>>, done: &Done) -> io::Result<()> {
    let file = done.file.display().to_string();
    let time = format!("{:.3}", done.took.as_secs_f64());
    let case = writer
        .create_element("testcase")
        .with_attribute(("classname", "estab script"))
        .with_attribute(("name", file.as_str()))
        .with_attribute(("time", time.as_str()));
    if let Ending::Declared(why) | Ending::Skipped(why) = &done.ending {
        let message = clean(why);
        case.write_inner_content(|writer| {
            let skipped = writer.create_element("skipped");
            skipped
                .with_attribute(("message", message.as_str()))
                .write_empty()
                .map(drop)
        })?;
        return Ok(());
    }
    let Some(failure) = &done.report.failure else {
        case.write_empty()?;
        return Ok(());
    };
    let kind = match done.report.verdict {
        Verdict::Error => "error",
        Verdict::Pass | Verdict::Fail => "failure",
    };
    let line = failure
        .line
        .map_or(String::new(), |line| format!("line {line}: "));
    let message = clean(&format!("{line}{}", failure.message));
    let text = clean(&format!("{line}{failure}\n{}", done.report.ladder));
    case.write_inner_content(|writer| {
        writer
            .create_element(kind)
            .with_attribute(("message", message.as_str()))
            .write_text_content(BytesText::new(&text))
            .map(drop)
    })?;
    Ok(())
}

/// Without the characters that XML cannot carry.
fn clean(text: &str) -> String {
    let is_possible = |c: &char| *c >= ' ' || matches!(c, '\n' | '\t');
    text.chars().filter(is_possible).collect()
}
