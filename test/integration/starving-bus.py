#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A daemon for the integration tests whose allocations fail: each STARVING_EVERY-th one, from the
# time when it has printed its address. run-starving starts the tests with it:
#
#   STARVING_BUS=BUS STARVING_MALLOC=FAILING-MALLOC STARVING_EVERY=N STARVING_REPORTS=DIRECTORY \
#       starving-bus.py OPTION...
#
# It runs the bus with these options, and passes signals on. A bystander is connected all the time.
# If the bus ends by a signal or with an error, or the bystander is dropped or gets something that
# it did not ask for, there is a file with the reason in the directory.

import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time

from rawbus import Connection

BUS, MALLOC, EVERY, REPORTS = (os.environ.pop('STARVING_' + name)
                               for name in ('BUS', 'MALLOC', 'EVERY', 'REPORTS'))


def report(text):
    with open(f'{REPORTS}/{os.getpid()}', 'a', encoding='utf-8') as f:
        print(f'N={EVERY}: {" ".join(sys.argv[1:])}: {text}', file=f)


class Bystander:
    def __init__(self, address):
        self.connection = None
        try:
            connection = Connection(address).authenticate()
            connection.call('AddMatch', 's', "member='NobodySendsThis'")
            connection.take()
            if connection.unique.startswith(':'):
                self.connection = connection
        except Exception:  # pylint: disable=broad-except
            pass
        # no connection: this bus does not let root in, answers nobody, or is full: some tests have
        # such policies and limits

    def check(self):
        if not self.connection:
            return
        try:
            got = self.connection.take()
            self.connection.call('GetId')
        except Exception as e:  # pylint: disable=broad-except
            report(f'the bystander was harmed: {e!r}')
            return
        if got:
            report(f'the bystander got {got!r}')


def stop_failing(pid):
    """Wait until the bus has taken the signal: the bystander's call must not be what fails."""
    os.kill(pid, signal.SIGWINCH)
    bit = 1 << (signal.SIGWINCH - 1)
    for _ in range(1000):
        try:
            with open(f'/proc/{pid}/status', encoding='ascii') as f:
                pending = re.findall(r'^(?:SigPnd|ShdPnd):\t(\w+)', f.read(), re.M)
        except FileNotFoundError:
            return
        if not any(int(x, 16) & bit for x in pending):
            break
        time.sleep(0.01)
    time.sleep(0.01)


def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def main():
    environment = dict(os.environ, LD_PRELOAD=MALLOC, FAIL_EVERY=EVERY)
    # A signal to the group of the test must not end the bus before the bystander has looked at it.
    with subprocess.Popen([BUS, *sys.argv[1:]], env=environment, stdout=subprocess.PIPE,
                          close_fds=False, process_group=0, preexec_fn=end_with_parent) as bus:
        bystander = None
        asked_to_end = threading.Event()

        def end(signo, frame):
            del frame
            asked_to_end.set()
            stop_failing(bus.pid)
            if bystander:
                bystander.check()
            bus.send_signal(signo)

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        signal.signal(signal.SIGHUP, lambda signo, frame: bus.send_signal(signo))
        for line in bus.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.flush()
            address = re.match(rb'(unix:[^,;]*)', line)
            if address and not bystander:
                bystander = Bystander(address.group(1).decode())
                bus.send_signal(signal.SIGUSR1)
        status = bus.wait()
    if asked_to_end.is_set() and status != 0 or status < 0:
        report(f'the bus ended with status {status}')
    return status if status >= 0 else 128 - status


sys.exit(main())
