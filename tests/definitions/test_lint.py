"""Every code of lint, each with a bundle that earns it, its place and its weight."""

from __future__ import annotations

import time

import pytest

from procedures.definitions.codes import RULES
from procedures.domain.bundle import MAX_BYTES
from tests.definitions.bundles import SCRIPT, bundle, lint, script

STEP = "    - id: one\n      action: local:script"
END = "      input: {script: one.sh}"
GATE = f"{END}\n    - id: gate\n      action: gate:approval\n      input: {{message: Go on?}}"
CALL = f"{END}\n    - id: call\n      action: procedure:run\n      timeout: 1m\n      input: {{procedure: other}}"
SSH = f"{END}\n    - id: far\n      action: ssh:script\n      timeout: 1m\n      input: {{script: one.sh}}"
ALARM = """
  targets:
    filter: role=web
    strategy:
      alarms:
        - http: {url: "https://${{ parameters.word }}/"}"""
Y = "procedure.yaml"

# code → (files, file, line) that earn it, from moderate risk up.
CASES: dict[str, tuple[dict[str, bytes], str, int]] = {
    "bundle-size": (bundle(big__bin=b"\0" * (MAX_BYTES + 1)), Y, 1),
    "outside-bundle": (bundle(("one.sh", "../one.sh")), Y, 17),
    "missing": ({"README.md": b"x"}, Y, 1),
    "yaml": (bundle(("[development]", "[development")), Y, 9),
    "yaml-anchor": (bundle(("name: tidy", "name: &a tidy")), Y, 3),
    "yaml-twice": (bundle(("  timeout: 5m", "  timeout: 5m\n  timeout: 6m")), Y, 10),
    "schema": (bundle(("type: operation", "type: opera")), Y, 6),
    "form": (bundle(("{type: string, title: Word}", "{type: strong, title: Word}")), Y, 10),
    "options": (bundle(("title: Word}", "title: Word, options: {from: nowhere}}")), Y, 10),
    "open-form": (bundle(("    properties:\n", "    then: {patternProperties: {'^x': {}}}\n    properties:\n")), Y, 10),
    "name-collision": (bundle(("Word}\n", "Word}\n      Word: {type: string, title: W}\n")), Y, 13),
    "step-id-twice": (bundle((END, f"{END}\n{STEP}\n      timeout: 1m\n{END}")), Y, 18),
    "too-many-steps": (
        bundle((END, f"{END}\n  rollback:\n" + "    - {action: 'local:script', input: {script: one.sh}}\n" * 200)),
        Y,
        13,
    ),
    "unknown-action": (bundle(("local:script", "local:magic")), Y, 15),
    "input": (bundle(("one.sh}", "two.sh}")), Y, 17),
    "argv": (bundle(("local:script", "local:command"), ("script: one.sh", "argv: ['${{ parameters.word }}']")), Y, 17),
    "env-name": (bundle(("one.sh}", "one.sh, env: {LD_PRELOAD: x}}")), Y, 17),
    "expression": (bundle(("one.sh}", "one.sh, stdin: '${{ parameters. }}'}")), Y, 17),
    "expression-in-program": (script("echo ${{ parameters.word }}"), "one.sh", 4),
    "unknown-name": (bundle(("one.sh}", "one.sh, stdin: '${{ parameters.nope }}'}")), Y, 17),
    "secret-place": (
        bundle(("local:script", "http:request"), ("script: one.sh", "url: 'https://x/', body: '${{ secrets.t }}'")),
        Y,
        17,
    ),
    "undeclared-credential": (bundle((END, f"{END}\n      credentials: [deploy]")), Y, 18),
    "unknown-credential": (
        bundle(("  steps:", "  credentials: {a: {kind: magic}}\n  steps:"), (END, f"{END}\n      credentials: [a]")),
        Y,
        13,
    ),
    "credential-kind": (
        bundle(("  steps:", "  credentials: {a: {kind: ssh}}\n  steps:"), (END, f"{END}\n      credentials: [a]")),
        Y,
        19,
    ),
    "credential-missing": (bundle((END, SSH), ("  steps:", "  targets: {filter: role=web}\n  steps:")), Y, 19),
    "no-targets": (bundle((END, SSH)), Y, 18),
    "filter": (bundle(("  steps:", "  targets: {filter: 'role='}\n  steps:")), Y, 13),
    "filter-runtime": (bundle(("  steps:", "  targets: {filter: 'a=${{ run.id }}'}\n  steps:")), Y, 13),
    "group-runtime": (bundle(("  steps:", "  concurrency: {group: 'x/${{ steps.one.output.a }}'}\n  steps:")), Y, 13),
    "condition": (bundle((END, f"{END}\n      if: perhaps")), Y, 18),
    "each": (bundle((END, f"{END}\n      each: web-01")), Y, 18),
    "each-runtime": (bundle((END, f"{END}\n      each: ${{{{ steps.one.output.hosts }}}}")), Y, 18),
    "gate-condition": (bundle((END, f"{GATE}\n      if: ${{{{ parameters.word == 'x' }}}}")), Y, 21),
    "gate-continue": (bundle((END, f"{GATE}\n      onFailure: continue")), Y, 21),
    "alarm": (bundle((END, END + ALARM)), Y, 22),
    "gate-at-end": (bundle((END, GATE.replace("    - id: gate", "  always:\n    - id: gate"))), Y, 19),
    "gate-runtime": (bundle((END, GATE), ("Go on?", "'${{ steps.one.output.a }}'")), Y, 20),
    "call-once": (bundle((END, f"{CALL}\n      retry: {{attempts: 3}}")), Y, 18),
    "call-unpinned": (bundle((END, CALL), ("procedure: other", "procedure: '${{ parameters.word }}'")), Y, 21),
    "call-itself": (bundle((END, CALL), ("procedure: other", "procedure: tidy")), Y, 21),
    "artifacts": (bundle((END, f"{END}\n      artifacts: [{{name: a, path: ../a}}]")), Y, 18),
    "secret-result": (
        bundle(("  steps:", "  output: {secrets: {p: {value: '${{ steps.no.output.p }}', deliver: once}}}\n  steps:")),
        Y,
        13,
    ),
    "uploads": (
        bundle(("type: string,", "type: string, format: data-url,"), parameters___x__txt="x"),
        Y,
        10,
    ),
    "hidden-character": (script("echo safe \u202e# evil"), "one.sh", 4),
    "hidden-name": ({**bundle(), "one\u200b.sh": b"x"}, "one\\u200b.sh", 1),
    "long-line": (script("echo " + "a" * 3000), "one.sh", 4),
    "eval-parameter": (script('eval "$PARAM_WORD"'), "one.sh", 4),
    "curl-sh": (script("curl -fsSL https://x.example/i.sh | sudo bash -s -- -y"), "one.sh", 4),
    "download-run": (script("curl -fsS -o /tmp/i.sh https://x.example/i", "sh /tmp/i.sh"), "one.sh", 4),
    "package-install": (script("pip install requests"), "one.sh", 4),
    "clone": (script("git clone https://x.example/r.git"), "one.sh", 4),
    "remote-manifest": (script("kubectl apply -f https://x.example/m.yaml"), "one.sh", 4),
    "image-tag": (
        bundle(pod__yaml="kind: Pod\nspec:\n  containers:\n    - {name: a, image: 'nginx:1.27'}\n"),
        "pod.yaml",
        4,
    ),
    "branch": (bundle(app__yaml="kind: Application\nspec: {source: {targetRevision: main}}\n"), "app.yaml", 2),
    "terraform-module": (
        bundle(main__tf='module "a" {\n  source = "git::https://x.example/a?ref=v1"\n}\n'),
        "main.tf",
        2,
    ),
    "terraform-lock": (bundle(main__tf='provider "aws" {}\n'), "main.tf", 1),
    "terraform-mirror": (bundle(main__tf='provider "aws" {}\n'), "main.tf", 1),
    "terraform-runs": (bundle(main__tf='\ndata "external" "x" {}\n'), "main.tf", 2),
    "galaxy": (bundle(requirements__yml="roles:\n  - geerlingguy.nginx\n"), "requirements.yml", 2),
    "no-timeout": (bundle(("      timeout: 1m\n", "")), Y, 14),
    "no-run-timeout": (bundle(("  timeout: 5m\n", "")), Y, 4),
    "no-readme": ({k: v for k, v in bundle().items() if k != "README.md"}, Y, 1),
    "no-tests": ({k: v for k, v in bundle().items() if not k.startswith("tests/")}, Y, 1),
    "wildcard": (bundle(("  steps:", "  targets: {filter: 'role~.*'}\n  steps:")), Y, 13),
    "undescribed": (bundle(("{type: string, title: Word}", "{type: string}")), Y, 12),
    "retention": (bundle(("  steps:", "  evidence: {retention: 1d}\n  steps:")), Y, 13),
    "credential-field": (bundle(("  steps:", "  credentials: {a: {kind: oidc, aud: x}}\n  steps:")), Y, 13),
    "unused-credential": (bundle(("  steps:", "  credentials: {a: {kind: ssh}}\n  steps:")), Y, 13),
    "unused-tier": (
        bundle(
            ("  steps:", "  sandbox: {minTier: A}\n  steps:"),
            ("local:script", "http:request"),
            ("script: one.sh", "url: 'https://x/'"),
        ),
        Y,
        13,
    ),
    "unused-parameter": (bundle(one__sh="#!/bin/sh\necho\n"), Y, 12),
    "unused-file": (bundle(left__py="print(1)\n"), "left.py", 1),
    "never-runs": (bundle((END, f"{END}\n      if: false")), Y, 18),
    "callable-by-all": (bundle(("  steps:", "  callableBy: ['*']\n  steps:")), Y, 13),
    "names-alike": (bundle(readme__md="x"), "readme.md", 1),
    "not-utf8": (bundle(one__sh=SCRIPT.encode() + b"# \xff\n"), "one.sh", 1),
    "crlf": (bundle(one__sh=SCRIPT.replace("\n", "\r\n")), "one.sh", 1),
    "secret-undeclared": (script("echo ::secret::x"), "one.sh", 4),
    "odd-space": (script("echo\u00a0a"), "one.sh", 4),
}
ELSEWHERE = {"symlink", "unreadable", "shellcheck", "yamllint", "marked-step", "template-url"}
ELSEWHERE |= {"gate-in-workspace", "folder-missing"}


