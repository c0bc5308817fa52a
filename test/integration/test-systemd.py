#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Starts through a real systemd: a user instance of systemd that runs the daemon as its dbus.service.
# The other arguments are bus1-launch and the template unit. Only root can make the cgroup and the
# mount namespace that the instance needs; where this is not possible, all tests are skipped.

import os
import subprocess
import sys
import time

from busfixture import daemon_under_test, wait_until
from rawbus import ERROR, RETURN, bus_call, call
from tap import Skip, contains, equal, main, test
from usermanager import Manager

DAEMON = daemon_under_test()
LAUNCH, TEMPLATE = (os.path.abspath(sys.argv.pop(1)) for _ in range(2))
HERE = os.path.dirname(os.path.abspath(__file__))
E = 'org.freedesktop.DBus.Error.'
S = 'org.freedesktop.systemd1.'

SERVICE = f'{sys.executable} {HERE}/service-activated.py'
BASIC = {
    'dbus.socket': '[Socket]\nListenStream=%t/bus\n',
    'dbus.service': '[Unit]\nRequires=dbus.socket\n[Service]\nType=notify\n'
                    'StandardError=append:{directory}/log\n'
                    f'ExecStart={DAEMON} --session --address=systemd: --nofork --nopidfile '
                    '--systemd-activation\n',
    'basic.target': '[Unit]\n',
    'shutdown.target': '[Unit]\nDefaultDependencies=no\n',
    'Caller.service': '[Service]\nType=oneshot\nExecStart=-/usr/bin/busctl '
                      '--address=unix:path=%t/bus call com.example.Oneshot / a.b C\n',
    'default.target': '[Unit]\nRequires=dbus.service\n',
}
NOW = '[Service]\nExecStart='

# Units that end without their name: what is in the unit file, the name of the error, and a part of
# its text.
ENDS = {
    'Exit': (NOW + '/bin/sh -c "exit 3"\n', 'Spawn.ChildExited', 'status 3'),
    'NoProgram': (NOW + '/no/such/program\n', 'Spawn.ChildExited', 'status 203'),
    'ExecStartPre': ('[Service]\nExecStartPre=/bin/false\nExecStart=/bin/true\n',
                     'Spawn.ChildExited', 'one of its processes'),
    'Signal': (NOW + "/bin/sh -c 'kill -9 $$$$'\n", 'Spawn.ChildSignaled', 'signal 9'),
    'Core': ('[Service]\nLimitCORE=infinity\nWorkingDirectory={directory}\n'
             "ExecStart=/bin/sh -c 'kill -6 $$$$'\n", 'Spawn.ChildSignaled', 'signal 6'),
    'ExitsWell': (NOW + '/bin/true\n', 'Spawn.Failed', 'has not taken the name'),
    'Oneshot': ('[Service]\nType=oneshot\nExecStart=/bin/true\n', 'Spawn.Failed',
                'has not taken the name'),
    'OneshotFails': ('[Service]\nType=oneshot\nExecStart=/bin/false\n', 'Spawn.ChildExited',
                     'status 1'),
    'Remains': ('[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n',
                'Spawn.Failed', 'has not taken the name'),
    'Condition': ('[Unit]\nConditionPathExists=/nonexistent\n' + NOW + '/bin/true\n',
                  'Spawn.Failed', 'Condition...='),
    'Assert': ('[Unit]\nAssertPathExists=/nonexistent\n' + NOW + '/bin/true\n', 'Spawn.Failed',
               'Assert...='),
    'ExecCondition': ('[Service]\nExecCondition=/bin/false\nExecStart=/bin/true\n', 'Spawn.Failed',
                      'ExecCondition='),
    'Dependency': ('[Unit]\nRequires=OneshotFails.service\nAfter=OneshotFails.service\n' + NOW +
                   '/bin/true\n', 'Spawn.Failed', 'needs'),
    'Masked': (None, S + 'UnitMasked', 'masked'),
    'NotFound': (False, S + 'NoSuchUnit', 'not found'),
    'NoExec': ('[Service]\nType=simple\n', S + 'BadUnitSetting', 'bad unit file setting'),
    'RefusesStart': ('[Unit]\nRefuseManualStart=yes\n' + NOW + '/bin/true\n', S + 'OnlyByDependency',
                     'dependency'),
    'TypeDbus': ('[Service]\nType=dbus\nBusName=com.example.TypeDbus\nTimeoutStartSec=1\n'
                 'ExecStart=/bin/sleep 100\n', 'TimedOut', 'too long'),
    'TypeDbusExits': ('[Service]\nType=dbus\nBusName=com.example.TypeDbusExits\n'
                      'ExecStart=/bin/true\n', 'Spawn.Failed', ''),
    'Notify': ('[Service]\nType=notify\nExecStart=/bin/true\n', 'Spawn.Failed', 'Type='),
    'Watchdog': ('[Service]\nType=notify\nNotifyAccess=all\nWatchdogSec=1\n'
                 "ExecStart=/bin/sh -c 'systemd-notify --ready; exec sleep 100'\n", 'TimedOut',
                 'watchdog'),
    'RestartWell': ('[Unit]\nStartLimitIntervalSec=100\nStartLimitBurst=3\n[Service]\n'
                    'Restart=always\nRestartSec=100ms\nExecStart=/bin/true\n', 'Spawn.Failed',
                    'too often'),
    'Restart': ('[Unit]\nStartLimitIntervalSec=100\nStartLimitBurst=3\n[Service]\nRestart=always\n'
                'RestartSec=100ms\nExecStart=/bin/sh -c "exit 4"\n', 'Spawn.ChildExited',
                'status 4'),
    'Collected': ('[Unit]\nCollectMode=inactive-or-failed\n' + NOW + '/bin/sh -c "exit 6"\n',
                  'Spawn.ChildExited', 'status 6'),
    'JobTimeout': ('[Unit]\nAfter=Slow.service\nRequires=Slow.service\nJobTimeoutSec=1\n' + NOW +
                   '/bin/true\n', 'TimedOut', 'job'),
    'Slow': ('[Service]\nType=oneshot\nExecStart=/bin/sleep 3\n', 'Spawn.Failed',
             'has not taken the name'),
    'Alias': ('[Service]\nExecStart=/bin/sh -c "exit 8"\n[Install]\nAlias=dbus-alias.service\n',
              'Spawn.ChildExited', 'status 8'),
    'Directory': ('[Service]\nWorkingDirectory=/nonexistent\nExecStart=/bin/true\n',
             'Spawn.ChildExited', 'status 200'),
}
# These take time of their own.
SLOW = {'TypeDbus': 1, 'Watchdog': 1, 'Restart': 0.6, 'RestartWell': 0.6, 'JobTimeout': 1, 'Slow': 3, 'Core': 1}
WAITS = {
    'Sleeps': (NOW + '/bin/sh -c "sleep 2; exit 5"\n', 'Spawn.ChildExited', 'status 5'),
    'Stopped': ('[Service]\nType=oneshot\nExecStart=/bin/sleep 100\n', 'Spawn.Failed', 'cancelled'),
    'Late': ('[Service]\nRestart=on-failure\nRestartSec=300ms\n'
             'Environment=DBUS_STARTER_ADDRESS=unix:path=%t/bus\n'
             f'ExecStart={SERVICE} --fail-once {{directory}}/late com.example.Late\n', None, None),
}

