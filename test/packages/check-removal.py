#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Check what the removal of the package leaves as the bus: check-removal.py SOURCE

The scripts of all recipes run on trees with DPKG_ROOT, and, for the files of users, on this machine
in a mount namespace. Prints TAP.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

BRIDGE = 'bus1-bridge.service'
BROKER = '/lib/systemd/system/dbus-broker.service'
DAEMON = '/lib/systemd/system/dbus-daemon.service'
DBUS = '/lib/systemd/system/dbus.service'
ABSENT = '/nonexistent/'
PLACE = 'etc/systemd/system/dbus.service'

# what is tested, the units in the tree, what bus1ctl has kept (None: nothing), and the link that is
# left (None: nothing)
CASES = [
    ('nothing kept', [DBUS], None, None),
    ('nothing kept, without dbus-daemon', [BROKER], None, BROKER),
    ('nothing kept, where dbus-daemon needs an alias', [DAEMON], None, DAEMON),
    ('the alias of dbus-broker', [DBUS, BROKER], BROKER, BROKER),
    ('an alias that leads there by its name', [DBUS, BROKER], ABSENT + 'dbus-broker.service',
     ABSENT + 'dbus-broker.service'),
    ('a mask', [DBUS], '/dev/null', '/dev/null'),
    ('the alias of a bus that is gone', [DBUS], ABSENT + 'dbus-broker.service', None),
    ('the alias of a gone bus, without dbus-daemon', [BROKER], ABSENT + 'other.service', BROKER),
    ('a link to a gone file of the same name', [DBUS], ABSENT + 'dbus.service', None),
    ('the alias of the bridge itself', [DBUS], '/lib/systemd/system/' + BRIDGE, None),
]

# users of the test machine
ALICE, BOB, CAROL = 4321, 4322, 4323


def read(*path):
    with open(os.path.join(*path), encoding='utf-8') as f:
        return f.read()


def write(path, text=''):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)


def link(target, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(target, path)


def recipes(source):
    """Returns for each recipe the command that its packager runs before a removal."""
    spec = re.search(r'^%preun\n(.*?)\n\n', read(source, 'packaging/bus1-bridge.spec'),
                     re.M | re.S).group(1)
    arch = read(source, 'packaging/bus1-bridge.install') + '\npre_remove\n'
    scripts = {'deb': (['sh', '-c'], read(source, 'debian/bus1-bridge.prerm'), 'remove'),
               'rpm': (['sh', '-c'], spec, '0'), 'arch': (['bash', '-ec'], arch, '0.1.0-1')}
    # the package is not installed
    return {name: [*shell, re.sub(r'\S*/bus1-bridge/former-bus"?', source + '/units/former-bus', text), 'script', argument]
            for name, (shell, text, argument) in scripts.items()}


def remove(command, units, kept):
    """Returns the link in the place after the removal, or None, and other files beside it."""
    with tempfile.TemporaryDirectory() as root:
        for unit in [*units, '/lib/systemd/system/' + BRIDGE]:
            write(root + unit)
        place = os.path.join(root, PLACE)
        link('/lib/systemd/system/' + BRIDGE, place)
        if kept:
            os.symlink(kept, place + '.before-bus1-bridge')
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL,
                       env=dict(os.environ, DPKG_ROOT=root))
        others = [name for name in os.listdir(os.path.dirname(place)) if name != 'dbus.service']
        return (os.readlink(place) if os.path.islink(place) else None), others