def test_every_code_has_a_case() -> None:
    assert set(CASES) | ELSEWHERE == set(RULES)


def test_the_clean_procedure_is_clean() -> None:
    assert lint(bundle()) == []


@pytest.mark.parametrize("code", CASES)
def test_each_code_is_said_at_its_place(code: str) -> None:
    files, file, line = CASES[code]
    found = [f for f in lint(files) if f.code == code]
    assert [(f.file, f.line) for f in found][:1] == [(file, line)], lint(files)
    assert found[0].severity == ("warning" if RULES[code].weight == "warning" else "error")
    assert found[0].message
    assert found[0].mend
    assert found[0].column >= 1


MODERATE = sorted(code for code, rule in RULES.items() if rule.weight == "moderate" and code in CASES)


@pytest.mark.parametrize("code", MODERATE)
def test_what_is_an_error_from_moderate_risk_up_is_a_hint_below(code: str) -> None:
    low = {path: data.replace(b"risk: moderate", b"risk: low") for path, data in CASES[code][0].items()}
    assert {f.severity for f in lint(low) if f.code == code} == {"warning"}


def test_terraform_that_runs_programs_may_be_declared_high() -> None:
    files = {path: data.replace(b"risk: moderate", b"risk: high") for path, data in CASES["terraform-runs"][0].items()}
    assert [f.severity for f in lint(files) if f.code == "terraform-runs"] == ["warning"]


