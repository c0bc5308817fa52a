# SPDX-License-Identifier: LGPL-2.1-or-later
"""Starts that fail, and services without a unit, with the real systemd: what callers get, and when.

Each check is a line "ok - NAME" or "not ok - NAME: WHY".
"""

import glob
import os
import re
import shutil
import subprocess
import threading
import time

import points
import rawbus
from rawbus import call

UNITS = "/etc/systemd/system"
SERVICES = "/usr/share/dbus-1/system-services"
POLICIES = "/etc/dbus-1/system.d"
PREFIX = "org.example.machine"
POLICY = (f'<busconfig><policy user="ordinary"><allow own_prefix="{PREFIX}"/></policy>'
          f'<policy context="default"><allow send_destination_prefix="{PREFIX}"/></policy>'
          '</busconfig>')
SPAWN = "org.freedesktop.DBus.Error.Spawn."
TIMED_OUT = "org.freedesktop.DBus.Error.TimedOut"
# s; a start that is only noticed by its time-out takes 25 s. The machine is emulated, so this is
# more than the bus needs.
LATE = 5

# name: (unit, or None for one that is masked; the error)
FAILURES = {
    "Condition": ("[Unit]\nConditionPathExists=/nonexistent\n[Service]\nExecStart=/bin/true\n",
                  "Failed"),
    "Exit": ("[Service]\nType=dbus\nBusName={name}\nExecStart=/bin/false\n", "ChildExited"),
    "Missing": ("[Service]\nType=dbus\nBusName={name}\nExecStart=/nonexistent\n", "ChildExited"),
    "Crash": ("[Service]\nExecStart=/bin/sh -c 'kill -SEGV $$$$'\n", "ChildSignaled"),
    "Dependency": ("[Unit]\nRequires=machine-Exit.service\nAfter=machine-Exit.service\n"
                   "[Service]\nExecStart=/bin/sleep 60\n", "Failed"),
    "Oneshot": ("[Service]\nType=oneshot\nExecStart=/bin/true\n", "Failed"),
    "Remains": ("[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n", "Failed"),
    "Ends": ("[Service]\nExecStart=/bin/true\n", "Failed"),
    "Nameless": ("[Service]\nType=dbus\nBusName={name}\nTimeoutStartSec=3\nExecStart=/bin/sleep 60\n",
                 TIMED_OUT),
    "Masked": (None, "org.freedesktop.systemd1.UnitMasked"),
    "Restart": ("[Unit]\nStartLimitBurst=2\nStartLimitIntervalSec=60\n[Service]\n"
                "Restart=on-failure\nRestartSec=100ms\nExecStart=/bin/false\n", "ChildExited|Failed"),
}


class Checks:
    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8")  # pylint: disable=consider-using-with

    def add(self, name, fault=None):
        self.file.write(f"not ok - {name}: {fault}\n" if fault else f"ok - {name}\n")
        self.file.flush()
        points.progress(name)


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def write_service(name, lines):
    write(f"{SERVICES}/{PREFIX}.{name}.service", f"[D-BUS Service]\nName={PREFIX}.{name}\n{lines}")


def set_up():
    for name, (unit, _) in FAILURES.items():
        path = f"{UNITS}/machine-{name}.service"
        if unit:
            write(path, unit.format(name=f"{PREFIX}.{name}"))
        elif not os.path.lexists(path):
            os.symlink("/dev/null", path)
        write_service(name, f"Exec=/bin/false\nUser=root\nSystemdService=machine-{name}.service\n")
    write(f"{UNITS}/machine-Slow.service",
          "[Service]\nType=dbus\nBusName=org.example.machine.Slow\n"
          "ExecStart=/bin/sh -c 'sleep 8; exit 7'\n")
    write_service("Slow", "Exec=/bin/false\nUser=root\nSystemdService=machine-Slow.service\n")
    write_service("Absent", "Exec=/bin/false\nUser=root\nSystemdService=machine-Absent.service\n")
    # services without a unit
    shutil.copy("/run/machine/service.py", "/usr/local/bin/machine-service")
    shutil.copy("/run/machine/rawbus.py", "/usr/local/bin/rawbus.py")
    write_service("Plain", "Exec=/usr/bin/python3 /usr/local/bin/machine-service Plain\n"
                           "User=ordinary\n")
    write_service("Fails", "Exec=/bin/false\nUser=ordinary\n")
    write_service("Nobody", "Exec=/bin/true\nUser=nobody-of-this-name\n")
    write(f"{POLICIES}/machine.conf", POLICY)
    subprocess.run(["systemctl", "daemon-reload"], check=True)


def clean_up():
    """What comes after this is compared with what was before."""
    # not machine-agent.service, which runs this program
    subprocess.run(["systemctl", "stop", "machine-[A-Z]*", f"bus1-service@{PREFIX}*"], check=False)
    for path in (*glob.glob(f"{UNITS}/machine-[A-Z]*"), *glob.glob(f"{SERVICES}/{PREFIX}.*"),
                 f"{POLICIES}/machine.conf", "/usr/local/bin/machine-service",
                 "/usr/local/bin/rawbus.py"):
        os.unlink(path)
    subprocess.run(["systemctl", "reset-failed"], check=True)
    subprocess.run(["systemctl", "daemon-reload"], check=True)


