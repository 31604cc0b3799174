"""A plan for tests that need one and not a server."""

from runbook_lib.findings import Finding, Severity
from runbook_lib.release.plan import Moved, Plan, Step, StepKind, Target

TARGET = Target(
    environment="dev",
    host="local socket",
    port=5432,
    dbname="shop",
    user="dba",
    server_version=170010,
    system_identifier="7300000000000000001",
    in_recovery=False,
    embedded=True,
)
DEFECT = Finding("reading", "rule", Severity.ERROR, "a.sql", 1, "cause", "effect", "remedy")
PLAN = Plan(
    release="shop",
    release_digest="d1",
    release_files={"a.sql": "1"},
    target=TARGET,
    settings={"policy.locks.timeout": "3.0"},
    order=("a", "b"),
    moved=(Moved("b", "a", "because"),),
    applied=("a",),
    steps=(Step("b", StepKind.APPLY, "c1", "pending"),),
    schema_fingerprint="f1",
    defects=(DEFECT,),
)
