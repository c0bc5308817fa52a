#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The handshake on the wire: each command in each state, commands in pieces or sent all at once, and
# what ends the connection.

import os
import re
import socket

import rawbus
from busfixture import wait_until
from rawbus import Closed, bus_call
from transcript import main, scenario

UID = str(os.getuid()).encode().hex()
OTHER = str(os.getuid() + 1).encode().hex()


def answers(s, c, data, n):
    """Sends data, and returns n lines of answer, or 'closed' where the connection ends."""
    c.send_raw(data)
    lines = []
    try:
        for _ in range(n):
            line = c.line()
            if line.startswith('OK '):
                line = f'OK {len(line) - 3} digits'
            # the text of an error and the offered mechanisms may differ
            lines.append(re.sub(r'^(ERROR|REJECTED).*', r'\1', line))
    except Closed:
        lines.append('closed')
    return ', '.join(lines)


def talk(s, *steps, first=b'\0'):
    c = s.socket('A')
    out = []
    data = first
    for step in steps:
        out.append(f'{step.decode(errors="replace")!r}: {answers(s, c, data + step + CRLF, 1)}')
        data = b''
        if out[-1].endswith('closed'):
            break
    s.note(' | '.join(out))
    return c


CRLF = b'\r\n'
AUTH = b'AUTH EXTERNAL ' + UID.encode()


@scenario
def waiting_for_auth(s):
    for step in (b'AUTH', b'AUTH ', AUTH, b'AUTH EXTERNAL', b'AUTH external ' + UID.encode(),
                 b'AUTH NONSENSE', b'AUTH EXTERNAL ' + OTHER.encode(), b'AUTH EXTERNAL ' +
                 b'root'.hex().encode(), b'AUTH EXTERNAL 30zz', b'ERROR', b'ERROR text', b'BEGIN',
                 b'DATA', b'CANCEL', b'NEGOTIATE_UNIX_FD', b'NONSENSE', b'', b'EXTENSION_X',
                 b'auth', b'AUTH  EXTERNAL ' + UID.encode()):
        talk(s, step)


@scenario
def waiting_for_data(s):
    for step in (b'DATA', b'DATA ' + UID.encode(), b'DATA ' + OTHER.encode(), b'CANCEL', b'ERROR',
                 b'BEGIN', b'AUTH', AUTH, b'NEGOTIATE_UNIX_FD', b'NONSENSE'):
        talk(s, b'AUTH EXTERNAL', step)


@scenario
def waiting_for_begin(s):
    for step in (b'NEGOTIATE_UNIX_FD', b'CANCEL', b'ERROR', b'AUTH', AUTH, b'DATA', b'NONSENSE'):
        talk(s, AUTH, step)
    talk(s, AUTH, b'NEGOTIATE_UNIX_FD', b'NEGOTIATE_UNIX_FD', b'CANCEL', AUTH,
         b'NEGOTIATE_UNIX_FD')
    talk(s, AUTH, b'CANCEL', b'BEGIN')


@scenario
def sixth_rejection_closes(s):
    talk(s, *[b'AUTH NONSENSE'] * 10)


@scenario
def first_byte_must_be_nul(s):
    for first in (b'A', b'\1'):
        c = s.socket('A')
        s.note(answers(s, c, first + AUTH + CRLF, 1))


@scenario
def second_nul_is_part_of_the_line(s):
    c = s.socket('A')
    s.note(answers(s, c, b'\0\0' + AUTH + CRLF, 1))


@scenario
def endless_line_closes(s):
    c = s.socket('A')
    c.send_raw(b'\0' + b'A' * 20000)
    try:
        c.line()
    except Closed:
        s.note('closed')


@scenario
def bare_line_feed_does_not_end_a_line(s):
    c = s.socket('A')
    s.note(answers(s, c, b'\0AUTH EXTERNAL\nAUTH\n\r\n' + AUTH + CRLF, 2))


@scenario
def everything_in_one_write(s):
    c = s.socket('A')
    hello = bus_call('Hello')
    hello.serial = 1
    names = bus_call('NameHasOwner', 's', rawbus.BUS)
    names.serial = 2
    c.serial = 2
    c.send_raw(b'\0' + AUTH + CRLF + b'NEGOTIATE_UNIX_FD\r\nBEGIN\r\n' + hello.encode() +
               names.encode())
    s.note(c.line()[:3])
    s.note(c.line())
    c.sent = {1: 'Hello', 2: 'NameHasOwner'}
    answer = c.receive()
    c.unique = answer.body[0]
    s.names[c.unique] = 'A'
    s.see(c, [answer, c.receive(), c.receive()])


@scenario
def sd_bus_handshake(s):
    c = s.socket('A')
    hello = bus_call('Hello')
    hello.serial = 1
    c.send_raw(b'\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n' + hello.encode())
    s.note(f'{c.line()} {c.line()[:3]} {c.line()}')
    answer = c.receive()
    s.note(f'{answer.signature} {answer.reply_serial}')


@scenario
def byte_by_byte(s):
    c = s.socket('A')
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    hello = bus_call('Hello')
    hello.serial = 1
    for byte in b'\0' + AUTH + CRLF + b'NEGOTIATE_UNIX_FD\r\nBEGIN\r\n' + hello.encode():
        c.send_raw(bytes([byte]))
    s.note(f'{c.line()[:3]} {c.line()}')
    answer = c.receive()
    s.note(f'{answer.signature} {answer.reply_serial}')


@scenario
def descriptors_before_begin_close_or_are_dropped(s):
    s.connect('W')
    before = len(os.listdir(f'/proc/{s.bus.pid}/fd'))
    c = s.socket('A')
    with open('/dev/null', 'rb') as f:
        c.send_raw(b'\0' + AUTH + CRLF, [f.fileno()])
        try:
            c.line()
        except Closed:
            pass
    c.close()
    d = s.connect('B')
    d.close()
    wait_until(lambda: len(os.listdir(f'/proc/{s.bus.pid}/fd')) <= before, 'descriptors leak')
    s.note('nothing is left')


@scenario
def guid_is_that_of_the_address(s):
    c = s.connect('A')
    s.note(str(('guid=' + c.guid) in s.address))
    s.note(str(c.call('GetId').body[0] != c.guid))


DIFFERENCES = {}

if __name__ == '__main__':
    main(DIFFERENCES)
