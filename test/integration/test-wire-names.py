#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Names on the wire: the order of signals and replies, ownership and queues, the driver's methods.

import os

import rawbus
from rawbus import BUS_PATH, NO_REPLY, bus_call, call, signal
from transcript import main, scenario

NAME = 'com.example.Name'
ALLOW, REPLACE, NO_QUEUE = 1, 2, 4
OWNER_CHANGED = "type='signal',member='NameOwnerChanged'"


@scenario
def hello_is_answered_then_announced(s):
    watcher = s.connect('W')
    s.ask(watcher, bus_call('AddMatch', 's', OWNER_CHANGED))
    a = s.socket('A')
    a.authenticate(hello=False)
    answer = s.hello(a)
    s.see(a, [answer])
    s.show(a, watcher)


@scenario
def second_hello_fails_and_keeps_the_connection(s):
    a = s.connect('A')
    s.ask(a, bus_call('Hello'))
    s.ask(a, bus_call('GetNameOwner', 's', a.unique))


@scenario
def hello_with_arguments_fails_and_may_be_repeated(s):
    a = s.socket('A')
    a.authenticate(hello=False)
    s.see(a, [a.wait_for(a.send(bus_call('Hello', 's', 'x')))])
    s.see(a, [s.hello(a)])


@scenario
def request_name_signals_come_before_its_reply(s):
    watcher, a = s.connect('W'), s.connect('A')
    for c in watcher, a:
        s.ask(c, bus_call('AddMatch', 's', OWNER_CHANGED))
    s.ask(a, bus_call('RequestName', 'su', NAME, 0))
    s.ask(a, bus_call('RequestName', 'su', NAME, 0))
    s.show(watcher)


@scenario
def replacement_tells_the_old_owner_first(s):
    a, b, watcher = s.connect('A'), s.connect('B'), s.connect('W')
    for c in a, b, watcher:
        s.ask(c, bus_call('AddMatch', 's', OWNER_CHANGED))
    s.ask(a, bus_call('RequestName', 'su', NAME, ALLOW))
    s.show(b, watcher)
    s.ask(b, bus_call('RequestName', 'su', NAME, REPLACE))
    s.show(a, b, watcher)
    s.ask(watcher, bus_call('ListQueuedOwners', 's', NAME))


@scenario
def release_hands_over_to_the_queue(s):
    a, b = s.connect('A'), s.connect('B')
    for c in a, b:
        s.ask(c, bus_call('AddMatch', 's', OWNER_CHANGED))
        s.ask(c, bus_call('RequestName', 'su', NAME, 0))
    s.show(a, b)
    s.ask(a, bus_call('ReleaseName', 's', NAME))
    s.show(a, b)
    s.ask(a, bus_call('ReleaseName', 's', NAME))
    s.ask(b, bus_call('ReleaseName', 's', NAME))
    s.ask(b, bus_call('ReleaseName', 's', NAME))


@scenario
def queue_order_follows_requests(s):
    a, b, c, d = (s.connect(n) for n in 'ABCD')
    for x in a, b, c, d:
        s.ask(x, bus_call('RequestName', 'su', NAME, 0))
    s.ask(c, bus_call('RequestName', 'su', NAME, NO_QUEUE))
    s.ask(a, bus_call('ListQueuedOwners', 's', NAME))
    s.ask(c, bus_call('GetNameOwner', 's', NAME))
    s.ask(c, bus_call('NameHasOwner', 's', NAME))
    s.ask(b, bus_call('ReleaseName', 's', NAME))
    s.ask(a, bus_call('ListQueuedOwners', 's', NAME))
    a.close()
    s.show(d)
    s.ask(b, bus_call('ListQueuedOwners', 's', NAME))


@scenario
def ownership_matrix(s):
    for first in range(8):
        for second in range(8):
            name = f'com.example.Name{first}{second}'
            a, b = s.connect('A'), s.connect('B')
            one = a.call('RequestName', 'su', name, first).body[0]
            two = b.call('RequestName', 'su', name, second).body[0]
            queue = b.call('ListQueuedOwners', 's', name).body[0]
            s.note(f'{first} then {second}: {one} {two} {s.label(queue)}')
            a.close()
            b.close()


@scenario
def unknown_request_flags_are_ignored(s):
    a, b = s.connect('A'), s.connect('B')
    s.ask(a, bus_call('RequestName', 'su', NAME, 0xfffffff8))
    s.ask(b, bus_call('RequestName', 'su', NAME, 0xfffffff8 | REPLACE))


