# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Transcripts: the same scenario on the reference and on the daemon under test.
#
# A scenario is a function that drives raw connections, and records in a transcript what each of
# them receives, in order. In the transcript, labels stand for unique names and serials, and error
# texts are left out, because they may differ. The rest must be equal on both daemons, except for
# the deliberate differences that a test lists with their reasons (DIFFERENCES).

import difflib
import os
import re
import shutil
import sys
import tempfile
import traceback

import rawbus
from busfixture import REFERENCE, Bus, daemon_under_test, is_reference

KINDS = {rawbus.CALL: 'call', rawbus.RETURN: 'reply', rawbus.ERROR: 'error', rawbus.SIGNAL: 'signal'}
SCENARIOS = []
ANY = object()


def scenario(function):
    SCENARIOS.append(function)
    return function


def scenario_with(extra='', args=(), services=None):
    """
    A scenario whose bus has more configuration, arguments or services. extra: configuration that
    comes after the policy that allows all. args: arguments of the daemon. services: for each name,
    the lines of its service file after Name=. In extra and in these lines, {services} stands for
    the directory of the service files.
    """
    def mark(function):
        function.stage = {'extra': extra, 'args': args, 'services': services}
        return scenario(function)
    return mark


def not_under_valgrind(reason):
    def mark(function):
        function.not_under_valgrind = reason
        return function
    return mark


class Stage:
    """One bus, the connections to it, and the transcript."""

    def __init__(self, daemon, extra='', args=(), services=None):
        self.services = tempfile.mkdtemp(prefix='services-')
        os.chmod(self.services, 0o755)
        extra = extra.replace('{services}', self.services)
        if services is not None:
            extra += f'<servicedir>{self.services}</servicedir>'
            for name, lines in services.items():
                self.add_service(name, lines)
        self.bus = Bus(daemon, extra=extra, args=args)
        self.address = self.bus.address
        self.connections, self.names, self.lines = [], {}, []

    def end(self):
        for c in self.connections:
            c.close()
        status = self.bus.stop()
        shutil.rmtree(self.services)
        if status != 0:
            self.note(f'daemon: exit status {status}')

    def add_service(self, name, lines):
        with open(f'{self.services}/{name}.service', 'w') as f:
            f.write(f'[D-BUS Service]\nName={name}\n' + lines.replace('{services}', self.services))

    def note(self, text):
        self.lines.append(str(text))

    def socket(self, name, uid=None):
        c = rawbus.Connection(self.address, name, uid)
        self.connections.append(c)
        return c

    def connect(self, name, uid=None, **kw):
        c = self.socket(name, uid).authenticate(**kw)
        if c.unique:
            self.names[c.unique] = name
        return c

    def hello(self, c):
        answer = c.call('Hello')
        c.unique = answer.body[0]
        self.names[c.unique] = c.name
        return answer

    def label(self, value):
        if isinstance(value, str):
            if value in self.names:
                return f'<{self.names[value]}>'
            if re.fullmatch('[0-9a-f]{32}', value):
                return '<id>'
            return repr(value)
        if isinstance(value, (list, tuple)):
            return '[' + ', '.join(self.label(v) for v in value) + ']'
        if isinstance(value, dict):
            return '{' + ', '.join(f'{self.label(k)}: {self.label(v)}'
                                   for k, v in sorted(value.items())) + '}'
        return repr(value)

    def describe(self, c, m):
        """One line for a message that c received."""
        if m is None:
            return 'closed'
        words = [KINDS.get(m.kind, f'type {m.kind}')]
        if m.kind in (rawbus.RETURN, rawbus.ERROR):
            words.append(f'to {c.sent.get(m.reply_serial, m.reply_serial)}')
        if m.kind == rawbus.ERROR:
            words.append(m.error_name)
        else:
            words.append('.'.join(x for x in (m.interface, m.member) if x))
            words.append(m.signature + '(' + ', '.join(self.label(x) for x in m.body) + ')')
        if m.path and m.path != rawbus.BUS_PATH:
            words.append('at ' + m.path)
        named = m.kind in (rawbus.CALL, rawbus.SIGNAL) or m.sender not in (rawbus.BUS, None)
        if named and m.sender != rawbus.BUS:
            words.append('from ' + self.label(m.sender))
        # the buses may differ in the destination of answers to a connection that has no name yet
        if c.unique or named:
            if m.destination is None:
                words.append('broadcast')
            elif m.destination != c.unique:
                words.append('for ' + self.label(m.destination))
        if m.flags != rawbus.NO_REPLY:
            words.append(f'flags {m.flags}')
        if m.fds:
            words.append(f'{len(m.fds)} fds')
        unknown = sorted(set(m.fields) - set(range(1, 10)))
        if unknown:
            words.append(f'fields {unknown}')
        return ' '.join(w for w in words if w)

    def see(self, c, messages, drop=()):
        for m in messages:
            text = self.describe(c, m)
            if not any(d in text for d in drop):
                self.note(f'  {c.name}: {text}')

    def show(self, *connections, drop=()):
        """
        Waits until the bus has handled what all connections have sent. Notes the messages that the
        given connections have received.
        """
        for c in self.connections:
            if c.unique and not c.closed and not c.monitor:
                try:
                    c.wait_for(c.send(rawbus.bus_call('GetId')))
                except rawbus.Closed:
                    pass
        for c in connections:
            self.see(c, c.drain(), drop)

    def ask(self, c, message):
        """Sends a call; notes all messages that arrive up to its reply, and the reply."""
        m = c.wait_for(c.send(message))
        self.see(c, c.take() + [m])
        return m


