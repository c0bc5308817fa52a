# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The part of soak.c in Python, for clients with a main loop of GLib. soak.h has the protocol.

import os
import sys

from gi.repository import GLib

PATH = '/com/example/Soak'
INTERFACE = 'com.example.Soak'
TIMEOUT = 60
WINDOW, CALLS_PER_TICK, CALLS_PER_FD = 8, 16, 10


def fail(text):
    print('FAULT', sys.argv[0], text, flush=True)
    os._exit(1)


def check(condition, text):
    if not condition:
        fail(text)


class Client:
    """A subclass has call(destination, peer, number, fd or None) and tick(number)."""

    def __init__(self, unique):
        self.own, self.peers = unique, []
        self.called, self.ticks, self.calls, self.expected = {}, {}, {}, None
        self.next = self.n_called = self.n_answered = self.n_ticks = self.n_fds = 0
        self.runs = self.stops = self.is_done = self.is_ok = False
        self.line = b''
        GLib.io_add_watch(0, GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN | GLib.IOCondition.HUP,
                          self.read_line)

    def run(self):
        print('ready', self.own, flush=True)
        GLib.MainLoop().run()

    # events

    def take(self, sender, number, fd=None):
        check(sender in self.calls, f'a call comes from a stranger, {sender}')
        self.calls[sender] += 1
        check(number == self.calls[sender],
              f'call {number} of {sender} comes in the place of {self.calls[sender]}')
        if fd is not None:
            found = int.from_bytes(os.pread(fd, 8, 0), sys.byteorder)
            check(found == number, f'call {number} has the descriptor of {found}')
            self.n_fds += 1
        self.go_on()

    def answered(self, peer, number, answer):
        check(answer == number, f'{peer} answers call {number} with {answer}')
        self.n_answered += 1
        self.go_on()

    def ticked(self, sender, number):
        check(sender in self.ticks, f'a tick comes from a stranger, {sender}')
        self.ticks[sender] += 1
        check(number == self.ticks[sender],
              f'tick {number} of {sender} comes in the place of {self.ticks[sender]}')
        self.go_on()

    # sending

    def call_next(self):
        peer = self.peers[self.next]
        self.next = (self.next + 1) % len(self.peers)
        if peer == self.own:
            return
        self.called[peer] += 1
        self.n_called += 1
        number, fd = self.called[peer], None
        if self.n_called % CALLS_PER_FD == 0:
            fd = os.memfd_create('soak')
            os.write(fd, number.to_bytes(8, sys.byteorder))
        self.call(peer, number, fd)
        if fd is not None:
            os.close(fd)
        if self.n_called % CALLS_PER_TICK == 0:
            self.n_ticks += 1
            self.tick(self.n_ticks)

    def go_on(self):
        while self.runs and not self.stops and self.n_called - self.n_answered < WINDOW:
            self.call_next()
        if self.stops and not self.is_done and self.n_called == self.n_answered:
            print('sent', self.n_ticks, *[self.called[peer] for peer in self.peers], flush=True)
            self.is_done = True
        if self.expected and not self.is_ok:
            there = [(self.ticks[peer], self.calls[peer]) for peer in self.peers]
            check(all(a <= c and b <= d for (a, b), (c, d) in zip(there, self.expected)),
                  'more has come than was sent')
            if there == self.expected:
                print('ok', self.n_fds, flush=True)
                self.is_ok = True

    # the test

    def obey(self, words):
        if words[0] == 'know':
            self.peers = words[1:]
            self.next = self.peers.index(self.own)
            for table in self.called, self.ticks, self.calls:
                table.update(dict.fromkeys(self.peers, 0))
            print('known', flush=True)
        elif words[0] == 'go':
            self.runs = len(self.peers) > 1
        elif words[0] == 'stop':
            self.stops = True
        elif words[0] == 'expect':
            numbers = [int(word) for word in words[1:]]
            self.expected = list(zip(numbers[::2], numbers[1::2]))
        self.go_on()

    def read_line(self, *_):
        data = os.read(0, 65536)
        if not data:
            os._exit(0)
        self.line += data
        while b'\n' in self.line:
            line, _, self.line = self.line.partition(b'\n')
            self.obey(line.decode().split())
        return True
