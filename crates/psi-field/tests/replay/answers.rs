//! What a replay answers.

use std::{
    fs::{self, File},
    path::Path,
};

use anyhow::{Context, Result};
use ndarray::{Array, Array2, Dimension, OwnedRepr};
use ndarray_npy::{NpzReader, NpzWriter};

use crate::support::{Folder, check_refused, number, replay, steps};

/// What a step is printed as, in this order.
const NAMES: [&str; 11] = ["k", "Psi", "C", "U", "Phi", "H", "PE", "M", "dt_eff", "t", "att_gain"];

/// The columns of a trace's `outputs`.
const OUTPUTS: [&str; 10] = ["t", "Psi", "C", "U", "Phi", "H", "PE", "dt_eff", "M", "att_gain"];

fn read<D: Dimension>(npz: &mut NpzReader<File>, name: &str) -> Result<ndarray::ArrayBase<OwnedRepr<f64>, D>> {
    Ok(npz.by_name(name)?)
}

#[test]
fn traces_are_replayed_within_1e_9() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/core");
    let mut replayed = 0;
    for name in ["feeder", "walk", "shocks", "guarded", "eviction"] {
        let path = folder.join(name).with_extension("npz");
        let want: Array2<f64> = read(&mut NpzReader::new(File::open(&path)?)?, "outputs")?;
        let got = steps(&path, &["--engine", "core"])?;
        assert_eq!(got.len(), want.nrows(), "{name}");
        for ((step, want), k) in got.iter().zip(want.rows()).zip(1_u64..) {
            assert_eq!(step.keys().collect::<Vec<_>>().len(), NAMES.len(), "{name}");
            assert_eq!(step["k"], k, "{name}");
            for (symbol, want) in OUTPUTS.iter().zip(want) {
                let got = number(step, symbol)?;
                assert!((got - want).abs() <= 1e-9, "{name}, step {k}, {symbol}: {got}, not {want}");
            }
        }
        replayed += got.len();
    }
    assert_eq!(replayed, 120 + 3 * 300 + 4700);
    Ok(())
}

#[test]
fn a_line_has_exactly_the_keys_in_their_order_and_17_digits() -> Result<()> {
    let folder = Folder::new()?;
    let file = folder.file("a.csv", "0.1,0.2\n")?;
    let output = replay(&file, &["--engine", "synthetic", "-o", "json"])?;
    let line = String::from_utf8(output.stdout)?;
    let members: Vec<&str> = line.trim().trim_matches(['{', '}']).split(',').collect();
    assert_eq!(members.len(), NAMES.len(), "{line}");
    for (member, name) in members.iter().zip(NAMES) {
        let (key, value) = member.split_once(':').context("a member")?;
        assert_eq!(key, format!("\"{name}\""), "{line}");
        let digits = value.split('e').next().unwrap_or_default().chars().filter(char::is_ascii_digit).count();
        assert!(name == "k" || digits == 17, "{member}");
    }
    Ok(())
}

