#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Policy and limits on the wire: the errors when a rule of the default context refuses a message.

import rawbus
from rawbus import NO_REPLY, bus_call, call, signal
from transcript import main, scenario_with

NAME = 'com.example.Name'
MONITORING = rawbus.BUS + '.Monitoring'


def policy(*rules):
    return '  <policy context="default">' + ''.join(f'<{r}/>' for r in rules) + '</policy>\n'


def limits(**values):
    return ''.join(f'  <limit name="{k}">{v}</limit>\n' for k, v in values.items())


@scenario_with(policy('deny own="com.example.Denied"', 'deny own_prefix="com.example.prefix"'))
def owning_is_refused(s):
    a = s.connect('A')
    for name in ('com.example.Denied', 'com.example.Denied.Sub', 'com.example.prefix',
                 'com.example.prefix.Sub', 'com.example.prefixed', NAME):
        s.ask(a, bus_call('RequestName', 'su', name, 0))


@scenario_with(policy('deny send_interface="com.example.Denied"'))
def sending_calls_is_refused(s):
    a, b = s.connect('A'), s.connect('B')
    s.ask(a, call(b.unique, '/x', 'com.example.Denied', 'M'))
    a.send(call(b.unique, '/x', 'com.example.Allowed', 'M'))
    s.show(b)


@scenario_with(policy('deny send_interface="com.example.Denied"'))
def sending_signals_is_refused(s):
    a, b = s.connect('A'), s.connect('B')
    b.call('AddMatch', 's', '')
    b.take()
    a.send(signal('/x', 'com.example.Denied', 'Broadcast'))
    a.send(signal('/x', 'com.example.Denied', 'Unicast', destination=b.unique))
    a.send(call(b.unique, '/x', 'com.example.Denied', 'Quiet', flags=NO_REPLY))
    a.send(signal('/x', 'com.example.Allowed', 'Broadcast'))
    s.show(a, b)


@scenario_with(policy('deny send_interface="com.example.Denied"'))
def calls_without_interface_do_not_get_around_a_rule(s):
    a, b = s.connect('A'), s.connect('B')
    s.ask(a, call(b.unique, '/x', None, 'M'))


@scenario_with(policy('deny send_destination="com.example.Name"'))
def destination_rules_hold_for_the_owner_by_any_name(s):
    a, b = s.connect('A'), s.connect('B')
    b.call('RequestName', 'su', NAME, 0)
    b.take()
    s.ask(a, call(NAME, '/x', 'com.example', 'M'))
    s.ask(a, call(b.unique, '/x', 'com.example', 'M'))
    b.call('ReleaseName', 's', NAME)
    b.take()
    a.send(call(b.unique, '/x', 'com.example', 'After'))
    s.show(b)


@scenario_with(policy('deny send_destination="com.example.Name"'))
def destination_rules_hold_for_queued_owners(s):
    a, b, c = (s.connect(n) for n in 'ABC')
    for x in c, b:
        x.call('RequestName', 'su', NAME, 0)
        x.take()
    s.ask(a, call(b.unique, '/x', 'com.example', 'M'))


@scenario_with(policy('deny receive_interface="com.example.Denied"'))
def receiving_is_refused(s):
    a, b = s.connect('A'), s.connect('B')
    b.call('AddMatch', 's', '')
    b.take()
    s.ask(a, call(b.unique, '/x', 'com.example.Denied', 'M'))
    a.send(signal('/x', 'com.example.Denied', 'Broadcast'))
    a.send(signal('/x', 'com.example.Allowed', 'Broadcast'))
    s.show(a, b)


@scenario_with(policy('deny receive_interface="org.freedesktop.DBus" '
                      'receive_member="NameAcquired"'))
def the_bus_is_subject_to_receive_rules(s):
    a = s.socket('A')
    a.authenticate(hello=False)
    s.see(a, [s.hello(a)])
    s.ask(a, bus_call('RequestName', 'su', NAME, 0))
    s.show(a)


@scenario_with(policy('deny send_path="/denied"', 'deny send_type="signal" send_path="/signal"',
                      'deny send_member="Denied" send_interface="com.example"',
                      'allow send_path="/denied" send_member="Exception" '
                      'send_interface="com.example"'))
def rules_by_path_type_and_member(s):
    a, b = s.connect('A'), s.connect('B')
    b.call('AddMatch', 's', "interface='com.example'")
    b.take()
    for path, member in (('/denied', 'M'), ('/denied', 'Exception'), ('/x', 'Denied'),
                         ('/signal', 'M'), ('/x', 'M')):
        a.send(call(b.unique, path, 'com.example', member))
        a.send(signal(path, 'com.example', member))
    s.show(a, b)


@scenario_with(policy('deny send_broadcast="true" send_interface="com.example"'))
def rules_by_broadcast(s):
    a, b = s.connect('A'), s.connect('B')
    b.call('AddMatch', 's', "interface='com.example'")
    b.take()
    a.send(signal('/x', 'com.example', 'Broadcast'))
    a.send(signal('/x', 'com.example', 'Unicast', destination=b.unique))
    s.show(a, b)


