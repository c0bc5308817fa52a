#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Services that are started on demand: messages that are held and their delivery, the errors of a
# start that fails, limits and policy, and the environment of services. With real programs, compared
# with the reference.

import os
import sys

import rawbus
from busfixture import wait_until
from rawbus import NO_AUTO_START, NO_REPLY, Message, bus_call, call, signal
from transcript import ANY, main, scenario_with

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = f'Exec={sys.executable} {HERE}/service-activated.py '
SHORT = '<limit name="service_start_timeout">1500</limit>'
NEVER = {'com.example.Never': 'Exec=/bin/true\n'}

FAILING = {
    'com.example.Exits': 'Exec=/bin/false\n',
    'com.example.ExitsWith7': 'Exec=/bin/sh -c "exit 7"\n',
    'com.example.Killed': "Exec=/bin/sh -c 'kill -9 $$'\n",
    'com.example.Missing': 'Exec=/no/such/program\n',
    'com.example.Directory': 'Exec=/tmp\n',
    'com.example.Relative': 'Exec=true\n',
    'com.example.Quotes': 'Exec=/bin/sh -c "exit 0\n',
}


def service(*names, options=''):
    """Services of one program that takes all of these names."""
    return {name: PROGRAM + f'{options} {" ".join(names)}\n' for name in names}


def to(name, member, signature='', *args, flags=0):
    return call(name, '/', 'com.example.I', member, signature, *args, flags=flags)


def start(name):
    return bus_call('StartServiceByName', 'su', name, 0)


def request(name):
    return bus_call('RequestName', 'su', name, 0)


def answers(s, c, n):
    """Notes and returns the next n messages of a connection."""
    got = []
    while len(got) < n:
        m = c.receive()
        got.append(m)
    s.see(c, got)
    return got


# held messages

@scenario_with(services=service('com.example.A'))
def a_call_starts_its_service(s):
    a = s.connect('A')
    m = s.ask(a, to('com.example.A', 'Heard'))
    s.note(m.sender != rawbus.BUS)


@scenario_with(services=service('com.example.A'))
def a_signal_starts_its_service(s):
    a = s.connect('A')
    a.send(signal('/', 'com.example.I', 'Signal', 's', 'x', destination='com.example.A'))
    s.ask(a, to('com.example.A', 'Heard'))


@scenario_with(services=NEVER)
def a_reply_starts_a_service_too(s):
    a = s.connect('A')
    a.send(Message(rawbus.RETURN, {rawbus.REPLY_SERIAL: 77,
                                   rawbus.DESTINATION: 'com.example.Never'}, flags=NO_REPLY))
    a.drain()
    s.ask(a, request('com.example.Never'))
    log = s.bus.read_log()
    s.note("Activating service name='com.example.Never'" in log)


@scenario_with(services=NEVER)
def held_messages_come_before_the_reply_to_the_owner(s):
    a, b, c, owner = (s.connect(n) for n in 'ABCO')
    for i, x in enumerate((a, b, c, a, b, c)):
        x.send(to('com.example.Never', f'Call{i}', 'u', i))
        x.drain()
    a.send(signal('/', 'com.example.I', 'Signal', destination='com.example.Never'))
    b.send(to('com.example.Never', 'Quiet', flags=NO_REPLY))
    s.show(a, b)
    owner.send(request('com.example.Never'))
    s.show(owner)
    a.send(to('com.example.Never', 'Later'))
    s.show(owner)


@scenario_with(services=NEVER)
def held_messages_are_as_they_were_sent(s):
    a, owner = s.connect('A', fds=True), s.connect('O', fds=True)
    m = to('com.example.Never', 'Big', 'su', 'x' * 100000, 7)
    m.order = '>'
    a.send(m)
    r, w = os.pipe()
    a.send(to('com.example.Never', 'Descriptor', 'h', 0), fds=[w])
    os.close(w)
    a.drain()
    owner.send(request('com.example.Never'))
    for m in owner.drain():
        s.see(owner, [m])
        s.note(f'{m.order} {len(m.raw_body)} {len(m.fds)}')
        for fd in m.fds:
            os.write(fd, b'through')
            os.close(fd)
    s.note(os.read(r, 100))
    os.close(r)


