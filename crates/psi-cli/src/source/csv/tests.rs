//! How files are read, and which are refused.

use super::*;

fn options(flags: &str) -> CsvOptions {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: CsvOptions,
    }
    let words = std::iter::once("x").chain(flags.split_whitespace());
    <Line as clap::Parser>::parse_from(words).options
}

fn opened_bytes(bytes: &[u8], flags: &str) -> Result<CsvFile, String> {
    let text = Text::new(Cursor::new(bytes.to_vec()));
    CsvFile::from_text("data.csv".to_owned(), text, &options(flags)).map_err(|error| error.to_string())
}

fn opened(text: &str, flags: &str) -> Result<CsvFile, String> {
    opened_bytes(text.as_bytes(), flags)
}

/// Every vector, or the first message.
fn read(text: &str, flags: &str) -> Result<Vec<Vec<f64>>, String> {
    let mut source = opened(text, flags)?;
    std::iter::from_fn(|| source.next().map_err(|error| error.to_string()).transpose()).collect()
}

fn check(text: &str, flags: &str, want: &[&[f64]]) {
    let want: Vec<Vec<f64>> = want.iter().map(|row| row.to_vec()).collect();
    assert_eq!(read(text, flags), Ok(want), "{text:?} {flags}");
}

/// That a file is refused before its first vector, with a message that has all of `wanted`.
fn check_refused(text: &str, flags: &str, wanted: &[&str]) {
    let message = match opened(text, flags) {
        Ok(file) => panic!("{text:?} {flags}: {}", file.describe()),
        Err(message) => message,
    };
    for wanted in wanted {
        assert!(message.contains(wanted), "{text:?} {flags}: `{wanted}` is not in: {message}");
    }
}

#[test]
fn rows_are_vectors_with_and_without_a_header() {
    for text in [
        "a,b\n1,2\n3,-4.5e1\n",
        "1,2\n3,-4.5e1\n",
        "1,2\r\n3,-4.5e1",
        "a,b\r1,2\r3,-4.5e1\r",
        "a, b\n 1, 2\n\n\"3\", -4.5e1\n",
        "\"a\", \"b\"\n\"1\", \"2\"\n\"3\" ,\t\"-4.5e1\"\n",
        "a;b\n1;2\n3;-4.5e1\n",
        "a\tb\n1\t2\n3\t-4.5e1\n",
        "a|b\n1|2\n3|-4.5e1\n",
        " 1.0e+00   2\n 3 -4.5e1 \n",
        "sep=;\na;b\n1;2\n3;-4.5e1\n",
    ] {
        check(text, "", &[&[1.0, 2.0], &[3.0, -45.0]]);
    }
    check("x\n1\n2\n", "", &[&[1.0], &[2.0]]);
}

#[test]
fn a_header_with_numbers_in_it_is_refused_unless_it_is_named() {
    for text in [
        "sensor,2024,2025,x\n1,2,3,4\n5,6,7,8\n",
        "name,2024,2025\nfoo,1,2\nbar,3,4\n",
        "time,0,1\n2024-01-01,3,4\n2024-01-02,5,6\n",
        ",0,1,2\n0,1.5,2.5,3.5\n1,4.5,5.5,6.5\n",
        "x,50%\n1,2\n3,4\n",
        "error,2\n3,4\n5,6\n",
        "NA,2\n3,4\n5,6\n",
        ",\n1,2\n3,4\n",
        "x,1\n",
    ] {
        check_refused(text, "", &["data.csv, line 1: ", "--header", "--no-header"]);
    }
    let text = "sensor,2024,2025,x\n1,2,3,4\n5,6,7,8\n";
    check(text, "--header", &[&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0]]);
    check(text, "--columns 2025,sensor", &[&[3.0, 1.0], &[7.0, 5.0]]);
    check_refused(text, "--no-header", &["line 1, column `column 1`: `sensor` is not a number"]);
}

#[test]
fn a_header_of_numbers_alone_is_refused_or_said() {
    for text in [
        "0,1,2,3\n0.5,0.25,1,2\n4,2,9,7\n",
        "0,1\n0.5,0.7\n0.4,0.9\n",
        "2020,2021,2022\n5,3,4\n1,9,2\n",
        "400,500,600\n0.5,0.7,1.0\n0.4,0.9,0.1\n",
        "17,3,21\n0.5,0.7,1.0\n0.4,0.9,0.1\n",
        "0\n0.5\n0.7\n",
    ] {
        check_refused(text, "", &["data.csv, line 1: ", "--header", "--no-header"]);
        let rows = |flags| read(text, flags).unwrap().len();
        assert_eq!((rows("--header"), rows("--no-header")), (2, 3), "{text:?}");
    }
    // Rows that all count, and first rows as others are.
    for text in ["1,2,3\n4,5,6\n7,8,9\n", "0.1,0.2\n0.3,0.4\n", "5,7\n1,2\n", "0,0,0\n1,2,3\n"] {
        let source = opened(text, "").unwrap();
        assert!(source.notes()[0].contains("has no header") && source.notes()[0].contains("--header"), "{text:?}");
    }
    assert_eq!(opened("a,b\n1,2\n", "").unwrap().notes(), [""; 0]);
    assert_eq!(opened("1,2\n", "--no-header").unwrap().notes(), [""; 0]);
}

