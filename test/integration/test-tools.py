#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The tools that come with D-Bus implementations: dbus-send, dbus-monitor, dbus-test-tool, gdbus,
# busctl, dbus-run-session, dbus-launch, GTestDBus.

import os
import re
import shutil
import signal
import subprocess
import sys
import time

from busfixture import (SESSION_CONFIG, TIMEOUT, Bus, Program, clean_environment, daemon_under_test,
                        wait_until)
from tap import Skip, contains, equal, main, test

HERE = os.path.dirname(os.path.abspath(__file__))
DBUS = 'org.freedesktop.DBus'
NAME = 'com.example.Gio'
OBJECT = '/com/example/Object'
INTERFACE = 'com.example.Interface'


def need(program):
    if not shutil.which(program):
        raise Skip(f'no {program}')


def run(bus, *argv, status=0, **kw):
    """Returns the output and error output of a program that must end with this exit status."""
    need(argv[0])
    result = subprocess.run(argv, env=bus.environment(), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT, **kw)
    output = result.stdout.decode(errors='replace')
    if result.returncode != status:
        raise AssertionError(f'{argv}: status {result.returncode}, not {status}: {output}')
    return output


def service(bus, script='service-gio.py'):
    p = Program([os.path.join(HERE, script)], bus.environment())
    p.wait_output('ready')
    return p


def names(bus):
    return run(bus, 'dbus-send', '--session', '--print-reply=literal', '--dest=' + DBUS, '/',
               DBUS + '.ListNames').split()


# dbus-send


def dbus_send(bus, member, *args, dest=DBUS, path='/org/freedesktop/DBus', options=(), status=0):
    return run(bus, 'dbus-send', '--session', '--print-reply', *options, '--dest=' + dest, path,
               member, *args, status=status)


@test
def dbus_send_prints_replies(bus):
    contains(dbus_send(bus, DBUS + '.GetId'), 'method return', 'sender=org.freedesktop.DBus',
             'string "')
    contains(dbus_send(bus, DBUS + '.NameHasOwner', 'string:' + DBUS), 'boolean true')
    contains(dbus_send(bus, DBUS + '.RequestName', 'string:com.example.X', 'uint32:0'), 'uint32 1')
    contains(dbus_send(bus, DBUS + '.Peer.Ping'), 'method return')
    contains(dbus_send(bus, DBUS + '.Properties.GetAll', 'string:' + DBUS), 'Features')


@test
def dbus_send_prints_errors(bus):
    contains(dbus_send(bus, DBUS + '.GetNameOwner', 'string:com.example.Nobody', status=1),
             DBUS + '.Error.NameHasNoOwner')
    contains(dbus_send(bus, 'com.example.M', dest='com.example.Nobody', status=1),
             DBUS + '.Error.ServiceUnknown')
    contains(dbus_send(bus, DBUS + '.Nonsense', status=1), DBUS + '.Error.UnknownMethod')


@test
def dbus_send_carries_all_types(bus):
    with Program(['dbus-monitor', '--session', "interface='com.example.Types'"],
                 bus.environment()) as monitor:
        monitor.wait_output('NameLost')
        run(bus, 'dbus-send', '--session', '--type=signal', '/x', 'com.example.Types.Signal',
            'byte:1', 'boolean:true', 'int16:-2', 'uint16:3', 'int32:-4', 'uint32:5', 'int64:-6',
            'uint64:7', 'double:8.5', 'string:nine', 'objpath:/ten', 'array:string:a,b',
            'dict:string:uint32:k,1', 'variant:int32:11')
        text = monitor.wait_output('int32 11')
        contains(text, 'byte 1', 'boolean true', 'int16 -2', 'uint16 3', 'int32 -4', 'uint32 5',
                 'int64 -6', 'uint64 7', 'double 8.5', 'string "nine"', 'object path "/ten"',
                 'string "b"', 'dict entry')


# dbus-monitor


@test
def dbus_monitor_shows_calls_and_replies(bus):
    with Program(['dbus-monitor', '--session'], bus.environment()) as monitor:
        monitor.wait_output('NameLost')
        with service(bus) as s:
            dbus_send(bus, INTERFACE + '.Echo', 'string:watched', dest=NAME, path=OBJECT)
            text = monitor.wait_output('method return')
            text = monitor.wait_output('string "watched"')
            contains(text, 'member=Hello', 'member=NameOwnerChanged', 'member=RequestName')
            s.stop()
    assert not any(n.startswith(NAME) for n in names(bus))


