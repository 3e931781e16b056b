"""What a step was seen to use: bounded, of the right shape whatever is said, and without a query's values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procedures.domain.canonical import canon
from procedures.domain.seen import LISTS, LONGEST, MOST, cleaned, host_of, of_task, path_of, seen

SECRET = "hunter2-canary"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://api.example.com/v1/users/${{ parameters.id }}", "/v1/users/{}"),
        (f"https://api.example.com/v1?token={SECRET}", "/v1"),
        (f"https://api.example.com?token={SECRET}", "/"),
        (f"https://u:{SECRET}@api.example.com/v1#{SECRET}", "/v1"),
        ("https://${{ each.host }}/healthz?x=${{ parameters.a ? parameters.b : 1 }}", "/healthz"),
        ("https://${{ each.host }}", "/"),
        ("${{ parameters.url }}", ""),
        (f"${{{{ parameters.base }}}}/v1?token={SECRET}", ""),
    ],
)
def test_a_path_is_the_authors_and_holds_no_value(url: str, path: str) -> None:
    assert path_of(url) == path


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://API.example.com/v1?x=1", "api.example.com:443"),
        ("http://api.example.com/", "api.example.com:80"),
        (f"https://u:{SECRET}@api.example.com:8443/", "api.example.com:8443"),
        ("https://api.example.com:port/", ""),
        ("nothing", ""),
    ],
)
def test_a_host_is_a_name_and_a_port(url: str, host: str) -> None:
    assert host_of(url) == host


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
ANYTHING = PLAIN | st.lists(PLAIN, max_size=4) | st.dictionaries(st.text(max_size=3), PLAIN, max_size=2)


@given(st.dictionaries(st.sampled_from([*LISTS, "target", "credential", "network", "sudo", "wrote", "x"]), ANYTHING))
def test_whatever_a_plug_in_says_evidence_can_hold_what_is_kept(said: dict[str, Any]) -> None:
    found = cleaned(said)
    assert cleaned(found) == found
    assert "x" not in found
    canon({"seen": found})
    assert len(canon(found)) < len(LISTS) * (MOST + 1) * 4 * LONGEST


def test_a_long_list_is_cut_and_the_rest_counted() -> None:
    found = seen(hosts=[f"h{number}.example.com:443" for number in range(80)])["seen"]
    assert (len(found["hosts"]), found["hosts_more"]) == (MOST, 30)
    assert cleaned(found) == found


def test_a_credential_of_which_nothing_was_said_is_unknown_and_not_unused() -> None:
    assert of_task({"seen": {"network": "all"}}, {}, lent=True)["credential"] == "unknown"
    assert of_task({}, {}, lent=True) == {}


def test_a_call_is_told_with_the_path_of_the_document() -> None:
    url = f"https://api.example.com/v1/${{{{ parameters.name }}}}?token={SECRET}"
    found = of_task({"seen": {"calls": ["GET api.example.com:443"]}}, {"url": url}, lent=False)
    assert found["calls"] == ["GET api.example.com:443/v1/{}"]
