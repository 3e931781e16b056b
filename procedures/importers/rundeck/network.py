"""Whether a local step needs the network, which Rundeck's server had and the sandbox gives where it is asked for."""

from __future__ import annotations

import re

# Programs that reach nothing, so that a step made of these alone stays without the network.
WORDS = """
    [ [[ : alias awk base64 basename bc break cal case cat cd chmod chown cksum clear comm command continue
    cp cut date dd declare df diff dirname do done du echo egrep elif else env esac eval exit export expr
    false fgrep fi find fold for free function getopts grep groups gunzip gzip head hostname hostnamectl id
    if in jq join kill less let ln local ls lscpu lsblk md5sum mkdir mktemp more mv nl nproc od paste pgrep
    printenv printf ps pwd read readonly realpath return rm rmdir sed select seq set sha1sum sha256sum shift
    shopt sleep sort split stat tail tar tee test then time touch tr trap true type typeset ulimit uname uniq
    unset until unzip uptime wait wc which while who whoami xargs yes zcat zip ! { }
    """
QUIET = frozenset(WORDS.split())
START = re.compile(
    r"(?:^|[;|&({`\n]|\$\(|\b(?:then|do|else|elif|if|while|until)\b|!)[ \t]*"
    r"((?:\w+=\S*[ \t]+)*)([^\s;|&(){}<>`]+)"
)


def reaches_out(text: str) -> bool:
    """True unless every program of a shell text is known to reach nothing."""
    text = re.sub(r"^[ \t]*#[^\n]*", "", text, flags=re.MULTILINE)
    text = re.sub(r"'[^']*'", "''", text)
    if "/dev/tcp" in text or "/dev/udp" in text:
        return True
    return any(not _quiet(match[2]) for match in START.finditer(text))


def _quiet(word: str) -> bool:
    name = word.strip("\"'")
    return name.rpartition("/")[2] in QUIET or bool(re.match(r"^(\w+\+?=|\$|#|\"|$|[0-9]+$|-)", name)) or name == "''"
