"""Every pack that was ever kept still says what it said."""

from __future__ import annotations

import pytest

from procedures.evidence import verify
from tests.golden.keep import found, kept, releases
from tests.second import verifier

BEYOND_THE_SECOND = {"approved-ahead.zip", "break-glass-reviewed.zip"}  # it knows approvals of one run alone


@pytest.mark.parametrize("release", releases())
def test_packs_of_before_verify_and_say_the_same(release: str) -> None:
    packs = list(kept(release))
    assert packs
    for name, data, said in packs:
        assert found(data, said["log_key"]) == said["found"], name


@pytest.mark.parametrize("release", releases())
def test_no_kept_pack_verifies_with_a_byte_changed(release: str) -> None:
    for name, data, said in kept(release):
        for part in ("log/headers.jsonl", "log/checkpoint.end", "manifest.json"):
            members = verify.unzip(data)
            changed = bytearray(members[part])
            changed[len(changed) // 2] ^= 1
            with pytest.raises(verify.Failed):
                verify.verify(verify.zip_bytes(members | {part: bytes(changed)}), said["log_key"])
        assert name


def test_both_forms_are_kept() -> None:
    assert {"form-1", "form-2"} <= set(releases())


def test_a_kept_pack_has_both_signatures_and_follows_a_changed_key() -> None:
    found = {name: verify.verify(data, said["log_key"]) for name, data, said in kept("form-2-mldsa")}
    assert {name: (len(row["mldsa"]), len(row["turned"])) for name, row in found.items()} == {
        "mldsa.zip": (1, 0),
        "mldsa-and-a-turned-key.zip": (1, 1),
    }


def test_a_kept_pack_tells_of_a_run_that_was_purged() -> None:
    [(_, data, said)] = kept("form-2-purged")
    [hole] = verify.verify(data, said["log_key"])["purged"]
    assert (hole["runs"], hole["bodies"], len(hole["by"]), hole["basis"]) == (1, 7, 2, "its time is over")


def test_kept_packs_tell_of_outages_and_changed_keys_and_of_what_only_claims_to_be_one() -> None:
    told = {}
    for name, data, said in kept("form-2-changes"):
        found = verify.verify(data, said["log_key"])
        asserted = [row["control"] for row in found["asserted"]]
        told[name] = (len(found["turned"]), len(found["outages"]), asserted.count("log key"), asserted.count("outage"))
        for row in found["turned"]:
            assert verify.verify(data, row["key"])["turned"] == found["turned"], "with any of its keys"
    assert told == {
        "claims-of-changes-and-outages.zip": (2, 3, 2, 2),
        "outage.zip": (0, 1, 0, 0),
        "strangers-before-a-turned-key.zip": (1, 0, 1, 0),
        "turned-twice.zip": (2, 0, 0, 0),
    }


@pytest.mark.parametrize("release", [one for one in releases() if one != "form-1"])
def test_a_second_verifier_says_the_same_of_kept_packs(release: str) -> None:
    for name, data, said in kept(release):
        if name in BEYOND_THE_SECOND:
            continue
        first, second = verify.verify(data, said["log_key"]), verifier.found(data, said["log_key"], [])
        assert second["verdict"] == "WITNESSED", name
        assert (second["turned"], second["outages"]) == (first["turned"], first["outages"]), name
