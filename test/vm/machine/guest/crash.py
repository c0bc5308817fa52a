# SPDX-License-Identifier: LGPL-2.1-or-later
"""The buses crash several times in a row. What comes after this in the same boot is no use."""

import os
import signal
import time

import activation
import points
import rawbus

CRASHES = 7
BUSES = {"system bus": (points.SYSTEM, None, []),
         "user bus": (points.SESSION, points.USER, ["--user"])}
RETURN = 30  # s


def process(address, user):
    """The process that is the bus, as a new client sees it; None if none answers."""
    try:
        connection = rawbus.Connection(address, uid=user or 0).authenticate()
        pid = connection.call("GetConnectionUnixProcessID", "s", rawbus.BUS).body[0]
    except (OSError, rawbus.Closed, rawbus.Timeout, AssertionError):
        return None
    connection.close()
    return pid


def next_process(address, user):
    """The same, of a bus that may be starting."""
    deadline = time.monotonic() + RETURN
    while time.monotonic() < deadline:
        pid = process(address, user)
        if pid:
            return pid
        time.sleep(0.1)
    return None


def program(pid):
    with open(f"/proc/{pid}/comm", encoding="utf-8") as f:
        return f.read().strip()


def crash(checks, label):
    address, user, manager = BUSES[label]

    def show(unit, key):
        return points.run(["systemctl", *manager, "show", "--value", "-p", key, unit],
                          user)[1].strip()

    came_back, pid = 0, process(address, user)
    before = program(pid)
    while pid and came_back < CRASHES:
        points.progress(f"{label}: crash {came_back + 1} of {pid}")
        os.kill(pid, signal.SIGSEGV)
        while os.path.exists(f"/proc/{pid}"):
            time.sleep(0.01)
        pid = next_process(address, user)
        came_back += bool(pid)
    checks.add(f"the {label} comes back after each crash",
               came_back < CRASHES and f"{came_back} of {CRASHES} times")
    for unit in ("dbus.socket", "dbus.service"):
        state = show(unit, "ActiveState")
        checks.add(f"{unit} of the {label} after crashes", state if state != "active" else None)
    if not pid:
        return
    # also if another one has been switched in for the next boot
    checks.add(f"the {label} is the same program after crashes",
               program(pid) != before and program(pid))
    # the manager comes back to its bus, and services start again
    connection = rawbus.Connection(address, uid=user or 0).authenticate()
    deadline = time.monotonic() + RETURN
    name = "org.freedesktop.systemd1"
    while not connection.call("NameHasOwner", "s", name).body[0] and time.monotonic() < deadline:
        time.sleep(0.2)
    checks.add(f"systemd is on the {label} after crashes",
               not connection.call("NameHasOwner", "s", name).body[0] and "it is not")
    service = "org.a11y.Bus" if user else "org.freedesktop.hostname1"
    answer = connection.call("StartServiceByName", "su", service, 0)
    checks.add(f"{service} starts after crashes", answer.error_name)
    connection.close()


def run(path):
    """
    With dbus-daemon, the limit of systemd for starts decides whether the bus comes back. Units of
    the bridge have no limit.
    """
    checks = activation.Checks(path)
    rawbus.TIMEOUT = RETURN
    crash(checks, "user bus")
    crash(checks, "system bus")
    failed = points.run(["systemctl", "--failed", "--plain", "--no-legend"])[1]
    checks.add("no unit has failed after crashes", failed)
