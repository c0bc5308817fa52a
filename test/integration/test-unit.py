#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The unit of the bus, in a real manager of a user without privileges. The other arguments are the
# unit and the generator. The units of dbus.socket are like those of Debian.

import os
import re
import signal
import subprocess
import sys

import rawbus
from busfixture import daemon_under_test, wait_until
from tap import Skip, equal, main, test
from usermanager import Manager

DAEMON = daemon_under_test()
UNIT, GENERATOR = (os.path.abspath(sys.argv.pop(1)) for _ in range(2))
USER = 4321
# more than what systemd allows in ten seconds by default
CRASHES = 7
DIRECTORIES = 'normal', 'early', 'late'
CONFIG = '''<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=/tmp</listen>
  <policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/></policy>
</busconfig>
'''


class Machine(Manager):
    """The bus has its unit, and the alias only by the generator."""

    def write(self):
        with open(UNIT) as f:
            text = f.read()
        text = re.sub('(?m)^ExecStart=[^ ]*', 'ExecStart=' + DAEMON, text)
        # the bus of a user admits no one else, but this test is root
        self.write_file('units/bus1-bridge.service',
                        text.replace(' --session ', ' --config-file={directory}/session.conf '))
        self.write_file('session.conf', CONFIG)
        self.write_file('units/dbus.socket', '[Socket]\nListenStream=%t/bus\nSocketMode=0666\n')
        for target in 'basic', 'shutdown':
            self.write_file(f'units/{target}.target', '[Unit]\nDefaultDependencies=no\n')
        self.write_file('units/default.target', '[Unit]\nRequires=dbus.socket dbus.service\n')
        for name in DIRECTORIES:
            os.mkdir(f'{self.directory}/{name}')
        subprocess.run(self.generator(), check=True)
        self.unit_path = f'{self.directory}/early:{self.directory}/units:{self.directory}/late'

    def generator(self):
        """The command of the manager, which looks for generators only where packages have them."""
        return [GENERATOR, *(f'{self.directory}/{name}' for name in DIRECTORIES)]

    def state(self, unit, name='ActiveState'):
        return self.systemctl('show', '--value', '--property', name, unit).strip()

    def pid(self):
        return int(self.state('bus1-bridge.service', 'MainPID'))

    def crash(self):
        pid = self.pid()
        assert pid, 'no bus runs'
        os.kill(pid, signal.SIGKILL)
        return pid


def on_machine(function):
    def run(machine):
        if machine.why:
            raise Skip(machine.why)
        function(machine)
    run.__name__ = function.__name__
    return test(run)


def status(pid, key):
    with open(f'/proc/{pid}/status') as f:
        return dict(re.findall('(?m)^(\\w+):\\t(.*)$', f.read()))[key]


@on_machine
def the_bus_starts_in_its_sandbox(machine):
    equal(machine.state('dbus.service', 'Id'), 'bus1-bridge.service')
    pid = machine.pid()
    equal(status(pid, 'Uid').split()[0], str(USER))
    equal((status(pid, 'NoNewPrivs'), status(pid, 'Seccomp'), status(pid, 'CapEff')),
          ('1', '2', '0' * 16))


@on_machine
def the_bus_tells_users_apart(machine):
    # in a user namespace, the bus would take root for the user "nobody"
    equal(machine.c.call('GetConnectionUnixUser', 's', machine.c.unique).body[0], 0)
    pid = machine.pid()
    equal(os.readlink(f'/proc/{pid}/ns/user'), os.readlink('/proc/self/ns/user'))


@on_machine
def a_running_bus_keeps_its_alias(machine):
    link = '/dbus.service'
    os.unlink(machine.directory + '/late' + link)
    script = f'echo $$ > {machine.cgroups[0]}/init.scope/cgroup.procs && exec "$@"'
    subprocess.run(['sh', '-c', script, 'sh', *machine.generator()], check=True)
    # another tool has put another bus into the place
    os.unlink(machine.directory + '/late' + link)
    machine.write_file('units' + link, '[Service]\nExecStart=/bin/other\n')
    machine.systemctl('daemon-reload')
    equal(machine.state('dbus.service', 'Id'), 'bus1-bridge.service')
    equal(machine.state('dbus.service'), 'active')
    os.unlink(machine.directory + '/units' + link)


@on_machine
def the_bus_comes_back_however_often_it_crashes(machine):
    for _ in range(CRASHES):
        pid = machine.crash()
        wait_until(lambda: machine.pid() not in (0, pid) and
                   machine.state('dbus.service') == 'active', 'the next bus')
    equal(machine.state('bus1-bridge.service', 'NRestarts'), str(CRASHES))
    equal(machine.state('dbus.socket'), 'active')
    machine.connect()
    machine.c.call('GetId')


@on_machine
def the_socket_survives_a_bus_that_cannot_start(machine):
    config = machine.directory + '/none.conf'
    machine.write_file('units/bus1-bridge.service.d/x.conf',
                       f'[Service]\nExecStart=\nExecStart={DAEMON} --config-file={config} '
                       '--address=systemd: --nofork\n')
    machine.systemctl('daemon-reload')
    machine.crash()
    restarts = int(machine.state('bus1-bridge.service', 'NRestarts'))
    wait_until(lambda: int(machine.state('bus1-bridge.service', 'NRestarts')) >
               restarts + CRASHES, 'a crash loop')
    equal(machine.state('dbus.socket'), 'active')
    # a client waits for the bus
    client = rawbus.Connection(f'unix:path={machine.directory}/run/bus')
    os.unlink(machine.directory + '/units/bus1-bridge.service.d/x.conf')
    machine.systemctl('daemon-reload')
    client.authenticate().call('GetId')
    equal(machine.state('dbus.service'), 'active')


if __name__ == '__main__':
    main(Machine(USER))