# services without a unit, and what their callers get
PLAIN = {
    'PlainExit': ('/bin/sh -c "exit 77"', 'Spawn.ChildExited', 'status 77'),
    'PlainSignal': ("/bin/sh -c 'kill -9 $$'", 'Spawn.ChildSignaled', 'signal 9'),
    'PlainMissing': ('/no/such/program', 'Spawn.ExecFailed', 'status 9'),
    'PlainQuotes': ('/bin/sh -c "', 'InvalidArgs', 'status 10'),
    'PlainWell': ('/bin/true', 'Spawn.Failed', ''),
    'Plain': (f'{SERVICE} com.example.Plain', None, None),
    'PlainForks': (f'{SERVICE} --fork com.example.PlainForks', None, None),
}


class Machine(Manager):
    def write(self):
        d = self.directory
        os.makedirs(d + '/dbus-1/services')
        for name, text in BASIC.items():
            self.write_file('units/' + name, text)
        for name, (text, _, _) in {**ENDS, **WAITS}.items():
            unit = 'dbus-alias.service' if name == 'Alias' else name + '.service'
            self.write_file(f'dbus-1/services/com.example.{name}.service',
                            f'[D-BUS Service]\nName=com.example.{name}\nExec=/bin/false\n'
                            f'SystemdService={unit}\n')
            if text is None:
                os.symlink('/dev/null', f'{d}/units/{name}.service')
            elif text is not False:
                self.write_file(f'units/{name}.service', text)
        os.symlink('Alias.service', d + '/units/dbus-alias.service')
        for name, (command, _, _) in PLAIN.items():
            self.write_file(f'dbus-1/services/com.example.{name}.service',
                            f'[D-BUS Service]\nName=com.example.{name}\nExec={command}\n')
        with open(TEMPLATE) as f:
            lines = [f'ExecStart={LAUNCH} --session %i\n' if line.startswith('ExecStart=') else line
                     for line in f]
        self.write_file('units/bus1-service@.service', ''.join(lines))

    def send(self, name):
        return self.c.send(call('com.example.' + name, '/', 'com.example.I', 'Heard'))

    def answer(self, serial):
        m = self.c.wait_for(serial)
        self.c.take()
        return m


def fails(m, name, *texts):
    equal((m.kind, m.error_name), (ERROR, name if name.startswith('org.') else E + name), m.body)
    contains(m.body[0], *texts)


def ends(unit):
    _, name, text = ENDS[unit]

    def run(machine):
        if machine.why:
            raise Skip(machine.why)
        begin = time.monotonic()
        fails(machine.answer(machine.send(unit)), name, text)
        taken = time.monotonic() - begin
        if taken > SLOW.get(unit, 0) + 1:
            raise AssertionError(f'after {taken} s')
    run.__name__ = 'a_unit_ends_' + unit
    return run


