#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The service of examples/notes, written with sd-bus and with libbus1-dbus: clients see no
# difference between the two.
#
#   test-notes.py DAEMON NOTES-SD-BUS NOTES-BUS1 NOTES-CLIENT [scenario...]
#
# A scenario uses the service with the tools and libraries with which D-Bus programs are written and
# examined, and records what they show. It runs once with each service, each time on a bus of its
# own. Every difference between the two transcripts is a failure, except those that DIFFERENCES lists
# with a reason. In a transcript, labels stand for unique names, times and serials, and for the texts
# of errors that the libraries make: the names of these errors are compared, and the texts of the
# service's own errors. Dictionaries and XML are compared by what they say: their order, and the
# form of the XML, are not. The calls that the services make to the bus are left out.

import difflib
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import traceback
import xml.etree.ElementTree as ElementTree

import dbus
import dbus.lowlevel
import dbus.mainloop.glib
from gi.repository import Gio, GLib

import rawbus
from busfixture import (TIMEOUT, Bus, Program, clean_environment, daemon_under_test,
                        wait_until)
from tap import Skip

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.join(HERE, '../../examples/notes')

NAME = 'org.bus1.Notes'
PATH = '/org/bus1/Notes'
NOTES = 'org.bus1.Notes'
NOTE = 'org.bus1.Notes.Note'
FIRST = PATH + '/note/1'
DBUS = 'org.freedesktop.DBus'
PROPERTIES = DBUS + '.Properties'
INTROSPECTABLE = DBUS + '.Introspectable'
MANAGER = DBUS + '.ObjectManager'
PEER = DBUS + '.Peer'

ALL_USERS = '<policy context="default"><allow user="*"/></policy>'

# The texts of the errors that the libraries make: of sd-bus, and of libbus1-dbus.
TEXTS = [(re.compile(f'{sd_bus}|{bus1}'), f'<{meaning}>') for meaning, sd_bus, bus1 in (
    ('no object', r"Unknown object '[^']*'\.", r'No object at /[\w/]*'),
    ('no such member',
     r"Unknown method \S+ (?:or|on) interface \S+|Unknown interface .* or property \S*\.|"
     r"Unknown interface '[^']*'\.",
     r'No (?:interface|method|property) .* at /[\w/]*'),
    ('read-only', r"Property '\w+' is not writable\.", r'Property \w+ is read-only'),
    ('wrong type', r"Incorrect parameters for property '\w+', expected '\w+', got '\w+'\.",
     r'Property \w+ has the signature "\w+"'),
    ('wrong arguments',
     r"Invalid arguments '[^']*' to call \S+, expecting '[^']*'\.|"
     r"Expected (?:no|interface|interface and member) parameters?|"
     r"Incorrect signature when setting property '\w+', expected 'v', got '[^']*'\.",
     r'\w+ takes arguments of signature "[^"]*", not "[^"]*"'),
    ('name is taken', 'File exists', r'Another member owns the name [\w.]+'),
    ('no access', r'Access to [\w.]+\(\) not permitted\.', r'Access to [\w.]+ is not permitted'),
)]

# What may differ: in which lines, what the line of sd-bus goes on with, what that of libbus1-dbus
# goes on with, and why. Each must occur.
ERROR = DBUS + '.Error.'
DIFFERENCES = [tuple(re.compile(pattern) for pattern in patterns) for *patterns, reason in (
    ('', f'{ERROR}Unknown(Method|Property): ', f'{ERROR}UnknownInterface: ',
     'the specification has an error for an interface that the object does not have'),
    (r"[GS]et ssv?\(''", f'{ERROR}UnknownProperty: ', '',
     'the specification says that an empty interface means any interface'),
    (' None: ', f'{ERROR}UnknownObject: ', '',
     'the specification allows calls without an interface'),
    ('', f'{ERROR}InvalidArgs: <wrong arg', f'{ERROR}Unknown(Object|Interface): ',
     'what is not there comes before what is wrong with the arguments'),
    (rf"GetAll s\('{MANAGER}'\) at {PATH} ", f'{ERROR}UnknownInterface: ', '{}',
     'the object has the interface, which has no properties'),
    (r'Set sss?\(', f'{ERROR}(InvalidSignature|UnknownProperty): ', f'{ERROR}InvalidArgs: ',
     'wrong arguments of a standard method have the same error in all cases'),
)]

CONNECTIONS = []
OCCURRED = set()  # of DIFFERENCES
SCENARIOS = []


def scenario(function):
    SCENARIOS.append(function)
    return function


