#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Starts through systemd that fail: what callers get, and when, for each way in which a unit can end
# without taking its name. With a stand-in for systemd.

import os
import shutil
import subprocess
import tempfile
import time

import rawbus
import systemd
from busfixture import Bus, clean_environment, daemon_under_test, read_line, wait_until
from rawbus import ERROR, bus_call
from systemd import DUMPED, EXITED, KILLED, NO_JOB, Systemd, to
from tap import contains, equal, main, test

DAEMON = daemon_under_test()
E = 'org.freedesktop.DBus.Error.'
SECOND = 1.0
SHORT = '<limit name="service_start_timeout">700</limit>'


class Scene:
    """A bus with services, each with a unit; a stand-in for systemd; a client."""

    def __init__(self, extra='', comm='systemd', **answers):
        self.directory = tempfile.mkdtemp(prefix='services-')
        for name, unit in (('com.example.A', 'a.service'), ('com.example.A2', 'a.service'),
                           ('com.example.B', 'b.service'), ('com.example.Alias', 'dbus-c.service'),
                           ('com.example.Socket', 's.socket'), ('com.example.Direct', None)):
            with open(f'{self.directory}/{name}.service', 'w') as f:
                f.write(f'[D-BUS Service]\nName={name}\nExec=/bin/sh -c "exit 1"\n')
                f.write(f'SystemdService={unit}\n' if unit else '')
        self.bus = Bus(DAEMON, args=['--systemd-activation'],
                       extra=f'<servicedir>{self.directory}</servicedir>' + extra)
        systemd.call_self(comm)
        self.systemd = Systemd(self.bus, **answers)
        self.a = self.connect()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        systemd.call_self('python3')
        alive = self.bus.alive()
        status = self.bus.stop()
        shutil.rmtree(self.directory)
        if not alive or status != 0:
            raise AssertionError(f'the bus ended with status {status}')

    def connect(self):
        return rawbus.Connection(self.bus.address).authenticate()

    def lose_systemd(self):
        """systemd leaves the bus."""
        self.systemd.leave()
        wait_until(lambda: not self.a.call('NameHasOwner', 's', systemd.NAME).body[0], 'its end')
        self.a.take()

    def fails(self, serial, name, *texts):
        """The call gets this error at once, with these parts of the text."""
        begin = time.monotonic()
        m = self.systemd.answer_for(self.a, serial)
        equal(m.error_name, name if name.startswith(('org.', 'com.')) else E + name, m.body)
        contains(m.body[0], *texts)
        if time.monotonic() - begin > SECOND:
            raise AssertionError(f'{time.monotonic() - begin} s')
        return m.body[0]

    def waits(self, *connections):
        """No client gets anything, after the bus has asked all that it wants to know."""
        self.systemd.settle()
        for c in connections or [self.a]:
            equal([(m.kind, m.error_name) for m in c.drain()], [])


def begin(s, name='com.example.A', unit='a.service', **values):
    """A call starts the unit; the unit is in this state, and systemd was asked for it."""
    u = s.systemd.units.get(unit) or s.systemd.add(unit, **values)
    n = len(s.systemd.requests)
    serial = s.a.send(to(name))
    s.systemd.serve(lambda: len(s.systemd.requests) > n)
    equal(s.systemd.requests[n], unit)
    return u, serial


def ends(name, texts, service=None, job=None, **values):
    """A test: the unit starts, ends like this, and its callers get this error."""
    def run():
        with Scene() as s:
            unit, serial = begin(s)
            s.waits()
            unit.over(**values, **(service or {}))
            if service:
                s.systemd.changed(unit, **service)
            s.systemd.changed(unit)
            if job:
                s.systemd.job_removed(unit, job)
            text = s.fails(serial, name, 'a.service', *texts)
            contains(s.bus.read_log(), "Activation via systemd failed for unit 'a.service': " + text)
    return run