#[test]
fn formats_say_the_same() -> Result<()> {
    let folder = Folder::new()?;
    let header = r#"{"field":"f","engine":"core","width":2,"seed":7,"parameters":{"dt":0.1,"latent_dim":8}}"#;
    let record = [
        header,
        r#"{"field":"f","epoch":"1","k":1,"timestamp":null,"input":[0.1,-2]}"#,
        r#"{"field":"f","epoch":"1","k":2,"timestamp":null,"input":[0.3,1e3]}"#,
    ];
    let record = folder.file("a.jsonl", &record.join("\n"))?;
    let want = steps(&record, &[])?;
    assert_eq!(want.len(), 2);
    let parameters = folder.file("p.toml", "dt = 0.1\nlatent_dim = 8\n")?;
    let parameters = parameters.to_str().context("a path")?;
    let as_recorded = ["--engine", "core", "--seed", "7", "--parameters", parameters];
    for (name, text, more) in [
        ("a.csv", "0.1,-2\n0.3,1e3\n", &[][..]),
        ("b.csv", "x,y\n0.1,-2\n0.3,1e3\n", &[]),
        ("c.csv", "when,y,x\nmonday,-2,0.1\ntuesday,1e3,0.3\n", &["--columns", "x,y"]),
        ("d.dat", "0.1,-2\n0.3,1e3\n", &["--format", "csv"]),
        ("f.csv", "when,x,y\nmonday,0.1,-2\ntuesday,0.3,1e3\n", &[]),
        ("g.csv", "x;y\r0,1;-2\r0,3;1e3\r", &["--decimal", ","]),
        ("h.csv", "\u{feff}\"x\", \"y\"\n\"0.1\", \"-2\"\n\"0.3\", \"1e3\"\n", &[]),
        ("i.tsv", "x\ty\n0.1\t-2\nNA\t5\n0.3\t1e3\n", &["--missing", "skip-row"]),
        ("j.jsonl", "\u{feff}[0.1,-2]\n[0.3,1e3]\n", &[]),
        ("e.JSONL", "[0.1,-2]\n{\"x\":[0.3,1e3]}\n", &[]),
    ] {
        assert_eq!(steps(&folder.file(name, text)?, &[&as_recorded, more].concat())?, want, "{name}");
    }
    // What is said here comes before what the record says.
    for other in [["--seed", "8"], ["--engine", "synthetic"], ["--param", "dt=0.3"]] {
        assert_ne!(steps(&record, &other)?, want, "{other:?}");
    }
    let by_param = ["--engine", "core", "--seed", "7", "--param", "dt=0.1", "--param", "latent_dim=8"];
    assert_eq!(steps(&folder.path("a.csv"), &by_param)?, want);
    Ok(())
}

#[test]
fn what_is_left_out_of_a_file_is_said() -> Result<()> {
    let folder = Folder::new()?;
    let file = folder.file("a.csv", "when,name,x\n2024-01-01,a,1\n2024-01-02,b,NA\n2024-01-03,c,3\n")?;
    let output = replay(&file, &["--engine", "synthetic", "--missing", "skip-row"])?;
    let (said, text) = (String::from_utf8(output.stderr)?, String::from_utf8(output.stdout)?);
    assert!(text.starts_with("replayed 2 steps of "), "{text}");
    for wanted in ["left out, not numbers: name", "left out, a time: when", "1 row with gaps was left out"] {
        assert!(said.contains(wanted), "`{wanted}` is not in: {said}");
    }
    Ok(())
}

#[test]
fn what_is_not_finite_is_taken_as_the_engine_does() -> Result<()> {
    let folder = Folder::new()?;
    let wild = folder.file("wild.csv", "nan,inf,-inf,9\n")?;
    let as_5 = folder.file("as_5.csv", "0,5,-5,9\n")?;
    let as_1 = folder.file("as_1.csv", "0,1,-1,5\n")?;
    for engine in ["synthetic", "core"] {
        let run = |file: &Path, more: &[&str]| steps(file, &[&["--engine", engine], more].concat());
        assert_eq!(run(&wild, &[])?, run(&as_5, &[])?, "{engine}");
        assert_eq!(run(&wild, &["--condition"])?, run(&as_1, &[])?, "{engine}");
        assert_eq!(
            run(&wild, &["--guardian", "intervene"])?,
            run(&as_5, &[])?,
            "a guardian conditions nothing: {engine}"
        );
        assert_ne!(run(&as_5, &[])?, run(&as_1, &[])?, "{engine}");
    }
    Ok(())
}

