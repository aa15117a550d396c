//! The list of members as people read it.

use indicatif::HumanBytes;

use super::{
    listing::{Answer, Row, Traffic, Verdict, is_minority, living},
    runs::runs_text,
};
use crate::output::{Cell, Tone, numbers::short_hash, pluralize, table};

/// What is said of dead members; nothing where there are none.
pub(super) fn standing(rows: &[Row]) -> Option<String> {
    let (live, dead) = living(rows);
    let are = if dead == 1 { "is" } else { "are" };
    let dead = (dead > 0).then(|| format!("{} {are} dead", pluralize(dead as u64, "member")))?;
    Some(match live {
        1 => format!("alone; {dead}"),
        _ if is_minority(rows) => format!("a minority of {live} live; {dead}"),
        _ => dead,
    })
}

pub(super) fn text(answer: &Answer) -> String {
    let Answer { cluster, asked, verdict, minority: _, members, runs, ended } = answer;
    let rows = members.iter().map(row_text).collect();
    let header = [
        "node", "state", "ready", "linked", "clock", "frontier", "digest", "version", "protocol", "gRPC", "HTTP",
        "gossip",
    ];
    let table = table(header, &[4], rows);
    let (links, runs) = (links_text(asked, members), runs_text(runs, ended));
    let said = conclusion(*verdict, members);
    let namesakes = namesakes_text(members);
    format!("cluster {cluster}, as node {asked} sees it\n\n{table}\n\n{namesakes}{links}{runs}\n\n{said}")
}

/// The names that several machines have, a paragraph each; nothing where there are none.
fn namesakes_text(members: &[Row]) -> String {
    let shared = members.iter().filter(|row| !row.namesakes.is_empty());
    let paragraph = |row: &Row| {
        let others: Vec<String> = row.namesakes.iter().map(|address| format!("\n  {address}")).collect();
        let said = format!("SEVERAL MACHINES ARE CALLED {}, and all but one wait:", row.node);
        let (said, own) = (Tone::Bad.paint(&said), &row.grpc_address);
        format!("{said}\n  {own}{}\ngive each a name of its own (node.id)\n\n", others.concat())
    };
    shared.map(paragraph).collect()
}

/// The verdict, and who is missing.
fn conclusion(verdict: Verdict, members: &[Row]) -> String {
    let (live, dead) = living(members);
    let count = pluralize(live as u64, "live member");
    let unreached = members.iter().filter(|row| row.is_live() && !row.reached).count();
    let (said, tone) = match verdict {
        Verdict::Agree if live == 1 && dead > 0 => (None, Tone::Good),
        Verdict::Agree if live == 1 => (Some("the only live member agrees with itself".to_owned()), Tone::Good),
        Verdict::Agree => (Some(format!("all {count} agree, to the last bit")), Tone::Good),
        Verdict::CatchingUp => {
            (Some(format!("the {count} hold different steps: some are still on their way")), Tone::Doubtful)
        }
        Verdict::Diverged => {
            (Some("MEMBERS DIVERGED: they received the same and hold different state".to_owned()), Tone::Bad)
        }
        Verdict::Unknown => {
            let said = format!("can't say whether all agree: {unreached} of {count} can't be asked from here");
            (Some(said), Tone::Doubtful)
        }
    };
    let of_dead = if is_minority(members) { Tone::Bad } else { Tone::Doubtful };
    let lines = [said.map(|said| tone.paint(&said).to_string()), {
        standing(members).map(|standing| of_dead.paint(&standing).to_string())
    }];
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// The links of the node asked; nothing where it has none.
fn links_text(asked: &str, members: &[Row]) -> String {
    let linked: Vec<&Row> = members.iter().filter(|row| row.node != asked && row.linked).collect();
    if linked.is_empty() {
        return String::new();
    }
    let header = ["link to", "lag", "lag since", "entries out", "in", "bytes out", "in", "cut", "resent", "refused"];
    let row = |row: &&Row| {
        let Traffic { bytes_sent, bytes_received, entries_sent, entries_received, deltas_cut, deltas_refused, resent } =
            row.traffic;
        let since = if row.lag_ms == 0 { "-".to_owned() } else { format!("{} ms", row.lag_ms) };
        let sizes = [bytes_sent, bytes_received].map(|bytes| HumanBytes(bytes).to_string());
        let [out, into] = sizes;
        [
            row.node.clone(),
            row.lag_versions.to_string(),
            since,
            entries_sent.to_string(),
            entries_received.to_string(),
            out,
            into,
            deltas_cut.to_string(),
            resent.to_string(),
            deltas_refused.to_string(),
        ]
    };
    format!("{}\n\n", table(header, &[1, 2, 3, 4, 5, 6, 7, 8, 9], linked.iter().map(row).collect()))
}

fn row_text(row: &Row) -> [Cell; 12] {
    let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let if_live = |text: String| if row.is_live() { text } else { "-".to_owned() };
    let if_said = |text: String| if text.is_empty() || text == "0" { "-".to_owned() } else { text };
    let state = match row.state {
        "live" if row.reached => Cell::toned("live", Tone::Good),
        "live" => Cell::toned("live, mute", Tone::Doubtful),
        "dead" => Cell::toned("dead", Tone::Bad),
        other => other.to_owned().into(),
    };
    [
        row.node.clone().into(),
        state,
        if_live(yes_no(row.ready)).into(),
        if_live(yes_no(row.linked)).into(),
        if_live(format!("{} ms", row.clock_offset_ms)).into(),
        if_live(short_hash(&row.agreement.frontier_hash)).into(),
        if_live(short_hash(&row.agreement.digest)).into(),
        if_said(row.version.clone()).into(),
        if_said(row.protocol.to_string()).into(),
        row.grpc_address.clone().into(),
        port_beside(&row.http_address, &row.grpc_address).into(),
        port_beside(&row.gossip_address, &row.grpc_address).into(),
    ]
}

/// An address, without its host where that is the same as another's.
fn port_beside(address: &str, other: &str) -> String {
    match (address.rsplit_once(':'), other.rsplit_once(':')) {
        (Some((host, port)), Some((other_host, _))) if host == other_host => format!(":{port}"),
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use psi_api::v1::MemberState;

    use super::{
        super::listing::{tests::row, verdict},
        *,
    };

    #[test]
    fn who_is_left_of_the_members_is_said() {
        let live = || row(MemberState::Live, Some(("f", "d")));
        let dead = || row(MemberState::Dead, None);
        let left = || row(MemberState::Left, None);
        for (rows, minority, want) in [
            (vec![live()], false, "the only live member agrees with itself"),
            (vec![live(), left(), left()], false, "the only live member agrees with itself"),
            (vec![live(), dead(), dead()], true, "alone; 2 members are dead"),
            (vec![live(), dead()], true, "alone; 1 member is dead"),
            (vec![live(), live(), dead()], false, "all 2 live members agree, to the last bit\n1 member is dead"),
            (
                vec![live(), live(), dead(), dead(), left()],
                true,
                "all 2 live members agree, to the last bit\na minority of 2 live; 2 members are dead",
            ),
        ] {
            let said = conclusion(verdict(&rows), &rows);
            assert_eq!((is_minority(&rows), console::strip_ansi_codes(&said)), (minority, want.into()));
        }
    }

    #[test]
    fn hosts_are_not_repeated() {
        assert_eq!(port_beside("[::1]:8000", "[::1]:50051"), ":8000");
        assert_eq!(port_beside("10.0.0.1:8000", "10.0.0.2:50051"), "10.0.0.1:8000");
        assert_eq!(port_beside("", "10.0.0.2:50051"), "");
    }
}
