#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A service that takes its name, waits until the bus has sent it a call, and leaves without having
# read it. It adds a line to FILE at each start.
#
#   service-leaves.py NAME FILE

import os
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rawbus

name, path = sys.argv[1:]
with open(path, 'a') as f:
    f.write('started\n')
c = rawbus.Connection(os.environ['DBUS_STARTER_ADDRESS']).authenticate()
# without an answer, the call is the last message in the socket
c.send(rawbus.bus_call('RequestName', 'su', name, 0, flags=rawbus.NO_REPLY))
deadline = time.monotonic() + rawbus.TIMEOUT
while b'org.example.Interface' not in c.socket.recv(65536, socket.MSG_PEEK):
    if time.monotonic() > deadline:
        sys.exit('there was no call')
    time.sleep(0.001)
c.close()