@scenario_with(services=NEVER)
def descriptors_for_an_owner_that_takes_none(s):
    a, owner = s.connect('A', fds=True), s.connect('O')
    r, w = os.pipe()
    a.send(to('com.example.Never', 'Descriptor', 'h', 0), fds=[w])
    a.drain()
    owner.send(request('com.example.Never'))
    s.show(owner, a)
    os.close(r)
    os.close(w)


@scenario_with(services=NEVER)
def a_held_call_can_be_answered(s):
    a, owner = s.connect('A'), s.connect('O')
    a.send(to('com.example.Never', 'Question'))
    a.drain()
    owner.send(request('com.example.Never'))
    question = [m for m in owner.drain() if m.kind == rawbus.CALL][0]
    owner.send(rawbus.reply(question, 's', 'answer'))
    s.show(a)


@scenario_with(services=NEVER)
def nobody_is_told_that_a_name_is_pending(s):
    a, b = s.connect('A'), s.connect('B')
    a.send(start('com.example.Never'))
    s.ask(b, bus_call('NameHasOwner', 's', 'com.example.Never'))
    s.ask(b, bus_call('GetNameOwner', 's', 'com.example.Never'))
    s.ask(b, to('com.example.Never', 'M', flags=NO_AUTO_START))
    s.note('com.example.Never' in b.call('ListNames').body[0])
    s.note(sorted(b.call('ListActivatableNames').body[0]))


@scenario_with(services=NEVER)
def no_auto_start_starts_nothing(s):
    a = s.connect('A')
    s.ask(a, to('com.example.Never', 'M', flags=NO_AUTO_START))
    s.note('Activating' in s.bus.read_log())


@scenario_with(services=NEVER)
def anybody_may_become_the_owner(s):
    a, b = s.connect('A'), s.connect('B')
    a.send(to('com.example.Never', 'First'))
    a.send(request('com.example.Never'))
    s.show(a)
    s.ask(b, start('com.example.Never'))


@scenario_with(services=NEVER)
def who_waits_in_the_queue_of_the_name_gets_nothing(s):
    a, b, c = (s.connect(n) for n in 'ABC')
    a.send(to('com.example.Never', 'First'))
    a.drain()
    b.send(request('com.example.Never'))
    c.send(request('com.example.Never'))
    s.show(b, c)


@scenario_with(services=NEVER)
def what_a_sender_left_behind_is_dropped(s):
    a, b, owner = (s.connect(n) for n in 'ABO')
    a.send(to('com.example.Never', 'OfA'))
    a.send(start('com.example.Never'))
    a.drain()
    b.send(to('com.example.Never', 'OfB'))
    b.drain()
    gone = a.unique
    a.close()
    while b.call('NameHasOwner', 's', gone).body[0]:
        pass
    b.take()
    owner.send(request('com.example.Never'))
    s.show(owner)


@scenario_with(services=NEVER)
def a_new_monitor_waits_no_longer(s):
    a, owner = s.connect('A'), s.connect('O')
    a.send(to('com.example.Never', 'OfA'))
    a.drain()
    s.ask(a, bus_call('BecomeMonitor', 'asu', ["type='error'"], 0,
                      interface='org.freedesktop.DBus.Monitoring'))
    owner.send(request('com.example.Never'))
    s.show(owner)


# StartServiceByName

@scenario_with(services=service('com.example.A'))
def start_by_name(s):
    a, b = s.connect('A'), s.connect('B')
    b.send(start('com.example.A'))
    s.ask(a, start('com.example.A'))
    s.ask(a, start('com.example.A'))
    answers(s, b, 1)
    s.ask(a, bus_call('NameHasOwner', 's', 'com.example.A'))
    for name in 'com.example.Nobody', 'org.freedesktop.DBus', a.unique, 'no name', '':
        s.ask(a, start(name))
    s.ask(a, bus_call('StartServiceByName', 's', 'com.example.A'))


