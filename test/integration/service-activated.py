#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A service that the bus starts. It requests the names in its arguments. Its methods return which
# messages it received (Heard), its environment (Environment), how it was started (Process), or the
# arguments of the call; Release gives up the names, and Quit ends it. --fork: go to the background first. --fail-once: exit with 3 if FILE does
# not exist, and create it.
#
#   service-activated.py [--fork] [--fail-once FILE] NAME...

import os
import resource
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rawbus


def describe(m):
    if m.kind == rawbus.RETURN:
        return 'reply'
    return f'{m.member}({", ".join(str(x) for x in m.body)})'


def process():
    """How the service was started, as far as the service can see it."""
    return {
        'stdin': os.readlink('/proc/self/fd/0'),
        'descriptors': ' '.join(sorted(os.listdir('/proc/self/fd'))),
        'directory': os.getcwd(),
        'session': str(os.getsid(0)),
        'group': str(os.getpgid(0)),
        'user': f'{os.getresuid()} {os.getresgid()}',
        'limit': str(resource.getrlimit(resource.RLIMIT_NOFILE)),
        'blocked': [x.split()[1] for x in open('/proc/self/status') if x.startswith('SigBlk')][0],
    }


def main():
    args = sys.argv[1:]
    at_start = process()
    if args[0] == '--fail-once':
        if not os.path.exists(args[1]):
            open(args[1], 'w').close()
            sys.exit(3)
        args = args[2:]
    if args[0] == '--fork':
        if os.fork():
            os._exit(0)
        args = args[1:]

    c = rawbus.Connection(os.environ['DBUS_STARTER_ADDRESS']).authenticate()
    c.take()
    heard = []
    for name in args:
        c.send(rawbus.bus_call('RequestName', 'su', name, 0))
    while True:
        try:
            m = c.receive(60)
        except (rawbus.Closed, rawbus.Timeout):
            return
        heard.append(describe(m))
        if m.kind != rawbus.CALL or m.flags & rawbus.NO_REPLY:
            continue
        if m.member == 'Heard':
            c.send(rawbus.reply(m, 'as', heard))
        elif m.member == 'Environment':
            c.send(rawbus.reply(m, 'a{ss}', dict(os.environ)))
        elif m.member == 'Process':
            c.send(rawbus.reply(m, 'a{ss}', at_start))
        elif m.member == 'Release':
            for name in args:
                c.send(rawbus.bus_call('ReleaseName', 's', name))
            c.send(rawbus.reply(m))
        elif m.member == 'Quit':
            c.send(rawbus.reply(m))
            return
        else:
            c.send(rawbus.reply(m, m.signature, *m.body))


main()
