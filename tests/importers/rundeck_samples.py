"""Rundeck jobs written by us in the shape of public ones: every construct once, and ten jobs that are run."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import yaml

SAMPLES = Path(__file__).with_name("samples") / "rundeck"
EVERYTHING = Path(__file__).with_name("rundeck_everything.yaml").read_text()
XML = (SAMPLES / "hello.xml").read_text()
SAME_IN_YAML = (SAMPLES / "hello.yaml").read_text()
SAME_IN_JSON = json.dumps(yaml.safe_load(SAME_IN_YAML))


@dataclass(frozen=True, slots=True)
class Ran:
    """A job of one step that is run twice: as Rundeck would have, and as it was imported."""

    name: str
    text: str
    values: dict[str, str] = field(default_factory=dict)
    command: bool = False
    interpreter: str = ""
    args: str = ""
    handler: str = ""


TEN = [
    Ran("a plain command", "echo hello; exit 3", command=True),
    Ran("an option in a command", 'echo "got ${option.x}" and ${option.x}', {"x": "one"}, command=True),
    Ran("blanks in an option", "printf '<%s>' ${option.x} end", {"x": "two words"}, command=True),
    Ran(
        "every kind of quotes in a script",
        r"""#!/bin/bash
x=@option.x@
echo $x "in @option.x@ quotes" 'single @option.x@' `echo @option.x@` $(echo "@option.x@")
echo $((@option.n@ + 1)) ${unset:-@option.x@} # @option.x@
""",
        {"x": "value", "n": "41"},
    ),
    Ran(
        "here-documents of both kinds",
        r"""#!/bin/sh
cat <<A
1 @option.x@ $HOME_OF
A
cat <<'B'
2 @option.x@ $(no) `no` \ $HOME_OF
B
cat <<-C
	3 @option.x@
	C
""",
        {"x": "v"},
    ),
    Ran("words that count one by one", '#!/bin/sh\nfor i in @option.x@; do echo "- $i"; done', {"x": "a b c"}),
    Ran("arguments", '#!/bin/bash\necho "$#: $1 | $2"', {"x": "p q"}, args="-f ${option.x}"),
    Ran(
        "a Python script",
        'title = "@option.x@"\nn = @option.n@\nprint(f"{title} {n + 1}", \'[@option.x@]\')  # @option.x@\n',
        {"x": "engineer", "n": "7"},
        interpreter="python3",
    ),
    Ran("an error handler", "#!/bin/sh\necho before; exit 4", handler="echo handled @option@"),
    Ran(
        "a loop with a case and a function",
        '#!/bin/bash\nsay() { local w=$1; case $w in @option.x@) echo "is $w";; *) echo "no $w";; esac; }\n'
        'for w in {a..c} @option.x@; do say "$w"; done\n[[ -n @option.x@ && @option.x@ == b ]] && echo yes',
        {"x": "b"},
    ),
]
