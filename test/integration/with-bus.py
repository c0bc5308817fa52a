#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs a program with a private bus as its session bus: with-bus.py DAEMON PROGRAM [ARGUMENT...]

import subprocess
import sys

from busfixture import TIMEOUT, Bus

if __name__ == '__main__':
    bus = Bus(sys.argv[1])
    try:
        status = subprocess.run(sys.argv[2:], env=bus.environment(DBUS_SYSTEM_BUS_ADDRESS=bus.address),
                                timeout=6 * TIMEOUT).returncode
        if not bus.alive():
            print('# the daemon has gone: ' + bus.read_log())
            status = status or 1
    finally:
        ended = bus.stop()
    sys.exit(status or ended)