#[test]
fn text_and_times_are_left_out_by_name() {
    let text = "when,a,,b\nmonday,1,x,2\ntuesday,3,4 items here,5\n";
    check(text, "", &[&[1.0, 2.0], &[3.0, 5.0]]);
    let source = opened(text, "").unwrap();
    assert_eq!(source.describe(), "data.csv: a, b");
    assert_eq!(source.notes(), ["data.csv: left out, not numbers: when, column 3; --columns chooses others"]);
    for (text, note) in [
        ("when,a\n2024-01-01T00:00:00Z,1\n2024-01-02T00:00:00Z,2\n", "a time: when"),
        ("timestamp,a\n1700000000,1\n1700000060,2\n", "a time: timestamp"),
        ("Time (s),a\n0,1\n0.5,2\n", "a time: Time (s)"),
        (",a\n0,1\n1,2\n2,2\n", "numbers of rows: column 1"),
        ("a,,\n1,,\n2,,\n", "empty: column 2, column 3"),
        ("2024-01-01 00:00,1\n2024-01-02 00:00,2\n", "a time: column 1"),
        ("setosa,1\nsetosa,2\n", "not numbers: column 1"),
    ] {
        let source = opened(text, "").unwrap();
        assert!(source.notes()[0].contains(note) && source.width() == Some(1), "{text:?}: {:?}", source.notes());
    }
    // A time that goes back is a number like others, and so is one that is alone.
    check("time,a\n5,1\n3,2\n", "", &[&[5.0, 1.0], &[3.0, 2.0]]);
    check("time\n1\n2\n", "", &[&[1.0], &[2.0]]);
    check("time,a\n1,1\n2,2\n", "--columns time,a", &[&[1.0, 1.0], &[2.0, 2.0]]);
}

#[test]
fn columns_come_in_the_order_asked_for() {
    let text = "a,b,c\n1,2,x\n4,5,y\n";
    check(text, "--columns b,a", &[&[2.0, 1.0], &[5.0, 4.0]]);
    // Names make the first row a header, even one that looks like data.
    check("time,1\n7,8\n", "--columns 1", &[&[8.0]]);
    let by_place = |flags: &[&str]| {
        let words = ["column 2".to_owned()];
        let options = CsvOptions { columns: words.to_vec(), ..options(&flags.join(" ")) };
        let text = Text::new(Cursor::new(b"a,a\n1,2\n3,4\n".to_vec()));
        CsvFile::from_text("data.csv".to_owned(), text, &options).unwrap().next().unwrap()
    };
    assert_eq!(by_place(&[]), Some(vec![2.0]));
    check_refused("a,a\n1,2\n", "--columns a", &["several columns are called `a`", "`column 1` or `column 2`"]);
    check_refused(text, "--columns d", &["data.csv has no column `d`; it has: a, b, c"]);
    check_refused(text, "--columns c", &["line 2, column `c`: `x` is not a number"]);
}

#[test]
fn a_gap_is_an_error_in_any_row_unless_the_user_says_what_to_do() {
    for gap in ["", "NA", "n/a", "null", "-", "?", "  "] {
        for (row, text) in [(2, format!("a,b,c\n{gap},2,3\n4,5,6\n")), (3, format!("a,b,c\n1,2,3\n{gap},5,6\n7,8,9\n"))]
        {
            let wanted = format!("data.csv, line {row}, column `a`: `{}` is not a number", gap.trim());
            check_refused(&text, "", &[&wanted, "--missing"]);
        }
    }
    let text = "a,b\n1,2\n,3\n4,5\nNA,6\n";
    check(text, "--missing skip-row", &[&[1.0, 2.0], &[4.0, 5.0]]);
    let mut source = opened(text, "--missing skip-row").unwrap();
    while source.next().unwrap().is_some() {}
    assert_eq!(source.skipped(), 2);
    let rows = read(text, "--missing nan").unwrap();
    assert!(rows.len() == 4 && rows[1][0].is_nan() && rows[1][1] == 3.0, "{rows:?}");
    // What is no gap stays an error, and so does a column without any number.
    check_refused("a,b\n1,2\nx,3\n", "--missing skip-row", &["line 3, column `a`: `x` is not a number"]);
    check_refused("a,b\nNA,2\nNA,3\n", "", &["line 2, column `a`: `NA` is not a number", "--columns"]);
    check("a,b\nNA,2\nNA,3\n", "--columns b", &[&[2.0], &[3.0]]);
}

