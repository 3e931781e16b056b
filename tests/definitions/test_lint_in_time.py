"""Files made to keep lint busy, which the web process asks at every pause of the editor: time grows with their size."""

from __future__ import annotations

import time

import pytest

from procedures.definitions import registry
from procedures.definitions.load import load
from tests.trials.hostile import bundle

SLOW = {
    "empty-lines": ("main.tf", "\r\n" * 60_000),
    "open-modules": ("main.tf", 'module "x" {\n' * 8_000),
    "sources": ("main.tf", 'module "x" {\n' + 'source = "./x"\n' * 8_000),
    "clones": ("go.sh", "git clone x\n" * 10_000),
    "downloads": ("go.sh", "".join(f"curl x -o f{number}\n" for number in range(8_000))),
    "images": ("broken.yaml", "{{ x\n" + "image: x\n" * 10_000),
}


@pytest.mark.parametrize("name", SLOW)
def test_lint_ends_in_a_time_that_grows_with_the_file_alone(name: str) -> None:
    path, text = SLOW[name]
    files = {**bundle("echo fine"), path: text.encode()}
    began = time.process_time()
    load(files, registry.actions())
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('module "a" {\n  source = "git::https://x.example/y"\n}\n', [2]),
        ('module "a" {\n\n\n  count = 1\n  source = "git::https://x.example/y"\n}\n', [5]),
        ('locals { source = "git::https://x.example/y" }\n', []),
        ('module "a" {\n  x = { y = 1 }\n  source = "git::https://x.example/y"\n', [3]),
        ('module "a" { }\nlocals {\n  source = "git::https://x.example/y"\n}\nmodule "b" {\n source="x/y/z"\n}\n', [6]),
    ],
)
def test_a_source_counts_inside_a_module_with_its_line(text: str, found: list[int]) -> None:
    files = {**bundle("echo fine"), "main.tf": text.encode()}
    rows = [f for f in load(files, registry.actions()).findings if f.code == "terraform-module"]
    assert [f.line for f in rows] == found
