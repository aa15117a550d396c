//! What a replay refuses, and what it leaves alone.

use std::fs::{self, File};

use anyhow::{Context, Result};
use ndarray::{Array1, Array2, ArrayD, Axis, array};
use ndarray_npy::NpzWriter;

use crate::support::{Folder, check_refused, replay, steps};

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
        (&csv, &["--png", drawn_path], &["drawn.png exists already; overwrite it with --force"]),
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
        ("years.csv", "sensor,2024,2025,x\n1,2,3,4\n5,6,7,8\n", &["years.csv, line 1: ", "--header", "--no-header"]),
        ("gap.csv", "a,b,c\n,2,3\n4,5,6\n", &["gap.csv, line 2, column `a`: `` is not a number", "--missing"]),
        (
            "thousands.csv",
            "a,b\n\"1,000\",2\n999,5\n",
            &["thousands.csv, line 2, column `a`: `1,000`", "--thousands ,"],
        ),
        ("commas.csv", "1,5;2,5;3,5\n4,25;5,5;6,5\n", &["commas.csv, line 1: ", "--delimiter", "--decimal ,"]),
        ("quote.csv", "x,name\n1,\"foo\n2,bar\n", &["quote.csv, line 2: the quote that opens here is not closed"]),
        ("empty.csv", "", &["empty.csv has no row of data"]),
        ("header.csv", "a,b\n", &["header.csv has no row of data"]),
        ("empty.jsonl", "", &["empty.jsonl has no vector"]),
        ("bad.jsonl", "[1]\n[2]\n{\"x\":[null]}\n", &["line 3 of ", "bad.jsonl: nothing where number 1"]),
        ("ragged.jsonl", "[1]\n[2,3]\n", &["line 2 of ", "ragged.jsonl has 2 numbers, those before it 1"]),
        ("width.jsonl", "{\"engine\":\"core\",\"width\":3}\n[1]\n", &["header says width 3", "first vector has 1"]),
        ("unknown.dat", "1\n", &["unknown.dat", "add --format csv, jsonl or npz"]),
        ("none", "1\n", &["add --format csv, jsonl or npz"]),
        ("no.npz", "1,2\n", &["no.npz is not an .npz archive: "]),
        ("empty.npz", "", &["empty.npz is not an .npz archive: "]),
    ] {
        check_refused(&folder.file(name, text)?, &synthetic, wanted)?;
    }
    check_refused(&folder.path("missing.csv"), &synthetic, &["can't open ", "missing.csv"])?;
    check_refused(folder.0.path(), &synthetic, &["is not a file"])?;
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
        (line("f", "7", "2.5"), "its k is 2.5, which is not a step"),
    ] {
        let record = folder.file("a.jsonl", &[header, &good, &second].join("\n"))?;
        check_refused(&record, &[], &[wanted])?;
    }
    let record = folder.file("a.jsonl", &[header, &line("f", "7", "0")].join("\n"))?;
    check_refused(&record, &[], &["its k is 0, which is not a step"])?;
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
                    assert!(said.contains(&format!("{steps}that its k skips are missing in")), "{said}");
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
    check_refused(&whole, &["--columns", "a"], &["--columns: for CSV files only"])?;

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
    check_refused(&whole, &[], &["trace.npz is not an .npz archive: "])?;
    Ok(())
}
