//! The table of settings as a page of the documentation has it.

use super::definition::DEFINITIONS;

/// All settings as tables in Markdown, a section of the file each: name, variable, flag, unit, default, what it takes and
/// what it does. Ends with a line feed.
#[must_use]
pub fn reference_markdown() -> String {
    let mut text = String::new();
    let mut section = "";
    for definition in &DEFINITIONS {
        if definition.section() != section {
            section = definition.section();
            let gap = if text.is_empty() { "" } else { "\n" };
            text += &format!("{gap}### `[{section}]`\n\n{HEADER}");
        }
        text += &format!(
            "| `{}` | `{}` | `--{}` | {} | {} | {} | {} |\n",
            definition.name(),
            definition.variable(),
            definition.flag(),
            definition.unit(),
            cell(&definition.default_text()),
            cell(&definition.kind.takes()),
            cell(definition.meaning),
        );
    }
    text
}

const HEADER: &str = "\
| name | variable | flag | unit | default | takes | what it does |
|---|---|---|---|---|---|---|
";

/// Text that does not end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_row_with_all_its_cells() {
        let text = reference_markdown();
        for definition in &DEFINITIONS {
            let (variable, flag) = (definition.variable(), definition.flag());
            let row = text.lines().find(|line| line.contains(&format!("| `{variable}` | `--{flag}` |")));
            let cells = row.unwrap_or_else(|| panic!("{variable}")).replace("\\|", "").matches('|').count();
            assert_eq!(cells, 8, "{variable}");
        }
    }
}
