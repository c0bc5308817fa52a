#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bus executes its program again, with SIGUSR2: what stays, and what makes it go on as it was

test-reexec.py BUS OLDER BUS1CTL FAILING-MALLOC, where OLDER is a bus that reads no state document,
because it is too old; FAILING-MALLOC is '' if it cannot be preloaded.
"""

import fcntl
import os
import pwd
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import rawbus
import reexecution
from busfixture import TIMEOUT, Bus, clean_environment, wait_until
from reexecution import DONE, FAILED, count, count_sockets, reexec
from tap import Skip, contains, equal, main, test

BRIDGE, OLDER, BUS1CTL = (os.path.abspath(x) for x in sys.argv[1:4])
FAILING_MALLOC = sys.argv[4] and os.path.abspath(sys.argv[4])


class Place(reexecution.Place):
    def __init__(self):
        super().__init__(BRIDGE)


def connect(bus):
    return rawbus.Connection(bus.address).authenticate()


def leave(bus, c, idle):
    c.close()
    wait_until(lambda: count_sockets(bus) == idle, 'the bus closes the socket')


def ask(c, member):
    """Calls the service com.example.S."""
    return c.wait_for(c.send(rawbus.call('com.example.S', '/', 'com.example.I', member))).body[0]


def executable_of(bus):
    return os.readlink(f'/proc/{bus.pid}/exe')


@test
def an_idle_bus_stays_the_same():
    with Place() as place, place.bus() as bus:
        idle = count_sockets(bus)
        path = bus.address.split('=')[1].split(',')[0]
        facts = []
        for i in range(4):
            c = connect(bus)
            facts.append((c.call('GetId').body, c.call('GetConnectionUnixProcessID', 's',
                                                       rawbus.BUS).body, os.stat(path).st_ino,
                          c.guid if hasattr(c, 'guid') else None))
            equal(c.unique, f':1.{i}')
            leave(bus, c, idle)
            descriptors = sorted(os.listdir(f'/proc/{bus.pid}/fd'))
            reexec(bus)
            equal(sorted(os.listdir(f'/proc/{bus.pid}/fd')), descriptors)
        equal(facts, [facts[0]] * 4)
        equal(facts[0][1], (bus.pid,))
        equal(count(bus, DONE), 4)
        # nothing is printed a second time
        os.set_blocking(bus.process.stdout.fileno(), False)
        equal(bus.process.stdout.read(), None)
        equal(bus.stop(), 0)
        equal(os.path.exists(path), False)


@test
def connections_wait_in_the_listening_socket():
    with Place() as place, place.bus() as bus:
        # the check begins; it takes over the listening socket, but accepts nothing
        place.replace(f'#!/bin/sh\nsleep 1\nexec {BRIDGE} "$@"\n')
        bus.process.send_signal(signal.SIGUSR2)
        wait_until(lambda: os.path.exists(f'/proc/{bus.pid}/task/{bus.pid}/children') and
                   open(f'/proc/{bus.pid}/task/{bus.pid}/children').read(), 'the check')
        c = connect(bus)
        equal(c.call('GetId').kind, rawbus.RETURN)
        # the client has come meanwhile, and stays
        wait_until(lambda: count(bus, DONE), 'the end of the request')
        equal(c.call('GetId').kind, rawbus.RETURN)
        c.close()


@test
def a_new_program_takes_over():
    with Place() as place, place.bus() as bus:
        idle = count_sockets(bus)
        place.replace('#!/bin/sh\n')
        place.restore()
        contains(executable_of(bus), '(deleted)')
        reexec(bus)
        equal(executable_of(bus), place.program)
        with open(f'/proc/{bus.pid}/cmdline', 'rb') as f:
            equal(f.read().split(b'\0')[0].decode(), place.program)
        leave(bus, connect(bus), idle)
        reexec(bus)


@test
def what_has_changed_on_disk_counts():
    with Place() as place, place.bus() as bus:
        idle = count_sockets(bus)
        c = connect(bus)
        equal('com.example.New' in c.call('ListActivatableNames').body[0], False)
        leave(bus, c, idle)
        place.service('com.example.New')
        reexec(bus)
        c = connect(bus)
        equal('com.example.New' in c.call('ListActivatableNames').body[0], True)
        leave(bus, c, idle)


def watched(bus):
    """What the bus watches with inotify, as the kernel shows it."""
    lines = []
    for name in os.listdir(f'/proc/{bus.pid}/fdinfo'):
        with open(f'/proc/{bus.pid}/fdinfo/{name}', encoding='ascii') as f:
            lines += [line for line in f if line.startswith('inotify')]
    return sorted(line.split('ino:')[1] for line in lines)


@test
def changes_are_noticed_afterwards():
    with Place() as place, place.bus() as bus:
        idle = count_sockets(bus)
        before = watched(bus)
        assert before, 'inotify is not available'
        for i in range(3):
            reexec(bus)
            equal(watched(bus), before)
        # one directory goes, and its watch with it
        config = bus.directory + '/session.conf'
        with open(config, encoding='utf-8') as f:
            text = f.read()
        place.service('com.example.New')
        c = connect(bus)
        wait_until(lambda: 'com.example.New' in c.call('ListActivatableNames').body[0],
                   'the new service')
        leave(bus, c, idle)
        place.write('session.conf', text.replace(f'<servicedir>{place.path}/services</servicedir>',
                                                 ''))
        bus.process.send_signal(signal.SIGSTOP)
        os.rename(place.path + '/session.conf', config)
        bus.process.send_signal(signal.SIGUSR2)
        bus.process.send_signal(signal.SIGCONT)
        wait_until(lambda: count(bus, DONE) == 4, 'the execution')
        wait_until(lambda: len(watched(bus)) == len(before) - 1, 'a directory less')
        equal(set(watched(bus)) < set(before), True)


@test
def lack_of_memory_changes_nothing():
    """Each Nth allocation of the bus fails, from the request on."""
    if not FAILING_MALLOC:
        raise Skip('a sanitizer has allocation functions of its own')
    outcomes = set()
    for n in [*range(1, 25), 31, 47, 67, 97, 151]:
        with Place() as place, place.bus(env=clean_environment(LD_PRELOAD=FAILING_MALLOC,
                                                               FAIL_EVERY=str(n))) as bus:
            idle = count_sockets(bus)
            bus.process.send_signal(signal.SIGUSR1)
            bus.process.send_signal(signal.SIGUSR2)
            wait_until(lambda: FAILED in bus.read_log() or DONE in bus.read_log() or
                       not bus.alive(), f'N={n}: {bus.read_log()}')
            outcomes.add(DONE in bus.read_log())
            bus.process.send_signal(signal.SIGWINCH)
            time.sleep(0.01)
            c = connect(bus)
            equal(c.call('GetConnectionUnixProcessID', 's', rawbus.BUS).body, (bus.pid,))
            leave(bus, c, idle)
            reexec(bus)
            equal(bus.stop(), 0, f'N={n}')
    equal(outcomes, {True, False})


@test
def services_get_what_they_would_have_got():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    low = min(soft, 200)
    with Place() as place:
        place.service('com.example.S')
        with place.bus(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE,
                                                             (low, hard))) as bus:
            idle = count_sockets(bus)
            c = connect(bus)
            c.call('UpdateActivationEnvironment', 'a{ss}', {'COLOUR': 'blue', 'EMPTY': ''})
            leave(bus, c, idle)
            reexec(bus)
            reexec(bus)
            c = connect(bus)
            process = ask(c, 'Process')
            equal(process['limit'], str((low, hard)))
            equal(process['blocked'], '0' * 16)
            equal(process['descriptors'], '0 1 2 3')
            environment = ask(c, 'Environment')
            equal((environment['COLOUR'], environment['EMPTY']), ('blue', ''))
            equal(environment['DBUS_STARTER_ADDRESS'], bus.address)
            equal('BUS1_BRIDGE_STATE' in environment, False)
            # the service is a client, and a child
            child = int(open(f'/proc/{bus.pid}/task/{bus.pid}/children').read())
            reexec(bus)
            equal(ask(c, 'Process'), process)
            os.kill(child, signal.SIGKILL)
            wait_until(lambda: not os.path.exists(f'/proc/{child}'), 'the bus waits for the child')
            c.close()


@test
def the_pid_file_stays_locked_and_is_removed_at_the_end():
    with Place() as place:
        pidfile = place.path + '/pid'
        with place.bus(f'<pidfile>{pidfile}</pidfile>') as bus:
            inode = os.stat(pidfile).st_ino
            reexec(bus)
            equal(os.stat(pidfile).st_ino, inode)
            with open(pidfile, encoding='utf-8') as f:
                equal(f.read(), f'{bus.pid}\n')
                try:
                    fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    raise AssertionError('nobody holds the lock')
                except BlockingIOError:
                    pass
            equal(bus.stop(), 0)
            equal(os.path.exists(pidfile), False)


@test
def unique_names_do_not_repeat_and_use_up_no_block():
    with Place() as place, tempfile.TemporaryDirectory() as state:
        with place.bus(env=clean_environment(RUNTIME_DIRECTORY=state)) as bus:
            idle = count_sockets(bus)
            for i in range(3):
                c = connect(bus)
                equal(c.unique, f':1.{i}')
                leave(bus, c, idle)
                reexec(bus)
            with open(state + '/unique-names', encoding='utf-8') as f:
                equal(f.read(), '10000\n')


@test
def another_bus_does_not_get_the_address():
    with Place() as place, place.bus() as bus:
        reexec(bus)
        path = bus.address.split('=')[1].split(',')[0]
        try:
            Bus(BRIDGE, listen='unix:path=' + path)
            raise AssertionError('it has started')
        except AssertionError as e:
            contains(str(e), path)
        connect(bus).close()


def check_goes_on(place, bus, pid):
    """The bus works, has no descriptor or child too many, and can be executed again later."""
    idle = count_sockets(bus)
    c = connect(bus)
    equal(c.call('GetConnectionUnixProcessID', 's', rawbus.BUS).body, (pid,))
    leave(bus, c, idle)
    place.restore()
    reexec(bus)


def fails(place, bus, *parts):
    descriptors = sorted(os.listdir(f'/proc/{bus.pid}/fd'))
    reexec(bus, FAILED)
    contains(bus.read_log(), *parts)
    wait_until(lambda: not open(f'/proc/{bus.pid}/task/{bus.pid}/children').read(), 'no child')
    equal(sorted(os.listdir(f'/proc/{bus.pid}/fd')), descriptors)
    check_goes_on(place, bus, bus.pid)


@test
def a_program_that_refuses_changes_nothing():
    with Place() as place, place.bus() as bus:
        place.replace('#!/bin/sh\nexit 3\n')
        fails(place, bus, f'{place.program} refuses to take over (exit status 3)')


@test
def a_program_that_crashes_changes_nothing():
    with Place() as place, place.bus() as bus:
        place.replace('#!/bin/sh\nkill -SEGV $$\n')
        fails(place, bus, 'was ended by signal 11')


@test
def a_program_that_hangs_changes_nothing():
    with Place() as place, place.bus() as bus:
        place.replace('#!/bin/sh\nexec sleep 1000\n')
        fails(place, bus, 'takes too long')


@test
def a_program_that_cannot_be_executed_changes_nothing():
    with Place() as place, place.bus() as bus:
        place.replace('no program\n')
        fails(place, bus, 'Exec format error')
    with Place() as place, place.bus() as bus:
        os.unlink(place.program)
        fails(place, bus, f'{place.program}: No such file or directory')


@test
def another_bus_changes_nothing():
    if not os.path.exists('/usr/bin/dbus-daemon'):
        raise Skip('there is no dbus-daemon')
    with Place() as place, place.bus() as bus:
        shutil.copy('/usr/bin/dbus-daemon', place.program + '.new')
        os.rename(place.program + '.new', place.program)
        fails(place, bus, 'refuses to take over')


@test
def an_older_program_refuses_the_version():
    with Place() as place, place.bus() as bus:
        shutil.copy(OLDER, place.program + '.new')
        os.rename(place.program + '.new', place.program)
        fails(place, bus, 'Cannot take over from the message bus that runs: record 1 (Header)',
              'the document has version 1, but this program reads only versions up to 0')


@test
def a_broken_configuration_changes_nothing():
    with Place() as place, place.bus() as bus:
        config = bus.directory + '/session.conf'
        with open(config, encoding='utf-8') as f:
            good = f.read()
        with open(config, 'w', encoding='utf-8') as f:
            f.write('<busconfig><nonsense/></busconfig>')
        reexec(bus, FAILED)
        contains(bus.read_log(), 'refuses to take over (exit status 1)',
                 'Cannot take over from the message bus that runs: ')
        with open(config, 'w', encoding='utf-8') as f:
            f.write(good)
        check_goes_on(place, bus, bus.pid)


@test
def a_configuration_that_breaks_after_the_check_is_checked_again():
    with Place() as place, place.bus() as bus:
        config = bus.directory + '/session.conf'
        place.replace(f'''#!/bin/sh
            if [ -e {place.path}/once ]; then exec {BRIDGE} "$@"; fi
            touch {place.path}/once
            {BRIDGE} "$@" || exit 1
            echo '<busconfig><nonsense/></busconfig>' >{config}
            exit 0
            ''')
        reexec(bus, FAILED)
        contains(bus.read_log(), 'refuses to take over (exit status 1)')
        c = connect(bus)
        equal(c.call('GetId').kind, rawbus.RETURN)
        c.close()


@test
def a_program_that_fails_in_spite_of_its_check_gives_the_bus_back():
    with Place() as place, place.bus() as bus:
        idle = count_sockets(bus)
        c = connect(bus)
        guid = c.call('GetId').body
        m = rawbus.bus_call('GetId')
        m.serial = 100
        c.send_raw(m.encode()[:50])
        new = rawbus.Connection(bus.address)
        new.send_raw(b'\0AUTH EXTER')
        place.replace(f'''#!/bin/sh
            case "$*" in *--check-state*) exit 0;; esac
            exec {OLDER} "$@"
            ''')
        wait_until(lambda: count_sockets(bus) == idle + 2, 'the connections')
        descriptors = sorted(os.listdir(f'/proc/{bus.pid}/fd'))
        reexec(bus)
        contains(bus.read_log(), 'The program of before goes on')
        contains(executable_of(bus), '(deleted)')
        equal(sorted(os.listdir(f'/proc/{bus.pid}/fd')), descriptors)
        c.send_raw(m.encode()[50:])
        equal(c.wait_for(100).body, guid)
        new.send_raw(b'NAL\r\nDATA\r\n')
        equal(new.line(), 'DATA')
        equal(new.line(), 'OK ' + c.guid)
        new.close()
        leave(bus, c, idle)
        c = connect(bus)
        equal(c.unique, ':1.1')
        leave(bus, c, idle)
        # and it still knows where to look for its program
        place.restore()
        reexec(bus)
        equal(executable_of(bus), place.program)


@test
def requests_during_a_request_and_the_end():
    with Place() as place, place.bus() as bus:
        for _ in range(10):
            bus.process.send_signal(signal.SIGUSR2)
            time.sleep(0.002)
        wait_until(lambda: count(bus, DONE) > 0, 'the execution')
        # a reload and an execution at once
        bus.process.send_signal(signal.SIGHUP)
        reexec(bus)
        # the bus ends while the check runs
        place.replace('#!/bin/sh\nexec sleep 1000\n')
        bus.process.send_signal(signal.SIGUSR2)
        wait_until(lambda: open(f'/proc/{bus.pid}/task/{bus.pid}/children').read(), 'the check')
        child = int(open(f'/proc/{bus.pid}/task/{bus.pid}/children').read().split()[0])
        equal(bus.stop(), 0)
        wait_until(lambda: not os.path.exists(f'/proc/{child}') or
                   open(f'/proc/{child}/stat').read().rsplit(')', 1)[1].split()[0] in 'ZX',
                   'the check ends')


@test
def systemd_is_told():
    with Place() as place, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(place.path + '/notify')
        s.settimeout(TIMEOUT)
        with place.bus(env=clean_environment(NOTIFY_SOCKET=place.path + '/notify')) as bus:
            contains(s.recv(1000).decode(), 'READY=1')
            reexec(bus)
            lines = s.recv(1000).decode().splitlines()
            equal(lines[0], 'RELOADING=1')
            usec = int(lines[1].removeprefix('MONOTONIC_USEC='))
            assert 0 <= time.monotonic() - usec / 1e6 < TIMEOUT, usec
            contains(s.recv(1000).decode(), 'READY=1')
            # nothing, as long as only the check has failed
            place.replace('#!/bin/sh\nexit 3\n')
            reexec(bus, FAILED)
            s.setblocking(False)
            try:
                raise AssertionError(s.recv(1000))
            except BlockingIOError:
                pass


@test
def bus1ctl_shows_the_document():
    with Place() as place, place.bus() as bus:
        idle = count_sockets(bus)
        c = connect(bus)
        c.call('UpdateActivationEnvironment', 'a{ss}', {'COLOUR': 'blue'})
        leave(bus, c, idle)
        place.replace(f'''#!/bin/sh
            for word; do case $word in --check-state=*) fd=${{word#*=}}; esac; done
            cat /proc/self/fd/$fd >{place.path}/document
            exit 3
            ''')
        reexec(bus, FAILED)
        result = subprocess.run([BUS1CTL, 'state', 'show', place.path + '/document'],
                                capture_output=True, text=True, timeout=TIMEOUT)
        equal((result.returncode, result.stderr), (0, ''))
        contains(result.stdout, '1 Header\n', f'    pid: {bus.pid}\n', '2 Process\n',
                 f'    program_path: "{place.program}"\n', f'    address: "{bus.address}"\n',
                 '    text: "COLOUR=blue"\n', 'Listener\n', '    fd: descriptor ')


@test
def a_variable_of_somebody_else_is_ignored():
    with Place() as place:
        fd = os.memfd_create('foreign', os.MFD_ALLOW_SEALING)
        os.write(fd, b'nonsense')
        for value in ('', 'x', '0', '1,2', '99999', '-1', f'{fd}', f'{fd},{fd}'):
            with place.bus(env=clean_environment(BUS1_BRIDGE_STATE=value), pass_fds=(fd,)) as bus:
                connect(bus).close()
        os.close(fd)


def status_of(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        return {line.split(':')[0]: line.split(':')[1].split() for line in f
                if line.startswith(('Uid', 'Gid', 'Groups', 'Cap', 'Sig', 'Shd'))}


@test
def privileges_stay_the_same():
    if os.geteuid() != 0:
        raise Skip('only root can change the user')
    user = pwd.getpwnam('nobody')
    extra = (f'<user>{user.pw_name}</user>'
             '<policy context="default"><allow user="*"/></policy>')
    with Place() as place, place.bus(extra) as bus:
        os.chown(bus.directory, user.pw_uid, user.pw_gid)
        before, owner = status_of(bus.pid), os.stat(f'/proc/{bus.pid}/fd').st_uid
        equal((before['Uid'][0], owner), (str(user.pw_uid), 0))
        reexec(bus)
        equal(status_of(bus.pid), before)
        # those of a process that is not dumpable belong to root
        equal(os.stat(f'/proc/{bus.pid}/fd').st_uid, owner)
        connect(bus).close()


@test
def a_bus_in_the_background_stays_there():
    with Place() as place:
        config = place.write('bus.conf', f'''<busconfig><type>session</type>
            <listen>unix:path={place.path}/bus</listen><pidfile>{place.path}/pid</pidfile>
            <policy context="default"><allow user="*"/><allow send_destination="*"/>
            <allow receive_sender="*"/></policy></busconfig>''')
        equal(os.spawnv(os.P_WAIT, place.program, [place.program, '--config-file=' + config,
                                                   '--fork']), 0)
        with open(place.path + '/pid', encoding='utf-8') as f:
            pid = int(f.read())
        try:
            c = rawbus.Connection(f'unix:path={place.path}/bus').authenticate()
            guid = c.call('GetId').body
            c.close()
            place.restore()
            time.sleep(0.1)  # the log is in the syslog
            os.kill(pid, signal.SIGUSR2)
            wait_until(lambda: os.readlink(f'/proc/{pid}/exe') == place.program,
                       'the program is executed again')
            c = rawbus.Connection(f'unix:path={place.path}/bus').authenticate()
            equal(c.call('GetId').body, guid)
            equal(c.call('GetConnectionUnixProcessID', 's', rawbus.BUS).body, (pid,))
            equal(os.readlink(f'/proc/{pid}/cwd'), '/')
            c.close()
        finally:
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not os.path.exists(place.path + '/bus'), 'the end')


main(only=sys.argv[5:])
