#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# bus1ctl policy --live: a running bus reports the policy in force, even if its files have changed.
#
#   test-policy-live.py BRIDGE BUS1CTL

import json
import os
import signal
import subprocess
import sys

from busfixture import REFERENCE, Bus, clean_environment, daemon_under_test, wait_until
from rawbus import Connection
from tap import Skip, contains, equal, main, test

DAEMON = daemon_under_test()
BUS1CTL = os.path.abspath(sys.argv.pop(1))
NOBODY = 65534

CONFIG = '''<busconfig>
  <type>session</type>
  <listen>unix:path={directory}/bus</listen>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <deny send_destination="a.b" send_interface="i.j"/>
{extra}  </policy>
  <policy user="65534">
    <deny own="x.y"/>
  </policy>
  <includedir>{directory}/more.d</includedir>
</busconfig>
'''
DENY = '    <deny own="*"/>\n'
DECIDES_SEND = 9  # lines of CONFIG
DENY_LINE = 10
NOBODY_LINE = 12


class LiveBus(Bus):
    def __init__(self, extra='', **popen):
        import tempfile
        self.home = tempfile.mkdtemp(prefix='bus-live-')
        os.chmod(self.home, 0o755)
        os.mkdir(self.home + '/more.d')
        self.config = self.home + '/bus.conf'
        self.write(extra)
        super().__init__(DAEMON, config=self.config, **popen)

    def write(self, extra=''):
        self.begin_writing(extra).close()

    def begin_writing(self, extra=''):
        """Changes the file. The bus notices this only when the caller closes it."""
        f = open(self.config, 'w')
        f.write(CONFIG.format(directory=self.home, extra=extra))
        f.flush()
        return f

    def reload(self):
        n = self.read_log().count('Reloaded configuration')
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.read_log().count('Reloaded configuration') > n, 'the reload')

    def stop(self):
        super().stop()
        subprocess.run(['rm', '-r', self.home], check=True)


def bus1ctl(*args, env=None, **popen):
    result = subprocess.run([BUS1CTL, 'policy', *args], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=60,
                            env=env or clean_environment(), **popen)
    return result.returncode, result.stdout, result.stderr


def explain(bus, *args, status):
    got = bus1ctl('explain', '--json', '--live', '--address', bus.address, *args)
    equal(got[0], status, f'{args}: {got}')
    equal(got[2], '', 'errors')
    answer = json.loads(got[1])
    equal(answer['verdict'], 'deny' if status else 'allow')
    return answer


@test
def the_bus_says_what_the_files_say():
    questions = [
        ['own', 'x.y'],
        ['own', 'x.z'],
        ['send', 'destination=a.b', 'interface=i.j', 'member=M'],
        ['send', 'destination=a.b', 'interface=i.k', 'member=M'],
        ['send', 'destination=:1.99', 'owns=a.b', 'interface=i.j'],
        ['send', 'type=signal', 'interface=i.j'],
        ['receive', 'sender=a.b', 'type=error', 'error=e.f', 'destination=:1.5'],
        ['receive', 'sender=org.freedesktop.DBus', 'type=method_return'],
        ['connect'],
    ]
    with LiveBus() as bus:
        verdicts = set()
        for user in ('root', str(NOBODY)):
            for question in questions:
                for how in ([], ['--matching'], ['--group', '7']):
                    args = ['--user', user, *how, *question]
                    live = bus1ctl('explain', '--live', '--address', bus.address, *args)
                    files = bus1ctl('explain', '--config', bus.config, *args)
                    equal(live, files, str(args))
                    verdicts.add(live[0])
        equal(verdicts, {0, 1})


@test
def a_file_that_was_not_read_again_shows():
    with LiveBus() as bus:
        question = ['--user', 'root', 'own', 'a.b']
        answer = explain(bus, *question, status=0)
        equal((answer['changed'], answer['after_reload']), ([], None))

        with bus.begin_writing(DENY):
            answer = explain(bus, *question, status=0)
            equal(answer['rule']['line'], 6)
            equal(answer['changed'], [bus.config])
            equal(answer['after_reload']['verdict'], 'deny')
            equal(answer['after_reload']['rule']['line'], DENY_LINE)
            text = bus1ctl('explain', '--live', '--address', bus.address, *question)[1]
            contains(text, f'allowed by {bus.config}:6: ',
                     f'changed since the bus read it: {bus.config}\n',
                     f'after a reload: denied by {bus.config}:{DENY_LINE}: ')

            # a change that has no effect
            answer = explain(bus, '--user', 'root', 'connect', status=0)
            equal((answer['changed'], answer['after_reload']), ([bus.config], None))

        bus.reload()
        answer = explain(bus, *question, status=1)
        equal(answer['rule']['line'], DENY_LINE)
        equal((answer['changed'], answer['after_reload']), ([], None))

        with open(bus.config, 'a') as f:
            f.write('<')
        answer = explain(bus, *question, status=1)
        equal(answer['changed'], [bus.config])
        contains(answer['reload_error'], bus.config + ':')


@test
def reloads_do_not_fill_the_log():
    with LiveBus('    <allow send_broadcast="true"/>\n') as bus:
        c = Connection(bus.address).authenticate()
        for _ in range(300):
            equal(c.call('ReloadConfig').error_name, None)
        log = bus.read_log()
        # this warning of the configuration is no news after the start
        equal(log.count('in dbus-daemon, for all messages'), 1)
        assert log.count('Reloaded configuration') < 250, log.count('Reloaded configuration')

        bus.write('    <nonsense/>\n')
        for _ in range(20):
            equal(c.call('ReloadConfig').error_name, 'org.freedesktop.DBus.Error.Failed')
        equal(bus.read_log().count('Unable to reload'), 1)
        bus.write()
        equal(c.call('ReloadConfig').error_name, None)
        bus.write('    <nonsense/>\n')
        equal(c.call('ReloadConfig').error_name, 'org.freedesktop.DBus.Error.Failed')
        equal(bus.read_log().count('Unable to reload'), 2)