@test
def dbus_monitor_profile_and_pcap_run(bus):
    for option in '--profile', '--pcap':
        with Program(['dbus-monitor', '--session', option], bus.environment()) as monitor:
            # a monitor has no name: it is ready when only the name of the asking client is left
            wait_until(lambda: len([n for n in names(bus) if n.startswith(':')]) == 1, 'monitor')
            dbus_send(bus, DBUS + '.GetId')
            wait_until(lambda: monitor.process.poll() is None, 'alive')


@test
def eavesdropping_by_add_match(bus):
    # the fallback of dbus-monitor on a bus without BecomeMonitor
    script = '''
import dbus, dbus.mainloop.glib, sys
from gi.repository import GLib
dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
bus.add_match_string("eavesdrop='true',interface='com.example.Eaves'")
def seen(bus, m):
    if m.get_interface() == 'com.example.Eaves':
        print('seen', m.get_member(), flush=True)
bus.add_message_filter(seen)
print('ready', flush=True)
GLib.MainLoop().run()
'''
    with service(bus), Program(['/usr/bin/python3', '-c', script], bus.environment()) as spy:
        spy.wait_output('ready')
        run(bus, 'dbus-send', '--session', '--dest=' + NAME, OBJECT, 'com.example.Eaves.Call')
        run(bus, 'dbus-send', '--session', '--type=signal', '--dest=' + NAME, OBJECT,
            'com.example.Eaves.Signal')
        spy.wait_output('seen Call')
        spy.wait_output('seen Signal')


# dbus-test-tool


@test
def dbus_test_tool_echo_and_spam(bus):
    need('dbus-test-tool')
    with Program(['dbus-test-tool', 'echo', '--name=com.example.Echo'], bus.environment()) as echo:
        wait_until(lambda: 'com.example.Echo' in names(bus), 'echo service')
        for options in (['--count=2000', '--queue=64'], ['--count=500', '--flood'],
                        ['--count=200', '--messages-per-conn=10'],
                        ['--count=20', '--bytes', '--payload=' + 'x' * 10000],
                        ['--count=300', '--no-reply']):
            run(bus, 'dbus-test-tool', 'spam', '--dest=com.example.Echo', *options)
        assert echo.process.poll() is None


@test
def dbus_test_tool_black_hole_gives_no_reply_when_it_goes(bus):
    need('dbus-test-tool')
    with Program(['dbus-test-tool', 'black-hole', '--name=com.example.Hole'],
                 bus.environment()) as hole:
        wait_until(lambda: 'com.example.Hole' in names(bus), 'black hole')
        with Program(['dbus-send', '--session', '--print-reply', '--reply-timeout=60000',
                      '--dest=com.example.Hole', '/', 'com.example.Call'],
                     bus.environment()) as caller, \
                Program(['dbus-test-tool', 'spam', '--dest=com.example.Hole', '--no-reply',
                         '--count=1000', '--flood'], bus.environment()) as spam:
            equal(spam.wait(), 0, 'spam')
            wait_until(lambda: caller_is_waiting(bus), 'the call')
            hole.stop()
            caller.wait_output('NoReply')
            equal(caller.wait(), 1, 'dbus-send')


def caller_is_waiting(bus):
    # the caller, this dbus-send and the hole
    return len([n for n in names(bus) if n.startswith(':')]) >= 3


@test
def reader_that_sleeps_does_not_stop_others(bus):
    need('dbus-test-tool')
    with Program(['dbus-test-tool', 'black-hole', '--no-read', '--name=com.example.Deaf'],
                 bus.environment()):
        wait_until(lambda: 'com.example.Deaf' in names(bus), 'black hole')
        with Program(['dbus-test-tool', 'spam', '--dest=com.example.Deaf', '--no-reply',
                      '--count=5000', '--flood', '--ignore-errors', '--bytes',
                      '--payload=' + 'x' * 1000],
                     bus.environment()) as spam:
            for _ in range(20):
                contains(dbus_send(bus, DBUS + '.GetId'), 'string')
            equal(spam.wait(), 0, 'spam')