#[test]
fn numbers_written_otherwise_are_refused_until_they_are_named() {
    for (text, wanted) in [
        ("a,b,c\n\"1,000\",2,3\n999,5,6\n", "line 2, column `a`: `1,000`"),
        ("a,b\n\"1,000\",2\n\"2,000\",3\n", "line 2, column `a`: `1,000`"),
        ("a,b\n5%,2\n6%,3\n", "line 2, column `a`: `5%`"),
        ("a,b\n5 kg,2\n6 kg,3\n", "line 2, column `a`: `5 kg`"),
        ("a,b\n1e999,2\n1,3\n", "line 2, column `a`: `1e999`"),
        (
            "a;b\n1,5;2,5\n3,5;4,5\n",
            "line 2, column `a`: `1,5` is not a number; is its comma a decimal one (--decimal ,)",
        ),
        (
            "\"1,5\",\"2,5\"\n\"3,5\",\"4,5\"\n",
            "line 1, column `column 1`: `1,5` is not a number; is its comma a decimal",
        ),
        ("a\n1.234.567\n1.234.568\n", "--thousands . --decimal ,"),
    ] {
        check_refused(text, "", &[wanted]);
    }
    check("a,b\n\"1,000\",2\n999,5\n", "--thousands ,", &[&[1000.0, 2.0], &[999.0, 5.0]]);
    check("1,5;2,5;3,5\n4,25;5,5;6,5\n", "--decimal ,", &[&[1.5, 2.5, 3.5], &[4.25, 5.5, 6.5]]);
    check("a;b\n1.234,5;2\n3,5;4\n", "--decimal , --thousands .", &[&[1234.5, 2.0], &[3.5, 4.0]]);
    check("x\n1,5\n2,5\n", "--decimal ,", &[&[1.5], &[2.5]]);
    check("\"1,5\",\"2,5\"\n\"3,5\",\"4,5\"\n", "--decimal , --delimiter ,", &[&[1.5, 2.5], &[3.5, 4.5]]);
}

#[test]
fn what_could_be_divided_in_two_ways_is_refused() {
    for text in [
        "1,5;2,5;3,5\n4,25;5,5;6,5\n",
        "1,5\t2,5\n4,25\t5,5\n",
        "1,5;word;2,5\n3,5;other;4,5\n",
        "a,x;b,y\n1,5;2,5\n3,5;4,5\n",
    ] {
        check_refused(text, "", &["data.csv, line 1: it can be divided by `,` into ", "--delimiter", "--decimal ,"]);
    }
    check("1,5;2,5\n3,5;4,5\n", "--delimiter ; --decimal ,", &[&[1.5, 2.5], &[3.5, 4.5]]);
    // Where a delimiter stands in quotes or in words only, it divides nothing.
    check("name,x\n\"Smith; J\",1\n\"Doe; K\",2\n", "", &[&[1.0], &[2.0]]);
    check("when;what;x\nmon;foo, bar;1\ntue;a;2\n", "", &[&[1.0], &[2.0]]);
}

#[test]
fn what_is_not_rows_is_refused() {
    for (text, wanted) in [
        ("", "data.csv has no row of data"),
        ("a,b\n", "data.csv has no row of data"),
        ("a,b\nx;1,y\n", "data.csv has no column of numbers"),
        ("a,b\n1,x\n2,3\n", "line 2, column `b`: `x` is not a number"),
        ("a,b\n1,2\n3,4\n5,six\n", "line 4, column `b`: `six` is not a number"),
        ("a,b\n1,2\n\n\n5,\n", "line 5, column `b`: `` is not a number"),
        ("a,b\n1,2\n3\n", "line 3 has 1 cell, those before it 2"),
        ("a,b\n\n1,2,3", "line 3 has 3 cells, those before it 2"),
        ("x\n1,5\n2,5\n", "line 2 has 2 cells, those before it 1"),
        ("# a file\n\na,b\n1,2\n", "line 3 has 2 cells, those before it 1"),
        ("a,b\n\"1\",2\n5,\"x\ny\"\n", "line 3, column `b`: `x\ny` is not a number"),
        ("a,b\n1,\"2\n3,4\n5,6\n", "line 2: the quote that opens here is not closed"),
        ("x,name\n1,\"foo\n2,bar\n3,baz\n", "line 2: the quote that opens here is not closed"),
        ("x,name\n1,\"foo\n2,bar\n3,\"baz\"\n", "line 4: there is text behind a closing quote"),
        ("a,b\n1\0,2\n", "line 2: there is a NUL byte"),
    ] {
        check_refused(text, "", &[wanted]);
    }
    let latin = opened_bytes(b"Gr\xf6\xdfe,b\n1,2\n", "").unwrap_err();
    assert!(latin.contains("line 1: it is not UTF-8") && latin.contains("iconv"), "{latin}");
    let long = format!("a,b\n1,2\n\"{}\",3\n", "7".repeat(2 << 20));
    check_refused(&long, "", &["line 3: the row that begins here is longer than 1 MiB"]);
    let endless = std::io::Read::chain(b"a,b\n1,2\n".as_slice(), std::io::repeat(b'7'));
    let endless = CsvFile::from_text("data.csv".to_owned(), Text::new(endless), &options("")).unwrap_err().to_string();
    assert!(endless.contains("line 3: the row that begins here is longer than 1 MiB"), "{endless}");
}