ENDS = {
    'exit_status': ends('Spawn.ChildExited', ['status 3'], job='failed',
                        service={'Result': 'exit-code', 'ExecMainCode': EXITED,
                                 'ExecMainStatus': 3}),
    'exit_status_of_another_process': ends('Spawn.ChildExited', ['one of its processes'],
                                           service={'Result': 'exit-code'}, job='failed'),
    'signal': ends('Spawn.ChildSignaled', ['signal 9'],
                   service={'Result': 'signal', 'ExecMainCode': KILLED, 'ExecMainStatus': 9}),
    'core_dump': ends('Spawn.ChildSignaled', ['signal 11', 'dumped core'],
                      service={'Result': 'core-dump', 'ExecMainCode': DUMPED,
                               'ExecMainStatus': 11}),
    'oom': ends('Spawn.ChildSignaled', ['memory'], service={'Result': 'oom-kill'}),
    'timeout': ends('TimedOut', ['too long'], service={'Result': 'timeout'}, job='failed'),
    'watchdog': ends('TimedOut', ['watchdog'], service={'Result': 'watchdog'}),
    'start_limit': ends('Spawn.Failed', ['too often'], service={'Result': 'start-limit-hit'},
                        job='failed'),
    'resources': ends('Spawn.FailedToSetup', ['set it up'], service={'Result': 'resources'}),
    'protocol': ends('Spawn.Failed', ['Type='], service={'Result': 'protocol'}),
    'result_that_nobody_knows': ends('Spawn.Failed', [': new-reason'],
                                     service={'Result': 'new-reason'}),
    'result_that_is_no_word': ends('Spawn.Failed', ['a.service failed'],
                                   service={'Result': 'x\ny "%s" Ä'}),
    'result_that_is_long': ends('Spawn.Failed', ['a.service failed'],
                                service={'Result': 'x' * 5000}),
    'dependency': ends('Spawn.Failed', ['needs'], job='dependency', active='inactive', sub='dead'),
    'canceled': ends('Spawn.Failed', ['cancelled'], job='canceled', active='inactive', sub='dead'),
    'job_timeout': ends('TimedOut', ['job'], job='timeout', active='inactive', sub='dead'),
    'skipped': ends('Spawn.Failed', ['ExecCondition='], job='skipped', active='inactive',
                    sub='dead'),
    'invalid': ends('Spawn.Failed', ['cannot be started'], job='invalid', active='inactive',
                    sub='dead'),
    'once': ends('Spawn.Failed', ['only once'], job='once', active='inactive', sub='dead'),
    'collected': ends('Spawn.Failed', ['dropped'], job='collected', active='inactive', sub='dead'),
    'condition': ends('Spawn.Failed', ['Condition...='], job='done', active='inactive', sub='dead',
                      ConditionResult=False),
    'condition_after_another_failure': ends('Spawn.Failed', ['Condition...='], job='done',
                                            ConditionResult=False, Result='exit-code',
                                            ExecMainCode=EXITED, ExecMainStatus=1),
    'condition_that_was_never_tested': ends('Spawn.Failed', ['has not taken the name'], job='done',
                                            active='inactive', sub='dead', ConditionResult=False,
                                            ConditionTimestamp=0),
    'assertion': ends('Spawn.Failed', ['Assert...='], job='assert', active='inactive', sub='dead',
                      AssertResult=False),
    'oneshot': ends('Spawn.Failed', ['has not taken the name'], job='done', active='inactive',
                    sub='dead'),
    'oneshot_that_remains': ends('Spawn.Failed', ['has not taken the name'], job='done',
                                 active='active', sub='exited'),
    'masked': ends('org.freedesktop.systemd1.UnitMasked', ['masked'], active='inactive', sub='dead',
                   LoadState='masked'),
    'not_found': ends('org.freedesktop.systemd1.NoSuchUnit', ['no such unit'], active='inactive',
                      sub='dead', LoadState='not-found'),
    'bad_setting': ends('org.freedesktop.systemd1.BadUnitSetting', ['bad setting'],
                        active='inactive', sub='dead', LoadState='bad-setting'),
}
for key, function in ENDS.items():
    function.__name__ = 'a_unit_ends_by_' + key
    test(function)


@test
def a_unit_that_failed_before_the_first_question():
    with Scene() as s:
        unit = s.systemd.add('a.service')
        unit.over(Result='exit-code', ExecMainCode=EXITED, ExecMainStatus=203)
        s.fails(s.a.send(to('com.example.A')), 'Spawn.ChildExited', 'status 203')
        equal(s.systemd.asked, [('Subscribe',), ('LoadUnit', 'a.service'),
                                ('GetAll', 'org.freedesktop.systemd1.Unit'),
                                ('GetAll', 'org.freedesktop.systemd1.Service')])