def record(daemon, function):
    stage = Stage(daemon, **getattr(function, 'stage', {}))
    try:
        function(stage)
    except Exception as e:
        last = traceback.extract_tb(e.__traceback__)
        where = [f for f in last if f.name == function.__name__]
        stage.note(f'EXCEPTION {type(e).__name__} {e} at line {where[-1].lineno if where else "?"}')
    stage.end()
    return stage.lines


def diff(a, b):
    return '\n'.join('# ' + line for line in difflib.unified_diff(a, b, 'reference', 'daemon',
                                                                   lineterm='', n=3))


def apply_differences(reference, differences):
    """
    Returns the transcript that the daemon under test should give: that of the reference, with the
    listed lines replaced. A difference is (line on the reference, lines on the daemon, reason).
    Each must occur. ANY in place of the line stands for the whole transcript: the reference is not
    run, because its transcript depends on timing, or because it hangs or crashes.
    """
    lines = list(reference)
    for old, new, reason in differences:
        if old is ANY:
            return new
        if old not in lines:
            raise AssertionError(f'the reference does not give {old!r} ({reason})')
        at = lines.index(old)
        lines[at:at + 1] = new
    return lines


def main(differences):
    """Runs all scenarios of the test in TAP. differences: name -> list for apply_differences."""
    daemon = daemon_under_test()
    only = sys.argv[1:]
    failed = 0
    names = [s.__name__ for s in SCENARIOS]
    unknown = set(differences) - set(names)
    assert not unknown, unknown
    print(f'1..{len(SCENARIOS)}')
    for number, function in enumerate(SCENARIOS, 1):
        name = function.__name__
        if only and name not in only:
            continue
        if 'BUS_UNDER_VALGRIND' in os.environ and hasattr(function, 'not_under_valgrind'):
            print(f'ok {number} - {name} # SKIP {function.not_under_valgrind}')
            continue
        listed = differences.get(name, [])
        # do not run the reference if its transcript is not compared: it could wait for a time-out
        whole = any(old is ANY for old, _, _ in listed)
        reference = [] if whole else record(REFERENCE, function)
        if is_reference(daemon):
            want, got = reference, [] if whole else record(daemon, function)
        else:
            want, got = apply_differences(reference, listed), record(daemon, function)
        good = want == got and not any('EXCEPTION' in line for line in want)
        failed += not good
        print(f'{"ok" if good else "not ok"} {number} - {name}', flush=True)
        if not good:
            print(diff(want, got) or '\n'.join('# ' + line for line in want))
        elif only:
            print('\n'.join('# ' + line for line in got))
    sys.exit(1 if failed else 0)