@scenario_with(services=NEVER)
def a_start_is_answered_before_the_owner_is_told(s):
    a, b, owner = (s.connect(n) for n in 'ABO')
    s.ask(owner, bus_call('AddMatch', 's', "member='NameOwnerChanged'"))
    a.send(start('com.example.Never'))
    a.drain()
    b.send(to('com.example.Never', 'M'))
    b.drain()
    owner.send(start('com.example.Never'))
    owner.send(request('com.example.Never'))
    s.show(owner, a)


@scenario_with(services=NEVER)
def who_waits_for_a_start_is_served_meanwhile(s):
    a = s.connect('A')
    a.send(start('com.example.Never'))
    s.ask(a, bus_call('NameHasOwner', 's', 'com.example.Never'))
    a.send(start('com.example.Never'))
    a.send(bus_call('StartServiceByName', 'su', 'com.example.Never', 0, flags=NO_REPLY))
    s.ask(a, request('com.example.Never'))
    s.show(a)


# failures

@scenario_with(services=FAILING)
def failures_have_names_and_texts(s):
    a = s.connect('A')
    for name in sorted(FAILING):
        m = s.ask(a, start(name))
        s.note('' if name == 'com.example.Quotes' else m.body[0])
        s.ask(a, to(name, 'M'))


@scenario_with(services=FAILING)
def a_failure_is_told_to_all_who_wait(s):
    a, b = s.connect('A'), s.connect('B')
    a.send_raw(b''.join(m.encode() for m in number(a, [
        start('com.example.Exits'), to('com.example.Exits', 'First'),
        to('com.example.Exits', 'Quiet', flags=NO_REPLY),
        signal('/', 'com.example.I', 'S', destination='com.example.Exits'),
        start('com.example.Exits'), to('com.example.Exits', 'Last')])))
    got = []
    while not got or got[-1].reply_serial != a.serial:
        got.append(a.receive())
    s.see(a, got)
    s.ask(b, start('com.example.Exits'))


def number(c, messages):
    """Numbers messages that are sent in one write, so that the first failure finds them all."""
    for m in messages:
        c.serial += 1
        m.serial = c.serial
        c.sent[m.serial] = m.member
    return messages


@scenario_with(services={'com.example.A': PROGRAM + '--fail-once {services}/tried com.example.A\n'})
def after_a_failure_it_is_tried_again_at_once(s):
    a = s.connect('A')
    s.ask(a, to('com.example.A', 'First'))
    s.ask(a, to('com.example.A', 'Second'))


def take_pid(s):
    """Waits for the file with the pid of the program, removes it and returns the pid."""
    file = s.services + '/pid'
    wait_until(lambda: os.path.exists(file), 'the pid')
    with open(file) as f:
        pid = int(f.read())
    os.unlink(file)
    return pid


@scenario_with(SHORT, services={'com.example.Slow': "Exec=/bin/sh -c 'echo $$ > {services}/new; "
                                                    "mv {services}/new {services}/pid; "
                                                    "exec sleep 10'\n"})
def a_start_that_takes_too_long(s):
    a, b = s.connect('A'), s.connect('B')
    b.send(to('com.example.Slow', 'M'))
    b.drain()
    m = s.ask(a, start('com.example.Slow'))
    s.note(m.body[0])
    answers(s, b, 1)
    pid = take_pid(s)
    wait_until(lambda: not os.path.exists(f'/proc/{pid}'), 'the end of the program')
    # the bus ignores the late exit of the program, and the next start is a new one
    b.send(to('com.example.Slow', 'Again'))
    b.drain()
    a.send(request('com.example.Slow'))
    s.show(a)


@scenario_with(services=service('com.example.A', options='--fork'))
def a_program_that_goes_to_the_background(s):
    a = s.connect('A')
    s.ask(a, to('com.example.A', 'Heard'))


@scenario_with(SHORT, services=NEVER)
def a_program_that_ends_well_without_the_name(s):
    a = s.connect('A')
    m = s.ask(a, to('com.example.Never', 'M'))
    s.note(m.body[0])