def ask(connection, name, member="Ping", interface="org.freedesktop.DBus.Peer"):
    """Call the service; returns the answer and how long it took."""
    begin = time.monotonic()
    answer = connection.wait_for(connection.send(
        call(f"{PREFIX}.{name}", "/", interface, member)))
    return answer, time.monotonic() - begin


def known(unit):
    """When systemd knew that the unit has ended, by CLOCK_MONOTONIC; None if it does not tell."""
    shown = subprocess.run(["systemctl", "show", "-p", "InactiveEnterTimestampMonotonic",
                            "-p", "ConditionTimestampMonotonic", unit], check=False, text=True,
                           stdout=subprocess.PIPE).stdout
    times = [int(x) for x in re.findall(r"=(\d+)", shown) if x != "0"]
    return max(times) / 1e6 if times else None


def failure(checks, name, expected):
    connection = rawbus.Connection(points.SYSTEM, uid=points.USER).authenticate()
    answer, _ = ask(connection, name)
    now = time.monotonic()
    connection.close()
    names = [x if "." in x else SPAWN + x for x in expected.split("|")]
    if answer.error_name not in names:
        checks.add(name, f"{answer.error_name} {answer.body}, not {expected}")
        return
    since = known(f"machine-{name}.service")
    print(f"{name}: {answer.error_name}: {answer.body[0] if answer.body else ''}; "
          f"{f'{now - since:.3f} s after systemd knew it' if since else 'systemd tells no time'}")
    late = since is not None and now - since > LATE
    checks.add(name, f"{now - since:.1f} s late" if late else None)


def many_callers(checks):
    """1,000 calls to a unit that fails: each gets one error."""
    connections = [rawbus.Connection(points.SYSTEM, uid=points.USER).authenticate()
                   for _ in range(10)]
    message = call(f"{PREFIX}.Exit", "/", "org.example", "Call")
    sent = [[c.send(message) for _ in range(100)] for c in connections]
    for connection, serials in zip(connections, sent):
        answers = []
        while len(answers) < len(serials):
            m = connection.receive()
            if m.kind == rawbus.ERROR:
                answers.append((m.reply_serial, m.error_name))
        extra = [m for m in connection.drain() if m.kind == rawbus.ERROR]
        if sorted(answers) != [(s, f"{SPAWN}ChildExited") for s in serials] or extra:
            checks.add("1,000 callers", f"{answers[:3]}... and {extra[:3]}")
            return
        connection.close()
    checks.add("1,000 callers")


def during(checks, name, command, expected):
    """The command runs while a start waits; the caller gets this error."""
    connection = rawbus.Connection(points.SYSTEM, uid=points.USER).authenticate()
    timer = threading.Timer(2, subprocess.run, [command], {"check": False})
    timer.start()
    answer, _ = ask(connection, "Slow")
    timer.join()
    connection.close()
    good = answer.error_name == SPAWN + expected
    checks.add(f"{name} while a start waits", None if good else f"{answer.error_name} {answer.body}")


def plain(checks):
    """A service without a unit runs in a unit of its own, as its user, without a setuid program."""
    connection = rawbus.Connection(points.SYSTEM, uid=0).authenticate()
    answer, _ = ask(connection, "Plain", "Describe", "org.example.machine")
    if answer.kind == rawbus.ERROR:
        checks.add("service without a unit", f"{answer.error_name} {answer.body}")
    else:
        uid, groups, cgroup, unprivileged = answer.body[0].split("|")
        good = (uid == "1000" and "bus1-service@org.example.machine.Plain.service" in cgroup and
                unprivileged == "0")
        checks.add("service without a unit", None if good else f"{uid} {groups} {cgroup}")
    for name, expected in (("Fails", "ChildExited"), ("Nobody", "FailedToSetup")):
        answer, _ = ask(connection, name)
        good = answer.error_name == SPAWN + expected
        checks.add(f"service without a unit: {name}",
                   None if good else f"{answer.error_name} {answer.body}")
    connection.close()


def capabilities(checks):
    """After the start the bus has no capability but the one for the audit log."""
    with open(f"/proc/{points.bus_pid(points.SYSTEM)}/status", encoding="utf-8") as f:
        status = dict(re.findall(r"^(Cap\w+|NoNewPrivs|Seccomp):\s+(\w+)$", f.read(), re.M))
    audit = 1 << 29
    fault = None
    for key in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
        if int(status[key], 16) & ~audit:
            fault = f"{key} is {status[key]}"
    if status["NoNewPrivs"] != "1" or status["Seccomp"] != "2":
        fault = f"NoNewPrivs {status['NoNewPrivs']}, Seccomp {status['Seccomp']}"
    checks.add("capabilities of the bus", fault)


def run(path):
    checks = Checks(path)
    set_up()
    capabilities(checks)
    for name, (_, expected) in FAILURES.items():
        failure(checks, name, expected)
    failure(checks, "Absent", "org.freedesktop.systemd1.NoSuchUnit")
    many_callers(checks)
    during(checks, "daemon-reexec", ["systemctl", "daemon-reexec"], "ChildExited")
    during(checks, "daemon-reload", ["systemctl", "daemon-reload"], "ChildExited")
    during(checks, "systemctl stop", ["systemctl", "stop", "machine-Slow.service"], "Failed")
    plain(checks)
    clean_up()
