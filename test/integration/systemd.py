# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A stand-in for systemd: it owns org.freedesktop.systemd1 on the bus, and answers what the bus asks
# about units. The test says in which state the units are, and sends the signals of systemd.

import select
import time

import rawbus
from rawbus import NO_REPLY, RETURN, bus_call, call, signal

NAME = 'org.freedesktop.systemd1'
PATH = '/org/freedesktop/systemd1'
ACTIVATOR = NAME + '.Activator'
MANAGER = NAME + '.Manager'
PROPERTIES = 'org.freedesktop.DBus.Properties'

EXITED, KILLED, DUMPED = 1, 2, 3  # ExecMainCode

UNIT_TYPES = {'Id': 's', 'LoadState': 's', 'ActiveState': 's', 'SubState': 's', 'Job': '(uo)',
              'ConditionResult': 'b', 'ConditionTimestamp': 't', 'AssertResult': 'b',
              'AssertTimestamp': 't', 'Names': 'as', 'Conditions': 'a(sbbsi)'}
SERVICE_TYPES = {'Result': 's', 'ExecMainCode': 'i', 'ExecMainStatus': 'i', 'MainPID': 'u',
                 'ExecStart': 'a(sasbttttuii)'}
NO_JOB, A_JOB = (0, '/'), (7, PATH + '/job/7')


def call_self(name):
    """Sets the name of this process that others see in /proc."""
    with open('/proc/self/comm', 'w') as f:
        f.write(name)


def path_of(unit):
    escaped = ''.join(c if c.isascii() and c.isalnum() and (i or not c.isdigit())
                      else ''.join(f'_{b:02x}' for b in c.encode()) for i, c in enumerate(unit))
    return f'{PATH}/unit/{escaped}'


def variants(values, types):
    return {name: (types[name], value) for name, value in values.items()}


class Unit:
    """
    What systemd tells about a unit. The defaults are those of one that is being started. Properties
    that the bus does not look at are between those that it reads.
    """

    def __init__(self, name, canonical=None, **values):
        self.name, self.canonical = name, canonical or name
        self.path = path_of(self.canonical)
        self.unit = {'Conditions': [('ConditionPathExists', False, False, '/x', 1)],
                     'Id': self.canonical, 'Names': [name, self.canonical], 'LoadState': 'loaded',
                     'ActiveState': 'activating', 'SubState': 'start', 'Job': A_JOB,
                     'ConditionResult': True, 'ConditionTimestamp': 1, 'AssertResult': True,
                     'AssertTimestamp': 1}
        self.service = {'ExecStart': [('/bin/x', ['/bin/x', 'y'], False, 1, 2, 3, 4, 5, 6, 7)],
                        'Result': 'success', 'MainPID': 0, 'ExecMainCode': 0, 'ExecMainStatus': 0}
        self.set(**values)

    def set(self, **values):
        for name, value in values.items():
            (self.unit if name in UNIT_TYPES else self.service)[name] = value

    def over(self, active='failed', sub='failed', **values):
        self.set(ActiveState=active, SubState=sub, Job=NO_JOB, **values)


