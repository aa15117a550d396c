//! What each call needs of its caller. Routes of HTTP say it in their own table.

use psi_security::token::Role;

/// What a call needs of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Open to all.
    Nothing,
    /// A role, for a field that the call names.
    Role(Role),
    /// A role, for all fields.
    Whole(Role),
    /// To be a node of the cluster.
    Node,
}

/// Every method of every service.
const CALLS: &[(&str, &[(&str, Need)])] = &[
    (
        "psi.v1.PsiFieldService",
        &[
            ("Step", Need::Role(Role::Step)),
            ("StepBatch", Need::Role(Role::Step)),
            ("StepStream", Need::Role(Role::Step)),
            ("GetState", Need::Role(Role::Read)),
            ("WatchState", Need::Role(Role::Read)),
            ("WatchSteps", Need::Role(Role::Read)),
            // It lists those that the caller may use.
            ("ListFields", Need::Role(Role::Read)),
            ("CreateField", Need::Role(Role::Operator)),
            ("ChangeField", Need::Role(Role::Operator)),
            ("ResetField", Need::Role(Role::Operator)),
            ("DropField", Need::Role(Role::Operator)),
            ("LabelField", Need::Role(Role::Operator)),
            ("NameColumns", Need::Role(Role::Operator)),
            ("Intervene", Need::Role(Role::Operator)),
            ("GetGuardian", Need::Role(Role::Read)),
            ("AcknowledgeThreat", Need::Role(Role::Operator)),
        ],
    ),
    (
        "psi.v1.DriftService",
        &[
            ("GetDrift", Need::Role(Role::Read)),
            ("ListDrift", Need::Whole(Role::Read)),
            ("SetBaseline", Need::Role(Role::Operator)),
            ("ClearBaseline", Need::Role(Role::Operator)),
        ],
    ),
    (
        "psi.v1.ClusterService",
        &[
            ("ListMembers", Need::Whole(Role::Read)),
            ("GetFrontier", Need::Whole(Role::Read)),
            ("GetDigest", Need::Whole(Role::Read)),
            ("ForgetNode", Need::Whole(Role::Operator)),
            ("GetClock", Need::Whole(Role::Read)),
            ("AcceptClock", Need::Whole(Role::Operator)),
            ("Ping", Need::Role(Role::Read)),
            ("Identify", Need::Node),
        ],
    ),
    ("psi.v1.ReplicationService", &[("Link", Need::Node)]),
    ("grpc.health.v1.Health", &[("Check", Need::Nothing), ("List", Need::Nothing), ("Watch", Need::Nothing)]),
    ("grpc.reflection.v1.ServerReflection", &[("ServerReflectionInfo", Need::Role(Role::Read))]),
    ("grpc.reflection.v1alpha.ServerReflection", &[("ServerReflectionInfo", Need::Role(Role::Read))]),
];

/// What a call of gRPC needs, by its path: `/SERVICE/METHOD`. What is not known is told to those who may look.
pub(crate) fn need_of_call(path: &str) -> Need {
    let (service, method) = path.strip_prefix('/').and_then(|path| path.split_once('/')).unwrap_or_default();
    let methods = CALLS.iter().find(|(name, _)| *name == service).map_or(&[][..], |(_, methods)| methods);
    methods.iter().find(|(name, _)| *name == method).map_or(Need::Role(Role::Read), |(_, need)| *need)
}
