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
    ('a link that leads to a file of another machine', [DBUS], '/bin/sh', None),
]

# the same where another tool has removed the alias: only the generator makes the bridge the bus
SOCKET = '/lib/systemd/system/dbus.socket'
CASES_WITHOUT_ALIAS = [
    ('dbus-daemon', [DBUS, SOCKET], None, None),
    ('dbus-broker only', [BROKER, SOCKET], None, BROKER),
    ('dbus-broker only, with what was before', [BROKER, SOCKET], ABSENT + 'dbus-broker.service',
     ABSENT + 'dbus-broker.service'),
    ('no socket', [BROKER], None, None),
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


def remove(command, units, kept, has_alias):
    """Returns the link in the place after the removal, or None, and other files beside it."""
    with tempfile.TemporaryDirectory() as root:
        for unit in [*units, '/lib/systemd/system/' + BRIDGE]:
            write(root + unit)
        place = os.path.join(root, PLACE)
        os.makedirs(os.path.dirname(place))
        if has_alias:
            os.symlink('/lib/systemd/system/' + BRIDGE, place)
        if kept:
            os.symlink(kept, place + '.before-bus1-bridge')
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL,
                       env=dict(os.environ, DPKG_ROOT=root))
        others = [name for name in os.listdir(os.path.dirname(place)) if name != 'dbus.service']
        return (os.readlink(place) if os.path.islink(place) else None), others


class Machine:
    """A machine whose systemd runs, with three users who have managers, in namespaces."""

    MOUNTS = ('etc/passwd', 'etc/systemd', 'run/systemd', 'run/user', 'sys/fs/cgroup',
              'usr/lib/systemd/system', 'usr/lib/systemd/user')
    # the first process of the machine is the shell of run()
    NAMESPACES = ('unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--cgroup')
    # what a chroot has of the machine
    TOOLS = ('dev', 'etc', 'proc', 'run', 'sys', 'usr')

    def __init__(self, source, root):
        self.script, self.root = source + '/units/former-bus', root
        os.chmod(root, 0o755)
        os.makedirs(root + '/run/systemd/system')
        os.makedirs(root + '/sys/fs/cgroup')
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

    def start(self, unit, uid=None):
        """From now on, the unit has a cgroup: one of the system, or of a user."""
        slices = f'user.slice/user-{uid}.slice/user@{uid}.service/session.slice' if uid else \
            'system.slice'
        os.makedirs(f'{self.root}/sys/fs/cgroup/{slices}/{unit}')

    def run(self, *command, path='', in_chroot=False, before=''):
        """Runs former-bus with a verb, or another command, after more commands of the shell."""
        for uid in (ALICE, BOB, CAROL):
            for top in (f'run/user/{uid}', f'home/{uid}'):
                subprocess.run(['chown', '-hR', f'{uid}:{uid}', f'{self.root}/{top}'], check=True)
                os.chmod(f'{self.root}/{top}', 0o700)
        mounts = [f'mount --bind {self.root}/{path} /{path}' for path in self.MOUNTS]
        enter = ''
        if in_chroot:
            chroot = self.root + '/chroot'
            for name in (*self.TOOLS, *(top.strip('/') for top in self.tops())):
                os.makedirs(f'{chroot}/{name}', exist_ok=True)
                mounts.append(f'mount --rbind /{name} {chroot}/{name}')
            for name in ('bin', 'lib', 'lib64', 'sbin'):
                if os.path.islink('/' + name):
                    os.symlink('usr/' + name, f'{chroot}/{name}')
            enter = f'chroot {chroot} '
        if len(command) == 1:
            command = [self.script, *command]
        return subprocess.run(
            [*self.NAMESPACES, 'sh', '-ec', f'{"; ".join(mounts)}; {before}{enter}"$@"; exit',
             'sh', *command], check=True, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=dict(os.environ, PATH=path + os.environ['PATH'])).stdout

    def tops(self):
        """Returns the directories that the script and the machine are in."""
        return [os.path.dirname(self.script), self.root + '/home']

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
    machine.start(BRIDGE, ALICE)
    # another user has disabled the bridge that runs
    machine.start(BRIDGE, BOB)
    output = machine.run('restore')
    yield output, f'the next session of user {ALICE} starts the former bus\n'
    yield machine.below(home), {}
    yield machine.below('/run'), {**kept(ALICE), **kept(BOB)}
    machine.run('resume')
    unit = '/lib/systemd/user/' + BRIDGE
    yield machine.below('/run'), {f'user/{uid}/systemd/user.control/dbus.service': (uid, unit)
                                  for uid in (ALICE, BOB)}


def the_alias_of_all_users(machine):
    machine.enable('/etc/systemd/user/dbus.service')
    for uid in (ALICE, CAROL):
        machine.start(BRIDGE, uid)
    # the manager of this user still runs what was there before
    machine.start('dbus.service', BOB)
    machine.run('restore')
    yield machine.below('/etc/systemd'), {}
    yield machine.below('/run'), {**kept(ALICE), **kept(CAROL)}


SYSTEM_BUS = {'systemd/system.control/' + BRIDGE: (0, 'system dbus\n'),
              'systemd/system.control/dbus.service': (0, BRIDGE)}
