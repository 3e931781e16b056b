"""What is chosen at run time is found in scripts, manifests and modules; what is pinned is left alone (H3)."""

from __future__ import annotations

from typing import Any

import pytest

from procedures.definitions import guard
from procedures.definitions.codes import RULES
from procedures.definitions.lint import infrastructure
from procedures.definitions.lint.notes import Notes
from procedures.definitions.load import build
from tests.definitions.bundles import bundle, codes, lint, script

SHA = "a" * 64
COMMIT = "b" * 40


def at(*lines: str) -> list[str]:
    return codes(script(*lines))


FETCHED: list[tuple[str, str]] = [
    ("wget -qO- https://x.example/i | python3", "curl-sh"),
    ("bash <(curl -s https://x.example/i)", "curl-sh"),
    ('sh -c "$(curl -fsSL https://x.example/i)"', "curl-sh"),
    (". <(curl -s https://x.example/i)", "curl-sh"),
    ("curl -s https://x.example/i | tee /tmp/i | sh", "curl-sh"),
    ("curl -s https://x.example/i \\\n  | sh", "curl-sh"),
    ("python3 -m pip install -U requests", "package-install"),
    ("npm install -g left-pad", "package-install"),
    ("npx cowsay", "package-install"),
    ("npm ci", "package-install"),
    ("gem install rake", "package-install"),
    ("go install x.example/y@latest", "package-install"),
    ("ansible-galaxy collection install community.general", "galaxy"),
    ("git -C /srv pull", "clone"),
    ("helm upgrade web oci://x.example/web", "remote-manifest"),
    ("docker run --rm -v /a:/b -e X=1 alpine:3.20 true", "image-tag"),
    ("podman pull x.example/a", "image-tag"),
    ("kubectl set image deploy/web web=x.example/web:2", "image-tag"),
]


@pytest.mark.parametrize(("line", "code"), FETCHED)
def test_what_is_chosen_at_run_time_is_found(line: str, code: str) -> None:
    assert code in at(line)


PINNED = [
    "curl -fsS https://x.example/healthz",
    "curl -fsS https://x.example/healthz | jq .",
    "pip install --require-hashes -r requirements.lock",
    f"git clone https://x.example/r && git -C r checkout {COMMIT}",
    f"docker run --rm -it x.example/a@sha256:{SHA} true",
    'docker run --rm "$IMAGE"',
    "kubectl apply -f manifests/",
    f"helm upgrade web oci://x.example/web@sha256:{SHA}",
    f"curl -o i.sh https://x.example/i && echo '{SHA}  i.sh' | sha256sum -c && sh i.sh",
    "apt-get install -y curl",
]


@pytest.mark.parametrize("line", PINNED)
def test_what_is_pinned_or_only_asked_is_left_alone(line: str) -> None:
    assert not {c for c in at(line) if RULES[c].weight == "moderate"}


def test_files_pinned_by_digest_commit_and_lock_are_left_alone() -> None:
    files = bundle(
        app__yaml=f"spec: {{source: {{targetRevision: {COMMIT}}}}}\n",
        pod__yaml=f"spec: {{containers: [{{image: 'nginx@sha256:{SHA}'}}]}}\n",
        requirements__yml=f"roles:\n  - {{src: https://x.example/r, version: {COMMIT}}}\n",
        main__tf=f'provider "a" {{}}\nmodule "a" {{\n source = "git::https://x/a?ref={COMMIT}"\n}}\n'
        'module "b" {\n  source = "./mod"\n}\n',
        mod___m__tf='resource "a" "b" {}\n',
    )
    files[".terraform.lock.hcl"] = b'provider "x" {\n  hashes = ["h1:abc="]\n}\n'
    assert codes(files) == ["terraform-mirror"]
    for mirror in ('filesystem_mirror {\n path = "/mirror"\n}', 'network_mirror {\n url = "https://x.example/"\n}'):
        files["run.tfrc"] = f"provider_installation {{\n{mirror}\n}}\n".encode()
        assert codes(files) == []


