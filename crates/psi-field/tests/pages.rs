//! What packages take from the program itself: manual pages, and scripts that complete its arguments in shells.

use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Output},
};

use anyhow::{Context, Result};
use clap::CommandFactory;
use psi_cli::Cli;
use serde_json::Value;

const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "elvish", "powershell"];

fn psi_field(arguments: &[&str]) -> Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_psi-field")).args(arguments).output().context("psi-field runs")
}

/// What a command prints that succeeds.
fn printed(arguments: &[&str]) -> Result<String> {
    let output = psi_field(arguments)?;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Every command that help shows, as it is typed, with those below each.
fn commands() -> Vec<String> {
    fn add(command: &clap::Command, path: &str, commands: &mut Vec<String>) {
        commands.push(path.to_owned());
        let shown = command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
        shown.for_each(|command| add(command, &format!("{path} {}", command.get_name()), commands));
    }
    let mut commands = Vec::new();
    add(&Cli::command(), "psi-field", &mut commands);
    commands
}

/// Text as a manual page has it.
fn escaped(text: &str) -> String {
    text.replace('-', "\\-")
}

#[test]
fn each_command_has_a_page_that_names_those_below_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let dir = folder.path().join("share/man1");
    let report: Value =
        serde_json::from_str(&printed(&["man", "--dir", dir.to_str().context("a path")?, "-o", "json"])?)?;
    let commands = commands();
    assert!(commands.len() > 30, "{commands:?}");
    let want: BTreeSet<_> = commands.iter().map(|command| format!("{}.1", command.replace(' ', "-"))).collect();
    let listed: BTreeSet<_> =
        fs::read_dir(&dir)?.map(|entry| entry.map(|one| one.file_name())).collect::<Result<_, _>>()?;
    assert_eq!(listed, want.iter().map(Into::into).collect());
    assert_eq!(report["pages"], serde_json::to_value(&want)?);
    for command in &commands {
        let page = fs::read_to_string(dir.join(format!("{}.1", command.replace(' ', "-"))))?;
        for part in [".TH ", ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS", ".SH EXAMPLES"] {
            assert!(page.contains(part), "{command}: no {part}\n{page}");
        }
        for below in commands.iter().filter(|below| below.rsplit_once(' ').is_some_and(|(above, _)| above == command)) {
            let name = escaped(&format!("{}(1)", below.replace(' ', "-")));
            assert!(page.contains(&name), "the page of {command} does not name {name}\n{page}");
        }
    }
    Ok(())
}

#[test]
fn a_page_is_found_by_the_command() -> Result<()> {
    assert!(printed(&["man"])?.contains(".TH psi-field 1 \" \" \"psi-field "), "no date, but its place");
    let page = printed(&["man", "members", "forget"])?;
    assert!(page.contains(&escaped("psi-field members forget")), "{page}");
    // A setting's variable stands with its flag.
    assert!(printed(&["man", "node"])?.contains("PSI_GRPC_LISTEN"));
    let refused = psi_field(&["man", "membres"])?;
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{message}");
    assert!(message.contains("`membres`") && message.contains("did you mean `members`?"), "{message}");
    assert_eq!(psi_field(&["man", "bench-handlers"])?.status.code(), Some(2), "help does not show it either");
    Ok(())
}

#[test]
fn a_directory_that_cannot_be_made_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("file");
    fs::write(&file, "")?;
    let refused = psi_field(&["man", "--dir", file.to_str().context("a path")?])?;
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains(&file.display().to_string()));
    Ok(())
}

#[test]
fn each_shell_completes_every_command() -> Result<()> {
    for shell in SHELLS {
        let script = printed(&["completions", shell])?;
        for name in commands().iter().filter_map(|command| command.rsplit(' ').next()) {
            assert!(script.contains(name), "{shell}: {name}");
        }
    }
    Ok(())
}

/// Needs `bash`; where it is missing, that is said, and in CI it is a failure.
#[test]
fn bash_reads_its_script_and_completes_below_a_command() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("psi-field");
    fs::write(&path, printed(&["completions", "bash"])?)?;
    let Ok(checked) = Command::new("bash").arg("-n").arg(&path).output() else {
        assert!(std::env::var_os("CI").is_none(), "bash is missing");
        eprintln!("SKIPPED: bash is missing, so its script was not read");
        return Ok(());
    };
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    for (words, want) in [("members", "forget"), ("members", "--wait"), ("members forget", "--yes"), ("", "man")] {
        // What Tab does after these words.
        let tab = format!(
            "source \"$0\"; words=(psi-field {words}); COMP_CWORD=${{#words[@]}}; COMP_WORDS=(\"${{words[@]}}\" ''); \
             [[ $(complete -p psi-field) =~ -F\\ ([^ ]+) ]] && \
             \"${{BASH_REMATCH[1]}}\" psi-field '' \"${{words[-1]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        let offered = Command::new("bash").arg("-c").arg(tab).arg(&path).output()?;
        let text = String::from_utf8(offered.stdout)?;
        let error = String::from_utf8_lossy(&offered.stderr);
        assert!(text.split_whitespace().any(|word| word == want), "{words}: {text}{error}");
    }
    Ok(())
}