#[test]
fn synthetic_needs_no_more_of_a_trace_than_its_inputs() -> Result<()> {
    let folder = Folder::new()?;
    let csv = folder.file("a.csv", "0.5,0.5,0.5\n0.5,0.5,0.5\n")?;
    let want = steps(&csv, &["--engine", "synthetic"])?;
    assert_eq!(steps(&folder.trace("encoder", None)?, &["--engine", "synthetic"])?, want);
    let raw = folder.path("raw.npz");
    let mut npz = NpzWriter::new(File::create(&raw)?);
    npz.add_array("raw_inputs", &Array::<f32, _>::from_elem((2, 3), 0.5))?;
    npz.finish()?;
    assert_eq!(steps(&raw, &["--engine", "synthetic"])?, want);
    Ok(())
}

#[test]
fn a_guardian_intervenes_by_itself() -> Result<()> {
    let folder = Folder::new()?;
    let mut text = "0.1,0.2\n".repeat(60);
    text += "5,-5\n";
    text += &"0.1,0.2\n".repeat(60);
    let file = folder.file("a.csv", &text)?;
    let calm = steps(&file, &["--engine", "synthetic"])?;
    let watched = steps(&file, &["--engine", "synthetic", "--guardian", "intervene"])?;
    assert_eq!(calm[..61], watched[..61]);
    assert!((number(&watched[61], "PE")? - number(&calm[61], "PE")? - 1.5).abs() < 1e-12);
    let text = String::from_utf8(replay(&file, &["--engine", "synthetic", "--guardian", "intervene"])?.stdout)?;
    assert!(text.contains("guardian: 1 intervention: nigredo at 61\n"), "{text}");

    // A record says what its guardian does.
    let calm_lines = "[0.1,0.2]\n".repeat(60);
    let lines = format!("{calm_lines}[5,-5]\n{calm_lines}");
    for (mode, arguments, want) in [
        ("intervene", &[][..], &watched),
        ("intervene", &["--guardian", "watch"], &calm),
        ("watch", &[], &calm),
        ("watch", &["--guardian", "intervene"], &watched),
    ] {
        let header = format!("{{\"engine\":\"synthetic\",\"guardian\":\"{mode}\"}}\n");
        let record = folder.file("a.jsonl", &(header + &lines))?;
        assert_eq!(&steps(&record, arguments)?, want, "{mode} {arguments:?}");
    }
    let record = folder.file("a.jsonl", "{\"engine\":\"core\",\"guardian\":\"wach\"}\n[1]\n")?;
    check_refused(&record, &[], &["a.jsonl, header: no guardian mode is called `wach`", "did you mean `watch`?"])?;
    Ok(())
}

#[test]
fn a_summary_has_a_row_a_metric() -> Result<()> {
    let folder = Folder::new()?;
    let file = folder.file("a.csv", "0,1\n0,2\n0,3\n")?;
    let output = replay(&file, &["--engine", "synthetic"])?;
    let text = String::from_utf8(output.stdout)?;
    assert!(text.starts_with("replayed 3 steps of ") && text.contains("through engine synthetic, t = "), "{text}");
    let rows: Vec<Vec<&str>> = text.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["metric", "mean", "std", "min", "p5", "p50", "p95", "max"]);
    assert_eq!(rows[1..].iter().map(|row| row[0]).collect::<String>(), "ΨCUΦHPEMdt_effatt_gain");
    // PE = |x_last − mean|: 0.5, 1, 1.5.
    assert_eq!(rows[6][1..], ["1", "0.40825", "0.5", "0.55", "1", "1.45", "1.5"]);
    Ok(())
}