# gdbus


@test
def gdbus_calls(bus):
    with service(bus):
        base = ('gdbus', 'call', '--session', '--dest', NAME, '--object-path', OBJECT, '--method')
        equal(run(bus, *base, INTERFACE + '.Echo', 'text').strip(), "('text',)")
        contains(run(bus, *base, INTERFACE + '.Nonsense', status=1), 'Error.UnknownMethod')
        contains(run(bus, 'gdbus', 'call', '--session', '--dest', 'com.example.Nobody',
                     '--object-path', '/', '--method', 'a.b.C', status=1), 'ServiceUnknown')
        equal(run(bus, 'gdbus', 'call', '--session', '--dest', DBUS, '--object-path', '/',
                  '--method', DBUS + '.NameHasOwner', NAME).strip(), '(true,)')


@test
def gdbus_introspects(bus):
    with service(bus):
        text = run(bus, 'gdbus', 'introspect', '--session', '--dest', NAME, '--object-path', OBJECT)
        contains(text, 'interface ' + INTERFACE, 'Echo(', "Value = 'initial'", 'Constant = 42')
        text = run(bus, 'gdbus', 'introspect', '--session', '--dest', NAME, '--object-path', '/',
                   '--recurse')
        contains(text, 'node ' + OBJECT)
    text = run(bus, 'gdbus', 'introspect', '--session', '--dest', DBUS, '--object-path',
               '/org/freedesktop/DBus')
    contains(text, 'interface ' + DBUS + ' {', 'RequestName(', 'NameOwnerChanged(', 'Features = ',
             'interface org.freedesktop.DBus.Peer', 'interface org.freedesktop.DBus.Introspectable',
             'interface org.freedesktop.DBus.Properties')
    text = run(bus, 'gdbus', 'introspect', '--session', '--dest', DBUS, '--object-path', '/',
               '--recurse')
    contains(text, 'node /org/freedesktop/DBus')


@test
def gdbus_monitors_and_emits(bus):
    with service(bus), Program(['gdbus', 'monitor', '--session', '--dest', NAME],
                               bus.environment()) as monitor:
        monitor.wait_output('is owned by')
        # nothing shows when the subscription of gdbus is in force: repeat until it prints the
        # signal
        emit = ('gdbus', 'call', '--session', '--dest', NAME, '--object-path', OBJECT, '--method',
                INTERFACE + '.Emit', 'news')
        deadline = time.monotonic() + TIMEOUT
        while INTERFACE + ".Happened ('news',)" not in monitor.output:
            assert time.monotonic() < deadline, monitor.output
            run(bus, *emit)
            try:
                monitor.wait_output('Happened', timeout=0.2)
            except AssertionError:
                pass
    with Program(['dbus-monitor', '--session', "interface='com.example.Emitted'"],
                 bus.environment()) as monitor:
        monitor.wait_output('NameLost')
        run(bus, 'gdbus', 'emit', '--session', '--object-path', '/x', '--signal',
            'com.example.Emitted.Signal', "'text'", 'uint32 5')
        contains(monitor.wait_output('uint32 5'), 'member=Signal', 'string "text"')


@test
def gdbus_emits_to_one_destination(bus):
    with service(bus), Program(['dbus-monitor', '--session', "interface='com.example.Emitted'"],
                               bus.environment()) as monitor:
        monitor.wait_output('NameLost')
        owner = run(bus, 'gdbus', 'call', '--session', '--dest', DBUS, '--object-path', '/',
                    '--method', DBUS + '.GetNameOwner', NAME).split("'")[1]
        run(bus, 'gdbus', 'emit', '--session', '--dest', owner, '--object-path', '/x', '--signal',
            'com.example.Emitted.Unicast')
        contains(monitor.wait_output('Unicast'), 'destination=' + owner)