class Machine:
    """A machine whose systemd runs, with three users who have managers, in a mount namespace."""

    MOUNTS = ('etc/passwd', 'etc/systemd', 'run/systemd', 'run/user', 'usr/lib/systemd/system',
              'usr/lib/systemd/user')

    def __init__(self, source, root):
        self.script, self.root = source + '/units/former-bus', root
        os.chmod(root, 0o755)
        os.makedirs(root + '/run/systemd/system')
        write(root + '/etc/passwd', 'root:x:0:0::/root:/bin/sh\n')
        os.makedirs(root + '/etc/systemd')
        for manager in ('system', 'user'):
            for unit in ('dbus', 'bus1-bridge'):
                write(f'{root}/usr/lib/systemd/{manager}/{unit}.service', f'{manager} {unit}\n')
        for uid in (ALICE, BOB, CAROL):
            with open(root + '/etc/passwd', 'a', encoding='utf-8') as f:
                f.write(f'u{uid}:x:{uid}:{uid}::{root}/home/{uid}:/bin/sh\n')
            os.makedirs(f'{root}/run/user/{uid}/systemd')
            os.makedirs(f'{root}/home/{uid}')

    def enable(self, path):
        """Makes the alias of the bridge, relative to the root."""
        link('/usr/lib/systemd/user/' + BRIDGE, self.root + path)

    def run(self, verb):
        for uid in (ALICE, BOB, CAROL):
            for top in (f'run/user/{uid}', f'home/{uid}'):
                subprocess.run(['chown', '-hR', f'{uid}:{uid}', f'{self.root}/{top}'], check=True)
                os.chmod(f'{self.root}/{top}', 0o700)
        mounts = [f'mount --bind {self.root}/{path} /{path}' for path in self.MOUNTS]
        return subprocess.run(['unshare', '--mount', 'sh', '-ec', '; '.join(mounts) + '; exec "$@"',
                               'sh', self.script, verb], check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True).stdout

    def below(self, path):
        """Returns the text of each file and link below this path, and whose it is."""
        found = {}
        for directory, _, names in os.walk(self.root + path):
            for name in names:
                file = os.path.join(directory, name)
                text = os.readlink(file) if os.path.islink(file) else read(file)
                found[os.path.relpath(file, self.root + path)] = (os.lstat(file).st_uid, text)
        return found


def kept(uid):
    """What keeps the running bus of a user until the next boot."""
    directory = f'user/{uid}/systemd/user.control/'
    return {directory + BRIDGE: (uid, 'user dbus\n'), directory + 'dbus.service': (uid, BRIDGE)}


def the_alias_of_one_user(machine):
    home = f'/home/{ALICE}/.config/systemd/user'
    machine.enable(home + '/dbus.service')
    # another user says that the bridge runs
    machine.enable(f'/run/user/{BOB}/systemd/user.control/dbus.service')
    machine.run('restore')
    yield machine.below(home), {}
    yield machine.below('/run'), {**kept(ALICE), **kept(BOB)}
    machine.run('resume')
    unit = '/lib/systemd/user/' + BRIDGE
    yield machine.below('/run'), {f'user/{uid}/systemd/user.control/dbus.service': (uid, unit)
                                  for uid in (ALICE, BOB)}


def the_alias_of_all_users(machine):
    machine.enable('/etc/systemd/user/dbus.service')
    # this user has chosen another bus
    write(f'{machine.root}/home/{BOB}/.config/systemd/user/dbus.service', 'own\n')
    machine.run('restore')
    yield machine.below('/etc/systemd'), {}
    yield machine.below('/run'), {**kept(ALICE), **kept(CAROL)}


def the_bus_of_the_system(machine):
    link('/usr/lib/systemd/system/' + BRIDGE, machine.root + '/etc/systemd/system/dbus.service')
    machine.run('restore')
    yield machine.below('/etc/systemd'), {}
    yield machine.below('/run'), {'systemd/system.control/' + BRIDGE: (0, 'system dbus\n'),
                                  'systemd/system.control/dbus.service': (0, BRIDGE)}
    machine.run('resume')
    yield machine.below('/run'), {
        'systemd/system.control/dbus.service': (0, '/lib/systemd/system/' + BRIDGE)}


MACHINES = (the_alias_of_one_user, the_alias_of_all_users, the_bus_of_the_system)


def cases(source):
    """Yields the name of each test, what it got, and what it wants."""
    for recipe, command in recipes(source).items():
        if not shutil.which(command[0]):
            continue
        for name, units, kept_link, wanted in CASES:
            yield f'{recipe}: {name}', remove(command, units, kept_link), (wanted, [])
    if os.geteuid() or subprocess.run(['unshare', '--mount', 'true'],
                                      stderr=subprocess.DEVNULL).returncode:
        return
    for test in MACHINES:
        with tempfile.TemporaryDirectory() as root:
            for step, (got, wanted) in enumerate(test(Machine(source, root)), 1):
                yield f'{test.__name__}, {step}', got, wanted


def main():
    number = failed = 0
    for number, (name, got, wanted) in enumerate(cases(os.path.abspath(sys.argv[1])), 1):
        failed += got != wanted
        print(f'{"ok" if got == wanted else "not ok"} {number} - {name}')
        if got != wanted:
            print(f'# {got}, not {wanted}')
    print(f'1..{number}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
