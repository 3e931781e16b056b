"""A source is a control object: what could do harm is refused by its field."""

from __future__ import annotations

import pytest

from procedures.domain.errors import InvalidInput
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "ext::sh -c 'touch /tmp/owned'"),
        ("url", "--upload-pack=touch /tmp/owned"),
        ("url", "https://x/$(id)"),
        ("url", "/srv/../etc"),
        ("branch", "--all"),
        ("branch", "a..b"),
        ("path", "../up"),
        ("owner", "01a20e86-3cb8-79ba-a7ac-46f9014281b8"),
        ("group", "nobody"),
    ],
)
def test_a_source_that_could_do_harm_is_refused_by_its_field(world: World, field: str, value: str) -> None:
    good = {"name": "x", "url": "/srv/x.git", "branch": "main", "path": "", "group": "", "action": "set"}
    with pytest.raises(InvalidInput) as refused:
        world.propose("source", {**good, "owner": str(world.mira.subject), field: value})
    assert [pointer for pointer, _ in refused.value.problems] == [f"/object/{field}"]
