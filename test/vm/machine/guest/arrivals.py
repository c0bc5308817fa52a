# SPDX-License-Identifier: LGPL-2.1-or-later
"""Packages that come, go, and get a new version while the machine runs and programs call."""

import hashlib
import os
import shutil
import subprocess
import threading
import time

import activation
import points
import rawbus
from rawbus import ERROR, NO_AUTO_START, call

NAME = "org.example.machine.Arrival"
UNIT = "machine-arrival.service"
# the service has not started, or ends during the call
WITHOUT_SERVICE = [f"org.freedesktop.DBus.Error.{x}" for x in ("NameHasNoOwner", "NoReply")]

FILES = {
    "DEBIAN/control": "Package: machine-arrival\nVersion: 1\nArchitecture: all\n"
                      "Maintainer: none <root@localhost>\nDescription: a package with a service\n",
    # as debhelper writes them
    "DEBIAN/postinst": "#!/bin/sh\nset -e\n"
                       "[ {user} = root ] || useradd --system {user}\n"
                       "systemctl daemon-reload\ndeb-systemd-invoke start {unit}\n",
    "DEBIAN/prerm": "#!/bin/sh\nset -e\ndeb-systemd-invoke stop {unit}\n",
    "DEBIAN/postrm": "#!/bin/sh\nset -e\nsystemctl daemon-reload\n"
                     "[ {user} = root ] || [ $1 = purge ] || userdel {user}\n",
    f"lib/systemd/system/{UNIT}":
        "[Service]\nType=dbus\nBusName={name}\nUser={user}\nTimeoutStartSec=60\n"
        "Environment=DBUS_STARTER_ADDRESS={address}\n"
        "ExecStart=/usr/bin/python3 /usr/lib/machine-arrival/service.py Arrival\n",
    f"usr/share/dbus-1/system-services/{NAME}.service":
        "[D-BUS Service]\nName={name}\nExec=/bin/false\nUser={user}\nSystemdService={unit}\n",
    f"usr/share/dbus-1/system.d/{NAME}.conf":
        '<busconfig><policy user="{user}"><allow own="{name}"/></policy>'
        '<policy context="default"><allow send_destination="{name}"/></policy></busconfig>',
}


def build(user):
    """A package with a service, its policy and its unit. Returns the path."""
    tree = f"/run/machine/arrival-{user}"
    for path, text in FILES.items():
        path = f"{tree}/{path}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        activation.write(path, text.format(user=user, name=NAME, unit=UNIT, address=points.SYSTEM))
        os.chmod(path, 0o755 if "/DEBIAN/p" in path else 0o644)
    os.makedirs(f"{tree}/usr/lib/machine-arrival", exist_ok=True)
    for program in ("service.py", "rawbus.py"):
        shutil.copy(f"/run/machine/{program}", f"{tree}/usr/lib/machine-arrival")
    subprocess.run(["dpkg-deb", "-Znone", "--build", tree, f"{tree}.deb"], check=True)
    return f"{tree}.deb"


class Caller(threading.Thread):
    """
    Makes one call after the other, until stop(): make() returns the next one, or None. answers
    counts what it got.
    """

    def __init__(self, connection, make, pause=0.0):
        super().__init__()
        self.connection, self.make, self.pause = connection, make, pause
        self.answers, self.stopped = {}, threading.Event()
        self.start()

    def run(self):
        while not self.stopped.wait(self.pause):
            message = self.make()
            if message is None:
                break
            try:
                answer = self.connection.wait_for(self.connection.send(message))
                got = answer.error_name if answer.kind == ERROR else "answer"
            except (rawbus.Timeout, rawbus.Closed) as e:
                got = type(e).__name__
            self.answers[got] = self.answers.get(got, 0) + 1
            if self.connection.closed:
                break

    def stop(self):
        self.stopped.set()
        self.join()
        self.connection.close()
        return self.answers


def ask(flags=0):
    """An ordinary user calls the service. Returns the error, or "answer"."""
    connection = rawbus.Connection(points.SYSTEM, uid=points.USER).authenticate()
    try:
        answer = connection.wait_for(connection.send(
            call(NAME, "/", "org.example.machine", "Describe", flags=flags)))
        return answer.error_name if answer.kind == ERROR else "answer"
    finally:
        connection.close()


def own():
    """Root takes the name of the service. Returns the error, or the result."""
    connection = rawbus.Connection(points.SYSTEM, uid=0).authenticate()
    try:
        answer = connection.call("RequestName", "su", NAME, 4)
        return answer.error_name or answer.body[0]
    finally:
        connection.close()


