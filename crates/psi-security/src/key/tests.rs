use super::*;

fn key(byte: u8) -> ClusterKey {
    ClusterKey::from_random([byte; 32])
}

fn file_error(file: &str) -> String {
    KeyRing::parse(file.as_bytes()).expect_err("refused").to_string()
}

#[test]
fn a_key_is_read_as_it_was_written() {
    let bytes = std::array::from_fn(|at| u8::try_from(at * 7 + 3).unwrap());
    let key = ClusterKey::from_random(bytes);
    let text = key.to_string();
    assert_eq!(text.len(), TEXT_BYTES);
    assert_eq!(text.parse::<ClusterKey>(), Ok(key));
}

#[test]
fn the_text_and_the_id_of_a_key_never_change() {
    let key = key(1);
    assert_eq!(key.to_string(), "psi-key-AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEjoTG6");
    assert_eq!(key.id().to_string(), "86395d89ea5745b0");
}

#[test]
fn no_flipped_bit_of_a_key_is_accepted() {
    let text = key(7).to_string();
    for at in 0..text.len() * 8 {
        let mut bytes = text.clone().into_bytes();
        bytes[at / 8] ^= 1 << (at % 8);
        if let Ok(other) = std::str::from_utf8(&bytes) {
            assert!(other.parse::<ClusterKey>().is_err(), "bit {at}");
        }
        assert!(KeyRing::parse(&bytes).is_err(), "bit {at}");
    }
}

#[test]
fn what_is_wrong_with_a_key_is_said_without_showing_it() {
    let text = key(7).to_string();
    let cut = &text[..text.len() - 1];
    let long = format!("{text}A");
    let typo = text.replacen('H', "I", 1);
    let sign = text.replacen('H', "!", 1);
    for (given, says) in [
        ("", "a key starts with `psi-key-`"),
        ("hunter2", "a key starts with `psi-key-`"),
        (cut, "a key has 56 characters, this has 55"),
        (&long, "a key has 56 characters, this has 57"),
        (&typo, "its checksum is wrong: a character was mistyped or lost"),
        (&sign, "a key has only A-Z a-z 0-9 - _ after `psi-key-`"),
    ] {
        let error = given.parse::<ClusterKey>().expect_err("refused");
        assert_eq!(error.to_string(), says);
    }
}

#[test]
fn debug_shows_the_id_and_never_the_secret() {
    let key = key(7);
    let shown = format!("{key:?} {:?}", KeyRing::from(key.clone()));
    assert!(shown.contains(&key.id().to_string()));
    assert!(!shown.contains(&key.to_string()[8..20]) && !shown.contains("7, 7"), "{shown}");
}

#[test]
fn each_purpose_cluster_and_material_has_its_own_secret() {
    let key = key(7);
    let secrets = [
        key.derive(Purpose::GossipSession, "a", b""),
        key.derive(Purpose::Token, "a", b""),
        key.derive(Purpose::Authority, "a", b""),
        key.derive(Purpose::GossipSession, "b", b""),
        key.derive(Purpose::GossipSession, "", b"a"),
        key.derive(Purpose::GossipSession, "ab", b""),
        key.derive(Purpose::GossipSession, "a", b"b"),
        self::key(8).derive(Purpose::GossipSession, "a", b""),
    ];
    for (at, secret) in secrets.iter().enumerate() {
        assert!(!secrets[..at].contains(secret), "{at}");
    }
}

#[test]
fn a_file_holds_keys_comments_and_empty_lines() {
    let (first, second) = (key(1), key(2));
    for (start, end) in [("", "\n"), ("\u{feff}", "\r\n"), ("  ", " \t\n")] {
        let file = format!("{start}# of 2026{end}{first}{end}{end}  # the old one{end}{second}{end}");
        let ring = KeyRing::parse(file.as_bytes()).expect("two keys");
        assert_eq!(ring.first(), &first);
        assert_eq!(ring.ids(), [first.id(), second.id()]);
        assert_eq!(ring.find(second.id()), Some(&second));
        assert_eq!(ring.find(key(3).id()), None);
        assert_eq!(ring.iter().len(), 2);
    }
}

#[test]
fn a_file_is_refused_with_the_line_and_the_way_out() {
    let first = key(1);
    assert_eq!(
        file_error(""),
        "the key file holds no key; copy it from another node, or make one for a new cluster with `psi-field key`"
    );
    assert_eq!(file_error("# none\n\n"), file_error(""));
    assert_eq!(
        file_error(&format!("# one\n{first}\nhunter2\n")),
        "line 3 of the key file is no key: a key starts with `psi-key-`; mend it, or copy the file from another node"
    );
    assert_eq!(
        file_error(&format!("{first}\n\n{first}\n")),
        "line 3 of the key file repeats the key of line 1; remove one"
    );
    let many: String = (0..9).map(|byte| format!("{}\n", key(byte))).collect();
    assert!(KeyRing::parse(many.lines().take(8).collect::<Vec<_>>().join("\n").as_bytes()).is_ok());
    assert!(file_error(&many).starts_with("line 9 of the key file holds one key more than the 8 that are allowed"));
}

#[test]
fn files_in_other_encodings_are_refused() {
    let utf16: Vec<u8> =
        [0xfeff].into_iter().chain(key(1).to_string().encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(KeyRing::parse(&utf16), Err(KeyFileError::Utf16));
    let mut latin = key(1).to_string().into_bytes();
    latin.push(0xe9);
    assert_eq!(KeyRing::parse(&latin), Err(KeyFileError::Line { line: 1, source: KeyTextError::Character }));
}

#[test]
fn errors_of_a_file_never_show_a_line() {
    let secret = "psi-key-THISisSECRET";
    for file in [secret.to_owned(), format!("{}\n{secret}", key(1)), format!("{secret}\u{e9}")] {
        let error = KeyRing::parse(file.as_bytes()).expect_err("refused");
        assert!(!format!("{error} {error:?}").contains("SECRET"));
    }
}