/// A file whose first rows say one thing, and the rows beyond the sample another.
#[test]
fn rows_beyond_the_sample_are_held_to_it() {
    let long = |first: &str, row: &str, last: &str| format!("{first}\n{}{last}\n", format!("{row}\n").repeat(1_500));
    for (text, wanted) in [
        (long("a,b", "1,2", "3,NA"), "line 1502, column `b`: `NA` is not a number"),
        (long("a,b", "1,2", "3"), "line 1502 has 1 cell, those before it 2"),
        (long("a,b", "1,warming up", "3,4"), "line 1502: column `b` is left out"),
        (long("a,", "1,", "3,4"), "line 1502: column `column 2` is left out"),
        (long("a,b", "1,2", "3,\"4"), "line 1502: the quote that opens here is not closed"),
    ] {
        let mut source = opened(&text, "").unwrap_or_else(|error| panic!("{wanted}: {error}"));
        let mut count = 0;
        let error = loop {
            match source.next() {
                Ok(Some(_)) => count += 1,
                Ok(None) => panic!("{wanted}"),
                Err(error) => break error.to_string(),
            }
        };
        assert!(count == 1_500 && error.contains(wanted), "{count}: {error}");
        assert_eq!(source.next().unwrap(), None);
    }
}

#[test]
fn times_are_read_where_they_are_the_clock() {
    let mut source = opened("when,a\n1970-01-01T00:00:10Z,1\n1970-01-01T00:01:00Z,2\nsoon,3\n", "--time when").unwrap();
    let mut times = vec![];
    while let Ok(Some(_)) = source.next() {
        times.push(source.time());
    }
    assert_eq!(times, [Some(10.0), Some(60.0)]);
    let mut source = opened("t,a\n5,1\n3,2\n", "--time t").unwrap();
    assert_eq!((source.width(), source.next().unwrap(), source.time()), (Some(1), Some(vec![1.0]), Some(5.0)));
}

#[test]
fn packed_and_marked_files_are_read_and_others_named() {
    let folder = tempfile::tempdir().unwrap();
    let open = |bytes: &[u8]| {
        let path = folder.path().join("data.csv");
        std::fs::write(&path, bytes).unwrap();
        let mut file = CsvFile::open(&path, &CsvOptions::default()).map_err(|error| error.to_string())?;
        file.next().map_err(|error| error.to_string())
    };
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, b"\xef\xbb\xbfa,b\n1,2\n").unwrap();
    let packed = packed.finish().unwrap();
    for bytes in [b"\xef\xbb\xbf1,2\n".as_slice(), &packed] {
        assert_eq!(open(bytes), Ok(Some(vec![1.0, 2.0])));
    }
    assert!(open(&packed[..packed.len() - 9]).is_err(), "cut off");
    let utf_16: Vec<u8> = "a,b\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, wanted) in [
        ([b"\xff\xfe", utf_16.as_slice()].concat(), "is UTF-16; convert it with `iconv"),
        (utf_16, "so this is UTF-16 or no text"),
        (b"PK\x03\x04...".to_vec(), "is a zip archive"),
        (b"\x28\xb5\x2f\xfd...".to_vec(), "is compressed with zstd"),
    ] {
        let error = open(&bytes).unwrap_err();
        assert!(error.contains("data.csv") && error.contains(wanted), "{error}");
    }
    let error = CsvFile::open(Path::new("/no/such.csv"), &CsvOptions::default()).unwrap_err();
    assert!(error.to_string().starts_with("can't open /no/such.csv: "));
}

#[test]
fn the_share_that_was_read_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.csv");
    std::fs::write(&path, "a,b\n".to_owned() + &"1,2\n".repeat(99)).unwrap();
    let mut file = CsvFile::open(&path, &CsvOptions::default()).unwrap();
    for row in 1..=99 {
        file.next().unwrap().unwrap();
        assert_eq!(file.share(), Some(f64::from(row + 1) / 100.0));
    }
}