def arrival(transcript, user):
    """
    The package is installed, and removed. The service starts while it is installed, and is called
    at once. In the meantime a call may find no owner, but nothing in the files ever refuses it.
    """
    package = build(user)
    caller = Caller(rawbus.Connection(points.SYSTEM, uid=points.USER).authenticate(),
                    lambda: call(NAME, "/", "org.example.machine", "Describe",
                                 flags=NO_AUTO_START), pause=0.05)
    steps = {
        "call before": ask,
        "install": lambda: points.run(["dpkg", "-i", package])[0],
        "call": ask,
        "unit": lambda: points.run(["systemctl", "is-active", UNIT])[1],
        "stop": lambda: points.run(["systemctl", "stop", UNIT])[0],
        "call that starts it": ask,
        "remove": lambda: points.run(["dpkg", "-P", "machine-arrival"])[0],
        "call after the removal": ask,
        "own after the removal": own,
    }
    for step, function in steps.items():
        points.progress(f"package with the user {user}: {step}")
        transcript.add(f"package with the user {user}: {step}", function())
    answers = caller.stop()
    print(f"arrival of a package with the user {user}: {answers}", flush=True)
    transcript.add(f"package with the user {user}: answers meanwhile",
                   " ".join(sorted(set(answers) - set(WITHOUT_SERVICE))))


def with_user(transcript):
    """The package makes the user of its service, after its policy has arrived."""
    arrival(transcript, "machine-arrival")


def with_root(transcript):
    arrival(transcript, "root")


def program_of_bus(address):
    """The content of the program that is the bus now, as a hash, and its process."""
    pid = points.bus_pid(address)
    with open(f"/proc/{pid}/exe", "rb") as f:
        return hashlib.sha256(f.read()).hexdigest(), pid


def program_on_disk():
    with open("/usr/bin/bus1-bridge", "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


BUSES = {"system bus": points.SYSTEM, "user bus": points.SESSION}
# services without units, which are started during the upgrade, one after the other
PLAIN = 6


def starts(count):
    """Calls that each start another service without a unit, slowly enough to last."""
    for n in range(count):
        yield call(f"{activation.PREFIX}.Plain{n}", "/", "org.example.machine", "Describe")


def upgrade(checks):
    """
    All packages get a new version while programs call. The buses that run go on, and no call
    fails.
    """
    for program in ("service.py", "rawbus.py"):
        shutil.copy(f"/run/machine/{program}", "/usr/local/bin")
    for n in range(PLAIN):
        activation.write_service(f"Plain{n}", "Exec=/usr/bin/python3 /usr/local/bin/service.py "
                                              f"Plain{n}\nUser=ordinary\n")
    policy = f"{activation.POLICIES}/machine.conf"
    # the machine is emulated, and dpkg is at work: a program needs long to start
    activation.write(policy, activation.POLICY.replace(
        "</busconfig>", '<limit name="service_start_timeout">100000</limit></busconfig>'))
    points.run(["systemctl", "reload", "dbus.service"])
    before = {label: program_of_bus(address) for label, address in BUSES.items()}

    def connect(address, uid):
        return rawbus.Connection(address, uid=uid).authenticate()

    sequence = starts(PLAIN)
    callers = {
        "calls to the system bus": Caller(
            connect(points.SYSTEM, points.USER), lambda: rawbus.bus_call("ListNames"),
            pause=0.005),
        "calls to a service": Caller(
            connect(points.SYSTEM, points.USER),
            lambda: call("org.freedesktop.systemd1", "/", "org.freedesktop.DBus.Peer", "Ping"),
            pause=0.01),
        "calls to the user bus": Caller(
            connect(points.SESSION, points.USER), lambda: rawbus.bus_call("ListNames"), pause=0.01),
        "reloads": Caller(
            connect(points.SYSTEM, 0), lambda: rawbus.bus_call("ReloadConfig"), pause=0.5),
        "starts of services": Caller(
            connect(points.SYSTEM, points.USER), lambda: next(sequence, None), pause=0.5),
    }
    status, text = points.run(["sh", "-c", "dpkg -i /run/machine/upgrade/*.deb"],
                              timeout=5 * points.PATIENCE)
    print(text, flush=True)
    checks.add("upgrade", status or None)
    time.sleep(2)
    callers["starts of services"].join()
    for label, caller in callers.items():
        answers = caller.stop()
        print(f"{label} during the upgrade: {answers}", flush=True)
        checks.add(f"{label} during the upgrade", str(answers) if set(answers) != {"answer"} else
                   None)
    for label, address in BUSES.items():
        fault = program_of_bus(address) != before[label] and "another program or process runs"
        checks.add(f"the {label} goes on after the upgrade", fault)
    checks.add("the upgrade changes the program on disk",
               program_on_disk() == before["system bus"][0] and "it is the same")
    checks.add("the upgrade asks for a reboot",
               None if os.path.exists("/run/reboot-required") else "no /run/reboot-required")
    # the next boot has nothing of this
    subprocess.run(["systemctl", "stop", f"bus1-service@{activation.PREFIX}*"], check=False)
    for path in [policy, "/usr/local/bin/service.py", "/usr/local/bin/rawbus.py"] + [
            f"{activation.SERVICES}/{activation.PREFIX}.Plain{n}.service" for n in range(PLAIN)]:
        os.unlink(path)


def upgraded(checks):
    """After the boot that follows, the buses are the new program."""
    for label, address in BUSES.items():
        checks.add(f"the {label} is the new version after a boot",
                   program_of_bus(address)[0] != program_on_disk() and "it is another program")
    with open("/usr/bin/bus1-bridge", "rb") as f:
        checks.add("the new version is on disk",
                   None if f.read().endswith(b"upgraded\n") else "it is the old one")