@scenario_with(policy('deny send_interface="com.example.Denied"',
                      'deny receive_interface="com.example.Unheard"'))
def monitors_see_what_is_refused(s):
    a, b, m = s.connect('A'), s.connect('B'), s.connect('M')
    b.call('AddMatch', 's', '')
    b.take()
    m.call('BecomeMonitor', 'asu', [], 0, interface=MONITORING)
    a.send(signal('/x', 'com.example.Denied', 'Broadcast'))
    a.wait_for(a.send(call(b.unique, '/x', 'com.example.Denied', 'Call')))
    a.wait_for(a.send(call(b.unique, '/x', 'com.example.Unheard', 'Call')))
    a.send(signal('/x', 'com.example.Unheard', 'Broadcast'))
    a.send(signal('/x', 'com.example', 'Last'))
    for serial, member in a.sent.items():
        m.sent[serial] = member
    while True:
        got = m.receive()
        if got.member == 'Last':
            break
        if got.destination != m.unique and got.member != 'NameOwnerChanged':
            s.see(m, [got])


@scenario_with(limits(max_names_per_connection=3))
def limit_of_names(s):
    a = s.connect('A')
    for i in range(4):
        s.ask(a, bus_call('RequestName', 'su', f'{NAME}{i}', 0))
    s.ask(a, bus_call('ReleaseName', 's', NAME + '0'))
    s.ask(a, bus_call('RequestName', 'su', NAME + '3', 0))


@scenario_with(limits(max_match_rules_per_connection=3))
def limit_of_match_rules(s):
    a = s.connect('A')
    for i in range(4):
        s.ask(a, bus_call('AddMatch', 's', f"member='M{i % 2}'"))
    s.ask(a, bus_call('RemoveMatch', 's', "member='M0'"))
    s.ask(a, bus_call('AddMatch', 's', "member='M3'"))


@scenario_with(limits(max_replies_per_connection=2))
def limit_of_pending_replies(s):
    a, b = s.connect('A'), s.connect('B')
    for i in range(3):
        a.send(call(b.unique, '/x', 'com.example', f'M{i}'))
    s.show(a, b)


@scenario_with(limits(max_completed_connections=2))
def limit_of_connections(s):
    a, b = s.connect('A'), s.connect('B')
    c = s.socket('C')
    c.authenticate(hello=False)
    s.see(c, [c.wait_for(c.send(bus_call('Hello')))])
    s.show(a, b)


@scenario_with(limits(max_message_size=2000))
def limit_of_message_size(s):
    a, b = s.connect('A'), s.connect('B')
    a.send(call(b.unique, '/x', 'com.example', 'M', 's', 'x' * 1700))
    s.see(b, [b.receive()] and [])
    a.send(call(b.unique, '/x', 'com.example', 'M', 's', 'x' * 2000))
    s.see(a, a.until_closed() + [None])


@scenario_with(limits(max_message_unix_fds=2))
def limit_of_descriptors(s):
    a, b = s.connect('A', fds=True), s.connect('B', fds=True)
    with open('/dev/null', 'rb') as f:
        a.send(call(b.unique, '/x', 'com.example', 'M'), [f.fileno()] * 2)
        s.see(b, [b.receive()])
        a.send(call(b.unique, '/x', 'com.example', 'M'), [f.fileno()] * 3)
        s.see(a, a.until_closed() + [None])


@scenario_with(limits(reply_timeout=100))
def reply_time_limit(s):
    a, b = s.connect('A'), s.connect('B')
    a.send(call(b.unique, '/x', 'com.example', 'M'))
    got = b.receive()
    s.see(a, [a.receive()])
    s.note(str(got.member))


@scenario_with(limits(auth_timeout=200))
def authentication_time_limit(s):
    a = s.socket('A')
    a.until_closed()
    b = s.socket('B')
    b.authenticate(hello=False)
    b.until_closed()
    s.note('both closed')


@scenario_with(limits(max_outgoing_bytes=20000, max_replies_per_connection=50000))
def full_receiver_gives_limits_exceeded(s):
    a, b = s.connect('A'), s.connect('B')
    # b does not read: the buffers of its socket fill first, then its queue in the bus
    errors = []
    for _ in range(40):
        for _ in range(20):
            a.send(call(b.unique, '/x', 'com.example', 'M', 's', 'x' * 1000))
        errors += a.drain()
    s.note(str({m.error_name for m in errors}))
    # when b reads again, it gets all messages that the bus did not refuse, and later ones
    for _ in range(40 * 20 - len(errors)):
        b.receive()
    a.send(call(b.unique, '/x', 'com.example', 'After'))
    s.see(b, [b.receive()])


QUIET = 'errors are for calls that expect a reply'
ERROR = 'org.freedesktop.DBus.Error.AccessDenied'

DIFFERENCES = {
    'sending_signals_is_refused': [
        ('  A: error to Quiet ' + ERROR, [], QUIET),
    ],
}

if __name__ == '__main__':
    main(DIFFERENCES)