@pytest.mark.parametrize("more", ["direct {}", "", "# filesystem_mirror {}"])
def test_a_mirror_beside_which_the_registry_is_asked_is_none(more: str) -> None:
    mirror = "filesystem_mirror {}" if more == "direct {}" else ""
    files = bundle(main__tf='provider "a" {}\n', run__tfrc=f"provider_installation {{\n{mirror}\n{more}\n}}\n")
    assert "terraform-mirror" in codes(files)


@pytest.mark.parametrize(
    "text",
    [
        "image: {repository: nginx, tag: '1.27'}",
        "web: {image: {repository: x.example/web, tag: 2}}",
        "kind: Kustomization\nimages:\n  - {name: web, newTag: v2}\n",
    ],
)
def test_an_image_in_pieces_is_found_and_one_with_a_digest_left_alone(text: str) -> None:
    assert codes(bundle(values__yaml=text)) == ["image-tag"]
    pinned = text.replace("tag: ", f"digest: 'sha256:{SHA}', tag: ").replace(
        "newTag: ", f"digest: 'sha256:{SHA}', newTag: "
    )
    assert codes(bundle(values__yaml=pinned)) == []


@pytest.mark.parametrize(
    "text",
    [
        "kind: Application\nspec: {source: {repoURL: 'https://x.example/r', targetRevision: main}}",
        "kind: Application\nspec: {source: {repoURL: 'https://x.example/r', path: web}}",
        "kind: Application\nspec: {sources: [{repoURL: 'https://x.example/r', targetRevision: 1.2.3}]}",
        "kind: ApplicationSet\nspec: {generators: [{git: {repoURL: 'https://x.example/r', revision: HEAD}}]}",
        "{{- if .x }}\nkind: Application\nspec:\n  source:\n    targetRevision: main\n{{- end }}\n",
    ],
)
@pytest.mark.parametrize(("risk", "environments"), [("moderate", "development"), ("low", "production")])
def test_what_is_deployed_is_a_commit_in_production_whatever_the_risk(text: str, risk: str, environments: str) -> None:
    files = bundle(("[development]", f"[{environments}]"), risk=risk, app__yaml=text)
    assert [(f.code, f.severity) for f in lint(files) if f.file == "app.yaml"] == [("branch", "error")]
    files = bundle(risk="low", app__yaml=text)
    assert [(f.code, f.severity) for f in lint(files) if f.file == "app.yaml"] == [("branch", "warning")]


def test_every_rule_of_what_is_fetched_is_an_error_from_moderate_risk_up() -> None:
    """The closing column of H3, rule by rule."""
    column = {
        "terraform-module",
        "terraform-lock",
        "terraform-mirror",
        "template-url",
        "image-tag",
        "branch",
        "curl-sh",
    }
    column |= {"package-install", "galaxy", "clone", "download-run", "remote-manifest"}
    assert {code for code in column if RULES[code].severity(strict=True) == "error"} == column


def test_a_module_that_leaves_the_bundle_is_found() -> None:
    assert "outside-bundle" in codes(bundle(main__tf='module "a" {\n  source = "../../a"\n}\n'))


def test_images_in_flow_style_json_and_templates_are_found() -> None:
    for name, text in {
        "a__yaml": "{spec: {containers: [{image: nginx}]}}",
        "b__json": '{"image": "nginx:latest"}',
        "c__yaml": "{{- if .x }}\nimage: nginx:1\n{{- end }}\n",
        "Dockerfile": "FROM nginx:1\n",
    }.items():
        found: dict[str, Any] = {name: text}
        assert "image-tag" in codes(bundle(**found)), name


def test_a_template_from_the_network_is_found_where_the_action_is_known() -> None:
    def said(url: str) -> list[str]:
        files = bundle(("local:script", "fetch:template"), ("script: one.sh", f"url: '{url}'"))
        document = guard.load(files["procedure.yaml"])
        notes = Notes(build(document.value), document, files)
        infrastructure.lint(notes)
        return [f.code for f in notes.findings]

    assert said("https://x.example/t/tree/main") == ["template-url"]
    assert said("./skeleton") == said(f"https://x.example/t/tree/{COMMIT}") == []