@scenario
def failed_replacement_is_appended_to_the_queue(s):
    a, b, c = (s.connect(n) for n in 'ABC')
    s.ask(a, bus_call('RequestName', 'su', NAME, 0))
    s.ask(b, bus_call('RequestName', 'su', NAME, 0))
    s.ask(c, bus_call('RequestName', 'su', NAME, REPLACE))
    s.ask(a, bus_call('ListQueuedOwners', 's', NAME))


@scenario
def disconnect_releases_names_then_answers_waiting_callers(s):
    a, b, watcher = s.connect('A'), s.connect('B'), s.connect('W')
    s.ask(a, bus_call('RequestName', 'su', NAME, 0))
    s.ask(b, bus_call('RequestName', 'su', NAME, 0))
    s.ask(a, bus_call('RequestName', 'su', NAME + '2', 0))
    s.ask(watcher, bus_call('AddMatch', 's', OWNER_CHANGED))
    watcher.send(call(NAME, '/x', 'com.example', 'One'))
    watcher.send(call(a.unique, '/x', 'com.example', 'Two'))
    watcher.send(call(NAME + '2', '/x', 'com.example', 'Quiet', flags=NO_REPLY))
    for _ in range(3):
        s.see(a, [a.receive()])
    a.close()
    # the signal about the unique name is the last one, and the errors follow: wait for both errors
    seen = []
    while sum(m.kind == rawbus.ERROR for m in seen) < 2:
        seen.append(watcher.receive())
    # the order of the well-known names, and the order of the callers, may differ
    names = [m.body[0] for m in seen if m.member == 'NameOwnerChanged']
    s.note(f'unique name last: {names[-1] == a.unique}; errors last: '
           f'{[m.kind for m in seen] == [rawbus.SIGNAL] * 3 + [rawbus.ERROR] * 2}')
    s.see(watcher, sorted(seen, key=lambda m: s.describe(watcher, m)))
    s.show(b, watcher)


@scenario
def become_monitor_answers_then_takes_the_names(s):
    a, watcher, caller = s.connect('A'), s.connect('W'), s.connect('C')
    s.ask(watcher, bus_call('AddMatch', 's', OWNER_CHANGED))
    s.ask(a, bus_call('RequestName', 'su', NAME, 0))
    caller.send(call(NAME, '/x', 'com.example', 'Waiting'))
    s.see(a, [a.receive()])
    serial = a.send(bus_call('BecomeMonitor', 'asu', [], 0, interface=rawbus.BUS + '.Monitoring'))
    s.see(a, [a.wait_for(serial)])
    seen = []
    while sum(m.member == 'NameLost' for m in seen) < 2:
        seen.append(a.receive())
    # the order of the names may differ
    lost = [m for m in seen if m.member == 'NameLost']
    s.see(a, sorted(lost, key=lambda m: m.body))
    s.see(watcher, sorted(watcher.drain(), key=lambda m: s.describe(watcher, m)))
    s.show(caller)
    names = caller.call('ListNames').body[0]
    s.note(f'{NAME in names} {a.unique in names}')


@scenario
def names_of_wrong_syntax_are_refused(s):
    a = s.connect('A')
    for name in ('', 'a', 'a.', '.a', 'a..b', 'a.1', '1.a', 'a-b.c-d', 'a.b_c', 'a.b/c', ':1.1',
                 'a.' + 'b' * 253, 'a.' + 'b' * 254, 'org.freedesktop.DBus',
                 'org.freedesktop.DBus.Local', 'a.b.c', 'ä.b'):
        for member, args in (('RequestName', ('su', name, 0)), ('ReleaseName', ('s', name)),
                             ('NameHasOwner', ('s', name)), ('GetNameOwner', ('s', name)),
                             ('ListQueuedOwners', ('s', name)),
                             ('StartServiceByName', ('su', name, 0))):
            m = a.call(member, *args)
            s.note(f'{member} {name[:20]!r}: {m.error_name or s.label(m.body)}')
            a.take()


@scenario
def the_bus_has_its_own_name(s):
    a = s.connect('A')
    s.ask(a, bus_call('NameHasOwner', 's', rawbus.BUS))
    s.ask(a, bus_call('GetNameOwner', 's', rawbus.BUS))
    s.ask(a, bus_call('GetNameOwner', 's', a.unique))
    s.ask(a, bus_call('ListQueuedOwners', 's', rawbus.BUS))
    s.ask(a, bus_call('ListQueuedOwners', 's', a.unique))
    s.ask(a, bus_call('ListNames'))
    s.note(str(sorted(a.call('ListActivatableNames').body[0])[:1]))
    m = a.call('GetConnectionUnixProcessID', 's', rawbus.BUS)
    s.note(f'bus pid is right: {m.body == (s.bus.pid,)}')
    s.ask(a, bus_call('GetConnectionUnixUser', 's', rawbus.BUS))


