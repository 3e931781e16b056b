"""A pool's key is turned while runs go on: nobody waits, nothing is lost, what was swapped is lent to nobody."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.domain.sealing import WillNotOpen, seal, secret_object
from procedures.evidence.queries import facts_of_kinds
from procedures.issuer import pools
from procedures.issuer.issue import require_confirmed
from procedures.issuer.keys import ca_public, further_pool_key, pool_pairs
from procedures.issuer.known import problems
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.issuer.sealed import sealed_secret
from procedures.models import PoolKey, Run, SealedSecret
from procedures.queries.pages_environments import pool_of
from procedures.runner.drive import identity, issuer, stock_here
from procedures.services import endings, pool_keys
from tests.factories.lending import CANARY, Claimed, claimed
from tests.factories.lending import seal as sealed_as
from tests.factories.portal import new_world
from tests.fixtures.databases import FreshDatabase

pytestmark = pytest.mark.ordinary
PLACE = "development"
LATER = pool_keys.ON_THE_WAY + timedelta(minutes=1)


@pytest.fixture
def under_way(fresh_database: FreshDatabase, settings: Any, tmp_path: Path) -> Claimed:
    """A claimed run that was asked for before anything is turned, and three static secrets of its environment."""
    identity()  # this process's own, made where it is looked for
    settings.OPSPORTAL_KEYS_DIR = shutil.copytree(settings.OPSPORTAL_KEYS_DIR, tmp_path / "keys")
    found = claimed(new_world())
    for name in ("one", "two", "three"):
        sealed_as(found.world, name, f"value of {name}".encode())
    return found


def keys() -> Path:
    return stock_here().keys


def turned(*, at: Any = None) -> None:
    pools.turn(stock_here(), [PLACE], at=at or now())


def further() -> str:
    """The id of one more key, which lies beside the one before it."""
    further_pool_key(keys(), PLACE, at=now())
    return list(pool_pairs(keys(), PLACE))[-1]


def sealed_to() -> set[str]:
    rows = SealedSecret.objects.filter(environment=PLACE, ended_at__isnull=True)
    return set(rows.values_list("pool_key_id", flat=True))


def lend(name: str) -> bytes:
    """As the issuer does before it lends: what people confirmed, opened."""
    require_confirmed(stock_here(), replay(), PLACE, name)
    return sealed_secret(keys(), PLACE, name).reveal()


def told(kind: str) -> list[dict[str, Any]]:
    return [dict(fact.facts) for fact in facts_of_kinds(kind)]


def test_sealed_to_the_new_one_at_once_what_lies_there_anew_and_the_old_one_goes_when_nothing_needs_it(
    under_way: Claimed,
) -> None:
    (old,) = pool_pairs(keys(), PLACE)
    new = further()
    turned()
    assert pool_of(PLACE) == pool_pairs(keys(), PLACE)[new].public, "what web and command line seal to"
    assert sealed_to() == {new}
    assert [lend(name) for name in ("one", "two", "three")] == [b"value of one", b"value of two", b"value of three"]
    assert {row["name"] for row in told("secret.sealed_anew")} == {"one", "two", "three"}
    assert told("pool.key_shown")[0]["was"] == [old]

    later = now() + LATER
    turned(at=later)
    assert set(pool_pairs(keys(), PLACE)) == {old, new}, "a run under way holds a box of the old one"
    opened = issuer(PLACE).open(under_way.secrets)
    assert opened["token"].reveal().decode() == CANARY
    run = under_way.world.ask(
        under_way.quinn, procedure="tidy", secrets={"token": CANARY}, parameters={"word": "hello"}
    )
    assert run.sealed_secrets["token"]["key"] == new
    endings.interrupt_lost(at=now() + timedelta(minutes=2))
    Run.objects.filter(pk=under_way.run.pk).update(sealed_secrets={}, secrets_until_at=None)
    turned(at=later)
    assert set(pool_pairs(keys(), PLACE)) == {new}
    assert [path.name for path in keys().glob(f"pool-{PLACE}.*key")] == [f"pool-{PLACE}.key"], "one, under its own name"
    assert [row["key_id"] for row in told("pool.key_ended")] == [old]
    turned(at=later + LATER)
    assert set(PoolKey.objects.filter(environment=PLACE, ended_at__isnull=True).values_list("key_id", flat=True)) == {
        new
    }
    assert lend("two") == b"value of two"


def test_what_is_on_its_way_to_the_old_key_arrives(under_way: Claimed) -> None:
    (old,) = pool_pairs(keys(), PLACE).values()
    further()
    turned()
    turned()
    said = secret_object(environment=PLACE, name="late", value=b"on its way", pool=old.public)
    under_way.world.propose("secret", said)
    turned()
    assert old.key_id not in sealed_to()
    assert lend("late") == b"on its way"


def test_what_is_sealed_to_a_key_that_has_ended_is_refused_in_words(under_way: Claimed) -> None:
    (old,) = pool_pairs(keys(), PLACE).values()
    further()
    turned()
    endings.interrupt_lost(at=now() + timedelta(minutes=2))
    Run.objects.update(sealed_secrets={}, secrets_until_at=None)
    turned(at=now() + LATER)
    said = secret_object(environment=PLACE, name="late", value=b"too late", pool=old.public)
    with pytest.raises(InvalidInput, match="no living key"):
        under_way.world.propose("secret", said)


def test_killed_half_way_it_goes_on_where_it_was(under_way: Claimed, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each of the steps in turn: the key shown, one of three secrets sealed, the key ended, its file not yet."""
    new = further()

    class Killed(BaseException):
        pass

    def dies(after: int) -> Any:
        done, real = [0], pool_keys.sealed_anew

        def sealed(*given: Any, **more: Any) -> bool:
            if done[0] == after:
                raise Killed
            done[0] += 1
            return real(*given, **more)

        return sealed

    for after in (0, 1):
        with monkeypatch.context() as patch:
            patch.setattr(pool_keys, "sealed_anew", dies(after))
            with pytest.raises(Killed):
                turned()
        assert [lend(name) for name in ("one", "two", "three")] == [b"value of one", b"value of two", b"value of three"]
    assert len(sealed_to()) == 2
    turned()
    assert sealed_to() == {new}
    endings.interrupt_lost(at=now() + timedelta(minutes=2))
    Run.objects.update(sealed_secrets={}, secrets_until_at=None)
    with monkeypatch.context() as patch:
        patch.setattr(pools, "_forget", lambda *given: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            turned(at=now() + LATER)
    assert len(pool_pairs(keys(), PLACE)) == 2
    turned(at=now() + LATER)
    assert set(pool_pairs(keys(), PLACE)) == {new}
    assert len(told("secret.sealed_anew")) == 3
    assert len(told("pool.key_ended")) == 1
    assert lend("one") == b"value of one"


def test_a_row_that_somebody_swapped_is_neither_lent_nor_sealed_anew(under_way: Claimed) -> None:
    """Whoever writes to the database seals a value of its own to the pool's public key, or moves rows about."""
    further()
    turned()
    public = pool_of(PLACE)
    assert public is not None
    rows = SealedSecret.objects.filter(environment=PLACE, ended_at__isnull=True)
    one = rows.get(name="one")
    other, evil = rows.get(name="two").ciphertext, seal(public, b"evil", info=f"secret/{PLACE}/one")
    for box, why in ((evil, "not the one that was confirmed"), (bytes(other), "does not open")):
        rows.filter(name="one").update(ciphertext=box)
        with pytest.raises((LeaseRefused, WillNotOpen), match=why):
            lend("one")
    rows.filter(name="one").update(ciphertext=evil)
    new = further()
    turned()
    assert rows.get(name="one").pool_key_id != new, "it stays, so that somebody looks"
    assert {rows.get(name=name).pool_key_id for name in ("two", "three")} == {new}
    rows.filter(name="one").update(ciphertext=bytes(one.ciphertext))
    turned()
    assert (rows.get(name="one").pool_key_id, lend("one")) == (new, b"value of one")


def test_an_earlier_value_brought_back_is_not_the_one_that_was_confirmed_last(under_way: Claimed) -> None:
    before = SealedSecret.objects.get(environment=PLACE, name="one", ended_at__isnull=True)
    sealed_as(under_way.world, "one", b"the next value")
    further()
    turned()
    rows = SealedSecret.objects.filter(environment=PLACE, name="one", ended_at__isnull=True)
    rows.update(ciphertext=bytes(before.ciphertext), pool_key_id=before.pool_key_id)
    with pytest.raises(LeaseRefused, match="not the one that was confirmed"):
        lend("one")


def test_a_key_that_somebody_wrote_into_the_table_stops_the_turning_and_the_start(under_way: Claimed) -> None:
    """Only who holds every key that is shown turns them; another pool's key opens nothing here."""
    new = further()
    theirs = next(iter(pool_pairs(keys(), "staging").values()))
    PoolKey.objects.create(environment_id=PLACE, key_id="f" * 32, public=theirs.public, since_at=now())
    turned()
    assert not told("pool.key_shown")
    assert new not in sealed_to()
    ca_public(keys(), PLACE)
    assert any("are sealed to the key ffff" in said for said in problems(keys(), PLACE))
    box = seal(theirs.public, b"value of one", info=f"secret/{PLACE}/one")
    SealedSecret.objects.filter(environment=PLACE, name="one").update(ciphertext=box, pool_key_id=theirs.key_id)
    with pytest.raises(WillNotOpen, match="does not hold the key"):
        lend("one")


def test_an_issuer_without_the_new_key_does_not_start_and_says_which_to_bring(under_way: Claimed) -> None:
    new = further()
    turned()
    ca_public(keys(), PLACE)
    assert not [said for said in problems(keys(), PLACE) if "sealed" in said]
    path = pool_pairs(keys(), PLACE)[new].path
    path.rename(path.with_suffix(".elsewhere"))
    assert [new in said for said in problems(keys(), PLACE) if "sealed" in said] == [True]