#[test]
fn another_run_is_compared_metric_by_metric() -> Result<()> {
    let folder = Folder::new()?;
    let file = folder.file("a.csv", "0.1,0.2\n0.9,-0.4\n0.3,0.3\n")?;
    let other = folder.file("other.toml", "dt = 0.3\n")?;
    let other = other.to_str().context("a path")?;
    for engine in ["synthetic", "core"] {
        let this = ["--engine", engine, "--param", "g0=2"];
        let (mine, theirs) = (steps(&file, &this)?, steps(&file, &["--engine", engine, "--parameters", other])?);
        let compared = steps(&file, &[&this[..], &["--against", other]].concat())?;
        assert_eq!(compared.len(), 1, "one line");
        assert_eq!((&compared[0]["steps"], &compared[0]["t"]), (&3.into(), &mine[2]["t"]));
        assert_eq!(compared[0]["against_t"], theirs[2]["t"]);
        let metrics = compared[0]["metrics"].as_object().context("metrics")?;
        assert_eq!(metrics.len(), 9);
        for (name, got) in metrics {
            let differences: Vec<f64> = mine
                .iter()
                .zip(&theirs)
                .map(|(mine, theirs)| Ok(number(theirs, name)? - number(mine, name)?))
                .collect::<Result<_>>()?;
            let mean = differences.iter().sum::<f64>() / 3.0;
            let rms = (differences.iter().map(|difference| difference * difference).sum::<f64>() / 3.0).sqrt();
            let largest = differences.iter().map(|difference| difference.abs()).fold(0.0, f64::max);
            for (key, want) in [("mean_difference", mean), ("rms_difference", rms)] {
                let got = got[key].as_f64().context("a number")?;
                assert!((got - want).abs() < 1e-12, "{engine}, {name}, {key}: {got}, not {want}");
            }
            let step = usize::try_from(got["largest_step"].as_u64().context("a step")?)?;
            assert_eq!(got["largest_difference"].as_f64(), Some(differences[step - 1]), "{engine}, {name}");
            assert_eq!(differences[step - 1].abs(), largest, "{engine}, {name}");
        }
        assert!(metrics["dt_eff"]["rms_difference"].as_f64() > Some(0.05));
        let text = String::from_utf8(replay(&file, &[&this[..], &["--against", other]].concat())?.stdout)?;
        for wanted in ["against ", "other.toml: t = ", "rms", "at step", "this", "█"] {
            assert!(text.contains(wanted), "`{wanted}` is not in {text}");
        }
    }
    let wrong = folder.file("wrong.toml", "lamda = 1\n")?;
    let wrong = wrong.to_str().context("a path")?;
    check_refused(&file, &["--engine", "core", "--against", wrong], &["wrong.toml: ", "did you mean `lambda_`?"])?;
    Ok(())
}

#[test]
fn metrics_are_drawn_into_a_png() -> Result<()> {
    let folder = Folder::new()?;
    let other = folder.file("other.toml", "dt = 0.3\n")?;
    let other = other.to_str().context("a path")?;
    let png = folder.path("a.png");
    let png_path = png.to_str().context("a path")?;
    let draw = |rows: usize, more: &[&str]| -> Result<Vec<u8>> {
        let file = folder.file("a.csv", &"0.1,0.2\n0.9,-0.4\n".repeat(rows))?;
        let arguments = [&["--engine", "synthetic", "--force", "--png", png_path], more].concat();
        let output = replay(&file, &arguments)?;
        assert!(output.status.success() && !output.stdout.is_empty(), "{output:?}");
        assert!(String::from_utf8(output.stderr)?.contains("a.png\n"), "it says where the picture is");
        Ok(fs::read(&png)?)
    };
    let mut drawn = vec![];
    for (rows, more) in [
        (1, &[][..]),
        (30, &[]),
        (30, &["--output", "json"]),
        (30, &["--against", other]),
        (3000, &["--guardian", "intervene"]),
    ] {
        let bytes = draw(rows, more)?;
        assert!(bytes.starts_with(b"\x89PNG\r\n") && bytes.len() > 10_000, "{rows}: {} bytes", bytes.len());
        drawn.push(bytes);
    }
    assert_eq!(drawn[1], drawn[2]);
    assert_ne!(drawn[1], drawn[3]);
    let file = folder.path("a.csv");
    check_refused(&file, &["--engine", "core", "--png", "/no/such/a.png"], &["can't write /no/such/a.png"])?;
    Ok(())
}