class Stage:
    """A bus, the service on it, and the transcript."""

    def __init__(self, argv, system=False):
        self.argv = argv
        self.bus = Bus(extra=ALL_USERS)
        self.labels, self.lines = {}, []
        try:
            self.service = self.start_service(system)
            self.asker = self.connect()
            self.owner = self.wait_for_name()
        except BaseException:
            self.bus.stop()
            raise
        self.labels[self.owner] = '<service>'

    def start_service(self, system=False):
        environment = self.bus.environment()
        if system:
            environment = clean_environment(DBUS_SYSTEM_BUS_ADDRESS=self.bus.address)
        return Program(self.argv + ['--system'] * system, environment)

    def end(self):
        self.asker.close()
        self.service.stop()
        status = self.service.process.returncode
        if status != 0:
            # 1 is what the service returns; anything else is a signal or from a sanitizer
            self.note(f'{"" if status == 1 else "EXCEPTION "}the service ended with {status}')
        if self.bus.stop() != 0:
            self.note('the bus ended with an error')

    def connect(self):
        # What a connection still has to say when it is closed needs the object.
        CONNECTIONS.append(dbus.bus.BusConnection(self.bus.address))
        return CONNECTIONS[-1]

    def wait_for_name(self):
        context = GLib.MainContext.default()
        owner = []
        watch = self.asker.watch_name_owner(NAME, owner.append)
        spin(lambda: owner and owner[-1], 'the service')
        watch.cancel()
        while context.iteration(False):
            pass
        return str(owner[-1])

    def label(self, match):
        return self.labels.setdefault(match[0], f'<client {len(self.labels)}>')

    def note(self, text, prefix=''):
        """Adds lines to the transcript. In them, labels stand for what differs from run to run."""
        text = re.sub(r':1\.\d+', self.label, str(text))
        text = re.sub(r'\b1\d{15}\b', '<time>', text)
        for pattern, meaning in TEXTS:
            text = pattern.sub(meaning, text)
        self.lines += [prefix + line.rstrip() for line in text.splitlines() or ['']]

    def run(self, *argv, change=None):
        """Runs a program, and records its exit status and what it prints, after a change."""
        if not shutil.which(argv[0]):
            raise Skip(f'no {argv[0]}')
        result = subprocess.run(argv, env=self.bus.environment(), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT)
        output = result.stdout.decode(errors='replace').replace(self.bus.address, '<address>')
        self.note('$ ' + ' '.join(argv).replace(self.bus.address, '<address>'))
        if output.startswith('<'):
            output = show_xml(output) + '\n'
        elif output.startswith('{"type"'):
            output = json.dumps(json.loads(output), sort_keys=True) + '\n'
        if change:
            output = change(output)
        self.note(output + f'status {result.returncode}', '  ')

    def busctl(self, *argv, **kw):
        self.run('busctl', '--address=' + self.bus.address, '--no-pager', '--full', *argv, **kw)

    def gdbus(self, command, *argv, **kw):
        self.run('gdbus', command, '--session', '--dest', NAME, *argv, **kw)

    def call(self, connection, path, interface, member, signature='', *args):
        """Calls the service with python3-dbus, and records the result. Returns it, too."""
        shown = ', '.join('fd' if isinstance(a, dbus.types.UnixFd) else repr(a) for a in args)
        where = f'{member} {signature}({shown}) at {path} {interface}'
        try:
            result = connection.call_blocking(NAME, path, interface, member, signature, args)
        except dbus.DBusException as e:
            self.note(f'{where}: {e.get_dbus_name()}: {e.get_dbus_message()}')
            return None
        if isinstance(result, str) and result.startswith('<'):
            result = show_xml(result).replace('\n', ' ')
        self.note(f'{where}: {show(result)}')
        return result


def show(value):
    """The types and values of what python3-dbus returns."""
    if isinstance(value, dbus.Dictionary):
        return '{' + ', '.join(f'{show(k)}: {show(v)}' for k, v in sorted(value.items())) + '}'
    if isinstance(value, (dbus.Array, dbus.Struct)):
        kind = f'a{value.signature}' if isinstance(value, dbus.Array) else 'r'
        return kind + '[' + ', '.join(show(v) for v in value) + ']'
    if isinstance(value, tuple):
        return '(' + ', '.join(show(v) for v in value) + ')'
    level = getattr(value, 'variant_level', 0)
    return 'v' * level + f'{type(value).__name__} {value}'


def show_xml(xml):
    """What introspection data says, in an order that does not depend on the library."""
    lines, root = [], ElementTree.fromstring(xml)
    if is_empty(root):
        root.remove(root.find(f'interface[@name="{PROPERTIES}"]'))

    def walk(element, depth):
        attributes = ' '.join(f'{k}={v}' for k, v in sorted(element.items()))
        lines.append('  ' * depth + f'{element.tag} {attributes}')
        # the order of children does not matter
        nodes = sorted((e for e in element if e.tag == 'node'), key=lambda e: e.get('name'))
        for e in [e for e in element if e.tag != 'node'] + nodes:
            walk(e, depth + 1)

    walk(root, 0)
    return '\n'.join(lines)


def is_empty(root):
    """
    Does sd-bus say here that a path without an object has properties? It does not answer calls of
    the interface there.
    """
    names = [e.get('name') for e in root.findall('interface')]
    return names == [PEER, INTROSPECTABLE, PROPERTIES]


def without_properties(text):
    """The output of busctl or gdbus about a path without an object, without the same interface."""
    text = re.sub(rf'^ *interface {PROPERTIES} {{\n(    .*\n)*?  }};\n', '', text, flags=re.M)
    text = re.sub(rf'^{PROPERTIES} .*\n(\..*\n)*', '', text, flags=re.M)
    return re.sub('  +', ' ', text)


def spin(condition, what):
    """Runs the main loop until the condition holds."""
    context = GLib.MainContext.default()
    late = []
    source = GLib.timeout_add(int(TIMEOUT * 1000), lambda: late.append(1) or True)
    while not condition():
        context.iteration(True)
        assert not late, f'timeout: {what}'
    GLib.source_remove(source)


def memfd(data):
    fd = os.memfd_create('import')
    os.write(fd, data)
    return fd


# busctl


@scenario
def busctl_shows_the_tree(s):
    s.busctl('tree', NAME)
    s.busctl('tree', '--list', NAME)
    for text in 'one', 'two', 'three':
        s.busctl('call', NAME, PATH, NOTES, 'Create', 'sa{sv}', text, '0')
    s.busctl('tree', NAME)
    s.busctl('call', NAME, PATH + '/note/2', NOTE, 'Delete')
    s.busctl('tree', NAME)


@scenario
def busctl_introspects(s):
    s.busctl('introspect', NAME, PATH)
    s.busctl('call', NAME, PATH, NOTES, 'Create', 'sa{sv}', 'one', '0')
    for path in '/', '/org', '/org/bus1', PATH + '/note':
        s.busctl('introspect', NAME, path, change=without_properties)
        s.busctl('introspect', '--xml-interface', NAME, path)
    for path in PATH, FIRST, PATH + '/none', '/none':
        s.busctl('introspect', NAME, path)
        s.busctl('introspect', '--xml-interface', NAME, path)
    s.busctl('introspect', NAME, FIRST, NOTE)


