#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The driver on the wire: its headers, paths and interfaces, privileges, credentials, statistics.

import os
import re

import rawbus
from rawbus import (BUS, BUS_PATH, INTERACTIVE, MEMBER, NO_AUTO_START, PATH, SIGNATURE, Message,
                    bus_call, call, signal)
from transcript import ANY, main, not_under_valgrind, scenario, scenario_with

NAME = 'com.example.Name'
MONITORING, STATS = BUS + '.Monitoring', BUS + '.Debug.Stats'
PROPERTIES, PEER = BUS + '.Properties', BUS + '.Peer'
INTROSPECTABLE = BUS + '.Introspectable'
NOBODY = 65534
EVERYBODY = '  <policy context="default"><allow user="*"/></policy>\n'


def result(m):
    return m.error_name or f'{m.signature} {m.body!r}'


# headers


@scenario
def headers_of_what_the_bus_says(s):
    a = s.connect('A')
    serials = []
    for order in '<>':
        for m in (bus_call('GetId'), bus_call('AddMatch', 's', "member='X'"),
                  bus_call('GetNameOwner', 's', 'a.nobody'),
                  bus_call('RequestName', 'su', NAME + str(len(serials)), 0)):
            m.order = order
            answer = a.wait_for(a.send(m))
            for got in a.take() + [answer]:
                s.note(f'{m.member} {got.kind}: {got.sender} {got.destination == a.unique} '
                       f'{got.path} {got.interface} {got.flags} {got.version} {got.order} '
                       f'{SIGNATURE in got.fields} {sorted(got.fields)}')
                serials.append(got.serial)
    s.note(f'{all(serials)} {sorted(set(serials)) == serials}')


@scenario
def flags_to_the_bus(s):
    a, b = s.connect('A'), s.connect('B')
    for flags in (NO_AUTO_START, INTERACTIVE, 0xf8):
        s.ask(a, bus_call('NameHasOwner', 's', 'a.b', flags=flags))
        a.send(call(b.unique, '/x', 'com.example', 'M', flags=flags))
        s.see(b, [b.receive()])


@scenario
def calls_are_answered_in_their_order(s):
    a = s.connect('A')
    sent = [a.send(m) for _ in range(50) for m in
            (bus_call('GetId'), bus_call('GetNameOwner', 's', 'a.nobody'),
             bus_call('Ping', interface=PEER), bus_call('NameHasOwner', 's', BUS))]
    s.note(str([a.receive().reply_serial for _ in sent] == sent))


@scenario
def other_types_to_others(s):
    a, b = s.connect('A'), s.connect('B')
    a.send(Message(5, {PATH: '/x', MEMBER: 'M', rawbus.DESTINATION: b.unique}))
    s.show(a, b)


@scenario
def unique_names_count_up(s):
    a, b = s.connect('A'), s.connect('B')
    b.close()
    c = s.connect('C')
    s.note(f'{a.unique} {b.unique} {c.unique}')


# paths and interfaces


@scenario
def newer_interfaces_are_on_the_canonical_path_only(s):
    a = s.connect('A')
    for path in ('/', '/org/freedesktop', '/x'):
        for interface, member, args in (
                (MONITORING, 'BecomeMonitor', ('asu', [], 0)), (STATS, 'GetStats', ()),
                (STATS, 'GetAllMatchRules', ()), (PROPERTIES, 'GetAll', ('s', BUS)),
                (PROPERTIES, 'Set', ('ssv', BUS, 'Features', ('s', 'x'))),
                (BUS, 'UpdateActivationEnvironment', ('a{ss}', {})),
                (BUS, 'GetConnectionCredentials', ('s', BUS)), (BUS, 'RequestName', ('su', NAME, 0)),
                (PEER, 'GetMachineId', ()), ('com.example', 'M', ()), (BUS, 'Nonsense', ()),
                (PEER, 'Nonsense', ())):
            m = a.call(member, *args, interface=interface, path=path)
            n = a.call(member, *args, interface=None, path=path)
            a.take()
            s.note(f'{path} {member}: {m.error_name or m.signature} {n.error_name or n.signature}')


