//! Certificates that others issue, from files to commands: what docs/security.md says is done as it stands there.
//!
//! It takes `bash`, `openssl` (3.0 or newer) and `curl`. Where one is missing, that is said, and in CI it is a failure.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result, ensure};
use psi_tests::{
    certificates::{CertificateFolder, TestAuthority},
    eventually,
    process::{Launch, Process},
};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_psi-field");

/// Whether all tools are there.
fn has_tools() -> bool {
    let is_there = |tool: &&str| {
        let version = if *tool == "openssl" { "version" } else { "--version" };
        Command::new(tool).arg(version).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    let missing: Vec<&str> = ["bash", "openssl", "curl"].into_iter().filter(|tool| !is_there(tool)).collect();
    if missing.is_empty() {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "missing: {missing:?}");
    eprintln!("SKIPPED: missing: {missing:?}");
    false
}

/// The blocks of a language in the section on certificates.
fn documented(language: &str) -> Result<Vec<String>> {
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/security.md"))?;
    let (_, section) = document.split_once("\n## Your own certificates\n").context("the section")?;
    let section = section.split("\n## ").next().context("its end")?;
    let open = format!("```{language}\n");
    let blocks = section.split(&open).skip(1);
    Ok(blocks.filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect())
}

/// Runs commands in a folder, with `psi-field` among the programs, to the first that fails.
fn run(folder: &Path, script: &str, variables: &[(&str, &str)]) -> Result<Output> {
    let programs = Path::new(PROGRAM).parent().context("a folder")?.display().to_string();
    let path = format!("{programs}:{}", std::env::var("PATH")?);
    let mut command = Command::new("bash");
    command.env_clear().envs(std::env::vars().filter(|(name, _)| !name.starts_with("PSI_"))).env("PATH", path);
    command.envs(variables.iter().copied());
    Ok(command.args(["-euo", "pipefail", "-c", script]).current_dir(folder).output()?)
}

/// What commands print that succeed.
fn printed(folder: &Path, script: &str, variables: &[(&str, &str)]) -> Result<String> {
    let output = run(folder, script, variables)?;
    let shown = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{script}\n{shown}");
    Ok(shown)
}

/// What commands say that fail.
fn refused(folder: &Path, script: &str, variables: &[(&str, &str)]) -> Result<String> {
    let output = run(folder, script, variables)?;
    ensure!(!output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stdout));
    Ok(String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" "))
}

async fn wait_until_ready(folder: &Path, node: &Process, variables: &[(&str, &str)]) -> Result<()> {
    let (health, grpc) = ("psi-field health --key-file cluster.key", node.grpc.to_string());
    let variables: Vec<_> = variables.iter().copied().chain([("PSI_NODES", grpc.as_str())]).collect();
    eventually("the node is ready", async || Ok(run(folder, health, &variables)?.status.success()))
        .await
        .with_context(|| node.said())
}

#[tokio::test]
async fn what_the_document_says_is_so() -> Result<()> {
    if !has_tools() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (shell, settings) = (documented("sh")?, documented("toml")?);
    let ([make, call], [settings]) = (&shell[..], &settings[..]) else { anyhow::bail!("{shell:?} {settings:?}") };
    let made = printed(folder.path(), make, &[])?;
    ensure!(made.contains("all settings are right"), "{made}");

    // The files stand where the node is started, which is elsewhere here.
    let files = ["cluster.key", "node-1.pem", "node-1.key", "ca.pem"];
    let settings = files
        .iter()
        .fold(settings.clone(), |text, name| text.replace(&format!("\"{name}\""), &format!("{:?}", at(name))));
    fs::write(at("psi.toml"), settings)?;
    let node = Launch::new(PROGRAM, "node-1").with("--config", &at("psi.toml")).start()?;
    wait_until_ready(folder.path(), &node, &[("PSI_TLS_CA", "ca.pem")]).await?;

    let call = call.replace("https://localhost:8000", &format!("https://localhost:{}", node.http.port()));
    let grpc = node.grpc.to_string();
    let called = printed(folder.path(), &call, &[("PSI_NODES", &grpc)])?;
    ensure!(called.contains(": ready") && called.contains("node-1") && called.contains("\"Psi\""), "{called}");
    ensure!(!called.contains("expires"), "{called}");

    // The token alone does not do, and it is said what does.
    let alone = "psi-field members --token $(psi-field token --role read --name ann)";
    let refused = refused(folder.path(), alone, &[("PSI_NODES", &grpc)])?;
    ensure!(refused.contains("give nodes and clients the same tls.ca"), "{refused}");
    Ok(())
}

