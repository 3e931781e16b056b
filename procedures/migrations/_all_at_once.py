"""Write the migration that makes today's schema at once: `python -m procedures.migrations._all_at_once`.

Run it after a while of new migrations, with the settings of a portal, and delete the one that it takes the place of;
tests/keeping/test_upgrade.py compares what it makes with what the single steps lead to.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import django
from django.db import migrations
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import MigrationWriter

HERE = Path(__file__).parent
WORDS = '''"""The schema as {last} leaves it, made at once where there is none yet.

Whoever has some of the replaced migrations goes on by those that are lacking; both ways lead to the same schema, which
a test compares. On a live system it does nothing. Undo: as for those it replaces.
"""

'''


def main() -> None:
    from django.apps import apps

    steps = sorted(path.stem for path in HERE.glob("0*.py") if "all_at_once" not in path.stem)
    state = ProjectState.from_apps(apps)
    models = [state.models["procedures", m._meta.model_name] for m in apps.get_app_config("procedures").get_models()]
    operations = [
        migrations.CreateModel(m.name, list(m.fields.items()), m.options, m.bases, m.managers) for m in models
    ]
    said = {
        "initial": True,
        "dependencies": [("auth", "0012_alter_user_first_name_max_length")],
        "replaces": [("procedures", step) for step in steps],
        "operations": operations,
    }
    made = type("Migration", (migrations.Migration,), said)
    name = f"{steps[-1][:4]}_all_at_once"
    text = MigrationWriter(made(name, "procedures"), include_header=False).as_string()
    head, _, body = text.partition("    operations = [\n")
    head = head.replace("import migrations, models\n", "import migrations, models\n\n" + IMPORT, 1)
    inside = textwrap.indent(body.rstrip().removesuffix("    ]"), "    ").rstrip()
    whole = f"{head}    operations = [\n        Together([\n{inside}\n        ]),\n    ]\n"
    (HERE / f"{name}.py").write_text(WORDS.format(last=steps[-1]) + whole)


IMPORT = "from procedures.migrations._together import Together\n"

if __name__ == "__main__":
    django.setup()
    main()