@scenario_with(services={**service('com.example.A'), **FAILING})
def a_service_that_fails_disturbs_no_other(s):
    a, b = s.connect('A'), s.connect('B')
    a.send(to('com.example.A', 'M', 's', 'x'))
    s.ask(b, to('com.example.Killed', 'M'))
    answers(s, a, 1)


@scenario_with(services={name: 'Exec=/bin/sh -c "sleep 0.2; exit 5"\n'
                         for name in ('com.example.A', 'com.example.B')})
def names_of_one_command_line_fail_apart(s):
    a = s.connect('A')
    a.send(to('com.example.A', 'M'))
    a.drain()
    b = s.connect('B')
    s.ask(b, to('com.example.B', 'M'))
    s.see(a, [a.receive()])


@scenario_with(services=service('com.example.A'))
def a_service_that_left_is_started_again(s):
    a = s.connect('A')
    s.ask(a, to('com.example.A', 'Quit'))
    while a.call('NameHasOwner', 's', 'com.example.A').body[0]:
        pass
    a.take()
    s.ask(a, to('com.example.A', 'Heard'))


@scenario_with(SHORT, services={'com.example.None': '',
                                'com.example.Unit': 'SystemdService=one.service\n'})
def a_service_without_a_program_is_waited_for(s):
    a = s.connect('A')
    s.ask(a, to('com.example.None', 'M'))
    s.ask(a, to('com.example.Unit', 'M'))


# limits and policy

@scenario_with('<limit name="max_pending_service_starts">3</limit>',
               services={**NEVER, 'com.example.Other': 'Exec=/bin/true\n'})
def all_who_wait_count(s):
    a, b = s.connect('A'), s.connect('B')
    a.send(start('com.example.Never'))
    a.send(to('com.example.Never', 'M'))
    b.send(to('com.example.Other', 'M'))
    s.show(a, b)
    s.ask(a, to('com.example.Never', 'M'))
    s.ask(b, start('com.example.Other'))
    s.ask(b, to('com.example.Nobody', 'M'))
    b.send(request('com.example.Never'))
    s.show(a, b)
    a.send(to('com.example.Other', 'M'))
    s.show(a)


@scenario_with('<limit name="max_pending_service_starts">1</limit>', services=NEVER)
def who_leaves_counts_no_longer(s):
    a, b = s.connect('A'), s.connect('B')
    a.send(to('com.example.Never', 'M'))
    a.drain()
    gone = a.unique
    a.close()
    while b.call('NameHasOwner', 's', gone).body[0]:
        pass
    b.take()
    b.send(to('com.example.Never', 'M'))
    s.show(b)


@scenario_with('<limit name="max_incoming_bytes">20000</limit>', services=NEVER)
def who_sends_more_than_may_wait_is_not_read(s):
    a, owner = s.connect('A'), s.connect('O')
    for i in range(3):
        a.send(to('com.example.Never', f'M{i}', 's', 'x' * 15000))
    serial = a.send(bus_call('GetId'))
    owner.drain()
    try:
        a.receive(0.3)
        s.note('read')
    except rawbus.Timeout:
        s.note('not read')
    owner.send(request('com.example.Never'))
    m = a.wait_for(serial)
    s.see(a, [m])
    s.note([m.member for m in owner.drain()])


MARK = {'com.example.Denied': "Exec=/bin/sh -c 'echo x > {services}/started'\n",
        'com.example.Receive': 'Exec=/bin/true\n'}


@scenario_with('''<policy context="mandatory">
  <deny send_destination="com.example.Denied" send_interface="com.example.I" send_member="Denied"/>
  <deny receive_interface="com.example.I" receive_member="NotReceived"/>
</policy>''', services=MARK)
def policy_is_asked_before_the_start_and_at_delivery(s):
    a, owner = s.connect('A'), s.connect('O')
    s.ask(a, to('com.example.Denied', 'Denied'))
    a.send(to('com.example.Denied', 'Denied', flags=NO_REPLY))
    a.send(signal('/', 'com.example.I', 'Denied', destination='com.example.Denied'))
    s.show(a)
    s.note(os.path.exists(s.services + '/started'))
    a.send(to('com.example.Denied', 'Allowed'))
    a.drain()
    wait_until(lambda: os.path.exists(s.services + '/started'), 'the start')

    a.send(to('com.example.Receive', 'NotReceived'))
    a.send(to('com.example.Receive', 'Received'))
    a.drain()
    owner.send(request('com.example.Receive'))
    s.show(owner, a)