class Systemd:
    """answers: whether it answers questions ('error': with UnknownMethod)."""

    def __init__(self, bus, answers=True, template=None):
        self.bus, self.answers, self.template = bus, answers, template
        self.units, self.asked, self.requests = {}, [], []
        self.on_request = lambda unit: None
        self.connect()

    def connect(self):
        self.c = rawbus.Connection(self.bus.address, 'systemd').authenticate()
        self.c.call('RequestName', 'su', NAME, 0)

    def leave(self):
        self.c.close()

    def add(self, name, **values):
        self.units[name] = Unit(name, **values)
        return self.units[name]

    # signals

    def send(self, *args):
        self.c.send(signal(*args))

    def job_removed(self, unit, result):
        self.send(PATH, MANAGER, 'JobRemoved', 'uoss', 7, PATH + '/job/7', unit.canonical, result)

    def changed(self, unit, **values):
        """PropertiesChanged with these values of the service; without values, of the unit."""
        interface, found = (NAME + '.Service', variants(values, SERVICE_TYPES)) if values else \
            (NAME + '.Unit', variants({'ActiveState': unit.unit['ActiveState']}, UNIT_TYPES))
        self.send(unit.path, PROPERTIES, 'PropertiesChanged', 'sa{sv}as', interface, found, [])

    def failure(self, unit, name, text):
        self.c.send(signal(PATH, ACTIVATOR, 'ActivationFailure', 'sss', unit, name, text,
                           destination=rawbus.BUS))

    # questions

    def result_of(self, m):
        """The signature and the values of the answer; None for an error."""
        if m.member == 'GetUnitFileState':
            return ('s', self.template) if self.template else None
        if m.member == 'LoadUnit':
            return 'o', self.units[m.body[0]].path
        if m.member == 'GetAll':
            unit = [u for u in self.units.values() if u.path == m.path][0]
            if m.body[0] == NAME + '.Unit':
                return 'a{sv}', variants(unit.unit, UNIT_TYPES)
            return 'a{sv}', variants(unit.service, SERVICE_TYPES)
        return None

    def handle(self, m):
        if m.kind == rawbus.SIGNAL and m.member == 'ActivationRequest':
            self.requests.append(m.body[0])
            self.on_request(m.body[0])
        if m.kind != rawbus.CALL:
            return
        self.asked.append((m.member, *m.body))
        if m.member == 'Subscribe':
            # systemd refuses to follow org.freedesktop.DBus, and answers only if it has to
            if m.sender != self.c.unique or not m.flags & NO_REPLY:
                raise AssertionError(f'Subscribe of {m.sender} with flags {m.flags}')
            return
        if m.flags & NO_REPLY or m.sender != rawbus.BUS:
            raise AssertionError(f'{m.member} of {m.sender} with flags {m.flags}')
        if not self.answers:
            return
        result = None if self.answers == 'error' else self.result_of(m)
        if result is None:
            self.c.send(rawbus.error(m, 'org.freedesktop.DBus.Error.UnknownMethod', 'x'))
        else:
            self.c.send(rawbus.reply(m, *result))

    def serve(self, done, timeout=rawbus.TIMEOUT, others=()):
        """Handles what comes until done() returns something true, and returns this."""
        deadline = time.monotonic() + timeout
        while True:
            for m in self.c.take():
                self.handle(m)
            while True:
                m = self.c.parse()
                if not m:
                    break
                self.handle(m)
            value = done()
            if value:
                return value
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError('timeout')
            ready, _, _ = select.select([self.c.socket, *(x.socket for x in others)], [], [], left)
            if self.c.socket in ready:
                self.c.read_some(0)
            for x in others:
                if x.socket in ready:
                    x.read_some(0)

    def settle(self):
        """
        Handles what comes until the bus has nothing more to ask. A question that an answer causes
        comes before the reply to a later call.
        """
        while True:
            n = len(self.asked)
            serial = self.c.send(bus_call('GetId'))
            end = []

            def arrived():
                return end

            handle = self.handle

            def note(m):
                if m.kind == RETURN and m.reply_serial == serial:
                    end.append(m)
                else:
                    handle(m)
            self.handle = note
            try:
                self.serve(arrived)
            finally:
                del self.handle
            if len(self.asked) == n:
                return

    def answer_for(self, c, serial, timeout=rawbus.TIMEOUT):
        """Serves until c has got the answer to its call, which is returned."""
        def answer():
            while True:
                m = c.parse()
                if not m or (m.kind in (RETURN, rawbus.ERROR) and m.reply_serial == serial):
                    return m
        return self.serve(answer, timeout, [c])


def to(name, member='M'):
    return call(name, '/', 'com.example.I', member)
