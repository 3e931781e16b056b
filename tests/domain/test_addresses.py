"""Which addresses a step may reach."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procedures.domain.addresses import address_problem

REFUSED = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "100.100.100.200",
    "0.1.2.3",
    "224.0.0.1",
    "255.255.255.255",
    "198.18.0.1",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "64:ff9b::a9fe:a9fe",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "fec0::1",
    "192.0.0.192",
    "168.63.129.16",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "ff02::1",
]


@pytest.mark.parametrize("address", REFUSED)
def test_an_inner_address_is_refused(address: str) -> None:
    assert address_problem(address, ())


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_an_open_address_is_reached(address: str) -> None:
    assert address_problem(address, ()) == ""


def test_a_listed_range_is_reached_and_its_neighbour_is_not() -> None:
    assert address_problem("10.20.3.4", ["10.20.0.0/16"]) == ""
    assert address_problem("10.21.3.4", ["10.20.0.0/16"])


@given(st.ip_addresses(v=4, network="169.254.0.0/16"))
def test_metadata_is_refused_whatever_is_listed(address: object) -> None:
    assert address_problem(str(address), ["0.0.0.0/0", "169.254.0.0/16"])
    assert address_problem(f"::ffff:{address}", ["::/0", "0.0.0.0/0"])