@scenario
def absent_interfaces_are_unknown(s):
    a = s.connect('A')
    for interface, member in ((BUS + '.Containers1', 'AddServer'),
                              (BUS + '.Verbose', 'EnableVerbose'), ('org.bus1.DBus.Name', 'X')):
        s.ask(a, bus_call(member, interface=interface))
        s.ask(a, bus_call('GetAll', 's', interface, interface=PROPERTIES))


@scenario
def methods_without_interface(s):
    a = s.connect('A')
    for member, args in (('GetId', ()), ('Introspect', ()), ('GetAll', ('s', BUS)),
                         ('GetStats', ()), ('GetMachineId', ()), ('Nonsense', ()),
                         ('BecomeMonitor', ('asu', ['x'], 0)), ('BecomeMonitor', ('asu', [], 0))):
        m = a.wait_for(a.send(bus_call(member, *args, interface=None)))
        s.note(f'{member}: {m.error_name or m.signature}')


@scenario
def peer_takes_no_arguments(s):
    a = s.connect('A')
    s.ask(a, bus_call('Ping', 's', 'x', interface=PEER))
    s.ask(a, bus_call('Ping', interface=PEER, path='/any'))
    m = a.call('GetMachineId', interface=PEER)
    s.note(str(re.fullmatch('[0-9a-f]{32}', m.body[0]) is not None))
    with open('/var/lib/dbus/machine-id') as f:
        s.note(str(f.read().strip() == m.body[0]))


def described(xml):
    """The content of introspection data: interfaces with their members, and the nodes below."""
    parts = []
    for interface in re.findall(r'<interface name="([^"]*)">', xml):
        if interface.startswith('org.bus1.Bridge1'):
            continue  # only this bus has it, not the reference
        inner = re.search(rf'<interface name="{interface}">(.*?)</interface>', xml, re.S).group(1)
        parts.append(interface + ': ' + ' '.join(sorted(
            f'{kind} {name}' for kind, name in
            re.findall(r'<(method|signal|property) name="(\w+)"', inner))))
    return parts, re.findall(r'<node name="([^"]*)"/>', xml)


@scenario
def introspection_says_what_is_there(s):
    a = s.connect('A')
    for path in (BUS_PATH, '/', '/x'):
        xml = a.call('Introspect', interface=INTROSPECTABLE, path=path).body[0]
        interfaces, nodes = described(xml)
        s.note(f'{path}: {xml.startswith("<!DOCTYPE node PUBLIC")} {nodes}')
        for line in sorted(interfaces):
            s.note('  ' + line)


@scenario
def introspection_of_the_way_to_the_object(s):
    a = s.connect('A')
    for path in ('/org', '/org/freedesktop'):
        xml = a.call('Introspect', interface=INTROSPECTABLE, path=path).body[0]
        s.note(f'{path}: {described(xml)[1]}')


@scenario
def features_and_interfaces(s):
    a = s.connect('A')
    for name in ('Features', 'Interfaces'):
        m = a.call('Get', 'ss', BUS, name, interface=PROPERTIES)
        s.note(f'{name}: {m.signature} {m.body}')
    m = a.call('GetAll', 's', BUS, interface=PROPERTIES)
    s.note(f'{m.signature} {sorted(m.body[0])}')
    for interface in (MONITORING, PEER, STATS):
        for member, args in (('Get', ('ss', interface, 'x')), ('GetAll', ('s', interface)),
                             ('Set', ('ssv', interface, 'x', ('s', 'x')))):
            m = a.call(member, *args, interface=PROPERTIES)
            s.note(f'{member} {interface}: {result(m)}')


# privileges


@scenario_with(EVERYBODY)
def privileges(s):
    if os.getuid() != 0:
        return
    a = s.connect('A', uid=NOBODY)
    for interface, member, args in (
            (MONITORING, 'BecomeMonitor', ('asu', [], 0)),
            (MONITORING, 'BecomeMonitor', ('asu', ['nonsense'], 0)),
            (BUS, 'UpdateActivationEnvironment', ('a{ss}', {'A': 'b'})),
            (BUS, 'UpdateActivationEnvironment', ('as', [])),
            (BUS, 'AddMatch', ('s', "eavesdrop='true'")),
            (BUS, 'AddMatch', ('s', "eavesdrop='false'")),
            (BUS, 'ReloadConfig', ()), (STATS, 'GetStats', ()), (STATS, 'GetAllMatchRules', ()),
            (BUS, 'GetConnectionUnixUser', ('s', a.unique)),
            (BUS, 'GetConnectionUnixUser', ('s', BUS))):
        m = a.call(member, *args, interface=interface)
        a.take()
        s.note(f'{member}: {m.error_name or m.signature}')
    s.note(str(a.call('GetConnectionUnixUser', 's', a.unique).body))


