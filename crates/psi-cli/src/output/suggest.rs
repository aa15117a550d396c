//! "Did you mean": the known name nearest to a mistyped one.

/// The end of an error message: the name of `known` nearest to `got`, or nothing where none is near.
pub(crate) fn did_you_mean<'a>(got: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(got, known).map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// About one slip is forgiven for every three letters; a guess that serves names of settings.
fn nearest<'a>(got: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // The comparison is quadratic.
    const LENGTH_MAX: usize = 100;
    if got.len() > LENGTH_MAX {
        return None;
    }
    let got = got.to_lowercase();
    let slips_max = got.chars().count().div_ceil(3);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&got, &name.to_lowercase()), name))
        .filter(|&(slips, _)| slips <= slips_max)
        .min_by_key(|&(slips, _)| slips)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_forgiven_and_a_stranger_is_not() {
        let known = ["grpc.listen", "http.listen", "node.id"];
        for (got, want) in
            [("grcp.listen", Some("grpc.listen")), ("NODE.ID", Some("node.id")), ("colour", None), ("", None)]
        {
            assert_eq!(nearest(got, known), want, "{got}");
        }
    }
}
