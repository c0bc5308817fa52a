# SPDX-License-Identifier: LGPL-2.1-or-later
#
# For tests of a bus that executes its program again.

import os
import shutil
import signal
import sys
import tempfile

from busfixture import Bus, wait_until

DONE = 'The message bus has executed its program again'
FAILED = 'The message bus does not execute its program again, and goes on: '
SERVICE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'service-activated.py')


class Place:
    """A directory with a copy of the program, which can be replaced, and services."""

    def __init__(self, program):
        self.original = program
        self.path = tempfile.mkdtemp(prefix='bus-reexec-')
        os.chmod(self.path, 0o711)
        self.program = self.path + '/bus1-bridge'
        shutil.copy(program, self.program)
        os.mkdir(self.path + '/services')
        os.chmod(self.path + '/services', 0o755)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def write(self, name, text, mode=0o644):
        """Replaces a file in one step, as the installation of a package does."""
        new = f'{self.path}/{name}.new'
        with open(new, 'w', encoding='utf-8') as f:
            f.write(text)
        os.chmod(new, mode)
        os.rename(new, f'{self.path}/{name}')
        return f'{self.path}/{name}'

    def replace(self, script):
        self.write('bus1-bridge', script, 0o755)

    def restore(self):
        shutil.copy(self.original, self.program + '.new')
        os.rename(self.program + '.new', self.program)

    def service(self, name):
        self.write(f'services/{name}.service',
                   f'[D-BUS Service]\nName={name}\nExec={sys.executable} {SERVICE} {name}\n')

    def bus(self, extra='', **more):
        return Bus(self.program, extra=f'<servicedir>{self.path}/services</servicedir>{extra}',
                   **more)


def count(bus, text):
    return bus.read_log().count(text)


def reexec(bus, result=DONE):
    """Sends SIGUSR2, and waits until the log has one more line with the result."""
    n = count(bus, result)
    bus.process.send_signal(signal.SIGUSR2)
    wait_until(lambda: count(bus, result) > n or not bus.alive(), f'{result}: {bus.read_log()}')
    assert bus.alive(), bus.read_log()


def count_sockets(bus):
    """A client has left when the bus has as many sockets as before it came."""
    sockets = 0
    for name in os.listdir(f'/proc/{bus.pid}/fd'):
        try:
            sockets += os.readlink(f'/proc/{bus.pid}/fd/{name}').startswith('socket:')
        except FileNotFoundError:
            pass
    return sockets