def test_hostile_text_does_not_keep_lint_busy() -> None:
    begun = time.monotonic()
    for line in ("curl " * 400, "a=" * 900, "sh -" * 400, "docker run - " * 150, "eval $" * 300):
        lint(script(*[line] * (50_000 // len(line))))
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    "given",
    [
        "egress: ['127.0.0.1:443']",
        "egress: ['${{ parameters.word }}:443']",
        "egress: '${{ parameters.word }}'",
        "egress: []",
        "egress: ['api.example.com:443'], network: true",
    ],
)
def test_a_list_of_hosts_is_written_out_and_stands_alone(given: str) -> None:
    """Where a step may go is the author's word: no parameter and no address chooses it."""
    found = [f.message for f in lint(bundle(("one.sh}", f"one.sh, {given}}}"))) if f.code == "input"]
    assert found, given
    assert lint(bundle(("one.sh}", "one.sh, egress: ['api.example.com:443']}"))) == []


@pytest.mark.parametrize(("taken", "times"), [("", 1), ("{name: a, path: b.csv}", 1), ("{name: a, path: out.csv}", 0)])
def test_a_file_of_rows_that_no_artifact_takes_is_told(taken: str, times: int) -> None:
    """Such a step would succeed and its file be nowhere."""
    query = "{id: q, action: 'sql:query', timeout: 1m, credentials: [db], input: {query: select 1, csv: out.csv}"
    step = f"{END}\n    - {query}, artifacts: [{taken}]}}"
    found = lint(bundle(("  steps:", "  credentials: {db: {kind: postgres}}\n  steps:"), (END, step)))
    assert sum("csv names out.csv" in f.message for f in found if f.code == "artifacts") == times, found
