#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Check what the removal of the package leaves as the bus: check-removal.py PRERM

The script of the package runs on trees with DPKG_ROOT. Prints TAP.
"""

import os
import subprocess
import sys
import tempfile

BRIDGE = 'bus1-bridge.service'
BROKER = '/lib/systemd/system/dbus-broker.service'
DBUS = '/lib/systemd/system/dbus.service'
ABSENT = '/nonexistent/'
PLACE = 'etc/systemd/system/dbus.service'

# what is tested, the units in the tree, what bus1ctl has kept (None: nothing), and the link that is
# left (None: nothing)
CASES = [
    ('nothing kept', [DBUS], None, None),
    ('nothing kept, without dbus-daemon', [BROKER], None, BROKER),
    ('the alias of dbus-broker', [DBUS, BROKER], BROKER, BROKER),
    ('an alias that leads there by its name', [DBUS, BROKER], ABSENT + 'dbus-broker.service',
     ABSENT + 'dbus-broker.service'),
    ('a mask', [DBUS], '/dev/null', '/dev/null'),
    ('the alias of a bus that is gone', [DBUS], ABSENT + 'dbus-broker.service', None),
    ('the alias of a gone bus, without dbus-daemon', [BROKER], ABSENT + 'other.service', BROKER),
    ('a link to a gone file of the same name', [DBUS], ABSENT + 'dbus.service', None),
    ('the alias of the bridge itself', [DBUS], '/lib/systemd/system/' + BRIDGE, None),
]


def remove(prerm, units, kept):
    """Returns the link in the place after the removal, or None, and other files beside it."""
    with tempfile.TemporaryDirectory() as root:
        for unit in [*units, '/lib/systemd/system/' + BRIDGE]:
            os.makedirs(os.path.dirname(root + unit), exist_ok=True)
            with open(root + unit, 'w', encoding='utf-8'):
                pass
        place = os.path.join(root, PLACE)
        os.makedirs(os.path.dirname(place))
        os.symlink('/lib/systemd/system/' + BRIDGE, place)
        if kept:
            os.symlink(kept, place + '.before-bus1-bridge')
        subprocess.run(['sh', prerm, 'remove'], check=True, stdout=subprocess.DEVNULL,
                       env=dict(os.environ, DPKG_ROOT=root))
        others = [name for name in os.listdir(os.path.dirname(place)) if name != 'dbus.service']
        return (os.readlink(place) if os.path.islink(place) else None), others


def main():
    failed = 0
    for number, (name, units, kept, wanted) in enumerate(CASES, 1):
        got = remove(sys.argv[1], units, kept)
        failed += got != (wanted, [])
        print(f'{"ok" if got == (wanted, []) else "not ok"} {number} - {name}')
        if got != (wanted, []):
            print(f'# {got}, not {wanted}')
    print(f'1..{len(CASES)}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