@scenario_with('''<policy context="mandatory">
  <deny own="com.example.Never"/>
</policy>''' + SHORT, services=NEVER)
def a_name_that_nobody_may_own(s):
    a, owner = s.connect('A'), s.connect('O')
    serial = a.send(to('com.example.Never', 'M'))
    s.ask(owner, request('com.example.Never'))
    s.see(a, [a.wait_for(serial)])


# monitors and eavesdroppers

@scenario_with(services={**NEVER, **FAILING})
def monitors_see_what_is_held_once(s):
    a, b, owner, monitor = (s.connect(n) for n in 'ABOM')
    s.ask(monitor, bus_call('BecomeMonitor', 'asu', ["type='method_call',interface='com.example.I'",
                                                     "type='error'"], 0,
                            interface='org.freedesktop.DBus.Monitoring'))
    a.send(to('com.example.Never', 'Held'))
    a.drain()
    s.see(monitor, [monitor.receive()])
    owner.send(request('com.example.Never'))
    s.show(owner)
    b.send(to('com.example.Exits', 'Fails'))
    b.receive()
    b.send(to('com.example.Never', 'AtOnce'))
    s.show(owner)
    s.see(monitor, [monitor.receive() for _ in range(3)])


@scenario_with('<policy context="default"><allow eavesdrop="true"/></policy>', services=NEVER)
def eavesdroppers_hear_it_when_it_is_delivered(s):
    a, owner, ear = (s.connect(n) for n in 'AOE')
    s.ask(ear, bus_call('AddMatch', 's', "eavesdrop='true',interface='com.example.I'"))
    a.send(to('com.example.Never', 'Held'))
    s.show(ear)
    owner.send(request('com.example.Never'))
    s.show(owner, ear)


# services that appear and vanish

@scenario_with(services={})
def a_file_that_has_just_come_is_seen(s):
    a = s.connect('A')
    s.ask(a, to('com.example.A', 'M'))
    s.add_service('com.example.A', PROGRAM + 'com.example.A\n')
    s.ask(a, to('com.example.A', 'M', 's', 'x'))
    s.add_service('com.example.B', PROGRAM + 'com.example.B\n')
    s.ask(a, start('com.example.B'))


@scenario_with(services={})
def changes_of_the_directory_are_announced(s):
    a = s.connect('A')
    a.call('AddMatch', 's', "member='ActivatableServicesChanged'")
    a.take()
    s.add_service('com.example.Never', 'Exec=/bin/true\n')
    s.see(a, [a.receive()])
    wait_until(lambda: 'com.example.Never' in a.call('ListActivatableNames').body[0], 'the file')
    a.take()
    os.unlink(s.services + '/com.example.Never.service')
    wait_until(lambda: 'com.example.Never' not in a.call('ListActivatableNames').body[0], 'its end')


@scenario_with(services=NEVER)
def a_file_that_has_gone(s):
    a = s.connect('A')
    os.unlink(s.services + '/com.example.Never.service')
    s.ask(a, to('com.example.Never', 'M'))


@scenario_with(services={})
def a_reload_finds_new_services(s):
    a, _ = (s.connect(name) for name in 'AW')
    s.add_service('com.example.Never', 'Exec=/bin/true\n')
    s.ask(a, bus_call('ReloadConfig'))
    s.note(sorted(a.call('ListActivatableNames').body[0]))


@scenario_with(services=NEVER)
def a_start_survives_a_reload(s):
    a, owner = s.connect('A'), s.connect('O')
    a.send(to('com.example.Never', 'M'))
    a.drain()
    s.ask(owner, bus_call('ReloadConfig'))
    os.unlink(s.services + '/com.example.Never.service')
    s.ask(owner, bus_call('ReloadConfig'))
    owner.send(request('com.example.Never'))
    s.show(owner)