@scenario
def busctl_calls(s):
    def call(path, interface, *argv):
        s.busctl('call', NAME, path, interface, *argv)
        s.busctl('--json=short', 'call', NAME, path, interface, *argv)
    call(PATH, NOTES, 'List')
    call(PATH, NOTES, 'Create', 'sa{sv}', 'one', '0')
    call(PATH, NOTES, 'Create', 'sa{sv}', 'two words', '2', 'Color', 's', 'red', 'Pinned', 'b', '1')
    call(PATH, NOTES, 'Create', 'sa{sv}', 'more', '2', 'Later', 'a(su)', '1', 'x', '7', 'Color', 's', '')
    call(PATH, NOTES, 'Create', 'sa{sv}', 'wrong', '1', 'Color', 'u', '1')
    call(PATH, NOTES, 'Create', 'sa{sv}', '', '0')
    call(PATH, NOTES, 'Create', 's', 'no options')
    call(PATH, NOTES, 'Add', 's', 'the old way')
    call(PATH, NOTES, 'List')
    call(FIRST, NOTE, 'Edit', 's', 'edited')
    call(FIRST, NOTE, 'Edit', 's', '')
    call(FIRST, NOTE, 'Edit', 's', 'x' * 4096)
    call(FIRST, NOTE, 'Edit', 's', 'x' * 4097)
    call(FIRST, NOTE, 'Viewed')
    call(FIRST, NOTE, 'Unlock')
    call(FIRST, NOTE, 'Nonsense')
    call(FIRST, 'org.bus1.Nonsense', 'Edit')
    call(FIRST, NOTES, 'List')
    call(PATH + '/note/99', NOTE, 'Delete')
    call(FIRST, NOTE, 'Delete')
    s.busctl('--json=short', 'call', NAME, PATH, MANAGER, 'GetManagedObjects')
    call(PATH, NOTES, 'Clear')
    call(PATH, MANAGER, 'GetManagedObjects')


@scenario
def busctl_gets_and_sets_properties(s):
    s.busctl('call', NAME, PATH, NOTES, 'Create', 'sa{sv}', 'one and more', '0')
    s.busctl('get-property', NAME, PATH, NOTES, 'Count', 'Version')
    names = 'Created', 'Text', 'Words', 'Views', 'LockedBy', 'Color', 'Pinned'
    s.busctl('get-property', NAME, FIRST, NOTE, *names)
    s.busctl('call', NAME, FIRST, NOTE, 'Viewed')
    s.busctl('set-property', NAME, FIRST, NOTE, 'Text', 's', 'two words')
    s.busctl('set-property', NAME, FIRST, NOTE, 'Text', 's', '')
    s.busctl('set-property', NAME, FIRST, NOTE, 'Text', 'u', '1')
    s.busctl('set-property', NAME, FIRST, NOTE, 'Pinned', 'b', '1')
    s.busctl('set-property', NAME, FIRST, NOTE, 'Pinned', 's', 'yes')
    for name in names[2:]:
        s.busctl('set-property', NAME, FIRST, NOTE, name, 's', 'text')
    s.busctl('get-property', NAME, FIRST, NOTE, 'Nonsense')
    s.busctl('get-property', NAME, FIRST, 'org.bus1.Nonsense', 'Text')
    s.busctl('get-property', NAME, PATH, NOTE, 'Text')
    s.busctl('get-property', NAME, PATH + '/none', NOTE, 'Text')
    s.busctl('get-property', NAME, FIRST, NOTE, *names)
    s.busctl('call', NAME, FIRST, PROPERTIES, 'GetAll', 's', NOTE)
    s.busctl('call', NAME, FIRST, PROPERTIES, 'GetAll', 's', '')


def wait_after(program, *texts):
    """Waits until these texts have appeared in the output, the last ones of each, in this order."""
    def there():
        try:
            program.output += os.read(program.process.stdout.fileno(), 65536).decode()
        except BlockingIOError:
            pass
        at = [program.output.rfind(texts[0])]
        for text in texts[1:]:
            at.append(program.output.find(text, at[-1]) if at[-1] >= 0 else -1)
        return at[-1] >= 0
    wait_until(there, texts)


def monitored(s, text):
    """
    The messages in the output of busctl monitor, except those between the bus and its members. The
    two libraries make different calls to the bus.
    """
    for block in text.split('‣ ')[1:]:
        if re.search(rf'(Sender|Destination)={DBUS}\b', block):
            continue
        block = re.sub(r'(Reply)?Cookie=\d+ *', '', block)
        block = re.sub(r'Timestamp="[^"]*" *', '', block)
        s.note('\n'.join(' '.join(line.split()) for line in block.splitlines() if line.strip()))


@scenario
def busctl_monitors(s):
    with Program(['stdbuf', '-oL', 'busctl', '--address=' + s.bus.address, 'monitor'],
                 s.bus.environment()) as monitor:
        monitor.wait_output('Monitoring bus message stream')
        c = s.connect()
        for path, interface, member, signature, *args in (
                (PATH, NOTES, 'Create', 'sa{sv}', 'one', {'Color': 'red', 'Pinned': True}),
                (PATH, NOTES, 'Create', 'sa{sv}', '', {}),
                (PATH, NOTES, 'Add', 's', 'two'),
                (PATH, NOTES, 'List', ''),
                (FIRST, NOTE, 'Edit', 's', 'edited'),
                (FIRST, NOTE, 'Viewed', ''),
                (FIRST, NOTE, 'Lock', ''),
                (FIRST, NOTE, 'Lock', ''),
                (FIRST, NOTE, 'Unlock', ''),
                (FIRST, PROPERTIES, 'Set', 'ssv', NOTE, 'Text', 'set'),
                (FIRST, PROPERTIES, 'Set', 'ssv', NOTE, 'Pinned', False),
                (FIRST, PROPERTIES, 'Get', 'ss', NOTE, 'Words'),
                (FIRST, PROPERTIES, 'GetAll', 's', NOTE),
                (FIRST, PEER, 'Ping', ''),
                (FIRST, NOTE, 'Delete', ''),
                (PATH, NOTES, 'Clear', '')):
            s.call(c, path, interface, member, signature, *args)
        # a call that wants no reply
        m = dbus.lowlevel.MethodCallMessage(NAME, PATH, NOTES, 'Add')
        m.append('three', signature='s')
        m.set_no_reply(True)
        c.send_message(m)
        wait_after(monitor, 'Member=Added', 'three', 'Member=PropertiesChanged', '};\n\n')
        s.call(c, PATH + '/none', None, 'TheEnd')
        wait_after(monitor, 'Member=TheEnd', 'Type=error', '};\n\n')
        c.close()
    monitored(s, monitor.output)


