//! "Did you mean": the known name nearest to a mistyped one.
//!
//! Leaves out what is done with it; each error type carries its own suggestion.

/// Longer names are not compared: nobody mistyped a short name into one, and the comparison is quadratic.
const LENGTH_MAX: usize = 64;

/// The first of `known` that differs least from `got`, or `None` where nothing is near.
///
/// Names that differ only in case are nearest of all. Otherwise about one slip (a letter added, lost, changed or
/// swapped with its neighbour) is forgiven for every three letters; a guess that serves the names of this crate.
pub(crate) fn nearest(got: &str, known: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    if got.len() > LENGTH_MAX {
        return None;
    }
    let lower = got.to_lowercase();
    let slips_max = lower.chars().count().div_ceil(3);
    known
        .into_iter()
        .map(|name| (slips(&lower, &name.to_lowercase()), name))
        .filter(|&(slips, name)| slips <= slips_max && slips < name.chars().count())
        .min_by_key(|&(slips, _)| slips)
        .map(|(_, name)| name)
}

/// The end of an error message: nothing, or the suggestion.
pub(crate) fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

fn slips(left: &str, right: &str) -> usize {
    strsim::damerau_levenshtein(left, right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_forgiven_and_a_stranger_is_not() {
        let known = ["dt", "W_r", "N", "latent_dim", "lambda_", "dt_min"];
        for (got, want) in [
            ("DT", Some("dt")),
            ("w_r", Some("W_r")),
            ("n", Some("N")),
            ("latentdim", Some("latent_dim")),
            ("lamda", Some("lambda_")),
            ("dtmin", Some("dt_min")),
            ("mood", None),
            ("", None),
        ] {
            assert_eq!(nearest(got, known), want, "{got}");
        }
        assert_eq!(nearest(&"d".repeat(LENGTH_MAX + 1), known), None);
    }
}