@test
def gdbus_waits_for_a_name(bus):
    with Program(['gdbus', 'wait', '--session', '--timeout', '20', NAME], bus.environment()) as w:
        wait_until(lambda: len([n for n in names(bus) if n.startswith(':')]) >= 2, 'gdbus wait')
        with service(bus):
            equal(w.wait(), 0, 'gdbus wait')
            run(bus, 'gdbus', 'wait', '--session', '--timeout', '5', NAME)
    run(bus, 'gdbus', 'wait', '--session', '--timeout', '1', 'com.example.Nobody', status=1)


# busctl


def busctl(bus, *args, **kw):
    need('busctl')
    return run(bus, 'busctl', '--address=' + bus.address, '--no-pager', *args, **kw)


@test
def busctl_lists(bus):
    with service(bus):
        text = busctl(bus, 'list')
        contains(text, NAME, DBUS, ':1.')
        contains(busctl(bus, 'list', '--unique'), ':1.')
        contains(busctl(bus, 'list', '--acquired'), NAME)
        assert NAME not in busctl(bus, 'list', '--activatable').split()
        # without mounted cgroups, sd-bus reports no credentials on any bus
        if not os.path.ismount('/sys/fs/cgroup'):
            return
        line = next(x for x in text.splitlines() if x.startswith(NAME))
        assert str(os.getuid()) in line or 'root' in line or os.environ.get('USER', '?') in line, line
        contains(busctl(bus, 'status', NAME), 'PID=', 'UniqueName=:1.', 'EUID=%d' % os.getuid())
        contains(busctl(bus, 'status'), 'BusID=')


@test
def busctl_shows_trees_and_interfaces(bus):
    with service(bus):
        contains(busctl(bus, 'tree', NAME), OBJECT)
        contains(busctl(bus, 'tree', DBUS), '/org/freedesktop/DBus')
        contains(busctl(bus, 'introspect', NAME, OBJECT), '.Echo', '.Value', '"initial"', '.Happened')
        text = busctl(bus, 'introspect', DBUS, '/org/freedesktop/DBus')
        contains(text, '.Hello', '.RequestName', '.NameOwnerChanged', '.Features', '.BecomeMonitor')
        contains(busctl(bus, 'introspect', '--xml-interface', DBUS, '/org/freedesktop/DBus'),
                 '<interface name="org.freedesktop.DBus">')


@test
def busctl_calls_and_sets_properties(bus):
    with service(bus):
        equal(busctl(bus, 'call', NAME, OBJECT, INTERFACE, 'Echo', 's', 'x y').strip(), 's "x y"')
        equal(busctl(bus, 'get-property', NAME, OBJECT, INTERFACE, 'Constant').strip(), 'u 42')
        busctl(bus, 'set-property', NAME, OBJECT, INTERFACE, 'Value', 's', 'new')
        equal(busctl(bus, 'get-property', NAME, OBJECT, INTERFACE, 'Value').strip(), 's "new"')
        contains(busctl(bus, 'call', NAME, OBJECT, INTERFACE, 'Nonsense', status=1), 'No such method')
        contains(busctl(bus, 'call', DBUS, '/org/freedesktop/DBus', DBUS, 'GetConnectionCredentials',
                        's', NAME), 'UnixUserID', 'ProcessID')
        equal(busctl(bus, 'get-property', DBUS, '/org/freedesktop/DBus', DBUS,
                     'Interfaces').strip()[:3], 'as ')
        contains(busctl(bus, '--json=short', 'call', DBUS, '/org/freedesktop/DBus', DBUS,
                        'NameHasOwner', 's', NAME), '"data":[true]')


@test
def busctl_monitors(bus):
    need('busctl')
    with service(bus), Program(['stdbuf', '-oL', 'busctl', '--address=' + bus.address, 'monitor'],
                               bus.environment()) as monitor:
        monitor.wait_output('Monitoring bus message stream')
        busctl(bus, 'call', NAME, OBJECT, INTERFACE, 'Echo', 's', 'monitored')
        text = monitor.wait_output('Type=method_return')
        text = monitor.wait_output('"monitored"')
        contains(text, 'Type=method_call', 'Member=Echo')


