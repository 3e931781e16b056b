"""Every code that lint can say, with its weight, in one table: the command, SARIF and the handbook read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Weight = Literal["error", "moderate", "warning"]
HELP = "https://opsportal.example/handbook/lint/"


@dataclass(frozen=True, slots=True)
class Rule:
    """`weight` "moderate": an error from moderate risk up, a warning below. `mend` is one sentence."""

    code: str
    weight: Weight
    says: str
    mend: str

    def severity(self, *, strict: bool) -> Literal["error", "warning"]:
        return "warning" if self.weight == "warning" or (self.weight == "moderate" and not strict) else "error"


_ROWS: tuple[tuple[str, Weight, str, str], ...] = (
    ("bundle-size", "error", "The bundle is over 5 MiB or 2,000 files.", "Keep data and builds out of the folder."),
    ("outside-bundle", "error", "A file outside the bundle is named.", "Move the file into the folder."),
    ("symlink", "error", "A link or a special file stands in the folder.", "Put the file itself there."),
    ("unreadable", "error", "The folder or a file in it cannot be read.", "Give yourself the right to read it."),
    ("missing", "error", "A file that must be there is not.", "Add the file, or correct its name."),
    ("yaml", "error", "The YAML cannot be read.", "Write plain YAML: no tags, each key once."),
    ("yaml-anchor", "error", "An anchor, an alias or a merge key.", "Write the value out where it is used."),
    ("yaml-twice", "error", "A key stands twice in one mapping.", "Keep one of the two."),
    ("schema", "error", "The definition has not the shape of the format.", "Look at the format's JSON Schema."),
    ("form", "error", "A form's own JSON Schema cannot be used.", "Correct the schema under parameters or secrets."),
    (
        "options",
        "error",
        "Choices come from a source that cannot be asked.",
        "See the handbook, for authors.",
    ),
    ("open-form", "error", "A form takes names that it does not declare.", "Declare each property."),
    ("name-collision", "error", "Two parameters become one variable.", "Rename one of the two."),
    ("step-id-twice", "error", "Two steps have one id.", "Rename one of the two."),
    ("too-many-steps", "error", "There are more than 200 steps.", "Split the procedure; let one call the other."),
    ("unknown-action", "error", "There is no such action.", "`opsportal actions` lists them."),
    ("input", "error", "A step's input does not fit its action.", "`opsportal actions --json` shows the schema."),
    ("argv", "error", "An expression in argv could become program text.", "Make it one whole element after --."),
    ("env-name", "error", "A step sets a variable that it may not.", "Choose another name for the variable."),
    ("expression", "error", "An expression cannot be read.", "See Expressions in the handbook's page for authors."),
    ("expression-in-program", "error", "An expression stands inside a program.", "Read PARAM_<NAME> there instead."),
    ("unknown-name", "error", "An expression names what is not there.", "Declare it, or correct the name."),
    ("secret-place", "error", "A secret stands where it would be shown.", "Hand it over in env or stdin."),
    (
        "secret-result",
        "error",
        "A secret result that cannot be handed over.",
        "See Secret results in the handbook, for authors.",
    ),
    ("undeclared-credential", "error", "A step uses an undeclared credential.", "Declare it under spec.credentials."),
    ("unknown-credential", "error", "There is no credential of this kind.", "Use a kind that an action takes."),
    ("credential-kind", "error", "The action does not take this kind of credential.", "Name one of the right kind."),
    ("credential-field", "error", "A credential says what nobody reads.", "Keep to the fields that its kind has."),
    ("credential-missing", "error", "The action needs a credential.", "Name one under the step's credentials."),
    ("no-targets", "error", "A step acts on targets, and there are none.", "Add spec.targets.filter."),
    ("filter", "error", "The target filter cannot be read.", "See Targets in the handbook's page for authors."),
    ("filter-runtime", "error", "Targets depend on what is known too late.", "Use parameters and environment alone."),
    ("group-runtime", "error", "A group depends on what is known too late.", "Use parameters and environment alone."),
    ("condition", "error", "A condition is not one expression.", "Write if: ${{ … }}."),
    ("each", "error", "`each` is not one expression that fits the action.", "Write each: ${{ targets }}, or none."),
    ("each-runtime", "error", "`each` depends on what is known too late.", "Use parameters and environment alone."),
    ("gate-condition", "error", "A gate may be skipped by more than the environment.", "Use environment alone in if."),
    ("gate-continue", "error", "A run would go on after a gate is turned down.", "Remove onFailure from the gate."),
    ("alarm", "error", "An alarm cannot be asked, or not in time.", "See Alarms in the handbook's page for authors."),
    ("gate-at-end", "error", "A gate stands where a run is brought to its end.", "Put it among the steps."),
    ("gate-runtime", "error", "A gate's rules are fed by an output.", "Write approvers and lengths of time out."),
    ("call-once", "error", "A call has each or retry.", "Call once; let the called procedure repeat."),
    ("call-unpinned", "error", "A call that cannot be pinned to one digest.", "Write the procedure's name out."),
    ("call-itself", "error", "A procedure calls itself.", "Name another procedure."),
    ("gate-in-workspace", "error", "A gate stands between steps that share files.", "Put it before or after them."),
    (
        "secret-undeclared",
        "error",
        "A step names secrets and does not say so.",
        "Write makesSecrets: true at the step.",
    ),
    ("artifacts", "error", "An artifact that cannot be kept.", "Name plain files below the step's folder, each once."),
    ("uploads", "error", "The folder parameters/ is kept for file parameters.", "Rename the folder."),
    ("hidden-character", "error", "A character that nobody can see.", "Remove it: reviewers cannot see it."),
    ("hidden-name", "error", "A file's name holds what nobody can see.", "Rename the file."),
    ("long-line", "moderate", "A line of a program that nobody reads to its end.", "Break the line."),
    ("eval-parameter", "moderate", "A parameter or secret becomes a program.", "Use the value as data, quoted."),
    ("curl-sh", "moderate", "Code from the network runs unseen by reviewers.", "Put the file into the bundle."),
    ("download-run", "moderate", "A downloaded file runs without a check.", "Bundle it, or check its sha256sum first."),
    ("package-install", "moderate", "Packages are chosen at run time.", "Pin by hash: --require-hashes, npm ci."),
    ("clone", "moderate", "A repository is fetched without a commit.", "Check out a whole commit hash."),
    ("remote-manifest", "moderate", "A manifest or chart comes from the network.", "Put it into the bundle."),
    ("image-tag", "moderate", "An image is named by a tag.", "Name it by digest: name@sha256:…"),
    ("branch", "moderate", "What is deployed follows a branch or tag.", "Write the commit's whole hash."),
    ("template-url", "moderate", "A template is fetched when the procedure runs.", "Put it into the bundle."),
    ("terraform-module", "moderate", "A module without commit or hash.", "Use ./modules/…, or ?ref=<commit>."),
    ("terraform-lock", "moderate", "Providers without hashes in a lock file.", "Add .terraform.lock.hcl."),
    (
        "terraform-mirror",
        "moderate",
        "Providers are downloaded from their registry at run time.",
        "Add a .tfrc with a filesystem_mirror or network_mirror and nothing direct.",
    ),
    ("terraform-runs", "moderate", "Planning or applying runs other programs.", "Remove it, or declare risk: high."),
    ("galaxy", "moderate", "Roles or collections without a commit.", "Put them into the bundle, or give a commit."),
    ("marked-step", "warning", "An importer could not carry a step over.", "Replace it; it cannot be submitted."),
    ("folder-missing", "warning", "A step copies a folder that is not there.", "Add it; it cannot be submitted."),
    ("no-timeout", "warning", "A step has no timeout.", "Add timeout: 5m or so."),
    ("no-run-timeout", "warning", "The run has no timeout; an hour holds.", "Add spec.timeout."),
    ("no-readme", "warning", "There is no README.md beside the procedure.", "Say what it does and what undoes it."),
    ("no-tests", "warning", "There is no tests/*.yaml.", "`opsportal new` shows one."),
    ("wildcard", "warning", "The filter may match every target.", "Name a tag with = in every branch of it."),
    ("undescribed", "warning", "A parameter has no title and no description.", "Say what the requester gives."),
    ("retention", "warning", "The retention asked for is below the floor.", "It is kept as long as the portal says."),
    ("unused-credential", "warning", "A credential is declared and not used.", "Remove it: reviewers see its reach."),
    ("unused-tier", "warning", "A tier is asked for, and nothing runs in a sandbox.", "Remove spec.sandbox."),
    ("unused-parameter", "warning", "Nothing reads a parameter.", "Remove it, or use it."),
    ("unused-file", "warning", "No step and no file names a program.", "Remove it, or name it in a step."),
    ("never-runs", "warning", "A step's condition is always false.", "Remove the step."),
    ("callable-by-all", "warning", "Every procedure may call this one.", "List the callers by name."),
    ("names-alike", "warning", "Two file names look the same.", "Rename one of the two."),
    ("not-utf8", "warning", "A text file is not UTF-8.", "Save it as UTF-8."),
    ("crlf", "warning", "A script has Windows line ends.", "Save it with LF alone."),
    ("odd-space", "warning", "A space in a program that is no space.", "Type a plain space."),
    ("shellcheck", "warning", "shellcheck says something.", "Look the code up: shellcheck-SC…"),
    ("yamllint", "warning", "yamllint says something.", "Look the rule up: yamllint-…"),
)
RULES: dict[str, Rule] = {code: Rule(code, weight, says, mend) for code, weight, says, mend in _ROWS}
TOOLS = ("shellcheck", "yamllint")


def rule(code: str) -> Rule:
    """The rule of a code; those of other tools are `tool-RULE`. Raises KeyError for a code that nobody declared."""
    tool, dash, _ = code.partition("-")
    return RULES[tool] if dash and tool in TOOLS else RULES[code]


def help_url(code: str) -> str:
    return f"{HELP}#{rule(code).code}"