# gdbus


@scenario
def gdbus_introspects(s):
    s.gdbus('introspect', '--object-path', PATH)
    s.gdbus('call', '--object-path', PATH, '--method', NOTES + '.Create', 'one', '{}')
    s.gdbus('introspect', '--object-path', FIRST)
    for path in '/', PATH + '/note':
        s.gdbus('introspect', '--object-path', path, change=without_properties)
    s.gdbus('introspect', '--object-path', FIRST, '--recurse')
    s.gdbus('introspect', '--object-path', FIRST, '--xml')
    s.gdbus('introspect', '--object-path', PATH, '--only-properties')
    s.gdbus('introspect', '--object-path', PATH + '/none')


@scenario
def gdbus_calls(s):
    def call(path, method, *args):
        s.gdbus('call', '--object-path', path, '--method', method, *args)
    call(PATH, NOTES + '.Create', 'one', "{'Color': <'red'>, 'Pinned': <true>}")
    call(PATH, NOTES + '.Create', 'wrong', "{'Pinned': <1>}")
    call(PATH, NOTES + '.Create', '', '{}')
    call(PATH, NOTES + '.List')
    call(FIRST, NOTE + '.Edit', 'edited')
    call(FIRST, NOTE + '.Lock')
    call(FIRST, NOTE + '.Unlock')
    call(FIRST, NOTE + '.Nonsense')
    call(FIRST, PROPERTIES + '.Get', NOTE, 'Text')
    call(FIRST, PROPERTIES + '.Get', NOTE, 'Nonsense')
    call(FIRST, PROPERTIES + '.Set', NOTE, 'Text', "<'set'>")
    call(FIRST, PROPERTIES + '.Set', NOTE, 'Words', '<uint32 5>')
    call(FIRST, PROPERTIES + '.GetAll', NOTE)
    call(PATH, MANAGER + '.GetManagedObjects')
    call(FIRST, NOTE + '.Delete')
    call(FIRST, NOTE + '.Delete')


@scenario
def gdbus_monitors(s):
    with Program(['gdbus', 'monitor', '--session', '--dest', NAME], s.bus.environment()) as monitor:
        monitor.wait_output('is owned by')
        c = s.connect()
        # nothing shows when the subscription of gdbus is in force: repeat until it prints a signal
        while 'Count' not in monitor.output:
            c.call_blocking(NAME, PATH, NOTES, 'Add', 's', ('early',))
            try:
                monitor.wait_output('Count', 0.2)
            except AssertionError:
                pass
        c.call_blocking(NAME, PATH, NOTES, 'Clear', '', ())
        path = c.call_blocking(NAME, PATH, NOTES, 'Add', 's', ('The beginning',))
        for interface, member, signature, *args in (
                (NOTE, 'Edit', 's', 'edited'),
                (NOTE, 'Lock', ''),
                (NOTE, 'Unlock', ''),
                (PROPERTIES, 'Set', 'ssv', NOTE, 'Text', 'set'),
                (NOTE, 'Delete', '')):
            c.call_blocking(NAME, path, interface, member, signature, args)
        c.call_blocking(NAME, PATH, NOTES, 'Add', 's', ('The end',))
        text = monitor.wait_output("'The end')")
        c.close()
    text = text[text.index('The beginning'):].replace(path, '<note>')
    s.note(re.sub(r'note/\d+', '<last note>', text[:text.index("'The end')")]))


# python3-dbus


@scenario
def python_dbus_calls(s):
    c = s.connect()
    note = dbus.Interface(c.get_object(NAME, PATH), NOTES).Create(
        'one', dbus.Dictionary({'Color': 'blue', 'Pinned': False}, signature='sv'))
    s.note(show(note))
    o = c.get_object(NAME, note)
    for name in 'Created', 'Text', 'Words', 'Views', 'LockedBy', 'Color', 'Pinned':
        s.note(show(o.Get(NOTE, name, dbus_interface=PROPERTIES)))
    s.note(show(o.GetAll(NOTE, dbus_interface=PROPERTIES)))
    s.note(show(c.get_object(NAME, PATH).GetManagedObjects(dbus_interface=MANAGER)))
    s.note(show_xml(o.Introspect(dbus_interface=INTROSPECTABLE)))
    o.Edit('edited', dbus_interface=NOTE)
    s.note(show(c.get_object(NAME, PATH).List(dbus_interface=NOTES)))
    for arguments in (), ('a', 'b'), (1,):
        try:
            o.Edit(*arguments, dbus_interface=NOTE)
        except (dbus.DBusException, TypeError) as e:
            s.note(f'{type(e).__name__}: {e}')
    c.close()


@scenario
def python_dbus_gets_signals(s):
    c = s.connect()
    got = []
    c.add_signal_receiver(
        lambda *args, **kw: got.append((kw['path'], kw['interface'], kw['member'], show(args))),
        bus_name=NAME, path_keyword='path', interface_keyword='interface', member_keyword='member')
    c.get_name_owner(NAME)  # the match is in force after this call
    o = dbus.Interface(c.get_object(NAME, PATH), NOTES)
    note = o.Create('one', {'Pinned': True})
    for interface, member, signature, *args in (
            (NOTE, 'Edit', 's', 'edited'),
            (NOTE, 'Lock', ''),
            (NOTE, 'Lock', ''),
            (NOTE, 'Unlock', ''),
            (NOTE, 'Viewed', ''),
            (PROPERTIES, 'Set', 'ssv', NOTE, 'Text', 'set'),
            (PROPERTIES, 'Set', 'ssv', NOTE, 'Pinned', False),
            (NOTE, 'Delete', '')):
        s.call(c, note, interface, member, signature, *args)
    o.Add('two')
    o.Add('three')
    o.Clear()
    o.Add('The end')
    spin(lambda: len(got) > 1 and 'The end' in got[-2][3], 'signals')
    for line in got:
        s.note(' '.join(line))
    c.close()