# how services run

# variables of valgrind, which a service inherits from the bus
VALGRIND = ('LD_LIBRARY_PATH', 'LD_PRELOAD', 'GLIBCPP_FORCE_NEW', 'GLIBCXX_FORCE_NEW')


@scenario_with(services=service('com.example.A'))
def the_environment_of_services(s):
    a = s.connect('A')
    s.ask(a, bus_call('UpdateActivationEnvironment', 'a{ss}', {
        'NEW': 'value', 'LC_ALL': 'changed', 'EMPTY': '', 'DBUS_STARTER_BUS_TYPE': 'wrong',
        '': 'nothing', 'A=B': 'odd'}))
    serial = a.send(to('com.example.A', 'Environment'))
    env = a.wait_for(serial).body[0]
    for key in 'NEW', 'EMPTY', 'LC_ALL', 'DBUS_STARTER_BUS_TYPE':
        s.note(f'{key} {env.get(key)!r}')
    for key in 'DBUS_STARTER_ADDRESS', 'DBUS_SESSION_BUS_ADDRESS':
        s.note(f'{key} {env[key] == s.address}')
    # leave out the variables that the service has inherited from this test
    s.note(sorted(k for k in env if k not in os.environ and k not in VALGRIND))


@scenario_with(services=service('com.example.A'))
def the_process_of_services(s):
    a = s.connect('A')
    serial = a.send(to('com.example.A', 'Process'))
    state = a.wait_for(serial).body[0]
    state['session'] = state['session'] == str(os.getsid(s.bus.pid))
    state['group'] = state['group'] == str(os.getpgid(s.bus.pid))
    for key, value in sorted(state.items()):
        s.note(f'{key} {value}')


HELPED = [f'com.example.Status{i}' for i in range(1, 13)]


@scenario_with('<servicehelper>{services}/helper</servicehelper>',
               services={name: 'Exec=/no/such/program\nUser=root\n'
                         for name in HELPED + ['com.example.A', 'com.example.Killed']})
def a_helper_starts_services(s):
    with open(s.services + '/helper', 'w') as f:
        f.write('#!/bin/sh\n'
                'test $# = 1 || exit 99\n'
                'case $1 in\n'
                '*.A) exec ' + PROGRAM[5:].strip() + ' $1;;\n'
                '*.Killed) kill -9 $$;;\n'
                'esac\n'
                'exit ${1##*Status}\n')
    os.chmod(s.services + '/helper', 0o755)
    a = s.connect('A')
    for name in HELPED:
        s.ask(a, start(name))
    s.ask(a, to('com.example.Killed', 'M'))
    s.ask(a, to('com.example.A', 'Heard'))
    s.ask(a, bus_call('UpdateActivationEnvironment', 'a{ss}', {'A': 'b'}))


@scenario_with('<servicehelper>{services}/none</servicehelper>',
               services={**NEVER, 'com.example.Root': 'Exec=/bin/true\nUser=root\n'})
def a_helper_that_is_not_there(s):
    a = s.connect('A')
    s.ask(a, to('com.example.Never', 'M'))
    s.ask(a, to('com.example.Root', 'M'))


REAL_HELPER = '/usr/lib/dbus-1.0/dbus-daemon-launch-helper'


@scenario_with(f'<user>messagebus</user><servicehelper>{REAL_HELPER}</servicehelper>'
               '<policy context="default"><allow user="*"/></policy>'
               if os.geteuid() == 0 and os.path.exists(REAL_HELPER) else '',
               services={'com.example.NotOfTheSystem': 'Exec=/bin/true\nUser=root\n'})
def the_installed_helper_reads_the_directories_of_the_system(s):
    a = s.connect('A')
    if os.geteuid() == 0 and os.path.exists(REAL_HELPER):
        s.ask(a, start('com.example.NotOfTheSystem'))


# systemd

ACTIVATOR = 'org.freedesktop.systemd1.Activator'
UNITS = {'com.example.One': 'Exec=/bin/false\nSystemdService=one.service\n',
         'com.example.Two': 'Exec=/bin/false\nSystemdService=two.service\n',
         'com.example.Alias': 'Exec=/bin/false\nSystemdService=one.service\n',
         'com.example.Direct': 'Exec=/bin/sh -c "exit 1"\n'}