@test
def a_unit_that_systemd_forgets_at_once():
    # CollectMode=inactive-or-failed: when the bus asks, there is only a new object without a result
    with Scene() as s:
        unit, serial = begin(s)
        s.waits()
        s.systemd.changed(unit, Result='exit-code', ExecMainCode=EXITED, ExecMainStatus=4)
        unit.over('inactive', 'dead', ConditionTimestamp=0, ConditionResult=False)
        s.systemd.send(systemd.PATH, systemd.MANAGER, 'UnitRemoved', 'so', 'a.service', unit.path)
        s.fails(serial, 'Spawn.ChildExited', 'status 4')


@test
def what_ends_does_not_end_the_wait_while_it_can_go_on():
    with Scene() as s:
        unit, serial = begin(s)
        for values in ({'ActiveState': 'activating', 'SubState': 'auto-restart', 'Job': NO_JOB},
                       {'ActiveState': 'failed', 'SubState': 'failed'},
                       {'ActiveState': 'deactivating', 'SubState': 'stop-sigterm', 'Job': NO_JOB},
                       {'ActiveState': 'reloading', 'SubState': 'reload'},
                       {'ActiveState': 'maintenance', 'SubState': 'cleaning'},
                       {'ActiveState': 'active', 'SubState': 'running'}):
            unit.set(Job=systemd.A_JOB)
            unit.set(**values)
            s.systemd.job_removed(unit, 'failed')
            s.systemd.changed(unit)
            s.waits()
        s.a.send(bus_call('RequestName', 'su', 'com.example.A', 0))
        s.systemd.settle()
        equal([m.member for m in s.a.drain() if m.kind == rawbus.CALL], ['M'])
        s.systemd.asked.clear()
        unit.over(Result='exit-code')
        s.systemd.changed(unit)
        s.systemd.job_removed(unit, 'failed')
        s.systemd.settle()
        equal(s.systemd.asked, [], 'nobody waits any more')
        equal('failed for unit' in s.bus.read_log(), False)


@test
def a_job_that_is_replaced():
    with Scene() as s:
        unit, serial = begin(s)
        s.systemd.job_removed(unit, 'canceled')
        s.waits()
        unit.set(ActiveState='deactivating', SubState='stop')
        s.waits()
        unit.over('inactive', 'dead')
        s.systemd.job_removed(unit, 'done')
        s.fails(serial, 'Spawn.Failed', 'cancelled')


@test
def an_alias_of_a_unit():
    with Scene() as s:
        s.systemd.add('dbus-c.service', canonical='c.service')
        unit, serial = begin(s, 'com.example.Alias', 'dbus-c.service')
        s.waits()
        other = systemd.Unit('d.service')
        s.systemd.job_removed(other, 'dependency')
        s.systemd.changed(other, Result='signal')
        s.waits()
        unit.over('inactive', 'dead')
        s.systemd.job_removed(unit, 'dependency')
        s.fails(serial, 'Spawn.Failed', 'dbus-c.service', 'needs')


@test
def a_unit_that_is_no_service():
    with Scene() as s:
        unit, serial = begin(s, 'com.example.Socket', 's.socket')
        unit.over()
        s.systemd.job_removed(unit, 'failed')
        s.fails(serial, 'Spawn.Failed', 's.socket failed')
        equal([x for x in s.systemd.asked if x[-1].endswith('.Service')], [])


@test
def two_names_of_one_unit():
    with Scene() as s:
        unit, first = begin(s)
        s.waits()
        second = s.a.send(to('com.example.A2'))
        s.systemd.serve(lambda: len(s.systemd.requests) == 2)
        s.waits()
        unit.over(Result='signal', ExecMainCode=KILLED, ExecMainStatus=15)
        s.systemd.changed(unit)
        s.systemd.settle()
        equal([(m.reply_serial, m.error_name) for m in s.a.drain()],
              [(first, E + 'Spawn.ChildSignaled'), (second, E + 'Spawn.ChildSignaled')])