@scenario
def credentials(s):
    a = s.connect('A')
    m = a.call('GetConnectionUnixProcessID', 's', a.unique)
    s.note(f'pid is right: {m.body == (os.getpid(),)}')
    s.ask(a, bus_call('GetConnectionUnixUser', 's', a.unique))
    for member in ('GetConnectionUnixProcessID', 'GetConnectionUnixUser', 'GetConnectionCredentials',
                   'GetConnectionSELinuxSecurityContext', 'GetAdtAuditSessionData'):
        s.ask(a, bus_call(member, 's', 'com.example.Nobody'))
        s.ask(a, bus_call(member, 's', ':1.999'))
    s.ask(a, bus_call('GetAdtAuditSessionData', 's', a.unique))
    found = a.call('GetConnectionCredentials', 's', a.unique).body[0]
    s.note(' '.join(k for k in sorted(found) if k not in ('LinuxSecurityLabel', 'ProcessFD')))
    s.note(f"{found['UnixUserID']} {found['ProcessID'] == os.getpid()} {found['UnixGroupIDs']}")


@scenario
def driver_refuses_what_it_does_not_know(s):
    a = s.connect('A')
    s.ask(a, bus_call('Nonsense'))
    s.ask(a, bus_call('Nonsense', interface=None))
    s.ask(a, bus_call('GetId', interface='com.example.Nonsense'))
    s.ask(a, bus_call('Nonsense', interface='org.freedesktop.DBus.Peer'))
    s.ask(a, bus_call('GetNameOwner'))
    s.ask(a, bus_call('GetNameOwner', 'ss', 'a.b', 'c'))
    s.ask(a, bus_call('GetNameOwner', 'o', '/'))
    s.ask(a, bus_call('GetNameOwner', 'u', 1))
    s.ask(a, bus_call('ListNames', 's', 'x'))
    s.ask(a, bus_call('BecomeMonitor', 'asu', [], 1, interface='org.freedesktop.DBus.Monitoring'))
    s.ask(a, bus_call('BecomeMonitor', 'asu', ['nonsense'], 0,
                      interface='org.freedesktop.DBus.Monitoring'))
    s.ask(a, bus_call('BecomeMonitor', 's', 'x', interface='org.freedesktop.DBus.Monitoring'))


@scenario
def driver_needs_no_interface(s):
    a = s.connect('A')
    for member, args in (('Ping', ()), ('NameHasOwner', ('s', 'a.b')),
                         ('Get', ('ss', 'org.freedesktop.DBus', 'Interfaces'))):
        m = a.wait_for(a.send(bus_call(member, *args, interface=None)))
        s.note(f'{member}: {m.error_name or m.signature}')


@scenario
def old_methods_work_on_any_path(s):
    a = s.connect('A')
    for path in ('/', '/org/freedesktop', '/com/example', BUS_PATH):
        for interface, member, args in (
                (rawbus.BUS, 'GetId', ()), (rawbus.BUS, 'ListNames', ()),
                (rawbus.BUS, 'NameHasOwner', ('s', 'a.b')),
                (rawbus.BUS + '.Peer', 'Ping', ()),
                (rawbus.BUS + '.Introspectable', 'Introspect', ()),
                (rawbus.BUS + '.Properties', 'GetAll', ('s', rawbus.BUS)),
                (rawbus.BUS + '.Properties', 'Get', ('ss', rawbus.BUS, 'Features')),
                (rawbus.BUS, 'UpdateActivationEnvironment', ('a{ss}', {}))):
            m = a.wait_for(a.send(bus_call(member, *args, interface=interface, path=path)))
            s.note(f'{path} {member}: {m.error_name or m.signature}')


@scenario
def properties(s):
    a = s.connect('A')
    props = rawbus.BUS + '.Properties'
    for args in (('Get', 'ss', rawbus.BUS, 'Nonsense'), ('Get', 'ss', 'com.example', 'Features'),
                 ('Get', 'ss', '', 'Features'), ('Get', 'ss', rawbus.BUS + '.Peer', 'x'),
                 ('GetAll', 's', rawbus.BUS + '.Peer'), ('GetAll', 's', 'com.example'),
                 ('Set', 'ssv', rawbus.BUS, 'Features', ('s', 'x')),
                 ('Set', 'ssv', rawbus.BUS, 'Nonsense', ('s', 'x')),
                 ('Set', 'ssv', 'com.example', 'x', ('s', 'x'))):
        s.ask(a, bus_call(*args, interface=props))


@scenario
def ping_without_destination_is_for_the_bus_connection(s):
    a = s.connect('A')
    s.ask(a, call(None, '/any', rawbus.BUS + '.Peer', 'Ping'))
    m = a.wait_for(a.send(call(None, '/any', rawbus.BUS + '.Peer', 'GetMachineId')))
    s.note(f'machine id of {len(m.body[0])} digits')
    s.ask(a, call(None, BUS_PATH, rawbus.BUS, 'GetId'))