for key in ENDS:
    test(ends(key))


def on_machine(function):
    def run(machine):
        if machine.why:
            raise Skip(machine.why)
        function(machine)
    run.__name__ = function.__name__
    return test(run)


@on_machine
def systemd_executes_itself_again(machine):
    begin = time.monotonic()
    serial = machine.send('Sleeps')
    machine.c.call('GetId')
    machine.systemctl('daemon-reexec')
    fails(machine.answer(serial), 'Spawn.ChildExited', 'status 5')
    if time.monotonic() - begin > 3:
        raise AssertionError('too late')


@on_machine
def systemd_reads_its_files_again(machine):
    serial = machine.send('Sleeps')
    machine.c.call('GetId')
    machine.systemctl('daemon-reload')
    fails(machine.answer(serial), 'Spawn.ChildExited', 'status 5')


@on_machine
def a_unit_is_stopped(machine):
    serial = machine.send('Stopped')
    wait_until(lambda: subprocess.run(['systemctl', '--user', 'is-active', 'Stopped'],
                                      env=machine.env, capture_output=True,
                                      text=True).stdout == 'activating\n', 'the unit')
    begin = time.monotonic()
    machine.systemctl('stop', 'Stopped')
    fails(machine.answer(serial), 'Spawn.Failed', 'cancelled')
    if time.monotonic() - begin > 1:
        raise AssertionError('too late')


@on_machine
def a_unit_takes_its_name_at_the_second_try(machine):
    equal(machine.answer(machine.send('Late')).kind, RETURN)


def plain(name):
    _, error, text = PLAIN[name]

    def run(machine):
        m = machine.answer(machine.send(name))
        if error:
            fails(m, error, text)
            return
        equal(m.kind, RETURN)
        pid = machine.c.call('GetConnectionUnixProcessID', 's', 'com.example.' + name).body[0]
        machine.c.take()
        with open(f'/proc/{pid}/cgroup') as f:
            contains(f.read(), f'/bus1-service@com.example.{name}.service')
    run.__name__ = 'a_service_without_a_unit_' + name
    return on_machine(run)


for key in PLAIN:
    plain(key)


@on_machine
def the_environment_of_a_service_without_a_unit(machine):
    machine.c.call('UpdateActivationEnvironment', 'a{ss}', {'BUS1_TEST': 'told'})
    machine.systemctl('stop', 'bus1-service@com.example.Plain.service')
    wait_until(lambda: not machine.c.call('NameHasOwner', 's', 'com.example.Plain').body[0], 'its end')
    machine.c.take()
    m = machine.answer(machine.c.send(call('com.example.Plain', '/', None, 'Environment')))
    address = f'unix:path={machine.directory}/run/bus'
    wanted = {'BUS1_TEST': 'told', 'DBUS_STARTER_BUS_TYPE': 'session'}
    equal({k: m.body[0].get(k) for k in wanted}, wanted)
    for key in 'DBUS_STARTER_ADDRESS', 'DBUS_SESSION_BUS_ADDRESS':
        equal(m.body[0][key].split(',')[0], address, key)


@on_machine
def a_service_without_a_unit_that_gives_up_its_name(machine):
    machine.answer(machine.send('PlainForks'))
    pid = machine.c.call('GetConnectionUnixProcessID', 's', 'com.example.PlainForks').body[0]
    machine.answer(machine.c.send(call('com.example.PlainForks', '/', None, 'Release')))
    wait_until(lambda: not os.path.exists(f'/proc/{pid}'), 'the end of the service')
    # the next message starts another one
    equal(machine.answer(machine.send('PlainForks')).kind, RETURN)


@on_machine
def a_failed_service_without_a_unit_leaves_nothing_behind(machine):
    fails(machine.answer(machine.send('PlainExit')), 'Spawn.ChildExited', 'status 77')
    units = subprocess.run(['systemctl', '--user', 'list-units', '--all', '--plain', '--no-legend',
                            'bus1-service@com.example.PlainExit.service'], env=machine.env,
                           capture_output=True, text=True).stdout
    equal(units, '')


@on_machine
def the_log_names_the_unit_of_the_caller(machine):
    machine.systemctl('start', 'Caller')
    with open(machine.directory + '/log') as f:
        lines = [line for line in f if "service name='com.example.Oneshot'" in line]
    contains(lines[-1], 'comm="busctl" unit="Caller.service"')


@on_machine
def a_thousand_callers(machine):
    serials = []
    for _ in range(1000):
        serials.append(machine.send('Sleeps'))
        if len(serials) % 100 == 0:
            machine.c.call('GetId')
    got = []
    while len(got) < 1000:
        m = machine.c.receive()
        if m.kind == ERROR:
            got.append((m.reply_serial, m.error_name))
    equal(got, [(serial, E + 'Spawn.ChildExited') for serial in serials])
    equal([m for m in machine.c.drain() if m.kind == ERROR], [])
    # the bus goes on
    equal(machine.c.wait_for(machine.c.send(bus_call('GetId'))).kind, RETURN)


if __name__ == '__main__':
    main(Machine())