@test
def a_second_start_is_not_ended_by_what_came_before_it():
    with Scene() as s:
        unit, first = begin(s)
        unit.over(Result='signal', ExecMainCode=KILLED, ExecMainStatus=9)

        # the request comes after the bus has asked, and starts the unit again
        answer = s.systemd.result_of

        def late(m):
            result = answer(m)
            if m.member == 'GetAll' and not late.sent:
                late.sent = s.a.send(to('com.example.A2'))
                s.a.drain()
                unit.set(ActiveState='activating', SubState='start', Job=systemd.A_JOB)
            return result
        late.sent = 0
        s.systemd.result_of = late
        s.systemd.serve(lambda: len(s.systemd.requests) == 2)
        s.waits()
        unit.over(Result='exit-code', ExecMainCode=EXITED, ExecMainStatus=5)
        s.systemd.changed(unit)
        s.fails(late.sent, 'Spawn.ChildExited', 'status 5')


@test
def a_thousand_callers():
    with Scene('<limit name="max_replies_per_connection">5000</limit>'
               '<limit name="max_pending_service_starts">5000</limit>') as s:
        unit, first = begin(s)
        clients = [s.connect() for _ in range(10)]
        serials = []
        for c in clients:
            serials.append([c.send(to('com.example.A')) for _ in range(100)])
            c.call('GetId')
        s.waits(*clients)
        equal(s.systemd.requests, ['a.service'])
        asked = len(s.systemd.asked)
        start = time.monotonic()
        unit.over(Result='exit-code', ExecMainCode=EXITED, ExecMainStatus=1)
        s.systemd.changed(unit)
        s.systemd.job_removed(unit, 'failed')
        s.fails(first, 'Spawn.ChildExited')
        for c, expected in zip(clients, serials):
            messages = c.drain()
            equal([m.reply_serial for m in messages], expected)
            equal({m.error_name for m in messages}, {E + 'Spawn.ChildExited'})
        if time.monotonic() - start > SECOND:
            raise AssertionError(f'{time.monotonic() - start} s')
        if len(s.systemd.asked) - asked > 8:
            raise AssertionError(s.systemd.asked[asked:])
        # the next message is a new start
        unit.set(ActiveState='activating', SubState='start', Job=systemd.A_JOB)
        begin(s)
        s.waits()


@test
def one_question_at_a_time():
    with Scene() as s:
        unit, _ = begin(s)
        s.waits()
        s.systemd.asked.clear()
        for _ in range(200):
            s.systemd.changed(unit)
        s.systemd.c.call('GetId')
        equal([m.member for m in s.systemd.c.queue if m.kind == rawbus.CALL], ['GetAll'])
        s.systemd.settle()
        equal(len(s.systemd.asked), 2)


@test
def systemd_executes_itself_again():
    with Scene() as s:
        unit, serial = begin(s)
        s.waits()
        s.lose_systemd()
        s.systemd.asked.clear()
        s.systemd.connect()
        s.waits()
        equal(s.systemd.asked, [('Subscribe',), ('LoadUnit', 'a.service'),
                                ('GetAll', 'org.freedesktop.systemd1.Unit')])
        equal(s.systemd.requests, ['a.service'], 'systemd has kept the job')
        unit.over(Result='exit-code', ExecMainCode=EXITED, ExecMainStatus=6)
        s.systemd.changed(unit)
        s.fails(serial, 'Spawn.ChildExited', 'status 6')


@test
def a_unit_fails_while_systemd_is_away():
    with Scene() as s:
        unit, serial = begin(s)
        s.waits()
        s.systemd.leave()
        unit.over(Result='exit-code', ExecMainCode=EXITED, ExecMainStatus=6)
        s.systemd.connect()
        s.fails(serial, 'Spawn.ChildExited', 'status 6')


@test
def systemd_leaves_before_it_has_read_the_request():
    with Scene() as s:
        s.systemd.add('a.service')
        serial = s.a.send(to('com.example.A'))
        s.a.drain()
        s.lose_systemd()
        s.systemd.connect()
        s.waits()
        equal(s.systemd.requests, ['a.service'])
        s.systemd.units['a.service'].over(Result='resources')
        s.systemd.job_removed(s.systemd.units['a.service'], 'failed')
        s.fails(serial, 'Spawn.FailedToSetup')


