"""`opsportal review`: what a version may now do, who gains it, and the discussion, before anything is asked."""

from __future__ import annotations

from tests.cli.conftest import YAML, Office

WIDER = YAML.replace("maximum: 600", "maximum: 9000").replace("name: greet,", "name: talked,")


def submitted(office: Office, **changes: str) -> str:
    done = office.type("adam", "submit", str(office.bundle("talked", **changes)))
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def test_a_reviewer_reads_talks_and_decides_on_the_command_line(office: Office) -> None:
    digest = submitted(office)
    name = f"talked@{digest}"
    for who, duty in (("olga", "operations"), ("sven", "security")):
        words = ["review", name, "--accept", "--duty", duty, "--yes", "--key", office.key(who)]
        done = office.type(who, *words)
        assert done.returncode == 0, done.stderr + done.stdout
        assert "first version" in done.stdout
    name = f"talked@{submitted(office, procedure__yaml=WIDER)}"
    seen = office.type("olga", "review", name)
    assert seen.returncode == 0, seen.stderr
    assert "wider     Parameters times:" in seen.stdout
    assert "(maximum 600 is now 9000)" in seen.stdout
    assert "Who gains it: 0 newly" in seen.stdout
    assert "operations is missing: " in seen.stdout
    said = office.type(
        "olga", "review", name, "--on", "procedure.yaml:14", "--comment", "Why \x1b[2J so many, @nobody?"
    )
    assert said.returncode == 0, said.stderr
    assert "Not told: @nobody." in said.stderr
    assert r"olga" in said.stdout
    assert r"Why \x1b[2J so many, @nobody?" in said.stdout
    thread = said.stdout.split("open  ")[1].split()[0]
    answered = office.type("adam", "review", name, "--reply", thread, "--comment", "For the load test.")
    assert "For the load test." in answered.stdout, answered.stderr
    settled = office.type("olga", "review", name, "--resolve", thread)
    assert "settled by olga" in settled.stdout, settled.stderr
    both = office.type("olga", "review", name, "--accept", "--on", "x:1", "--comment", "x")
    assert both.returncode == 2
    nothing = office.type("olga", "review", name, "--on", "procedure.yaml:1")
    assert nothing.returncode == 2
