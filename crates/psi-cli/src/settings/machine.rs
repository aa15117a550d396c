//! The name of a node that is given none.

use psi_replica::{NAME_LENGTH_MAX, NodeId};

/// The port that a machine's only node has.
const GRPC_PORT: u16 = 50_051;

/// `machine`, with every character that no name may have turned to `-`, and the gRPC port where that is another than
/// usual: so that several nodes of one machine have several names, and each the same after a restart. Where the port is
/// 0, and so not known before, the number of this process stands for it.
pub(super) fn node_id(machine: &str, port: u16) -> NodeId {
    let suffix = match port {
        GRPC_PORT => String::new(),
        0 => format!("-p{}", std::process::id()),
        port => format!("-{port}"),
    };
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '-' };
    let name: String = machine.chars().map(plain).take(NAME_LENGTH_MAX - suffix.len()).collect();
    let name = if name.is_empty() { "node".to_owned() } else { name };
    NodeId::new(&(name + &suffix)).expect("made of letters that are allowed, and not too long")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_names_become_node_names() {
        for (machine, port, want) in [
            ("web-1.example", GRPC_PORT, "web-1.example"),
            ("web", 50_052, "web-50052"),
            ("Ada's Mac", GRPC_PORT, "Ada-s-Mac"),
            ("", GRPC_PORT, "node"),
            ("", 7, "node-7"),
        ] {
            assert_eq!(node_id(machine, port).as_str(), want);
        }
        let long = node_id(&"é".repeat(200), 65_535);
        assert_eq!(long.as_str().len(), NAME_LENGTH_MAX);
        assert!(long.as_str().ends_with("-65535"));
    }
}
