//! The emergency switch: while it is on, no gate of any process blocks.

use prost::Message;
use psi_quorum::Request;

use crate::node::context::NodeContext;

/// The register that holds it. No process has it, since those have a slash.
pub(crate) const EMERGENCY_REGISTER: &str = "processes";

/// Longest reason, and name of who switched it.
pub(crate) const REASON_BYTES_MAX: usize = 512;

/// Whether it is on, since when and why.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct EmergencySwitch {
    #[prost(bool, tag = "1")]
    pub(crate) on: bool,
    #[prost(string, tag = "2")]
    pub(crate) reason: String,
    #[prost(string, tag = "3")]
    pub(crate) actor: String,
    #[prost(uint64, tag = "4")]
    pub(crate) wall_ms: u64,
    #[prost(uint32, tag = "5")]
    pub(crate) counter: u32,
}

impl EmergencySwitch {
    /// Reads what was decided.
    ///
    /// # Errors
    /// The bytes are none: why.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let switch = Self::decode(bytes).map_err(|error| error.to_string())?;
        let is_short = [&switch.reason, &switch.actor].iter().all(|text| text.len() <= REASON_BYTES_MAX);
        let is_whole = is_short && switch.encode_to_vec() == bytes;
        if is_whole { Ok(switch) } else { Err("the bytes are no emergency switch of this version".to_owned()) }
    }
}

/// The switch as far as this node knows; off where nobody ever switched it.
pub(crate) fn emergency(context: &NodeContext) -> EmergencySwitch {
    let view = context.read(|replica| replica.register_view(EMERGENCY_REGISTER));
    let decision = view.filter(|view| view.step > 0).and_then(|view| Request::decode(&view.decision).ok());
    decision.and_then(|known| EmergencySwitch::read(known.previous().value().body()).ok()).unwrap_or_default()
}