@test
def connected_clients_are_asked_about_by_name():
    with LiveBus() as bus:
        service, other = Connection(bus.address), Connection(bus.address)
        names = [c.authenticate().unique for c in (service, other)]
        equal(service.call('RequestName', 'su', 'a.b', 0).body[0], 1)
        call = ['interface=i.j', 'member=M']

        # the rule is about a name that the recipient owns; the question has only its unique name
        answer = explain(bus, '--client', names[1], 'send', 'destination=' + names[0], *call,
                         status=1)
        equal(answer['rule']['line'], DECIDES_SEND)
        explain(bus, '--client', names[0], 'send', 'destination=' + names[1], *call, status=0)
        explain(bus, '--client', 'a.b', 'own', 'x.y', status=0)
        # the rule is also in the files
        with bus.begin_writing(
                '    <deny send_destination="a.b" send_member="M" send_interface="i.k"/>\n'):
            answer = explain(bus, '--client', names[1], 'send', 'destination=' + names[0],
                             'interface=i.k', 'member=M', status=0)
            equal(answer['after_reload']['verdict'], 'deny')

        got = bus1ctl('explain', '--live', '--address', bus.address, '--client', 'no.one', 'own',
                      'x.y')
        equal((got[0], got[1]), (2, ''))
        contains(got[2], 'no.one')


@test
def a_client_has_its_own_user():
    if os.geteuid() != 0:
        raise Skip('needs root')
    with LiveBus() as bus:
        nobody = Connection(bus.address, uid=NOBODY)
        nobody.authenticate()
        answer = explain(bus, '--client', nobody.unique, 'own', 'x.y', status=1)
        equal(answer['rule']['line'], NOBODY_LINE)


@test
def others_may_not_ask():
    if os.geteuid() != 0:
        raise Skip('needs root')
    with LiveBus() as bus:
        for command in (['explain', '--user', 'root', '--live', '--address', bus.address, 'own',
                         'x.y'], ['check', '--live', '--address', bus.address]):
            got = bus1ctl(*command, user=NOBODY, group=NOBODY, extra_groups=[])
            equal((got[0], got[1]), (2, ''), str(got))
            contains(got[2], 'only root and the user that the bus runs as may ask')


@test
def other_buses_are_said_to_be_others():
    with Bus(REFERENCE) as bus:
        got = bus1ctl('explain', '--user', 'root', '--live', '--address', bus.address, 'own', 'x.y')
        equal((got[0], got[1]), (2, ''), str(got))
        contains(got[2], 'another bus than bus1-bridge')
    got = bus1ctl('check', '--live', '--address', 'unix:path=/nonexistent')
    equal((got[0], got[1]), (2, ''), str(got))
    contains(got[2], 'cannot connect to unix:path=/nonexistent')


@test
def the_environment_says_where_the_bus_is():
    with LiveBus(DENY) as bus:
        for option, variable in (('--session', 'DBUS_SESSION_BUS_ADDRESS'),
                                 ('--system', 'DBUS_SYSTEM_BUS_ADDRESS')):
            got = bus1ctl('explain', '--user', 'root', '--live', option, 'own', 'x.y',
                          env=clean_environment(**{variable: bus.address}))
            equal(got[0], 1, str(got))
            contains(got[1], f'{bus.config}:{DENY_LINE}: ')


@test
def wrong_questions_are_refused():
    with LiveBus() as bus:
        live = ['explain', '--live', '--address', bus.address]
        for args in (live + ['own', 'x.y'], live + ['--user', 'root'],
                     live + ['--user', 'root', 'send', 'colour=red'],
                     live + ['--user', 'root'] + ['send', *['owns=a.b'] * 100],
                     live + ['--user', 'root', '--client', ':1.0', 'own', 'x.y'],
                     live + ['--user', 'root', '--config', bus.config, 'own', 'x.y'],
                     ['explain', '--client', ':1.0', 'own', 'x.y'],
                     ['explain', '--address', bus.address, '--user', 'root', 'own', 'x.y'],
                     ['check', '--address', bus.address, bus.config],
                     ['check', '--live', '--address', bus.address, bus.config]):
            got = bus1ctl(*args)
            equal((got[0], got[1]), (2, ''), str(args))
            contains(got[2], 'bus1ctl: ')
        assert bus.alive()


@test
def check_finds_what_was_not_read():
    with LiveBus() as bus:
        check = ['check', '--live', '--address', bus.address]
        equal(bus1ctl(*check), bus1ctl('check', bus.config))
        with open(bus.home + '/more.d/a.conf', 'w') as f:
            f.write('<busconfig><policy context="default"><allow own="q.r"/>'
                    '<allow own="q.r"/></policy></busconfig>')
        # the bus notices this without a reload
        wait_until(lambda: 'changed' not in bus1ctl(*check)[1], 'the reload')
        with bus.begin_writing(DENY):
            got = bus1ctl(*check)
            equal(got[0], 1)
            contains(got[1], f'{bus.config}: changed: ',
                     f'{bus.home}/more.d/a.conf:1: unreachable: ')
            findings = json.loads(bus1ctl(*check, '--json')[1])[0]['findings']
        equal([f['file'] for f in findings if f['kind'] == 'changed'], [bus.config])


main()