@scenario
def errors_of_the_library(s):
    c = s.connect()
    s.call(c, PATH, NOTES, 'Create', 'sa{sv}', 'one', {})
    none, node = PATH + '/note/99', PATH + '/note'
    for path in '/', '/org', PATH, node, FIRST, none, '/none':
        for interface in PEER, INTROSPECTABLE, PROPERTIES, MANAGER, NOTES, NOTE, 'a.b', None:
            for member, signature, *args in (
                    ('Nonsense', ''), ('Nonsense', 's', 'x'), ('Ping', ''), ('Ping', 's', 'x'),
                    ('GetManagedObjects', ''), ('GetManagedObjects', 'u', 1), ('GetAll', 's', ''),
                    ('Get', 's', NOTE), ('List', ''), ('List', 's', 'x'), ('Edit', 'u', 1),
                    ('Edit', 'ss', 'x', 'y'), ('Edit', ''), ('Introspect', 's', 'x'),
                    ('GetAll', 's', 'a.b'), ('Get', 'ss', NOTE, 'Nonsense'),
                    ('Get', 'ss', 'a.b', 'Text'), ('Get', 'ss', '', 'Text'),
                    ('Get', 'ss', NOTES, 'Text'), ('GetAll', 's', NOTE), ('GetAll', 's', NOTES),
                    ('GetAll', 's', PEER), ('Get', 'ss', PROPERTIES, 'Text'),
                    ('Get', 'ss', 'not an interface', 'Text'), ('Get', 'ss', NOTE, ''),
                    ('GetAll', 's', 'not an interface'), ('GetAll', 's', INTROSPECTABLE),
                    ('Set', 'ssv', NOTE, 'Words', dbus.UInt32(1)),
                    ('Set', 'ssv', NOTE, 'Created', dbus.UInt64(1)),
                    ('Set', 'ssv', NOTE, 'Color', 'x'), ('Set', 'ssv', NOTE, 'Color', 1),
                    ('Set', 'ssv', NOTE, 'Text', 1), ('Set', 'ssv', NOTE, 'Pinned', 'x'),
                    ('Set', 'ssv', NOTE, 'Nonsense', 'x'), ('Set', 'ssv', 'a.b', 'Text', 'x'),
                    ('Set', 'ssv', '', 'Text', 'x'), ('Set', 'ssv', '', 'Nonsense', 'x'),
                    ('Set', 'ss', NOTE, 'Text'), ('Set', 'sss', NOTE, 'Text', 'x')):
                s.call(c, path, interface, member, signature, *args)
    c.close()


@scenario
def descriptors(s):
    c = s.connect()
    for data in b'one\ntwo\n\nthree words here\n', b'', b'no end', b'x' * 4097, b'\xff\n', \
            b'a\0b\nc', b'x\n' * 32768, b'x' * 65537:
        fd = memfd(data)
        s.note(repr(data[:20]))
        s.call(c, PATH, NOTES, 'Import', 'h', dbus.types.UnixFd(fd))
        os.close(fd)
        s.call(c, PATH, NOTES, 'Clear')
    r, w = os.pipe()
    s.call(c, PATH, NOTES, 'Import', 'h', dbus.types.UnixFd(r))
    os.close(r)
    os.close(w)
    fd = os.open(os.devnull, os.O_WRONLY)
    s.call(c, PATH, NOTES, 'Import', 'h', dbus.types.UnixFd(fd))
    os.close(fd)
    s.call(c, PATH, NOTES, 'Add', 's', 'grüße')
    s.call(c, PATH, NOTES, 'Add', 's', 'one more')
    fd = c.call_blocking(NAME, PATH, NOTES, 'Export', '', ()).take()
    s.note(os.pread(fd, 100, 0))
    s.note(f'flags {os.lseek(fd, 0, os.SEEK_CUR)}')
    try:
        os.pwrite(fd, b'x', 0)
    except OSError as e:
        s.note(e)
    os.close(fd)
    s.note(f'{len(os.listdir(f"/proc/{s.service.process.pid}/fd")) < 20} few descriptors')
    c.close()


@scenario
def a_lock_ends_when_its_client_leaves(s):
    c, locker = s.connect(), s.connect()
    got = []
    c.add_signal_receiver(lambda *args: got.append(show(args)), 'PropertiesChanged', PROPERTIES,
                          NAME, FIRST)
    c.get_name_owner(NAME)
    s.call(c, PATH, NOTES, 'Create', 'sa{sv}', 'one', {})
    s.call(locker, FIRST, NOTE, 'Lock')
    for member, signature, *args in ('Edit', 's', 'edited'), ('Delete', ''), ('Lock', ''), \
            ('Unlock', ''):
        s.call(c, FIRST, NOTE, member, signature, *args)
    s.call(c, FIRST, PROPERTIES, 'Set', 'ssv', NOTE, 'Text', 'set')
    s.call(c, FIRST, PROPERTIES, 'Get', 'ss', NOTE, 'LockedBy')
    s.call(locker, FIRST, NOTE, 'Edit', 's', 'edited by the locker')
    s.call(locker, FIRST, PROPERTIES, 'Set', 'ssv', NOTE, 'Text', 'set by the locker')
    locker.close()
    spin(lambda: len(got) == 4, 'the end of the lock')
    for line in got:
        s.note(line)
    s.call(c, FIRST, PROPERTIES, 'Get', 'ss', NOTE, 'LockedBy')
    s.call(c, FIRST, NOTE, 'Edit', 's', 'edited')
    # a lock that ends with its note
    locker = s.connect()
    s.call(locker, FIRST, NOTE, 'Lock')
    s.call(locker, FIRST, NOTE, 'Delete')
    locker.close()
    s.call(c, PATH, NOTES, 'List')
    c.close()