def failure(unit, name='com.example.E', text='the reason'):
    return signal(rawbus.BUS_PATH, ACTIVATOR, 'ActivationFailure', 'sss', unit, name, text,
                  destination=rawbus.BUS)


def connect_systemd(s, label='S'):
    c = s.connect(label)
    s.ask(c, request('org.freedesktop.systemd1'))
    return c


def one_request(s, systemd):
    s.see(systemd, [systemd.receive()])


@scenario_with(args=['--systemd-activation'], services=UNITS)
def systemd_is_asked_for_units(s):
    systemd, a = connect_systemd(s), s.connect('A')
    a.send(to('com.example.One', 'M'))
    one_request(s, systemd)
    a.send(to('com.example.One', 'N'))
    a.send(start('com.example.Alias'))
    one_request(s, systemd)
    s.ask(a, start('com.example.Direct'))
    owner = s.connect('O')
    owner.send(request('com.example.One'))
    s.show(owner, systemd)


@scenario_with(args=['--systemd-activation'], services=UNITS)
def systemd_says_that_a_unit_failed(s):
    systemd, a, b = connect_systemd(s), s.connect('A'), s.connect('B')
    a.send(to('com.example.One', 'M'))
    one_request(s, systemd)
    b.send(start('com.example.Alias'))
    b.send(to('com.example.Two', 'M'))
    one_request(s, systemd)
    one_request(s, systemd)
    systemd.send(failure('none.service'))
    a.send(failure('one.service', text='forged'))
    s.show(a, b)
    systemd.send(failure('one.service'))
    systemd.drain()
    for c in a, b:
        s.note(c.receive().body[0])
    s.show(a, b)
    systemd.send(failure('two.service', 'org.freedesktop.systemd1.Masked'))
    systemd.drain()
    s.show(b)
    a.send(to('com.example.One', 'Again'))
    one_request(s, systemd)


@scenario_with(args=['--systemd-activation'], services=UNITS)
def systemd_says_something_else(s):
    systemd, a = connect_systemd(s), s.connect('A')
    a.send(to('com.example.One', 'M'))
    one_request(s, systemd)
    systemd.send(failure('one.service', 'no error name'))
    systemd.send(signal(rawbus.BUS_PATH, ACTIVATOR, 'ActivationFailure', 'ss', 'one.service',
                        'com.example.E', destination=rawbus.BUS))
    systemd.send(signal(rawbus.BUS_PATH, ACTIVATOR, 'ActivationFailure', destination=rawbus.BUS))
    s.show(systemd, a)


@scenario_with(SHORT, args=['--systemd-activation'], services=UNITS)
def systemd_is_waited_for(s):
    a, b = s.connect('A'), s.connect('B')
    a.send(to('com.example.One', 'M'))
    s.ask(a, bus_call('UpdateActivationEnvironment', 'a{ss}', {'KEY': 'value'}))
    a.send(to('com.example.Two', 'M'))
    a.drain()
    b.send(to('org.freedesktop.systemd1', 'Direct'))
    b.drain()
    connect_systemd(s)
    s.see(a, [a.receive(), a.receive()])


@scenario_with(SHORT, args=['--systemd-activation'], services=UNITS)
def systemd_does_not_come(s):
    a, b = s.connect('A'), s.connect('B')
    a.send(to('com.example.One', 'M'))
    b.send(to('org.freedesktop.systemd1', 'Direct'))
    b.send(start('com.example.Two'))
    s.see(a, [a.receive()])
    s.see(b, [b.receive(), b.receive()])


@scenario_with(args=['--systemd-activation'], services=UNITS)
def systemd_is_told_of_the_environment(s):
    systemd, a = connect_systemd(s), s.connect('A')
    s.ask(a, bus_call('UpdateActivationEnvironment', 'a{ss}', {'A': 'b', 'EMPTY': ''}))
    m = systemd.receive()
    s.note(f'{m.kind} {m.path} {m.interface} {m.member} {m.flags} {sorted(m.body[0])}')


