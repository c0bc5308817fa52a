#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Check that a machine has a bus, whatever tools do to its link: check-other-tools.py BUS1CTL SOURCE

bus1ctl makes bus1-bridge the bus of a tree. Then other tools, on the same tree, remove another bus,
or set units to their defaults. Prints TAP.
"""

import os
import shutil
import subprocess
import sys
import tempfile

BRIDGE, BROKER, DBUS = 'bus1-bridge.service', 'dbus-broker.service', 'dbus.service'
UNITS = 'usr/lib/systemd/system'
PLACE = 'etc/systemd/system/dbus.service'
UNIT = '[Service]\nExecStart=/usr/bin/{} --system\n'
ALIAS = '[Install]\nAlias=dbus.service\n'
CONFIG = '<busconfig><type>system</type><listen>unix:path=/run/x</listen></busconfig>'


class Tree:
    """A machine whose bus was dbus-broker before the switch, with or without dbus-daemon."""

    def __init__(self, root, bus1ctl, source, has_daemon):
        self.root, self.source, self.bus1ctl = root, source, bus1ctl
        self.write(f'{UNITS}/{BRIDGE}', UNIT.format('bus1-bridge') + ALIAS)
        self.write(f'{UNITS}/{BROKER}', UNIT.format('dbus-broker-launch') + ALIAS)
        self.write(f'{UNITS}/dbus.socket', '[Socket]\nListenStream=/run/dbus/system_bus_socket\n')
        shutil.copy(source + '/units/system/50-bus1-bridge.preset',
                    self.make('usr/lib/systemd/system-preset/50-bus1-bridge.preset'))
        if has_daemon:
            self.write(f'{UNITS}/{DBUS}', UNIT.format('dbus-daemon'))
        for program in ('bus1-bridge', 'dbus-broker-launch', 'dbus-daemon'):
            self.write(f'usr/bin/{program}', '')
            os.chmod(f'{root}/usr/bin/{program}', 0o755)
        self.write('usr/share/dbus-1/system.conf', CONFIG)
        os.symlink('usr/lib', root + '/lib')
        self.dsh('enable')
        assert os.path.islink(f'{root}/{PLACE}'), 'deb-systemd-helper enables dbus-broker'
        subprocess.run([bus1ctl, 'switch', 'system', '--yes', '--root=' + root], check=True,
                       stdout=subprocess.DEVNULL)

    def make(self, path):
        path = f'{self.root}/{path}'
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def write(self, path, text):
        with open(self.make(path), 'w', encoding='utf-8') as f:
            f.write(text)

    def dsh(self, verb):
        self.make('var/lib/systemd/x')
        # it knows by the name of this variable that dpkg purges
        subprocess.run(['deb-systemd-helper', verb, BROKER], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       env=dict(os.environ, DPKG_ROOT=self.root, DPKG_MAINTSCRIPT_NAME='postrm',
                                DPKG_MAINTSCRIPT_PACKAGE='dbus-broker'))

    def systemctl(self, *args):
        subprocess.run(['systemctl', '--quiet', '--root=' + self.root, *args], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def bus(self):
        """Returns the unit that is dbus.service after the next boot."""
        late = self.make('run/generators/late/x')
        os.makedirs(f'{self.root}/run/generators/early')
        directories = [f'{self.root}/run/generators/{name}' for name in ('x', 'early', 'late')]
        subprocess.run([self.source + '/units/bus1-bridge-generator', *directories], check=True)
        assert not os.listdir(directories[1]), 'no bus runs, but its alias is kept'
        for directory in (os.path.dirname(PLACE), UNITS, os.path.relpath(os.path.dirname(late),
                                                                        self.root)):
            path = f'{self.root}/{directory}/{DBUS}'
            if os.path.lexists(path):
                # systemd finds the target of a link by its name
                name = os.path.basename(os.readlink(path)) if os.path.islink(path) else DBUS
                return name if os.path.exists(f'{self.root}/{UNITS}/{name}') else f'missing {name}'
        return None


def purge(tree):
    os.unlink(f'{tree.root}/{UNITS}/{BROKER}')
    tree.dsh('purge')


def remove_without_a_purge(tree):
    os.unlink(f'{tree.root}/{UNITS}/{BROKER}')


def upgrade(tree):
    tree.dsh('enable')
    tree.dsh('update-state')


def disable(tree):
    tree.systemctl('disable', BROKER)


def disable_by_the_alias(tree):
    tree.systemctl('disable', DBUS)


def disable_the_bridge(tree):
    tree.systemctl('disable', BRIDGE)


def preset_all(tree):
    tree.systemctl('preset-all')


def preset_all_after_a_removal(tree):
    remove_without_a_purge(tree)
    preset_all(tree)


def purge_and_back(tree):
    purge(tree)
    subprocess.run([tree.bus1ctl, 'switch', 'system', '--back', '--yes', '--force',
                    '--root=' + tree.root], check=True, stdout=subprocess.DEVNULL)


# what another tool does, and the bus after the next boot: with dbus-daemon on the machine, and
# without it
CASES = [
    (purge, DBUS, BRIDGE),
    (purge_and_back, DBUS, BRIDGE),
    (remove_without_a_purge, BRIDGE, BRIDGE),
    (upgrade, BRIDGE, BRIDGE),
    (disable, BRIDGE, BRIDGE),
    (disable_by_the_alias, DBUS, BRIDGE),
    (disable_the_bridge, DBUS, BRIDGE),
    (preset_all, BROKER, BROKER),
    (preset_all_after_a_removal, DBUS, BRIDGE),
]


def main():
    bus1ctl, source = (os.path.abspath(path) for path in sys.argv[1:3])
    for tool in ('deb-systemd-helper', 'systemctl'):
        if not shutil.which(tool) or os.geteuid():
            print(f'1..0 # SKIP needs root and {tool}')
            return 0
    number = failed = 0
    for change, *wanted in CASES:
        for has_daemon, bus in zip((True, False), wanted, strict=True):
            number += 1
            with tempfile.TemporaryDirectory() as root:
                tree = Tree(root, bus1ctl, source, has_daemon)
                change(tree)
                got = tree.bus()
            failed += got != bus
            print(f'{"ok" if got == bus else "not ok"} {number} - {change.__name__}'
                  f'{"" if has_daemon else ", without dbus-daemon"}')
            if got != bus:
                print(f'# the bus is {got}, not {bus}')
    print(f'1..{number}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
