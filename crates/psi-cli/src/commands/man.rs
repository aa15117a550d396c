//! `psi-field man`: manual pages, made from the same tables as the help.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Args, Command, CommandFactory};
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};
use serde::Serialize;

// A circle with `cli.rs`: the command is in the list of commands, and describes the whole list.
use crate::{
    cli::Cli,
    output::{self, Failure, Output, pluralize, suggest::did_you_mean},
};

const AFTER_HELP: &str = "\
Examples:
  psi-field man | man -l -                # read the page of the program
  psi-field man members forget | man -l -
  psi-field man --dir ~/.local/share/man/man1    # then: man psi-field-node
  psi-field man --dir /usr/local/share/man/man1

There is a page for the program, one for each command, and one for each command below those.";

/// Print the manual page of a command, or write all pages to a directory
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ManCommand {
    /// The command, as it is typed; without one, the page of the program
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,

    /// Write all pages to this directory. It is made if it is missing, and pages in it are overwritten
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

/// What was written.
#[derive(Serialize)]
struct Report {
    dir: String,
    pages: Vec<String>,
}

impl ManCommand {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        let program = program();
        let Some(dir) = self.dir else {
            let page =
                page(find(&program, &self.command)?).map_err(|error| not_written(Path::new("the page"), &error))?;
            return output::line(String::from_utf8_lossy(&page).trim_end());
        };
        fs::create_dir_all(&dir).map_err(|error| not_written(&dir, &error))?;
        let mut pages = Vec::new();
        write_all(&program, &dir, &mut pages)?;
        pages.sort();
        output.print(&Report { dir: dir.display().to_string(), pages }, |report| {
            format!("{} in {}", pluralize(report.pages.len() as u64, "manual page"), report.dir)
        })
    }
}

/// The whole program as the help shows it.
fn program() -> Command {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    program
}

/// The commands below one that help shows.
fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set())
}

fn find<'a>(program: &'a Command, path: &[String]) -> Result<&'a Command, Failure> {
    let mut found = program;
    for name in path {
        found = shown(found).find(|command| command.get_name() == name).ok_or_else(|| {
            let guess = did_you_mean(name, shown(found).map(Command::get_name));
            let above = found.get_bin_name().unwrap_or("psi-field");
            Failure::usage(format!("`{above}` has no command `{name}`{guess}; `{above} --help` lists its commands"))
        })?;
    }
    Ok(found)
}

fn write_all(command: &Command, dir: &Path, pages: &mut Vec<String>) -> Result<(), Failure> {
    for command in shown(command) {
        write_all(command, dir, pages)?;
    }
    let name = man(command).get_filename();
    let path = dir.join(&name);
    page(command).and_then(|page| fs::write(&path, page)).map_err(|error| not_written(&path, &error))?;
    pages.push(name);
    Ok(())
}

fn not_written(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("can't write {}: {error}", path.display()))
}

fn man(command: &Command) -> Man {
    // Without a date, so that one source gives one page. An empty one is left out, and what follows takes its place.
    Man::new(command.clone()).date(" ").source(concat!("psi-field ", env!("CARGO_PKG_VERSION"))).manual("ψ-field")
}

/// The page of a command: clap's own sections, and what stands below the help as sections of their own.
fn page(command: &Command) -> io::Result<Vec<u8>> {
    let man = man(command);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if shown(command).next().is_some() {
        man.render_subcommands_section(&mut page)?;
    }
    let after = command.get_after_long_help().or_else(|| command.get_after_help());
    below_the_help(&after.map(ToString::to_string).unwrap_or_default()).to_writer(&mut page)?;
    Ok(page)
}

/// Examples and exit codes under headings of their own, the rest as notes. Indented lines stay as they are.
fn below_the_help(text: &str) -> Roff {
    let mut roff = Roff::default();
    let (mut section, mut verbatim, mut gap) = ("", false, false);
    for line in text.lines() {
        if line.is_empty() {
            gap = true;
            continue;
        }
        if verbatim != line.starts_with(' ') {
            verbatim = !verbatim;
            roff.control(if verbatim { "EX" } else { "EE" }, []);
        } else if gap && verbatim {
            roff.text([roman("")]);
        }
        let (here, rest) = section_of(line, section);
        if here != section {
            roff.control("SH", [here]);
        } else if gap && !verbatim {
            roff.control("PP", []);
        }
        (section, gap) = (here, false);
        if !rest.is_empty() {
            roff.text([roman(rest)]);
        }
    }
    if verbatim {
        roff.control("EE", []);
    }
    roff
}

/// The section that a line belongs to, and what of it is no heading.
fn section_of<'a>(line: &'a str, section: &'static str) -> (&'static str, &'a str) {
    match line.strip_prefix("Exit codes:") {
        Some(rest) => ("EXIT STATUS", rest.trim_start()),
        None if line == "Examples:" => ("EXAMPLES", ""),
        None if line.starts_with(' ') && !section.is_empty() => (section, line),
        None => ("NOTES", line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_stay_as_they_are_and_exit_codes_have_a_section() {
        let text = "Examples:\n  psi-field a \\\n      -b\n\nMore.\n\nExit codes: 0 done;\nMore yet.";
        let want = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n.SH EXAMPLES\n.EX\n  psi\\-field a \\\\\n      \\-b\n.EE\n\
                    .SH NOTES\nMore.\n.SH \"EXIT STATUS\"\n0 done;\n.SH NOTES\nMore yet.\n";
        assert_eq!(below_the_help(text).render(), want);
    }
}
