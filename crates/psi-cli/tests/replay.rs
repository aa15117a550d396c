//! `psi-field replay` as a process.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Output,
};

use anyhow::{Context, Result};
use ndarray::{Array, Array1, Array2, ArrayD, Axis, Dimension, OwnedRepr, array};
use ndarray_npy::{NpzReader, NpzWriter};
use psi_tests::service;
use serde_json::{Map, Value};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_psi-field");

/// What a step is printed as, in this order.
const NAMES: [&str; 11] = ["k", "Psi", "C", "U", "Phi", "H", "PE", "M", "dt_eff", "t", "att_gain"];

/// The columns of a trace's `outputs`.
const OUTPUTS: [&str; 10] = ["t", "Psi", "C", "U", "Phi", "H", "PE", "dt_eff", "M", "att_gain"];

/// A folder of recordings.
struct Folder(TempDir);

impl Folder {
    fn new() -> Result<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    fn file(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.0.path().join(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A trace of 2 steps, input 3, latent 2, N 1, but for the array `name`: `other`, or none.
    fn trace(&self, name: &str, other: Option<&ArrayD<f64>>) -> Result<PathBuf> {
        let path = self.0.path().join("trace.npz");
        let mut npz = NpzWriter::new(File::create(&path)?);
        for (array, shape) in
            [("encoder", &[2, 3][..]), ("transition", &[2, 2]), ("inputs", &[2, 3]), ("rollout_noise", &[2, 1, 2])]
        {
            match other {
                None if array == name => {}
                Some(other) if array == name => npz.add_array(array, other)?,
                _ => npz.add_array(array, &ArrayD::from_elem(shape, 0.5))?,
            }
        }
        npz.finish()?;
        Ok(path)
    }
}

fn replay(file: &Path, arguments: &[&str]) -> Result<Output> {
    Ok(service::command(PROGRAM, &["replay"]).arg(file).args(arguments).output()?)
}

/// The steps that a replay prints as JSON.
fn steps(file: &Path, arguments: &[&str]) -> Result<Vec<Map<String, Value>>> {
    let output = replay(file, &[arguments, &["--output", "json"]].concat())?;
    anyhow::ensure!(output.status.success(), "{output:?}");
    Ok(std::str::from_utf8(&output.stdout)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

fn number(step: &Map<String, Value>, name: &str) -> Result<f64> {
    step[name].as_f64().with_context(|| format!("a number {name}"))
}

/// Checks that a replay does nothing but to refuse, with a message that has all of `wanted`.
fn check_refused(file: &Path, arguments: &[&str], wanted: &[&str]) -> Result<()> {
    for output in ["json", "text"] {
        let got = replay(file, &[arguments, &["--output", output]].concat())?;
        let said = String::from_utf8(got.stderr)?;
        assert!(got.status.code() == Some(2) && got.stdout.is_empty(), "{file:?} {arguments:?}: {said}");
        for wanted in wanted {
            assert!(said.contains(wanted), "{arguments:?}: `{wanted}` is not in: {said}");
        }
    }
    Ok(())
}

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
fn what_is_not_finite_is_taken_as_the_engine_does() -> Result<()> {
    let folder = Folder::new()?;
    let wild = folder.file("wild.csv", "nan,inf,-inf,9\n")?;
    let as_5 = folder.file("as_5.csv", "0,5,-5,9\n")?;
    let as_1 = folder.file("as_1.csv", "0,1,-1,5\n")?;
    for engine in ["synthetic", "core"] {
        let run = |file: &Path, more: &[&str]| steps(file, &[&["--engine", engine], more].concat());
        assert_eq!(run(&wild, &[])?, run(&as_5, &[])?, "{engine}");
        assert_eq!(run(&wild, &["--condition"])?, run(&as_1, &[])?, "{engine}");
        assert_eq!(run(&wild, &["--guardian"])?, run(&as_5, &[])?, "a guardian conditions nothing: {engine}");
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
    let watched = steps(&file, &["--engine", "synthetic", "--guardian"])?;
    assert_eq!(calm[..61], watched[..61]);
    assert!((number(&watched[61], "PE")? - number(&calm[61], "PE")? - 1.5).abs() < 1e-12);
    let text = String::from_utf8(replay(&file, &["--engine", "synthetic", "--guardian"])?.stdout)?;
    assert!(text.contains("guardian: 1 intervention: nigredo at 61\n"), "{text}");

    // A record says what its guardian does.
    let calm_lines = "[0.1,0.2]\n".repeat(60);
    let lines = format!("{calm_lines}[5,-5]\n{calm_lines}");
    for (mode, arguments, want) in [
        ("intervene", &[][..], &watched),
        ("intervene", &["--no-guardian"], &calm),
        ("watch", &[], &calm),
        ("watch", &["--guardian"], &watched),
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
    for (rows, more) in
        [(1, &[][..]), (30, &[]), (30, &["--output", "json"]), (30, &["--against", other]), (3000, &["--guardian"])]
    {
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

#[test]
fn a_picture_overwrites_no_input_and_nothing_without_force() -> Result<()> {
    let folder = Folder::new()?;
    let text = "0.1,0.2\n";
    let input = folder.file("in.png", text)?;
    let csv = folder.file("a.csv", text)?;
    let other = folder.file("o.png", "dt = 0.3\n")?;
    let drawn = folder.file("drawn.png", "somebody's")?;
    let link = folder.path("link.png");
    std::os::unix::fs::symlink(&input, &link)?;
    let [input_path, csv_path, other, drawn_path, link] =
        [&input, &csv, &other, &drawn, &link].map(|path| path.to_str().unwrap_or_default());
    let synthetic = ["--engine", "synthetic", "--format", "csv"];
    for (file, arguments, wanted) in [
        (&input, &["--force", "--png", input_path][..], &["would overwrite the input", "name another file"][..]),
        (&input, &["--force", "--png", link], &["link.png would overwrite the input", "in.png"]),
        (&csv, &["--force", "--against", other, "--png", other], &["would overwrite the input"]),
        (&csv, &["--force", "--parameters", other, "--png", other], &["would overwrite the input"]),
        (&csv, &["--force", "--png", csv_path], &["a.csv: a picture is a PNG; give it a name that ends in .png"]),
        (&csv, &["--png", drawn_path], &["drawn.png is there already; overwrite it with --force"]),
    ] {
        check_refused(file, &[&synthetic, arguments].concat(), wanted)?;
    }
    assert_eq!([fs::read_to_string(&input)?, fs::read_to_string(&csv)?], [text, text]);
    assert_eq!(fs::read_to_string(&drawn)?, "somebody's");
    assert!(replay(&csv, &[&synthetic[..], &["--force", "--png", drawn_path]].concat())?.status.success());
    assert!(fs::read(&drawn)?.starts_with(b"\x89PNG"));
    Ok(())
}

#[test]
fn bad_files_are_refused_before_anything_is_printed() -> Result<()> {
    let folder = Folder::new()?;
    let synthetic = ["--engine", "synthetic"];
    for (name, text, wanted) in [
        (
            "text.csv",
            "a,b\n1,2\n3,4\n5,six\n",
            &["text.csv, line 4, column `b`: `six` is not a number", "--columns"][..],
        ),
        ("first.csv", "a,b\n1,x\n2,3\n", &["first.csv, line 2, column `b`: `x` is not a number"]),
        ("ragged.csv", "1,2\n3,4\n5\n", &["ragged.csv, line 3 has 1 cell, those before it 2"]),
        ("empty.csv", "", &["empty.csv has no row of data"]),
        ("header.csv", "a,b\n", &["header.csv has no row of data"]),
        ("empty.jsonl", "", &["empty.jsonl has no vector"]),
        ("bad.jsonl", "[1]\n[2]\n{\"x\":[null]}\n", &["line 3 of ", "bad.jsonl: nothing where number 1"]),
        ("ragged.jsonl", "[1]\n[2,3]\n", &["line 2 of ", "ragged.jsonl has 2 numbers, those before it 1"]),
        ("width.jsonl", "{\"engine\":\"core\",\"width\":3}\n[1]\n", &["header says width 3", "first vector has 1"]),
        ("unknown.dat", "1\n", &["unknown.dat", "add --format csv, jsonl or npz"]),
        ("none", "1\n", &["add --format csv, jsonl or npz"]),
        ("no.npz", "1,2\n", &["no.npz is no .npz archive: "]),
        ("empty.npz", "", &["empty.npz is no .npz archive: "]),
    ] {
        check_refused(&folder.file(name, text)?, &synthetic, wanted)?;
    }
    check_refused(&folder.path("missing.csv"), &synthetic, &["can't open ", "missing.csv"])?;
    check_refused(folder.0.path(), &synthetic, &["is no file"])?;
    Ok(())
}

#[test]
fn a_record_is_held_to_its_header() -> Result<()> {
    let folder = Folder::new()?;
    let header = r#"{"field":"f","epoch":"7","engine":"synthetic","width":1}"#;
    let line = |field: &str, epoch: &str, k: &str| {
        format!("{{\"field\":\"{field}\",\"epoch\":{epoch},\"k\":{k},\"input\":[0.5]}}")
    };
    let good = line("f", "\"7\"", "1");
    for (second, wanted) in [
        (line("g", "\"7\"", "2"), "line 3 of "),
        (line("g", "\"7\"", "2"), "it is of field g, the header is of field f; replay each by itself"),
        (line("f", "8", "2"), "it is of epoch 8, the header is of epoch 7; replay each by itself"),
        (line("f", "7", "1"), "its k is 1, that before it 1; sort the lines by k, each once"),
        (line("f", "7", "0"), "its k is 0, that before it 1"),
        (line("f", "7", "2.5"), "its k is 2.5, which is no step"),
    ] {
        let record = folder.file("a.jsonl", &[header, &good, &second].join("\n"))?;
        check_refused(&record, &[], &[wanted])?;
    }
    let record = folder.file("a.jsonl", &[header, &line("f", "7", "0")].join("\n"))?;
    check_refused(&record, &[], &["its k is 0, which is no step"])?;
    let record = folder.file("a.jsonl", "{\"engine\":\"core\",\"widht\":1}\n[1]\n")?;
    check_refused(&record, &[], &["line 1 of ", "no member is called `widht`", "did you mean `width`?"])?;

    for (ks, missing) in
        [(["1", "2", "3"], None), (["1", "2", "4"], Some("1 step ")), (["3", "5", "9"], Some("6 steps "))]
    {
        let lines: Vec<String> = ks.iter().map(|k| line("f", "\"7\"", k)).collect();
        let record = folder.file("a.jsonl", &format!("{header}\n{}", lines.join("\n")))?;
        for output in ["text", "json"] {
            let output = replay(&record, &["--output", output])?;
            let said = String::from_utf8(output.stderr)?;
            assert!(output.status.success(), "{ks:?}: {said}");
            match missing {
                None => assert_eq!(said, "", "{ks:?}"),
                Some(steps) => {
                    assert_eq!(said.matches("warning: ").count(), 1, "{said}");
                    assert!(said.contains(&format!("a.jsonl lacks {steps}that its k passes over")), "{said}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn bad_arguments_are_refused_with_a_way_out() -> Result<()> {
    let folder = Folder::new()?;
    let file = folder.file("a.csv", "a,b\n1,2\n")?;
    let parameters = folder.file("p.toml", "lamda = 1\ndt = 99\n")?;
    let parameters = parameters.to_str().context("a path")?;
    for (arguments, wanted) in [
        (&[][..], &["add --engine synthetic or --engine core"][..]),
        (&["--engine", "cor"], &["no engine is called `cor`", "did you mean `core`?"]),
        (
            &["--engine", "core", "--parameters", parameters],
            &["p.toml: parameter `dt` takes 0.001 to 60, not 99", "`lamda`; did you mean `lambda_`?"],
        ),
        (&["--engine", "core", "--param", "N=0"], &["--param: parameter `N` takes 1 to 128, not 0"]),
        (&["--engine", "core", "--param", "dtt=1"], &["`dtt`; did you mean `dt`?"]),
        (&["--engine", "core", "--parameters", "/no/such.toml"], &["can't read /no/such.toml"]),
        (&["--engine", "core", "--columns", "z"], &["has no column `z`; it has: a, b"]),
    ] {
        check_refused(&file, arguments, wanted)?;
    }
    let record = folder.file("a.jsonl", "{\"engine\":\"kore\"}\n[1]\n")?;
    check_refused(&record, &[], &["a.jsonl, header: no engine is called `kore`", "did you mean `core`?"])?;
    let record = folder.file("a.jsonl", "{\"engine\":\"core\",\"parameters\":{\"dt\":-1}}\n[1]\n")?;
    check_refused(&record, &[], &["`dt` takes 0.001 to 60, not -1"])?;
    Ok(())
}

#[test]
fn traces_whose_arrays_do_not_fit_are_refused() -> Result<()> {
    let folder = Folder::new()?;
    let of = |shape: &[usize]| Some(ArrayD::from_elem(shape, 0.5));
    for (name, other, wanted) in [
        ("encoder", None, &["no array `encoder`", "latent × 3", "it has: inputs, rollout_noise, transition"][..]),
        ("transition", None, &["no array `transition`", "2 × 2"]),
        ("inputs", None, &["no array `inputs`", "steps × input"]),
        ("rollout_noise", None, &["no array `rollout_noise`", "2 × N × 2"]),
        ("encoder", of(&[2, 4]), &["array `encoder` is 2 × 4, wanted is latent × 3"]),
        ("encoder", of(&[129, 3]), &["array `encoder` is 129 × 3", "a latent of 1 to 128 numbers"]),
        ("rollout_noise", of(&[2, 129, 2]), &["array `rollout_noise` is 2 × 129 × 2", "N of 1 to 128"]),
        ("encoder", of(&[2]), &["array `encoder` is 2 numbers in one row"]),
        ("transition", of(&[3, 3]), &["array `transition` is 3 × 3, wanted is 2 × 2"]),
        ("rollout_noise", of(&[3, 1, 2]), &["array `rollout_noise` is 3 × 1 × 2, wanted is 2 × N × 2"]),
        ("rollout_noise", of(&[2, 0, 2]), &["array `rollout_noise` is 2 × 0 × 2"]),
        ("inputs", of(&[0, 3]), &["array `inputs` is 0 × 3", "at least one step"]),
        ("inputs", of(&[2, 3, 1]), &["array `inputs` is 2 × 3 × 1"]),
        (
            "encoder",
            Some(array![[1.0, f64::NAN, 1.0], [1.0, 1.0, 1.0]].into_dyn()),
            &["array `encoder`: number 2 is NaN"],
        ),
        (
            "rollout_noise",
            Some(array![[[1.0, 1.0]], [[1.0, f64::INFINITY]]].into_dyn()),
            &["array `rollout_noise`: number 4 is inf"],
        ),
    ] {
        check_refused(&folder.trace(name, other.as_ref())?, &[], wanted)?;
    }
    let whole = folder.trace("", None)?;
    assert_eq!(steps(&whole, &[])?.len(), 2);
    let other = folder.file("p1.toml", "latent_dim = 4\n")?;
    let other = other.to_str().context("a path")?;
    check_refused(&whole, &["--parameters", other], &["p1.toml: the trace's arrays fix `latent_dim` at 2"])?;
    check_refused(&whole, &["--param", "latent_dim=4"], &["arrays fix `latent_dim` at 2"])?;
    check_refused(&whole, &["--columns", "a"], &["--columns chooses columns of a CSV file"])?;

    let path = folder.path("kinds.npz");
    let mut npz = NpzWriter::new(File::create(&path)?);
    npz.add_array("inputs", &Array1::<i64>::zeros(3).insert_axis(Axis(0)))?;
    npz.finish()?;
    check_refused(&path, &["--engine", "synthetic"], &["array `inputs`: its numbers are '<i8'; save it as float64"])?;
    Ok(())
}

#[test]
fn damage_is_noticed() -> Result<()> {
    let folder = Folder::new()?;
    let path = folder.path("long.npz");
    let mut npz = NpzWriter::new(File::create(&path)?);
    npz.add_array("inputs", &Array2::<f64>::zeros((1000, 3)))?;
    npz.finish()?;
    let mut bytes = fs::read(&path)?;
    // In the numbers of the first array, behind its header.
    bytes[5000] ^= 1;
    fs::write(&path, bytes)?;
    check_refused(&path, &["--engine", "synthetic"], &["array `inputs`: it is damaged: "])?;

    let whole = folder.trace("", None)?;
    let bytes = fs::read(&whole)?;
    fs::write(&whole, &bytes[..bytes.len() / 2])?;
    check_refused(&whole, &[], &["trace.npz is no .npz archive: "])?;
    Ok(())
}
