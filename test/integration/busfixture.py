# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A private bus for a test.
#
# Starts the daemon under test with a configuration and a directory for this test, and ends it by
# its pid. The daemon is the first argument of the test, else $BUS_DAEMON, else the reference. Tests
# wait for conditions. They sleep for a fixed time only where no condition shows what they wait for.

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

REFERENCE = '/usr/bin/dbus-daemon'
TIMEOUT = float(os.environ.get('BUS_TEST_TIMEOUT', '20'))

SESSION_CONFIG = '''<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <keep_umask/>
  <listen>{listen}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
{extra}</busconfig>
'''


def daemon_under_test():
    """Returns the daemon under test. Removes the argument that names it."""
    if len(sys.argv) > 1 and not sys.argv[1].startswith('-') and '/' in sys.argv[1]:
        os.environ['BUS_DAEMON'] = os.path.abspath(sys.argv.pop(1))
    return os.environ.get('BUS_DAEMON', REFERENCE)


def is_reference(daemon):
    return os.path.realpath(daemon) == os.path.realpath(REFERENCE)


def wait_until(condition, what, timeout=None):
    """Polls a condition that nothing can signal (a file, another process's state)."""
    deadline = time.monotonic() + (TIMEOUT if timeout is None else timeout)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f'timeout: {what}')
        time.sleep(0.005)


def read_line(fd, timeout=None):
    """Returns a line from a pipe, without its end; '' at the end of the stream."""
    line = b''
    deadline = time.monotonic() + (TIMEOUT if timeout is None else timeout)
    while not line.endswith(b'\n'):
        ready, _, _ = select.select([fd], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            raise AssertionError(f'timeout: only {line!r} was printed')
        byte = os.read(fd, 1)
        if not byte:
            break
        line += byte
    return line.decode().rstrip('\n')


def clean_environment(**extra):
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(('DBUS_', 'LISTEN_', 'NOTIFY_')) and k not in ('XDG_RUNTIME_DIR',
                                                                               'DISPLAY')}
    env.update(LC_ALL='C.UTF-8', **extra)
    return env


def end(process):
    """Ends a program by SIGTERM; returns its exit status. That of a daemon should be 0."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    process.stdout.close()
    return process.returncode


class Bus:
    def __init__(self, daemon=None, config=None, args=(), extra='', listen=None, **popen):
        self.daemon = daemon or daemon_under_test()
        self.directory = tempfile.mkdtemp(prefix='bus-test-')
        os.chmod(self.directory, 0o711)  # other users can reach the socket; the policy decides
        if config is None:
            config = self.directory + '/session.conf'
            with open(config, 'w') as f:
                f.write(SESSION_CONFIG.format(
                    listen=listen or f'unix:path={self.directory}/bus', extra=extra))
        argv = [self.daemon, '--config-file=' + config, '--nofork', '--print-address=1', *args]
        self.log = open(self.directory + '/log', 'w+')
        popen.setdefault('env', clean_environment())
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.log, **popen)
        self.pid = self.process.pid
        try:
            self.address = read_line(self.process.stdout.fileno())
            if not self.address:
                raise AssertionError('the daemon printed no address: ' + self.read_log())
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def read_log(self):
        self.log.flush()
        with open(self.directory + '/log', errors='replace') as f:
            return f.read()

    def environment(self, **extra):
        """Returns the environment of a program that uses this bus as its session bus."""
        return clean_environment(DBUS_SESSION_BUS_ADDRESS=self.address, **extra)

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        status = end(self.process)
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        return status


class Program:
    """A long-running program on a bus; tests wait for lines of its output."""

    def __init__(self, argv, env, **popen):
        self.argv = argv
        self.output = ''
        popen.setdefault('stdin', subprocess.DEVNULL)
        self.process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, **popen)
        os.set_blocking(self.process.stdout.fileno(), False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def wait_output(self, text, timeout=None):
        """Waits until the output contains text; returns all output so far."""
        deadline = time.monotonic() + (TIMEOUT if timeout is None else timeout)
        fd = self.process.stdout.fileno()
        while text not in self.output:
            ready, _, _ = select.select([fd], [], [], max(0, deadline - time.monotonic()))
            data = os.read(fd, 65536) if ready else b''
            if not data:
                raise AssertionError(f'{self.argv[0]}: no {text!r} in {self.output!r}')
            self.output += data.decode(errors='replace')
        return self.output

    def wait(self, timeout=None):
        return self.process.wait(TIMEOUT if timeout is None else timeout)

    def stop(self):
        end(self.process)