@test
def systemd_comes_later():
    with Scene() as s:
        s.lose_systemd()
        unit = s.systemd.add('a.service')
        serial = s.a.send(to('com.example.A'))
        s.a.drain()
        s.systemd.connect()
        s.waits()
        equal(s.systemd.requests, ['a.service'])
        equal(s.systemd.asked, [('Subscribe',), ('LoadUnit', 'a.service'),
                                ('GetAll', 'org.freedesktop.systemd1.Unit')])
        unit.over()
        s.systemd.changed(unit)
        s.fails(serial, 'Spawn.Failed')


@test
def systemd_reads_its_files_again():
    with Scene() as s:
        unit, serial = begin(s)
        s.waits()
        s.systemd.asked.clear()
        s.systemd.units['a.service'] = unit = systemd.Unit('a.service', canonical='new.service')
        s.systemd.send(systemd.PATH, systemd.MANAGER, 'Reloading', 'b', True)
        s.systemd.send(systemd.PATH, systemd.MANAGER, 'Reloading', 'b', False)
        s.waits()
        contains(s.systemd.asked, ('LoadUnit', 'a.service'))
        unit.over('inactive', 'dead')
        s.systemd.job_removed(unit, 'dependency')
        s.fails(serial, 'Spawn.Failed', 'needs')


@test
def systemd_refuses_to_begin():
    with Scene() as s:
        s.systemd.on_request = lambda unit: s.systemd.failure(unit, 'com.example.E', 'the reason')
        s.systemd.add('a.service').over('inactive', 'dead', LoadState='masked')
        s.fails(s.a.send(to('com.example.A')), 'com.example.E', 'the reason')


def wait_for_time_out(s):
    serial = s.a.send(to('com.example.A'))
    s.systemd.add('a.service').over()
    begin = time.monotonic()
    m = s.systemd.answer_for(s.a, serial)
    equal(m.error_name, E + 'TimedOut')
    contains(m.body[0], 'service_start_timeout=700ms')
    if time.monotonic() - begin < 0.5:
        raise AssertionError('too early')


@test
def systemd_that_answers_nothing():
    with Scene(SHORT, answers=False) as s:
        wait_for_time_out(s)
        equal(s.systemd.asked, [('Subscribe',), ('LoadUnit', 'a.service')])


@test
def systemd_that_refuses_questions():
    with Scene(SHORT, answers='error') as s:
        wait_for_time_out(s)
        equal(s.systemd.asked, [('Subscribe',), ('LoadUnit', 'a.service')])


@test
def answers_of_other_types():
    for member, result in (('LoadUnit', ('s', '/x')), ('LoadUnit', ('',)), ('GetAll', ('s', 'x')),
                           ('LoadUnit', ('o', '/' + 'x' * 5000)),
                           ('GetAll', ('a{sv}', {'ActiveState': ('u', 7), 'Job': ('u', 0),
                                                 'SubState': ('s', 'x' * 9999)}))):
        with Scene(SHORT) as s:
            answer = s.systemd.result_of
            s.systemd.result_of = lambda m: result if m.member == member else answer(m)
            wait_for_time_out(s)


@test
def a_program_of_another_name():
    # a stand-in that knows nothing but ActivationRequest
    with Scene(SHORT, comm='stand-in') as s:
        wait_for_time_out(s)
        equal(s.systemd.asked, [])
        s.systemd.leave()
        s.systemd.connect()
        s.systemd.settle()
        equal(s.systemd.asked, [])