@scenario
def users_of_other_buses_are_not_let_in(s):
    if os.getuid() != 0:
        return
    a = s.socket('A', uid=NOBODY)
    uid = str(NOBODY).encode().hex().encode()
    a.send_raw(b'\0AUTH EXTERNAL ' + uid + b'\r\n')
    s.note(a.line()[:3])
    hello = bus_call('Hello')
    hello.serial = 1
    a.send_raw(b'BEGIN\r\n' + hello.encode())
    s.see(a, a.until_closed() + [None])


@scenario
def activation_environment(s):
    a = s.connect('A')
    for variables in ({}, {'A': 'b'}, {'': 'empty'}, {'A=B': 'x'}, {'A': ''}):
        s.ask(a, bus_call('UpdateActivationEnvironment', 'a{ss}', variables))
    s.ask(a, bus_call('UpdateActivationEnvironment', 'a{sv}', {}))
    s.ask(a, bus_call('UpdateActivationEnvironment', 'a{ss}', {}, path='/'))


@scenario
def an_activation_environment_without_bound(s):
    a = s.connect('A')

    def update(**variables):
        m = a.call('UpdateActivationEnvironment', 'a{ss}', variables)
        return (m.error_name or 'ok').rpartition('.')[2]

    s.note('one: ' + update(A='x' * 130000) + ' ' + update(A='x' * 131072))
    s.note('again: ' + ' '.join({update(A='x' * 100000) for _ in range(12)}))
    s.note('others: ' + ' '.join(update(**{f'B{i}': 'x' * 100000}) for i in range(11)))
    s.note('names: ' + update(**{f'V{i}': '' for i in range(5000)}))
    s.note('less: ' + update(A='x') + ' ' + update(V0='x' * 90000))


@scenario_with('  <servicehelper>/bin/false</servicehelper>\n')
def activation_environment_of_a_bus_with_helper(s):
    a = s.connect('A')
    s.ask(a, bus_call('UpdateActivationEnvironment', 'a{ss}', {'A': 'b'}))


@scenario
def activation_failures_of_others_are_ignored(s):
    a, b = s.connect('A'), s.connect('B')
    a.send(signal('/org/freedesktop/DBus', 'org.freedesktop.systemd1.Activator',
                  'ActivationFailure', 'sss', 'x.service', 'com.example.E', 'text',
                  destination=BUS))
    s.show(a, b)


SYSTEM_LIKE = '''  <policy context="default">
    <deny own="*"/><deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/><allow receive_type="method_return"/>
    <allow receive_type="error"/><allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.DBus"
           send_interface="org.freedesktop.DBus.Introspectable"/>
    <allow send_destination="org.freedesktop.DBus"
           send_interface="org.freedesktop.DBus.Properties"/>
    <deny send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"
          send_member="UpdateActivationEnvironment"/>
  </policy>
'''


@scenario_with(SYSTEM_LIKE)
def policy_comes_before_everything_else(s):
    a = s.connect('A')
    for m in (bus_call('Ping', interface=PEER), bus_call('X', interface='com.example'),
              bus_call('GetId'), bus_call('GetId', interface=None), bus_call('Nonsense'),
              bus_call('Introspect', interface=INTROSPECTABLE, path='/x'),
              bus_call('GetAll', 's', BUS, interface=PROPERTIES, path='/x'),
              bus_call('GetStats', interface=STATS),
              bus_call('UpdateActivationEnvironment', 'a{ss}', {}),
              bus_call('BecomeMonitor', 'asu', [], 0, interface=MONITORING)):
        answer = a.wait_for(a.send(m))
        s.note(f'{m.interface} {m.member}: {answer.error_name or answer.signature}')
    s.ask(a, bus_call('RequestName', 'su', NAME, 0))


@scenario_with('  <limit name="max_names_per_connection">2</limit>\n'
               '  <policy context="default"><deny own="com.example.Denied"/>'
               '<deny own="org.freedesktop.DBus"/></policy>\n')