@scenario
def signals_and_replies_to_the_bus_are_swallowed(s):
    a = s.connect('A')
    a.send(signal('/x', 'com.example', 'Sig', destination=rawbus.BUS))
    a.send(rawbus.Message(rawbus.RETURN, {rawbus.REPLY_SERIAL: 77, rawbus.DESTINATION: rawbus.BUS}))
    a.send(rawbus.Message(rawbus.RETURN, {rawbus.REPLY_SERIAL: 77}))
    a.send(rawbus.Message(rawbus.ERROR, {rawbus.REPLY_SERIAL: 77, rawbus.ERROR_NAME: 'a.b'}))
    s.show(a)


@scenario
def driver_calls_without_reply(s):
    a, watcher = s.connect('A'), s.connect('W')
    s.ask(watcher, bus_call('AddMatch', 's', OWNER_CHANGED))
    for message in (bus_call('AddMatch', 's', OWNER_CHANGED, flags=NO_REPLY),
                    bus_call('Ping', interface=rawbus.BUS + '.Peer', flags=NO_REPLY),
                    bus_call('RequestName', 'su', NAME, 0, flags=NO_REPLY),
                    bus_call('NameHasOwner', 's', NAME, flags=NO_REPLY),
                    bus_call('GetNameOwner', 's', 'a.nobody', flags=NO_REPLY)):
        a.send(message)
    s.show(a, watcher)


@scenario
def activatable_names_without_service_file(s):
    a = s.connect('A')
    s.ask(a, bus_call('RequestName', 'su', NAME, 0))
    for flags in 0, 0xffffffff:
        s.ask(a, bus_call('StartServiceByName', 'su', 'com.example.Nobody', flags))
    s.ask(a, bus_call('StartServiceByName', 'su', NAME, 0))


@scenario
def reload_is_answered_after_its_signal(s):
    a, watcher = s.connect('A'), s.connect('W')
    s.ask(watcher, bus_call('AddMatch', 's', "member='ActivatableServicesChanged'"))
    s.ask(a, bus_call('ReloadConfig', path='/'))
    s.show(watcher)


@scenario
def what_follows_a_reload_is_heard_after_it(s):
    a, watcher = s.connect('A'), s.connect('W')
    s.ask(watcher, bus_call('AddMatch', 's', "member='ActivatableServicesChanged'"))
    for message in (bus_call('ReloadConfig', flags=NO_REPLY),
                    call(watcher.unique, '/', 'a.b', 'Reloaded', flags=NO_REPLY),
                    bus_call('ReloadConfig'),
                    bus_call('RequestName', 'su', NAME, 0)):
        a.send(message)
    s.show(a, watcher)


@scenario
def name_queue_survives_a_waiting_client_leaving(s):
    a, b, c = (s.connect(n) for n in 'ABC')
    for x in a, b, c:
        x.call('RequestName', 'su', NAME, 0)
        x.take()
    b.close()
    waited = a.call('ListQueuedOwners', 's', NAME).body[0]
    while len(waited) != 2:
        waited = a.call('ListQueuedOwners', 's', NAME).body[0]
    s.note(s.label(waited))
    a.close()
    s.see(c, [c.receive()])


NAMED = 'every answer names its receiver'
QUIET = 'the spec wants NO_REPLY_EXPECTED respected for calls to the bus as well'

DIFFERENCES = {
    'ping_without_destination_is_for_the_bus_connection': [
        ('  A: reply to Ping () broadcast', ['  A: reply to Ping ()'], NAMED),
        ('  A: error to GetId org.freedesktop.DBus.Error.UnknownMethod broadcast',
         ['  A: error to GetId org.freedesktop.DBus.Error.UnknownMethod'], NAMED),
    ],
    'failed_replacement_is_appended_to_the_queue': [
        ("  A: reply to ListQueuedOwners as([<A>, <C>, <B>])",
         ["  A: reply to ListQueuedOwners as([<A>, <B>, <C>])"],
         'the reference lets a failed replacement jump the queue; the specification appends it'),
    ],
    'what_follows_a_reload_is_heard_after_it': [
        ("  A: reply to ReloadConfig ()", [], QUIET),
    ],
    'driver_calls_without_reply': [
        ("  A: reply to RequestName u(1)", [], QUIET),
        ("  A: reply to NameHasOwner b(True)", [], QUIET),
        ("  A: error to GetNameOwner org.freedesktop.DBus.Error.NameHasNoOwner", [],
         QUIET),
    ],
}

if __name__ == '__main__':
    main(DIFFERENCES)