@test
def what_others_send_counts_for_nothing():
    with Scene() as s:
        unit, serial = begin(s)
        s.waits()
        s.systemd.asked.clear()
        b = s.connect()
        unit.over(Result='exit-code')
        for x in (rawbus.signal(unit.path, systemd.PROPERTIES, 'PropertiesChanged', 'sa{sv}as',
                                systemd.NAME + '.Unit', {}, []),
                  rawbus.signal(systemd.PATH, systemd.MANAGER, 'JobRemoved', 'uoss', 7, '/x',
                                'a.service', 'failed')):
            b.send(x)
        b.drain()
        s.systemd.settle()
        equal(s.systemd.asked, [])
        # answers: of another client, and with another serial
        s.systemd.answers = False
        s.systemd.changed(unit)
        s.systemd.settle()
        equal(s.systemd.asked, [('GetAll', systemd.NAME + '.Unit')])
        values = systemd.variants(unit.unit, systemd.UNIT_TYPES)
        for serial_of_question in range(1, 200):
            b.send(rawbus.Message(rawbus.RETURN, {rawbus.REPLY_SERIAL: serial_of_question,
                                                  rawbus.DESTINATION: rawbus.BUS}, 'a{sv}',
                                  (values,), rawbus.NO_REPLY))
        b.drain()
        for serial_of_question in range(1000, 1100):
            s.systemd.c.send(rawbus.Message(rawbus.RETURN, {
                rawbus.REPLY_SERIAL: serial_of_question, rawbus.DESTINATION: rawbus.BUS}, 'a{sv}',
                (values,), rawbus.NO_REPLY))
        s.waits()
        equal(s.systemd.asked, [('GetAll', systemd.NAME + '.Unit')])


@test
def a_policy_that_allows_only_requested_replies():
    with Scene('<policy context="mandatory"><deny send_requested_reply="false" '
               'send_type="method_return"/></policy>') as s:
        unit, serial = begin(s)
        unit.over(Result='timeout')
        s.systemd.changed(unit)
        s.fails(serial, 'TimedOut', 'too long')
        equal('Rejected' in s.bus.read_log(), False)


@test
def clients_that_leave_while_a_unit_starts():
    with Scene() as s:
        unit, serial = begin(s)
        b = s.connect()
        b.send(to('com.example.A'))
        b.send(bus_call('StartServiceByName', 'su', 'com.example.A', 0))
        b.drain()
        b.close()
        unit.over(Result='exit-code')
        s.systemd.changed(unit)
        s.fails(serial, 'Spawn.ChildExited')


@test
def the_log_names_who_asked():
    with Scene() as s:
        systemd.call_self('a"b\\c\nd')
        begin(s)
        log = s.bus.read_log()
        contains(log, f"Activating via systemd: service name='com.example.A' unit='a.service' "
                 f"requested by '{s.a.unique}' (uid={os.getuid()} pid={os.getpid()} "
                 'comm="a\\x22b\\x5cc')


# services without a unit

class StandardBus(Bus):
    """A session bus as --session, or with the same configuration as a file of its own."""

    def __init__(self, argument, directory):
        self.directory = tempfile.mkdtemp(prefix='bus-test-')
        self.log = open(self.directory + '/log', 'w+')
        env = clean_environment(XDG_DATA_HOME=directory, XDG_DATA_DIRS='/nonexistent')
        self.process = subprocess.Popen(
            [DAEMON, argument, '--nofork', '--print-address=1', '--systemd-activation',
             f'--address=unix:path={self.directory}/bus'],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, env=env)
        self.pid = self.process.pid
        self.address = read_line(self.process.stdout.fileno())


class Session(Scene):
    """The scene, with a service that has no unit."""

    def __init__(self, argument='--session', **answers):
        self.directory = tempfile.mkdtemp(prefix='session-')
        os.makedirs(self.directory + '/dbus-1/services')
        for name in 'com.example.Plain', 'com.example.' + 'x' * 230:
            with open(f'{self.directory}/dbus-1/services/{name}.service', 'w') as f:
                f.write(f'[D-BUS Service]\nName={name}\nExec=/bin/sh -c "exit 77"\n')
        self.bus = StandardBus(argument, self.directory)
        systemd.call_self('systemd')
        self.systemd = Systemd(self.bus, **answers)
        self.a = self.connect()
        self.systemd.settle()


PLAIN = 'bus1-service@com.example.Plain.service'


@test
def a_service_without_a_unit_is_started_by_the_template():
    for state in 'static', 'disabled':
        with Session(template=state) as s:
            equal(s.systemd.asked, [('GetUnitFileState', 'bus1-service@.service')])
            unit, serial = begin(s, 'com.example.Plain', PLAIN)
            s.waits()
            unit.over(Result='exit-code', ExecMainCode=EXITED, ExecMainStatus=77)
            s.systemd.changed(unit)
            s.fails(serial, 'Spawn.ChildExited', 'status 77')