SYSTEM_BUS_TAKEN_BACK = {
    'systemd/system.control/dbus.service': (0, '/lib/systemd/system/' + BRIDGE)}


def enable_for_the_system(machine):
    link('/usr/lib/systemd/system/' + BRIDGE, machine.root + '/etc/systemd/system/dbus.service')


def the_bus_of_the_system(machine):
    enable_for_the_system(machine)
    machine.start(BRIDGE)
    machine.run('restore')
    yield machine.below('/etc/systemd'), {}
    yield machine.below('/run'), SYSTEM_BUS
    machine.run('resume')
    yield machine.below('/run'), SYSTEM_BUS_TAKEN_BACK


def the_bus_of_the_system_without_its_alias(machine):
    machine.start(BRIDGE)
    machine.run('restore')
    yield machine.below('/run'), SYSTEM_BUS


def a_switch_before_the_boot(machine):
    """The system is switched, but dbus-daemon runs."""
    enable_for_the_system(machine)
    machine.start('dbus.service')
    machine.run('restore')
    yield machine.below('/etc/systemd'), {}
    yield machine.below('/run'), {}


def an_aborted_removal(machine):
    machine.start(BRIDGE)
    machine.run('restore')
    source = os.path.dirname(os.path.dirname(machine.script))
    text = read(source, 'debian/bus1-bridge.postinst')
    machine.run('sh', '-ec', text.replace('/usr/libexec/bus1-bridge/former-bus', machine.script),
                'postinst', 'abort-remove', 'in-favour')
    yield machine.below('/run'), SYSTEM_BUS_TAKEN_BACK


def a_chroot_with_the_run_of_the_machine(machine):
    home = f'/home/{ALICE}/.config/systemd/user'
    enable_for_the_system(machine)
    machine.enable(home + '/dbus.service')
    machine.start(BRIDGE)
    machine.start(BRIDGE, ALICE)
    machine.run('restore', in_chroot=True)
    # the files of the chroot itself
    yield machine.below('/etc/systemd'), {}
    yield machine.below(home), {}
    yield machine.below('/run'), {}


def the_process_of_a_user_has_nothing_of_root(machine):
    machine.enable(f'/home/{ALICE}/.config/systemd/user/dbus.service')
    # a program that the process runs
    spy = machine.root + '/path/rm'
    write(spy, f'''#!/bin/sh
if [ "$(id -u)" = {ALICE} ]; then
        seen={machine.root}/home/{ALICE}/seen
        for fd in 0 1 2; do
                echo "$fd is $(readlink "/proc/$$/fd/$fd")" >>$seen
        done
        [ -z "$SECRET" ] || echo "the environment has $SECRET" >>$seen
        ! true </dev/tty || echo "there is a terminal" >>$seen
fi
exec /usr/bin/rm "$@"
''')
    os.chmod(spy, 0o755)
    command = f'SECRET=word {machine.script} restore'
    machine.run('script', '-qec', command, '/dev/null', path=os.path.dirname(spy) + ':')
    yield read(machine.root, f'home/{ALICE}/seen'), ''.join(
        f'{fd} is /dev/null\n' for fd in range(3))


# A file system that answers nothing: who has asked it something, no signal ends.
STUCK = '''
import os, struct
unique, = struct.unpack_from('=8xQ', os.read(9, 1 << 17))
os.write(9, struct.pack('=IiQ4I2H2I2H32x', 80, 0, unique, 7, 31, 0, 0, 16, 1, 4096, 1, 0, 0))
while True:
    os.read(9, 1 << 17)
'''


def a_user_whom_no_signal_ends(machine):
    if not os.access('/dev/fuse', os.R_OK):
        return
    write(machine.root + '/stuck.py', STUCK)
    machine.enable(f'/home/{BOB}/.config/systemd/user/dbus.service')
    home = f'{machine.root}/home/{ALICE}'
    output = machine.run('restore', before=(
        'exec 9<>/dev/fuse; mount -i -t fuse -o fd=9,rootmode=40000,user_id={0},group_id={0},'
        'allow_other x {1}; python3 {2}/stuck.py & exec 9>&-; ').format(ALICE, home, machine.root))
    yield sorted(output.splitlines()), [f'going on without user {ALICE}',
                                        f'the next session of user {BOB} starts the former bus']


MACHINES = (the_alias_of_one_user, the_alias_of_all_users, the_bus_of_the_system,
            the_bus_of_the_system_without_its_alias, a_switch_before_the_boot, an_aborted_removal,
            a_chroot_with_the_run_of_the_machine, the_process_of_a_user_has_nothing_of_root,
            a_user_whom_no_signal_ends)


def cases(source):
    """Yields the name of each test, what it got, and what it wants."""
    for recipe, command in recipes(source).items():
        if not shutil.which(command[0]):
            continue
        for has_alias, tests in ((True, CASES), (False, CASES_WITHOUT_ALIAS)):
            for name, units, kept_link, wanted in tests:
                yield (f'{recipe}: {name}{"" if has_alias else ", without the alias"}',
                       remove(command, units, kept_link, has_alias), (wanted, []))
    if os.geteuid() or subprocess.run([*Machine.NAMESPACES, 'true'],
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