#[test]
fn keys_of_other_forms_are_taken_and_mistakes_are_named() -> Result<()> {
    if !has_tools() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let make = documented("sh")?.first().context("commands")?.clone();
    printed(folder.path(), &make, &[])?;
    let check =
        make.lines().skip_while(|line| !line.starts_with("psi-field check-config")).collect::<Vec<_>>().join("\n");
    // As cert-manager writes keys, unless it is told otherwise: of RSA in PKCS #1, and of curves in SEC 1.
    let rsa = make.replace("-newkey ec -pkeyopt ec_paramgen_curve:P-256", "-newkey rsa:2048");
    let traditional =
        |kind| format!("openssl {kind} -in node-1.key -out node-1.old && mv node-1.old node-1.key\n{check}");
    printed(folder.path(), &traditional("ec"), &[])?;
    printed(folder.path(), &rsa, &[])?;
    printed(folder.path(), &traditional("rsa -traditional"), &[])?;
    ensure!(fs::read_to_string(folder.path().join("node-1.key"))?.contains("BEGIN RSA PRIVATE KEY"));
    for (mistake, says) in [
        (check.replace("--node-id node-1", "--node-id node-9"), "this node's is to have the one URI name"),
        (
            check.replace("--tls-key node-1.key", "--tls-key node-2.key"),
            "tls.key is not the key of the first certificate",
        ),
        (check.replace("--tls-ca ca.pem", "--tls-ca node-2.pem"), "leads to none of the authorities of tls.ca"),
        (check.replace("--tls-ca ca.pem", ""), "tls.cert and tls.key is set and tls.ca is not"),
        (check.replace("--security-key-file cluster.key", ""), "security.key_file is not"),
        (check.clone() + " --tls-name spiffe://example.org/psi", "{node}"),
    ] {
        let said = refused(folder.path(), &mistake, &[])?;
        ensure!(said.contains(says), "wanted {says}: {said}");
    }
    Ok(())
}

/// A folder with a cluster key and what an authority issued.
fn site(authority: &TestAuthority, uri: &str, days: std::ops::Range<i64>) -> Result<(TempDir, CertificateFolder)> {
    let folder = tempfile::tempdir()?;
    printed(folder.path(), "psi-field key --write cluster.key", &[])?;
    let files = CertificateFolder::new(folder.path());
    files.write(&authority.issue(uri, days)?)?;
    files.write_bundle(&[authority])?;
    Ok((folder, files))
}

fn launch(folder: &Path, name: &str) -> Launch {
    let file = |name: &str| folder.join(name).display().to_string();
    Launch::new(PROGRAM, name)
        .with("--security-key-file", &file("cluster.key"))
        .with("--tls-cert", &file("tls.crt"))
        .with("--tls-key", &file("tls.key"))
        .with("--tls-ca", &file("ca.crt"))
}

#[tokio::test]
async fn a_certificate_that_nobody_renews_is_said_by_health_and_log_until_it_is() -> Result<()> {
    let authority = TestAuthority::new("a")?;
    let (folder, files) = site(&authority, "spiffe://psi-field/node/n1", -80..9)?;
    let node = launch(folder.path(), "n1").start()?;
    let variables = [("PSI_TLS_CA", "ca.crt")];
    wait_until_ready(folder.path(), &node, &variables).await?;
    let grpc = node.grpc.to_string();
    let health = || {
        let variables = [("PSI_TLS_CA", "ca.crt"), ("PSI_NODES", grpc.as_str())];
        printed(folder.path(), "psi-field health --key-file cluster.key", &variables)
    };
    let said = health()?;
    ensure!(
        said.contains("ready") && said.contains("its certificate expires at") && said.contains("tls.cert"),
        "{said}"
    );
    ensure!(node.said().contains("about to expire"), "{}", node.said());
    files.write(&authority.issue_to("n1")?)?;
    eventually("the new one is shown", async || Ok(!health()?.contains("expires"))).await?;
    ensure!(node.said().contains("the files of the certificate have changed"), "{}", node.said());

    // What can't be used changes nothing, and the log says what is wrong with which file.
    let other = TestAuthority::new("b")?;
    files.write(&other.issue_to("n1")?)?;
    eventually("the log says why", async || {
        Ok(node.said().contains("can't be used, so those of before stay")
            && node.said().contains("none of the authorities"))
    })
    .await?;
    ensure!(health()?.contains("ready"));
    Ok(())
}

#[tokio::test]
async fn names_of_another_pattern_are_known_to_nodes_and_clients() -> Result<()> {
    let authority = TestAuthority::new("a")?;
    let (folder, _files) = site(&authority, "spiffe://example.org/psi-field/n1", -1..89)?;
    let name = "spiffe://example.org/psi-field/{node}";
    let node = launch(folder.path(), "n1").with("--tls-name", &name).start()?;
    wait_until_ready(folder.path(), &node, &[("PSI_TLS_CA", "ca.crt"), ("PSI_TLS_NAME", name)]).await?;
    let grpc = node.grpc.to_string();
    let members = "psi-field members --key-file cluster.key --tls-ca ca.crt";
    let said = refused(folder.path(), members, &[("PSI_NODES", &grpc)])?;
    ensure!(said.contains("`spiffe://psi-field/node/{node}`") && said.contains("tls.name"), "{said}");
    for (wrong, says) in [
        ("--tls-ca cluster.key", "--tls-ca, or PSI_TLS_CA"),
        ("--tls-ca nowhere.pem", "can't be read"),
        ("--tls-ca ca.crt --tls-name x", "--tls-name, or PSI_TLS_NAME"),
    ] {
        let said = refused(folder.path(), &format!("psi-field members --key-file cluster.key {wrong}"), &[])?;
        ensure!(said.contains(says), "{wrong}: {said}");
    }
    Ok(())
}
