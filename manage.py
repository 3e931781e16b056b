#!/usr/bin/env python3
"""Every command of a checkout; on a machine without the dependencies it first makes .venv.

This file parses on any Python 3, so that an old one is told what is missing instead of a syntax error.
"""

import sys

if sys.version_info < (3, 11):
    present = "%d.%d" % sys.version_info[:2]
    sys.exit("OpsPortal needs Python 3.11 or newer; this is " + present + ". Run the same command with a newer one.")

from opsportal.bootstrap import prepare

if __name__ == "__main__":
    prepare(sys.argv)
    from opsportal.commands import main

    sys.exit(main(sys.argv))
