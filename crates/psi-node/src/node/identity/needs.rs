//! What each call needs of its caller. Routes of HTTP say it in their own table.

use psi_security::token::Role;

/// What a call needs of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requirement {
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
const CALLS: &[(&str, &[(&str, Requirement)])] = &[
    (
        "psi.v1.PsiFieldService",
        &[
            ("Step", Requirement::Role(Role::Step)),
            ("StepBatch", Requirement::Role(Role::Step)),
            ("StepStream", Requirement::Role(Role::Step)),
            ("GetState", Requirement::Role(Role::Read)),
            ("WatchState", Requirement::Role(Role::Read)),
            ("WatchSteps", Requirement::Role(Role::Read)),
            // It lists those that the caller may use.
            ("ListFields", Requirement::Role(Role::Read)),
            ("CreateField", Requirement::Role(Role::Operator)),
            ("ChangeField", Requirement::Role(Role::Operator)),
            ("ResetField", Requirement::Role(Role::Operator)),
            ("DropField", Requirement::Role(Role::Operator)),
            ("LabelField", Requirement::Role(Role::Operator)),
            ("NameColumns", Requirement::Role(Role::Operator)),
            ("Intervene", Requirement::Role(Role::Operator)),
            ("GetGuardian", Requirement::Role(Role::Read)),
            ("AcknowledgeThreat", Requirement::Role(Role::Operator)),
        ],
    ),
    ("psi.v1.VersionService", &[("ListVersions", Requirement::Role(Role::Read))]),
    (
        "psi.v1.DriftService",
        &[
            ("GetDrift", Requirement::Role(Role::Read)),
            ("ListDrift", Requirement::Whole(Role::Read)),
            ("SetBaseline", Requirement::Role(Role::Operator)),
            ("ClearBaseline", Requirement::Role(Role::Operator)),
        ],
    ),
    (
        "psi.v1.ClusterService",
        &[
            ("ListMembers", Requirement::Whole(Role::Read)),
            ("GetFrontier", Requirement::Whole(Role::Read)),
            ("GetDigest", Requirement::Whole(Role::Read)),
            ("ForgetNode", Requirement::Whole(Role::Operator)),
            ("GetClock", Requirement::Whole(Role::Read)),
            ("AcceptClock", Requirement::Whole(Role::Operator)),
            ("Ping", Requirement::Role(Role::Read)),
            ("Identify", Requirement::Node),
        ],
    ),
    (
        "psi.v1.LedgerService",
        &[
            ("ListRecords", Requirement::Whole(Role::Read)),
            ("GetRecord", Requirement::Whole(Role::Read)),
            ("ListHeads", Requirement::Whole(Role::Read)),
            ("ProveRecord", Requirement::Whole(Role::Read)),
            ("ProveGrowth", Requirement::Whole(Role::Read)),
            ("ReadLeaves", Requirement::Whole(Role::Read)),
            ("Export", Requirement::Whole(Role::Read)),
        ],
    ),
    (
        "psi.v1.LeaseService",
        &[
            ("AcquireLease", Requirement::Whole(Role::Step)),
            ("ReleaseLease", Requirement::Whole(Role::Step)),
            ("GetLease", Requirement::Whole(Role::Read)),
            ("WatchLease", Requirement::Whole(Role::Read)),
            ("SetVoters", Requirement::Whole(Role::Operator)),
            ("GetVoters", Requirement::Whole(Role::Read)),
            ("GetTurn", Requirement::Whole(Role::Read)),
        ],
    ),
    (
        "psi.v1.ProcessService",
        &[
            ("ApplySpec", Requirement::Whole(Role::Operator)),
            ("AdvanceTask", Requirement::Whole(Role::Operator)),
            ("AbortProcess", Requirement::Whole(Role::Operator)),
            ("SwitchMode", Requirement::Whole(Role::Operator)),
            ("SetProcessBaseline", Requirement::Whole(Role::Operator)),
            ("SwitchEmergency", Requirement::Whole(Role::Operator)),
            ("GetEmergency", Requirement::Whole(Role::Read)),
            ("AddEvidence", Requirement::Whole(Role::Operator)),
            ("GetProcess", Requirement::Whole(Role::Read)),
            ("ListProcesses", Requirement::Whole(Role::Read)),
            ("ListTransitions", Requirement::Whole(Role::Read)),
        ],
    ),
    (
        "psi.v1.RolloutService",
        &[
            ("SetStage", Requirement::Whole(Role::Operator)),
            ("GetModel", Requirement::Whole(Role::Read)),
            ("StartRollout", Requirement::Whole(Role::Operator)),
            ("ChangeRollout", Requirement::Whole(Role::Operator)),
            ("GetRollout", Requirement::Whole(Role::Read)),
            ("ListRollouts", Requirement::Whole(Role::Read)),
            ("SetRemediation", Requirement::Whole(Role::Operator)),
            ("GetRemediation", Requirement::Whole(Role::Read)),
            ("ListPlans", Requirement::Whole(Role::Read)),
            ("WatchEvents", Requirement::Whole(Role::Read)),
        ],
    ),
    ("psi.v1.QuorumService", &[("Ask", Requirement::Node), ("Fetch", Requirement::Node), ("Keep", Requirement::Node)]),
    ("psi.v1.ReplicationService", &[("Link", Requirement::Node)]),
    (
        "grpc.health.v1.Health",
        &[("Check", Requirement::Nothing), ("List", Requirement::Nothing), ("Watch", Requirement::Nothing)],
    ),
    ("grpc.reflection.v1.ServerReflection", &[("ServerReflectionInfo", Requirement::Role(Role::Read))]),
    ("grpc.reflection.v1alpha.ServerReflection", &[("ServerReflectionInfo", Requirement::Role(Role::Read))]),
];

/// What a call of gRPC needs, by its path: `/SERVICE/METHOD`. What is not known is told to those who may look.
pub(crate) fn need_of_call(path: &str) -> Requirement {
    let (service, method) = path.strip_prefix('/').and_then(|path| path.split_once('/')).unwrap_or_default();
    let methods = CALLS.iter().find(|(name, _)| *name == service).map_or(&[][..], |(_, methods)| methods);
    methods.iter().find(|(name, _)| *name == method).map_or(Requirement::Role(Role::Read), |(_, need)| *need)
}