@test
def busctl_captures(bus):
    need('busctl')
    with open(bus.directory + '/capture', 'wb') as out:
        p = subprocess.Popen(['busctl', '--address=' + bus.address, 'capture'], stdout=out,
                             stderr=subprocess.PIPE, env=bus.environment())
        try:
            wait_until(lambda: os.path.getsize(bus.directory + '/capture') > 0 or
                       b'Monitoring' in p.stderr.peek(), 'capture')
            dbus_send(bus, DBUS + '.GetId')
            assert p.poll() is None
        finally:
            p.terminate()
            p.wait(TIMEOUT)
            p.stderr.close()


@test
def busctl_emits(bus):
    with Program(['dbus-monitor', '--session', "interface='com.example.Emitted'"],
                 bus.environment()) as monitor:
        monitor.wait_output('NameLost')
        busctl(bus, 'emit', '/x', 'com.example.Emitted', 'Signal', 'su', 'text', '7')
        contains(monitor.wait_output('uint32 7'), 'string "text"')


# starters


def config_file(bus):
    path = bus.directory + '/starter.conf'
    with open(path, 'w') as f:
        f.write(SESSION_CONFIG.format(listen='unix:tmpdir=' + bus.directory, extra=''))
    return path


@test
def dbus_run_session_runs_a_program(bus):
    need('dbus-run-session')
    base = ('dbus-run-session', '--dbus-daemon=' + bus.daemon)
    command = 'test -n "$DBUS_SESSION_BUS_ADDRESS" && gdbus call --session --dest ' + DBUS + \
        ' --object-path / --method ' + DBUS + '.NameHasOwner ' + DBUS
    for options in ((), ('--config-file=' + config_file(bus),)):
        contains(run(bus, *base, *options, '--', 'sh', '-c', command), '(true,)')
    run(bus, *base, '--', 'sh', '-c', 'exit 7', status=7)
    run(bus, *base, '--', 'sh', '-c', 'kill -TERM $$', status=128 + signal.SIGTERM)


@test
def dbus_launch_prints_address_and_pid(bus):
    need('dbus-launch')
    # most builds of dbus-launch start their daemon by its absolute path; test-daemon.py has the
    # same command line
    directory = bus.directory + '/bin'
    os.mkdir(directory)
    os.symlink(bus.daemon, directory + '/dbus-daemon')
    env = clean_environment(PATH=directory + ':' + os.environ['PATH'])
    out = subprocess.run(['dbus-launch', '--sh-syntax', '--config-file=' + config_file(bus)], env=env,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=TIMEOUT).stdout
    found = dict(re.findall(r"(DBUS_SESSION_BUS_\w+)='?([^';\n]+)", out.decode()))
    pid = int(found['DBUS_SESSION_BUS_PID'])
    try:
        program = os.readlink(f'/proc/{pid}/exe')
        env['DBUS_SESSION_BUS_ADDRESS'] = found['DBUS_SESSION_BUS_ADDRESS']
        text = subprocess.run(['dbus-send', '--session', '--print-reply', '--dest=' + DBUS, '/',
                               DBUS + '.GetId'], env=env, stdout=subprocess.PIPE,
                              timeout=TIMEOUT).stdout.decode()
        contains(text, 'string')
    finally:
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not alive(pid), 'the launched daemon ends')
    if program != os.path.realpath(bus.daemon):
        raise Skip(f'dbus-launch started {program} by its absolute path')


def alive(pid):
    try:
        with open(f'/proc/{pid}/stat') as f:
            return f.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except FileNotFoundError:
        return False


@test
def gtestdbus_starts_the_daemon(bus):
    # GTestDBus looks for dbus-daemon in PATH
    directory = bus.directory + '/gtest'
    os.mkdir(directory)
    os.symlink(bus.daemon, directory + '/dbus-daemon')
    script = '''
from gi.repository import Gio
test = Gio.TestDBus.new(Gio.TestDBusFlags.NONE)
test.up()
c = Gio.DBusConnection.new_for_address_sync(test.get_bus_address(),
    Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT |
    Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
print('unique', c.get_unique_name())
c.close_sync()
test.stop()
'''
    env = clean_environment(PATH=directory + ':' + os.environ['PATH'])
    out = subprocess.run(['/usr/bin/python3', '-c', script], env=env, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, timeout=TIMEOUT).stdout.decode()
    contains(out, 'unique :1.')


if __name__ == '__main__':
    daemon_under_test()
    sys.stdout.reconfigure(line_buffering=True)
    main(Bus())