def order_of_checks_of_a_name(s):
    a, b = s.connect('A'), s.connect('B')
    s.ask(b, bus_call('RequestName', 'su', NAME + '2', 0))
    for name in (NAME, NAME, NAME + '2', 'com.example.Denied', BUS, 'not valid'):
        s.ask(a, bus_call('RequestName', 'su', name, 0))


# names again


@scenario
def asking_again_replaces_the_flags(s):
    a, b, c = (s.connect(n) for n in 'ABC')
    s.ask(a, bus_call('RequestName', 'su', NAME, 0))
    s.ask(b, bus_call('RequestName', 'su', NAME, 0))
    s.ask(a, bus_call('RequestName', 'su', NAME, 1))
    s.ask(c, bus_call('RequestName', 'su', NAME, 2))
    s.show(a, b)
    s.ask(a, bus_call('ListQueuedOwners', 's', NAME))
    s.ask(b, bus_call('RequestName', 'su', NAME, 4))
    s.ask(a, bus_call('RequestName', 'su', NAME, 0))
    s.ask(a, bus_call('ListQueuedOwners', 's', NAME))
    s.ask(c, bus_call('ReleaseName', 's', NAME))
    s.show(a, b, c)


@scenario
def replacement_is_not_remembered(s):
    a, b = s.connect('A'), s.connect('B')
    s.ask(a, bus_call('RequestName', 'su', NAME, 0))
    s.ask(b, bus_call('RequestName', 'su', NAME, 2))
    s.ask(a, bus_call('RequestName', 'su', NAME, 1))
    s.show(a, b)


@scenario
def names_are_there_when_their_owner_is_announced(s):
    a, b = s.connect('A'), s.connect('B')
    b.call('AddMatch', 's', f"member='NameOwnerChanged',arg0='{NAME}'")
    b.take()
    a.send(bus_call('RequestName', 'su', NAME, 0))
    s.see(b, [b.receive()])
    b.send(call(NAME, '/x', 'com.example', 'M'))
    while True:
        got = a.receive()
        s.see(a, [got])
        if got.member == 'M':
            break


# credentials


def shown(found, s):
    out = []
    for key, value in sorted(found.items()):
        if key == 'ProcessID':
            value = {os.getpid(): 'own', s.bus.pid: 'bus'}.get(value, value)
        elif key == 'LinuxSecurityLabel':
            value = f'ends with nul: {value[-1] == 0}, {value.count(0)}'
        elif key == 'UnixGroupIDs':
            value = value == sorted(set(os.getgroups()) | {os.getgid()})
        elif key == 'UnixUserID':
            value = 'own' if value == os.getuid() else value
        out.append(f'{key}={value}')
    return ' '.join(out)


@scenario
def credentials_of_a_connection(s):
    a, b = s.connect('A'), s.connect('B')
    b.call('RequestName', 'su', NAME, 0)
    for name in (a.unique, NAME):
        m = a.call('GetConnectionCredentials', 's', name)
        s.note(shown(m.body[0], s))
    s.ask(a, bus_call('GetConnectionCredentials', 's', ''))
    s.ask(a, bus_call('GetConnectionCredentials', 's', 'not a name'))


@scenario
def credentials_of_the_bus(s):
    a = s.connect('A')
    s.note(shown(a.call('GetConnectionCredentials', 's', BUS).body[0], s))


@not_under_valgrind('it knows no pidfd_open')
@scenario
def credentials_with_a_process_descriptor(s):
    a, b = s.connect('A', fds=True), s.connect('B')
    for name in (b.unique, BUS):
        m = a.call('GetConnectionCredentials', 's', name)
        fd = m.body[0].get('ProcessFD')
        if fd is None:
            s.note('no descriptor')
        else:
            with open(f'/proc/self/fdinfo/{m.fds[fd]}') as f:
                pid = int(re.search(r'^Pid:\s*(\d+)', f.read(), re.M).group(1))
            s.note(f'{len(m.fds)} descriptor of the pid: {pid == m.body[0]["ProcessID"]}')
    m = b.call('GetConnectionCredentials', 's', a.unique)
    s.note(f'without descriptors: {"ProcessFD" in m.body[0]}')


# statistics