@scenario
def there_is_a_limit(s):
    c = s.connect()
    fd = memfd(b'x\n' * 1000)
    got = c.call_blocking(NAME, PATH, NOTES, 'Import', 'h', (dbus.types.UnixFd(fd),))
    os.close(fd)
    s.note(f'{len(got)} {got[-1]}')
    s.call(c, PATH, NOTES, 'Add', 's', 'one too many')
    objects = c.call_blocking(NAME, PATH, MANAGER, 'GetManagedObjects', '', ())
    s.note(len(objects))
    s.note(show_xml(c.call_blocking(NAME, PATH + '/note', INTROSPECTABLE, 'Introspect', '', ())))
    s.call(c, PATH, NOTES, 'Clear')
    s.call(c, PATH, NOTES, 'Add', 's', 'one')
    c.close()


# Gio


def connect_gio(s):
    c = Gio.DBusConnection.new_for_address_sync(
        s.bus.address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT |
        Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
    c.set_exit_on_close(False)
    return c


def properties_of(proxy):
    return {name: proxy.get_cached_property(name).print_(True)
            for name in sorted(proxy.get_cached_property_names() or [])}


@scenario
def gio_proxy(s):
    c = connect_gio(s)
    notes = Gio.DBusProxy.new_sync(c, Gio.DBusProxyFlags.NONE, None, NAME, PATH, NOTES, None)
    s.note(properties_of(notes))
    note = notes.Create('(sa{sv})', 'one', {'Color': GLib.Variant('s', 'red')})
    s.note(note)
    for flags in Gio.DBusProxyFlags.NONE, Gio.DBusProxyFlags.GET_INVALIDATED_PROPERTIES:
        proxy = Gio.DBusProxy.new_sync(c, flags, None, NAME, note, NOTE, None)
        changes = []
        proxy.connect('g-properties-changed',
                      lambda p, changed, gone: changes.append((changed.print_(True), gone)))
        s.note(properties_of(proxy))
        proxy.Edit('(s)', 'edited twice')
        spin(lambda: changes, 'PropertiesChanged')
        spin(lambda: flags == Gio.DBusProxyFlags.NONE or len(changes) > 1, 'the words')
        s.note(changes)
        s.note(properties_of(proxy))
    try:
        proxy.Edit('(s)', '')
    except GLib.Error as e:
        s.note(f'{Gio.DBusError.get_remote_error(e)} {e.message}')
    fd = memfd(b'from gio\n')
    out, fds = c.call_with_unix_fd_list_sync(
        NAME, PATH, NOTES, 'Import', GLib.Variant('(h)', (0,)), None, Gio.DBusCallFlags.NONE, -1,
        Gio.UnixFDList.new_from_array([fd]), None)
    s.note(out.print_(True))
    out, fds = c.call_with_unix_fd_list_sync(
        NAME, PATH, NOTES, 'Export', None, None, Gio.DBusCallFlags.NONE, -1, None, None)
    with os.fdopen(fds.get(out.unpack()[0])) as f:
        s.note(f.read())
    s.service.stop()
    spin(lambda: proxy.get_name_owner() is None, 'the end of the service')
    s.note(properties_of(proxy))
    c.close_sync()


@scenario
def gio_object_manager_client(s):
    c = connect_gio(s)
    add = lambda text: c.call_sync(NAME, PATH, NOTES, 'Add', GLib.Variant('(s)', (text,)), None,
                                   Gio.DBusCallFlags.NONE, -1, None).unpack()[0]
    add('before')
    manager = Gio.DBusObjectManagerClient.new_sync(
        c, Gio.DBusObjectManagerClientFlags.NONE, NAME, PATH, None, None, None)
    events = []

    def objects():
        for o in sorted(manager.get_objects(), key=lambda o: o.get_object_path()):
            for i in sorted(o.get_interfaces(), key=lambda i: i.get_interface_name()):
                s.note(f'{o.get_object_path()} {i.get_interface_name()} {properties_of(i)}')

    def on(name, *what):
        manager.connect(name, lambda m, *args: events.append(
            [name] + [show_gio(a) for a in args]))

    def show_gio(a):
        if isinstance(a, Gio.DBusObject):
            return a.get_object_path() + str([i.get_interface_name() for i in a.get_interfaces()])
        if isinstance(a, Gio.DBusInterface):
            return a.get_interface_name() + str(properties_of(a))
        return a.print_(True) if isinstance(a, GLib.Variant) else str(a)

    for name in 'object-added', 'object-removed', 'interface-added', 'interface-removed', \
            'interface-proxy-properties-changed', 'interface-proxy-signal':
        on(name)
    objects()
    note = add('after')
    spin(lambda: manager.get_object(note), 'the new object')
    proxy = manager.get_interface(note, NOTE)
    proxy.Edit('(s)', 'edited')
    proxy.Lock()
    proxy.Unlock()
    objects()
    proxy.Delete()
    spin(lambda: not manager.get_object(note), 'the end of the object')
    for text in 'one', 'two':
        note = add(text)
    spin(lambda: manager.get_object(note), 'two objects')
    objects()
    s.service.stop()
    spin(lambda: not manager.get_objects(), 'the end of the service')
    s.note(manager.get_name_owner())
    service = s.service = s.start_service()
    spin(lambda: manager.get_name_owner(), 'a new service')
    s.labels[manager.get_name_owner()] = '<second service>'
    note = add('again')
    spin(lambda: manager.get_object(note), 'a new object')
    objects()
    for event in events:
        s.note(' '.join(event))
    c.close_sync()
    service.stop()


# QtDBus


QT = '''
from PyQt5.QtCore import QCoreApplication, QTimer, pyqtSlot, QObject
from PyQt5.QtDBus import QDBusConnection, QDBusInterface, QDBusMessage, QDBusVariant
import sys
app = QCoreApplication([])
bus = QDBusConnection.connectToBus(sys.argv[1], 'test')
NAME, PATH, NOTES, NOTE = sys.argv[2:6]

def show(m):
    if m.type() == QDBusMessage.ErrorMessage:
        return f'{m.errorName()}: {m.errorMessage()}'
    return f'{m.signature()} {m.arguments()}'

class Receiver(QObject):
    @pyqtSlot(QDBusMessage)
    def got(self, m):
        print('signal', m.path(), m.interface(), m.member(), m.arguments(), flush=True)
        if m.member() == 'Deleted':
            app.quit()

r = Receiver()
for path, interface, member in (PATH, NOTES, 'Added'), (PATH, NOTES, 'Deleted'), \\
        ('', 'org.freedesktop.DBus.Properties', 'PropertiesChanged'), \\
        (PATH, 'org.freedesktop.DBus.ObjectManager', 'InterfacesAdded'), \\
        (PATH, 'org.freedesktop.DBus.ObjectManager', 'InterfacesRemoved'):
    print(bus.connect(NAME, path, interface, member, r.got))
notes = QDBusInterface(NAME, PATH, NOTES, bus)
print(notes.isValid())
print(show(notes.call('Create', 'one', {'Color': 'red'})))
note = QDBusInterface(NAME, PATH + '/note/1', NOTE, bus)
properties = QDBusInterface(NAME, PATH + '/note/1', 'org.freedesktop.DBus.Properties', bus)
print(note.isValid(), properties.isValid(), QDBusInterface(NAME, PATH, NOTE, bus).isValid())
for name in 'Text', 'Words', 'Pinned', 'Nonsense':
    print(name, show(properties.call('Get', NOTE, name)))
print(show(properties.call('Set', NOTE, 'Text', QDBusVariant('set by Qt'))))
print(show(properties.call('Set', NOTE, 'Pinned', QDBusVariant(True))))
print(show(properties.call('Set', NOTE, 'Words', QDBusVariant(5))))
values = properties.call('GetAll', NOTE)
print(values.signature(), sorted(values.arguments()[0].items()))
print(show(note.call('Edit', '')), show(note.call('Edit', 'edited')), show(note.call('Nonsense')))
print(show(notes.call('List')))
print(show(note.call('Delete')))
QTimer.singleShot(20000, lambda: app.exit(1))
sys.exit(app.exec())
'''


@scenario
def qt_dbus(s):
    if subprocess.run(['/usr/bin/python3', '-c', 'import PyQt5.QtDBus'],
                      stderr=subprocess.DEVNULL).returncode != 0:
        raise Skip('no python3-pyqt5')
    result = subprocess.run(['/usr/bin/python3', '-c', QT, s.bus.address, NAME, PATH, NOTES, NOTE],
                            env=s.bus.environment(), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=2 * TIMEOUT)
    # the addresses of objects of Python
    s.note(re.sub('0x[0-9a-f]+', '<address>', result.stdout.decode()))
    s.note(f'status {result.returncode}')
    assert result.returncode == 0, result.stdout.decode()


# a browser like d-feet


def browse(s, c, path='/'):
    """Introspects all objects below a path, and gets all that can be got."""
    xml = c.call_blocking(NAME, path, INTROSPECTABLE, 'Introspect', '', ())
    s.note(f'object {path}')
    s.note(show_xml(xml), '  ')
    root = ElementTree.fromstring(xml)
    for interface in root.findall('interface'):
        name = interface.get('name')
        if not is_empty(root) and root.find(f'interface[@name="{PROPERTIES}"]') is not None:
            s.call(c, path, PROPERTIES, 'GetAll', 's', name)
            for item in interface.findall('property'):
                s.call(c, path, PROPERTIES, 'Get', 'ss', name, item.get('name'))
        for item in interface.findall('method'):
            if not item.findall('arg[@direction="in"]') and item.get('name').startswith('Get') and \
                    item.get('name') != 'GetMachineId':
                s.call(c, path, name, item.get('name'))
    for node in sorted(root.findall('node'), key=lambda node: node.get('name')):
        browse(s, c, path.rstrip('/') + '/' + node.get('name'))


@scenario
def browser(s):
    c = s.connect()
    browse(s, c)
    for text in 'one', 'two':
        s.call(c, PATH, NOTES, 'Create', 'sa{sv}', text, {'Color': 'red'})
    browse(s, c)
    s.call(c, FIRST, NOTE, 'Delete')
    browse(s, c)
    s.call(c, PATH, NOTES, 'Clear')
    browse(s, c)
    c.close()


# other users, and the end


@scenario
def other_users(s):
    for uid in None, 65534:
        c = rawbus.Connection(s.bus.address, 'other', uid).authenticate()
        for path, interface, member, signature, *args in (
                (PATH, NOTES, 'Add', 's', 'one'),
                (PATH, NOTES, 'Clear', ''),
                (PATH, NOTES, 'Add', 's', 'two'),
                (PATH + '/note/2', PROPERTIES, 'Get', 'ss', NOTE, 'Pinned'),
                (PATH + '/note/2', PROPERTIES, 'Set', 'ssv', NOTE, 'Text', ('s', 'set')),
                (PATH + '/note/2', PROPERTIES, 'Set', 'ssv', NOTE, 'Pinned', ('b', True)),
                (PATH + '/note/2', PROPERTIES, 'GetAll', 's', NOTE),
                (PATH + '/note/2', NOTE, 'Edit', 's', 'edited'),
                (PATH + '/note/2', INTROSPECTABLE, 'Introspect', ''),
                (PATH, INTROSPECTABLE, 'Introspect', ''),
                (PATH, MANAGER, 'GetManagedObjects', '')):
            m = c.wait_for(c.send(rawbus.call(NAME, path, interface, member, signature, *args)))
            body = [show_xml(a) if str(a).startswith('<') else
                    sorted(a.items()) if isinstance(a, dict) else a for a in m.body]
            s.note(f'{uid} {member} {path} {interface}: {m.error_name} {m.signature} {body}')
        c.close()


other_users.system = True


@scenario
def sigterm_ends_the_service(s):
    c = s.connect()
    got = []
    c.add_signal_receiver(lambda *args, **kw: got.append((kw['member'], show(args))),
                          bus_name=NAME, member_keyword='member')
    c.add_signal_receiver(lambda *args: got.append(args), 'NameOwnerChanged', DBUS, DBUS, arg0=NAME)
    s.call(c, PATH, NOTES, 'Add', 's', 'one')
    s.call(c, FIRST, NOTE, 'Lock')
    s.service.process.send_signal(signal.SIGTERM)
    s.note(f'status {s.service.wait()}')
    spin(lambda: got and got[-1][0] == NAME, 'the end')
    for line in got:
        s.note(line)
    s.note(s.service.process.stdout.read())
    c.close()


@scenario
def sigint_ends_the_service(s):
    s.service.process.send_signal(signal.SIGINT)
    s.note(f'status {s.service.wait()}')
    s.note(s.service.process.stdout.read())


@scenario
def a_second_service_does_not_start(s):
    second = s.start_service()
    s.note(f'status {second.wait()}')
    s.note(second.process.stdout.read().decode())
    s.busctl('call', NAME, PATH, NOTES, 'List')


@scenario
def the_service_ends_with_the_bus(s):
    s.call(s.asker, PATH, NOTES, 'List')
    s.asker.close()
    os.kill(s.bus.pid, signal.SIGKILL)
    s.note(f'status {s.service.wait()}')
    s.note(s.service.process.stdout.read())
    s.bus.process.wait()


@scenario
def without_a_bus_nothing_starts(s):
    environment = clean_environment(DBUS_SESSION_BUS_ADDRESS='unix:path=/nonexistent/bus')
    with Program(s.argv, environment) as service:
        s.note(f'status {service.wait()}')
        # libbus1-dbus says more
        s.note(re.sub(': .*: ', ': ', service.process.stdout.read().decode()))


# what differs


def all_differences_occur(services, client):
    return OCCURRED == set(range(len(DIFFERENCES)))


def lines_of(name):
    with open(os.path.join(SOURCES, name)) as f:
        return [line for line in f.read().splitlines() if line.strip()]


def compare_lines(services, client):
    """The service needs no more lines with libbus1-dbus than with sd-bus."""
    sd_bus, bus1 = (len(lines_of(f'notes-{name}.c')) for name in ('sd-bus', 'bus1'))
    print(f'# lines with sd-bus: {sd_bus}, with libbus1-dbus: {bus1}')
    return bus1 <= sd_bus


def native_clients_get_handles(services, client):
    for argv, handle in zip(services, ('no handle', 'a handle')):
        s = Stage([argv])
        c = s.connect()
        with Program([client], s.bus.environment()) as p:
            p.wait_output(f'{FIRST} has {handle}\n')
            if handle == 'a handle':
                wait_until(lambda: c.call_blocking(NAME, PATH, NOTES, 'List', '', ())[0][1] ==
                           'edited through the handle', 'the text')
                s.call(c, FIRST, NOTE, 'Delete')
                p.wait_output('the note has gone')
            status = p.wait()
        c.close()
        s.end()
        if status != 0:
            return False
    return True


def record(argv, function):
    stage = Stage([argv], getattr(function, 'system', False))
    try:
        function(stage)
    except Skip:
        raise
    except Exception:
        stage.note('EXCEPTION ' + traceback.format_exc())
    finally:
        stage.end()
    return stage.lines


def accept(sd_bus, bus1):
    """The line of libbus1-dbus, if it may differ from that of sd-bus, or else that of sd-bus."""
    for number, (where, before, after) in enumerate(DIFFERENCES):
        at = before.search(sd_bus)
        if where.search(sd_bus) and at and sd_bus[:at.start()] == bus1[:at.start()] and \
                after.match(bus1, at.start()):
            OCCURRED.add(number)
            return bus1
    return sd_bus


def compare(number, function, services):
    name = function.__name__
    if getattr(function, 'system', False) and os.geteuid() != 0:
        print(f'ok {number} - {name} # SKIP only root can be another user')
        return True
    try:
        want, got = (record(argv, function) for argv in services)
    except Skip as reason:
        print(f'ok {number} - {name} # SKIP {reason}')
        return True
    want = [accept(a, b) for a, b in zip(want, got)] + want[len(got):]
    good = want == got and not any('EXCEPTION' in line for line in want)
    print(f'{"ok" if good else "not ok"} {number} - {name} ({len(want)} lines)', flush=True)
    if not good:
        difference = list(difflib.unified_diff(want, got, 'sd-bus', 'libbus1-dbus', lineterm=''))
        print(textwrap.indent('\n'.join(difference or want), '# ', lambda line: True))
    elif 'SHOW' in os.environ:
        print(textwrap.indent('\n'.join(got), '# ', lambda line: True))
    return good


if __name__ == '__main__':
    daemon_under_test()
    services = [os.path.abspath(sys.argv.pop(1)) for _ in range(2)]
    client = os.path.abspath(sys.argv.pop(1))
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    logging.disable(logging.CRITICAL)  # of python3-dbus, about arguments that it cannot send
    sys.stdout.reconfigure(line_buffering=True)
    others = [all_differences_occur, compare_lines, native_clients_get_handles]
    print(f'1..{len(SCENARIOS) + len(others)}')
    wanted = sys.argv[1:] or [f.__name__ for f in SCENARIOS + others]
    results = [compare(number, function, services)
               for number, function in enumerate(SCENARIOS, 1) if function.__name__ in wanted]
    for number, function in enumerate(others, len(SCENARIOS) + 1):
        if function.__name__ in wanted:
            results.append(function(services, client))
            print(f'{"ok" if results[-1] else "not ok"} {number} - {function.__name__}')
    sys.stdout.flush()
    # end at once: connections of the D-Bus bindings must not change the exit status
    os._exit(0 if all(results) else 1)