@test
def what_the_template_could_not_do():
    names = {2: 'NoMemory', 3: 'Spawn.ConfigInvalid', 4: 'Spawn.FailedToSetup',
             5: 'Spawn.ServiceNotValid', 6: 'Spawn.ServiceNotFound', 7: 'Spawn.PermissionsInvalid',
             8: 'Spawn.FileInvalid', 9: 'Spawn.ExecFailed', 10: 'InvalidArgs',
             1: 'Spawn.ChildExited', 203: 'Spawn.ChildExited'}
    with Session(template='static') as s:
        for status, name in names.items():
            unit, serial = begin(s, 'com.example.Plain', PLAIN)
            unit.over(Result='exit-code', ExecMainCode=EXITED, ExecMainStatus=status)
            s.systemd.changed(unit)
            s.fails(serial, name, f'status {status}')


@test
def a_service_without_a_unit_and_without_the_template():
    for answers in ({'template': None}, {'template': 'masked'}, {'answers': False},
                    {'answers': 'error'}):
        with Session(**answers) as s:
            s.fails(s.a.send(to('com.example.Plain')), 'Spawn.ChildExited', 'status 77')
            equal(s.systemd.requests, [])


@test
def a_template_that_has_gone():
    for error in 'NoSuchUnit', 'UnitMasked':
        with Session(template='static') as s:
            s.systemd.add(PLAIN)
            s.systemd.on_request = lambda unit: s.systemd.failure(
                unit, 'org.freedesktop.systemd1.' + error, 'gone')
            for _ in range(2):
                s.fails(s.a.send(to('com.example.Plain')), 'Spawn.ChildExited', 'status 77')
            equal(s.systemd.requests, [PLAIN], 'the bus asks once')


@test
def a_template_whose_bus_name_another_unit_has():
    # systemd does not load a second unit with the same BusName=
    with Session(template='static') as s:
        s.systemd.add(PLAIN)
        s.systemd.on_request = lambda unit: s.systemd.failure(unit, E + 'FileExists', 'no')
        for _ in range(2):
            s.fails(s.a.send(to('com.example.Plain')), 'Spawn.ChildExited', 'status 77')
        equal(s.systemd.requests, [PLAIN, PLAIN], 'other services use the template still')


@test
def a_template_that_comes_later():
    with Session() as s:
        s.fails(s.a.send(to('com.example.Plain')), 'Spawn.ChildExited', 'status 77')
        s.systemd.template = 'static'
        s.a.call('ReloadConfig')
        s.systemd.settle()
        unit, serial = begin(s, 'com.example.Plain', PLAIN)
        unit.over(Result='timeout')
        s.systemd.changed(unit)
        s.fails(serial, 'TimedOut')
        s.systemd.template = None
        s.a.call('ReloadConfig')
        s.systemd.settle()
        s.fails(s.a.send(to('com.example.Plain')), 'Spawn.ChildExited', 'status 77')


@test
def another_refusal_of_the_template():
    with Session(template='static') as s:
        s.systemd.add(PLAIN)
        s.systemd.on_request = lambda unit: s.systemd.failure(unit, 'com.example.E', 'no')
        s.fails(s.a.send(to('com.example.Plain')), 'com.example.E', 'no')


@test
def a_name_that_is_too_long_for_a_unit():
    with Session(template='static') as s:
        s.fails(s.a.send(to('com.example.' + 'x' * 230)), 'Spawn.ChildExited', 'status 77')
        equal(s.systemd.requests, [])


@test
def without_systemd_a_service_without_a_unit_is_executed():
    with Session(template='static') as s:
        s.lose_systemd()
        m = s.a.wait_for(s.a.send(to('com.example.Plain')))
        equal((m.kind, m.error_name), (ERROR, E + 'Spawn.ChildExited'))


@test
def a_bus_with_its_own_configuration_does_not_use_the_template():
    with Session('--config-file=/usr/share/dbus-1/session.conf', template='static') as s:
        equal(s.systemd.asked, [])
        s.fails(s.a.send(to('com.example.Plain')), 'Spawn.ChildExited', 'status 77')


if __name__ == '__main__':
    main()
