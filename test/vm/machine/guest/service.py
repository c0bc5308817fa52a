# SPDX-License-Identifier: LGPL-2.1-or-later
"""A service of the machine's tests: takes its name, and tells in what it runs."""

import os
import sys

import rawbus

NAME = f"org.example.machine.{sys.argv[1]}"
bus = rawbus.Connection(os.environ["DBUS_STARTER_ADDRESS"]).authenticate()
bus.call("RequestName", "su", NAME, 4)
with open("/proc/self/cgroup", encoding="utf-8") as f:
    CGROUP = f.read().strip()
with open("/proc/self/status", encoding="utf-8") as f:
    NO_NEW_PRIVILEGES = [line.split()[1] for line in f if line.startswith("NoNewPrivs")][0]
while True:
    m = bus.receive(timeout=600)
    if m.kind == rawbus.CALL:
        text = "|".join([str(os.getuid()), str(os.getgroups()), CGROUP, NO_NEW_PRIVILEGES])
        bus.send(rawbus.reply(m, "s", text))
