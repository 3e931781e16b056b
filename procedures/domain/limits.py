"""Every limit that people meet, in one table: code takes it from here, and the handbook shows it (decisions.md, 27)."""

from __future__ import annotations

KIB, MIB = 1024, 1024 * 1024

BODY_BYTES = 8 * MIB
BUNDLE_BYTES = 5 * MIB
BUNDLE_FILES = 2_000
YAML_BYTES = 256 * KIB
PARAMETERS_BYTES = 256 * KIB
STRING_BYTES = 64 * KIB
TARGETS_PER_RUN = 5_000
STEPS = 200
BATCH = 64  # targets of a step that one runner works on at a time
EACH_ITEMS = 1_000
CALL_DEPTH = 5
CALLS_PER_RUN = 50
OUTPUT_BYTES = 256 * KIB
ANSWER_BYTES = MIB
LOG_BYTES = 1_000_000_000
RUNS_A_MINUTE = 30
ACCESS_REQUESTS_A_DAY = 20
ARTIFACT_BYTES = 20 * MIB
ARTIFACTS_PER_STEP = 20
NARROWINGS = 50  # told in one definition
ARTIFACTS_BYTES = 100 * MIB
DIRECTORY_BODY_BYTES = MIB
DIRECTORY_OPERATIONS = 100
DIRECTORY_MEMBERS = 5_000
DIRECTORY_PAGE = 200
DIRECTORY_CALLS_A_MINUTE = 1_200

TABLE: tuple[tuple[str, str], ...] = (
    ("a request's body", f"{BODY_BYTES // MIB} MiB"),
    ("a bundle, packed or not", f"{BUNDLE_BYTES // MIB} MiB, {BUNDLE_FILES:,} files"),
    ("procedure.yaml", f"{YAML_BYTES // KIB} KiB"),
    ("parameters of a run", f"{PARAMETERS_BYTES // KIB} KiB"),
    ("one text among them", f"{STRING_BYTES // KIB} KiB, so a file has at most 48,000 bytes"),
    ("targets of a run", f"{TARGETS_PER_RUN:,}"),
    ("steps of a procedure, all branches", f"{STEPS}"),
    ("targets of a step that one runner works on at a time", f"{BATCH}"),
    ("items of `each`", f"{EACH_ITEMS:,}"),
    ("depth of calls, calls of a run", f"{CALL_DEPTH}, {CALLS_PER_RUN}"),
    ("the output file of a script", f"{OUTPUT_BYTES // KIB} KiB"),
    ("an answer that `http:request` keeps", f"{ANSWER_BYTES // MIB} MiB"),
    ("log of a run", "1 GB, then marked and no longer kept"),
    ("an artifact", f"{ARTIFACT_BYTES // MIB} MiB, or less where the step says so"),
    ("artifacts", f"{ARTIFACTS_PER_STEP} of a step, {ARTIFACTS_BYTES // MIB} MiB of a run"),
    ("runs per person and minute", f"{RUNS_A_MINUTE}"),
    ("access requests per person and day", f"{ACCESS_REQUESTS_A_DAY}"),
    ("a directory's request", f"{DIRECTORY_BODY_BYTES // MIB} MiB, {DIRECTORY_OPERATIONS} operations"),
    ("a directory's group", f"{DIRECTORY_MEMBERS:,} people"),
    ("a directory's requests a minute", f"{DIRECTORY_CALLS_A_MINUTE:,}"),
)


def markdown() -> str:
    """The table as the handbook shows it."""
    return "| what | at most |\n| --- | --- |\n" + "".join(f"| {what} | {most} |\n" for what, most in TABLE)