@scenario
def statistics_of_the_bus(s):
    a, b = s.connect('A'), s.connect('B')
    s.socket('C')
    for rule in ("member='A'", "member='A'", "member='B'"):
        b.call('AddMatch', 's', rule)
    b.call('RemoveMatch', 's', "member='B'")
    for name in (NAME, NAME + '2'):
        b.call('RequestName', 'su', name, 0)
    a.call('RequestName', 'su', NAME, 0)
    b.call('ReleaseName', 's', NAME + '2')
    for _ in range(2):
        m = a.call('GetStats', interface=STATS)
        s.note(m.signature + ' ' + ' '.join(f'{k}={v}' for k, v in sorted(m.body[0].items())
                                            if not k.startswith('ListMemPool')))
    s.ask(a, bus_call('GetStats', 's', 'x', interface=STATS))


@scenario
def statistics_of_a_connection(s):
    a, b = s.connect('A', fds=True), s.connect('B')
    for rule in ("member='A'", "member='A'", "member='B'"):
        b.call('AddMatch', 's', rule)
    b.call('RemoveMatch', 's', "member='B'")
    b.call('RequestName', 'su', NAME, 0)
    for name in (b.unique, NAME, a.unique):
        m = a.call('GetConnectionStats', 's', name, interface=STATS)
        found = m.body[0]
        s.note(m.signature + ' ' + ' '.join(
            f'{k}={s.label(v)}' for k, v in sorted(found.items())
            if k not in ('PeakIncomingBytes', 'PeakOutgoingBytes', 'IncomingBytes')
            and not k.startswith('User')))
        s.note(f'{found["PeakIncomingBytes"] > 0} {found["PeakOutgoingBytes"] > 0} '
               f'{"IncomingBytes" in found}')
    for name in (BUS, 'com.example.Nobody', ':1.999', ''):
        s.ask(a, bus_call('GetConnectionStats', 's', name, interface=STATS))
    s.ask(a, bus_call('GetConnectionStats', interface=STATS))


@scenario
def match_rules_of_all(s):
    a, b = s.connect('A'), s.connect('B')
    for rule in ("member='M',type='signal',interface='com.example'", "arg1='b',arg0='a'",
                 "arg10='x',arg2='y',path_namespace='/a',sender='a.b',destination=':1.5'",
                 r"arg0='it'\''s'", "", "", "eavesdrop='true'", "eavesdrop='false'",
                 "arg0namespace='a.b'", "arg3path='/a/',path='/'", "type='method_call'",
                 "type='error'", "type='method_return'", "arg0=a\\b"):
        m = b.call('AddMatch', 's', rule)
        assert not m.error_name, rule
    m = a.call('GetAllMatchRules', interface=STATS)
    s.note(m.signature)
    for name, rules in sorted(m.body[0].items()):
        for rule in sorted(rules) or ['none']:
            s.note(f'{s.label(name)}: {rule}')


NEWER = 'known since dbus 1.15 and dbus-broker 34'

DIFFERENCES = {
    'an_activation_environment_without_bound': [
        (ANY, ['one: ok LimitsExceeded', 'again: ok',
               'others: ' + 9 * 'ok ' + 'LimitsExceeded LimitsExceeded', 'names: LimitsExceeded',
               'less: ok ok'],
         'nothing that a client says may let the bus grow without bound'),
    ],
    'other_types_to_others': [
        ('  A: error to M org.freedesktop.DBus.Error.AccessDenied', [],
         'the specification wants types that are not known ignored'),
    ],
    'features_and_interfaces': [
        ("Interfaces: v (['org.freedesktop.DBus.Monitoring', "
         "'org.freedesktop.DBus.Debug.Stats'],)",
         ["Interfaces: v (['org.freedesktop.DBus.Monitoring', 'org.freedesktop.DBus.Debug.Stats', "
          "'org.bus1.Bridge1.Policy', 'org.bus1.Bridge1.Manager', "
          "'org.bus1.Bridge1'],)"], 'our own interfaces'),
    ],
    'credentials_of_the_bus': [
        ('ProcessID=bus UnixUserID=own', ['ProcessID=bus UnixGroupIDs=True UnixUserID=own'],
         'the groups of the bus are known as well'),
    ],
    'credentials_with_a_process_descriptor': [
        ('no descriptor', ['1 descriptor of the pid: True'], NEWER),
        ('no descriptor', ['1 descriptor of the pid: True'], NEWER),
    ],
}

if __name__ == '__main__':
    main(DIFFERENCES)