@scenario_with(services=UNITS)
def without_the_option_systemd_is_not_asked(s):
    systemd, a = connect_systemd(s), s.connect('A')
    s.ask(a, start('com.example.One'))
    s.ask(a, bus_call('UpdateActivationEnvironment', 'a{ss}', {'A': 'b'}))
    systemd.send(failure('one.service'))
    s.show(systemd)


TOLD = 'who wants no answer to a call gets none'

DIFFERENCES = {
    'a_reply_starts_a_service_too': [
        ("  A: reply to 77 () from <A> for 'com.example.Never'",
         ['  A: error to  org.freedesktop.DBus.Error.AccessDenied'],
         'nobody gets a reply to what he did not call'),
    ],
    'a_new_monitor_waits_no_longer': [
        ("  O: call com.example.I.OfA () at / from <A> for 'com.example.Never' flags 0", [],
         'a monitor has no name, it cannot be answered'),
    ],
    'who_waits_for_a_start_is_served_meanwhile': [
        ('  A: reply to StartServiceByName u(1)', [], TOLD),
    ],
    'a_failure_is_told_to_all_who_wait': [
        ('  A: error to Quiet org.freedesktop.DBus.Error.Spawn.ChildExited', [], TOLD),
    ],
    'a_service_without_a_program_is_waited_for': [
        ('  A: error to M org.freedesktop.DBus.Error.ServiceUnknown',
         ['  A: error to M org.freedesktop.DBus.Error.TimedOut'],
         'somebody else may take the name'),
        ('  A: error to M org.freedesktop.DBus.Error.ServiceUnknown',
         ['  A: error to M org.freedesktop.DBus.Error.Spawn.FileInvalid'],
         'a unit is of use to a bus that asks systemd'),
    ],
    'all_who_wait_count': [
        ('  B: error to M org.freedesktop.DBus.Error.LimitsExceeded',
         ['  B: error to M org.freedesktop.DBus.Error.ServiceUnknown'],
         'what nobody can start has nothing to do with the limit'),
    ],
    'who_leaves_counts_no_longer': [
        ('  B: error to M org.freedesktop.DBus.Error.LimitsExceeded', [],
         'what waits for nobody is dropped at once'),
    ],
    'policy_is_asked_before_the_start_and_at_delivery': [
        ('  A: error to Denied org.freedesktop.DBus.Error.AccessDenied', [], TOLD),
    ],
    'systemd_says_something_else': [
        (ANY,
         ["  S: signal org.freedesktop.DBus.NameAcquired s('org.freedesktop.systemd1')",
          '  S: reply to RequestName u(1)',
          "  S: signal org.freedesktop.systemd1.Activator.ActivationRequest s('one.service') "
          "for 'org.freedesktop.systemd1'"],
         'the reference ends'),
    ],
    'a_helper_starts_services': [
        ('  A: error to StartServiceByName org.freedesktop.DBus.Error.Spawn.PermissionsInvalid',
         [], 'that is 7, and 8'),
        ('  A: error to StartServiceByName org.freedesktop.DBus.Error.Spawn.PermissionsInvalid',
         ['  A: error to StartServiceByName org.freedesktop.DBus.Error.Spawn.PermissionsInvalid',
          '  A: error to StartServiceByName org.freedesktop.DBus.Error.Spawn.FileInvalid'],
         'status 8 is about the file'),
    ],
    'the_environment_of_services': [
        ("['', 'A', 'DBUS_SESSION_BUS_ADDRESS', 'DBUS_STARTER_ADDRESS', 'DBUS_STARTER_BUS_TYPE', "
         "'EMPTY', 'LC_ALL', 'NEW']",
         ["['DBUS_SESSION_BUS_ADDRESS', 'DBUS_STARTER_ADDRESS', 'DBUS_STARTER_BUS_TYPE', 'EMPTY', "
          "'LC_ALL', 'NEW']"],
         'what is no name of a variable is ignored'),
    ],
}

if __name__ == '__main__':
    main(DIFFERENCES)
