# SPDX-License-Identifier: LGPL-2.1-or-later
"""The points at which two machines are compared: what programs and users see of their buses.

Each point is a line "KEY<TAB>VALUE" of the transcript. Numbers that differ from boot to boot are
taken out of the values.
"""

import re
import shutil
import subprocess
import time
import xml.etree.ElementTree

import rawbus
from rawbus import BUS, ERROR, call

USER = 1000
SYSTEM = "unix:path=/run/dbus/system_bus_socket"
SESSION = f"unix:path=/run/user/{USER}/bus"
# children of one object that are visited: systemd has one for each unit
CHILDREN_MAX = 8
OBJECTS_MAX = 200
PATIENCE = 120  # s: the machine is emulated

rawbus.TIMEOUT = PATIENCE


def progress(text):
    """Tell on the console what happens now: if the machine does not end, this is all there is."""
    with open("/dev/ttyS0", "w", encoding="utf-8") as console:
        console.write(f"{text}\n")


class Transcript:
    def __init__(self):
        self.lines = {}

    def add(self, key, value):
        self.lines[key] = re.sub(r"\s+", " ", str(value)).strip()

    def write(self, path):
        with open(path, "w", encoding="utf-8") as f:
            for key in sorted(self.lines):
                f.write(f"{key}\t{self.lines[key]}\n")


def run(argv, user=None, timeout=PATIENCE):
    """Run a program; returns its exit status and what it printed."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root",
                   "NO_COLOR": "1", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": "cat"}
    if user:
        environment.update(HOME="/home/ordinary", XDG_RUNTIME_DIR=f"/run/user/{user}",
                           DBUS_SESSION_BUS_ADDRESS=SESSION)
        argv = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *argv]
    try:
        result = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout,
                                errors="replace", check=False)
    except subprocess.TimeoutExpired:
        return "timeout", ""
    return result.returncode, result.stdout


def state(transcript):
    transcript.add("state", run(["systemctl", "is-system-running", "--wait"])[1])
    transcript.add("failed units", run(["systemctl", "--failed", "--plain", "--no-legend"])[1])
    transcript.add("user's state",
                   run(["systemctl", "--user", "is-system-running", "--wait"], USER)[1])


def start_all(transcript, address, uid, label):
    """Start each activatable name, one after the other."""
    connection = rawbus.Connection(address, uid=uid).authenticate()
    names = sorted(connection.call("ListActivatableNames").body[0])
    transcript.add(f"{label}: activatable", " ".join(names))
    for name in names:
        progress(f"{label}: start {name}")
        try:
            answer = connection.call("StartServiceByName", "su", name, 0)
            # whether it has just been started or runs already depends on when it was idle
            transcript.add(f"{label}: start {name}", answer.error_name or "runs")
        except rawbus.Timeout:
            transcript.add(f"{label}: start {name}", "no answer")
            connection = rawbus.Connection(address, uid=uid).authenticate()
    connection.close()


def introspect(connection, name):
    """All methods of a service, as a dictionary (interface, method) -> path."""
    methods, paths, n = {}, ["/"], 0
    while paths and n < OBJECTS_MAX:
        path = paths.pop(0)
        n += 1
        answer = connection.wait_for(connection.send(
            call(name, path, f"{BUS}.Introspectable", "Introspect")))
        if answer.kind == ERROR:
            continue
        try:
            root = xml.etree.ElementTree.fromstring(answer.body[0])
        except xml.etree.ElementTree.ParseError:
            continue
        for interface in root.findall("interface"):
            for method in interface.findall("method"):
                methods.setdefault((interface.get("name"), method.get("name")), path)
        children = sorted(x.get("name") for x in root.findall("node") if x.get("name"))
        paths += [f"{path.rstrip('/')}/{x}" for x in children[:CHILDREN_MAX]]
    return methods


def denials(transcript, address, label):
    """
    Which methods an ordinary user may not call. The arguments are of no method, so that no service
    does anything: a policy of the bus does not look at them.
    """
    root = rawbus.Connection(address, uid=0 if address == SYSTEM else USER).authenticate()
    user = rawbus.Connection(address, uid=USER).authenticate()
    # services may have ended because they are idle: a call starts them again
    names = {x for member in ("ListNames", "ListActivatableNames")
             for x in root.call(member).body[0] if not x.startswith(":")}
    transcript.add(f"{label}: names", " ".join(sorted(names)))
    for name in sorted(names):
        progress(f"{label}: methods of {name}")
        methods = introspect(root, name)
        transcript.add(f"{label}: methods of {name}", len(methods) > 0)
        denied = []
        for (interface, member), path in sorted(methods.items()):
            serial = user.send(call(name, path, interface, member, "(tt)", (1, 2)))
            try:
                answer = user.wait_for(serial)
            except rawbus.Timeout:
                denied.append(f"{interface}.{member}: no answer")
                user = rawbus.Connection(address, uid=USER).authenticate()
                continue
            # what the service itself denies is no matter of the bus
            if answer.kind == ERROR and answer.sender == BUS and name != BUS:
                denied.append(f"{interface}.{member}: {answer.error_name}")
        transcript.add(f"{label}: denied by the bus at {name}", " ".join(denied))
    for connection in (root, user):
        connection.close()


# (user, what it prints is compared, command)
TOOLS = [
    (None, True, "hostnamectl hostname"),
    (None, True, "loginctl list-seats --no-legend"),
    (None, True, "loginctl show-user ordinary -p Linger -p State"),
    (None, True, "timedatectl show -p Timezone -p CanNTP"),
    (None, False, "nmcli -t general status"),
    (None, False, "udisksctl status"),
    (None, True, "machinectl list --no-legend"),
    (None, False, "busctl list"),
    (None, False, "busctl tree org.freedesktop.login1"),
    (None, True, "busctl get-property org.freedesktop.login1 /org/freedesktop/login1 "
                 "org.freedesktop.login1.Manager NAutoVTs"),
    (None, False, "gdbus introspect --system -d org.freedesktop.PolicyKit1 "
                  "-o /org/freedesktop/PolicyKit1/Authority"),
    (None, False, "dbus-send --system --print-reply --dest=org.freedesktop.DBus / "
                  "org.freedesktop.DBus.GetId"),
    (None, True, "systemd-run --wait --quiet --pipe echo ran"),
    (None, True, "systemctl daemon-reload"),
    (None, True, "systemctl daemon-reexec"),
    (None, True, "systemctl show -p Id polkit.service"),
    (None, True, "dbus-run-session -- gdbus call --session -d org.freedesktop.DBus -o / "
                 "-m org.freedesktop.DBus.NameHasOwner org.example.None"),
    (USER, True, "hostnamectl hostname"),
    (USER, True, "hostnamectl set-hostname other"),
    (USER, True, "timedatectl set-timezone Europe/Berlin"),
    (USER, True, "loginctl power-off-is-no-verb"),
    (USER, True, "systemctl stop polkit.service"),
    (USER, True, "udisksctl mount -b /dev/vdb"),
    (USER, False, "nmcli -t general status"),
    (USER, True, "nmcli general hostname other"),
    (USER, False, "busctl list"),
    (USER, False, "busctl --user list"),
    (USER, True, "systemctl --user show -p Id dbus.socket"),
    (USER, True, "systemd-run --user --wait --quiet --pipe echo ran"),
    (USER, True, "systemctl --user daemon-reexec"),
    (USER, True, "systemctl --user show -p Version"),
    (USER, True, "gdbus call --session -d org.freedesktop.systemd1 -o /org/freedesktop/systemd1 "
                 "-m org.freedesktop.DBus.Peer.Ping"),
    (USER, True, "dbus-run-session -- gdbus call --session -d org.freedesktop.DBus -o / "
                 "-m org.freedesktop.DBus.NameHasOwner org.example.None"),
    (USER, False, "dbus-update-activation-environment --systemd MACHINE_TEST=1"),
    (USER, True, "sh -c 'systemctl --user show-environment | grep MACHINE_TEST'"),
    (USER, True, "pkcheck --action-id org.freedesktop.login1.power-off --process 1"),
    (USER, True, "pkexec --disable-internal-agent true"),
    (USER, True, "gdbus call --session -d org.a11y.Bus -o /org/a11y/bus "
                 "-m org.freedesktop.DBus.Peer.Ping"),
]


def without_numbers(text):
    """Take out what differs from boot to boot."""
    text = re.sub(r":1\.\d+", ":1.N", text)
    text = re.sub(r"run-[ru][0-9a-f-]+", "run-N", text)
    text = re.sub(r"guid=[0-9a-f]+", "guid=N", text)
    return re.sub(r"\bpid[ =]\d+|\bserial=\d+", "N", text)


def tools(transcript):
    for user, printed, command in TOOLS:
        progress(command)
        status, text = run(["sh", "-c", command], user)
        who = "user" if user else "root"
        value = f"{status}: {without_numbers(text)}" if printed else status
        transcript.add(f"{who}$ {command}", value)


def bus_pid(address):
    """The process that listens at the address."""
    connection = rawbus.Connection(address, uid=0 if address == SYSTEM else USER).authenticate()
    try:
        return connection.call("GetConnectionUnixProcessID", "s", BUS).body[0]
    finally:
        connection.close()


def figures(path):
    """CPU time and memory of both buses, and the time that the boot took: compared by size only."""
    with open(path, "w", encoding="utf-8") as f:
        for label, address in (("system", SYSTEM), ("user", SESSION)):
            pid = bus_pid(address)
            with open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
                f.write(f"{label} bus\t{comm.read().strip()}\n")
            # the clock of the process, also of its threads that have ended: CPUCLOCK_SCHED
            f.write(f"{label} cpu ms\t{time.clock_gettime(~pid << 3 | 2) * 1e3:.1f}\n")
            # what the memory consists of
            shutil.copy(f"/proc/{pid}/smaps", f"{path}-{label}-smaps")
            with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as smaps:
                memory = dict(re.findall(r"^(\w+): +(\d+) kB", smaps.read(), re.M))
            f.write(f"{label} pss KiB\t{memory['Pss']}\n")
            with open(f"/proc/{pid}/status", encoding="utf-8") as status:
                for key, value in re.findall(r"^(Cap\w+|Uid|NoNewPrivs|Seccomp):\s+(.*)$",
                                             status.read(), re.M):
                    f.write(f"{label} {key}\t{value}\n")
        shown = run(["systemctl", "show", "-p", "UserspaceTimestampMonotonic",
                     "-p", "FinishTimestampMonotonic"])[1]
        begin, end = (int(re.search(rf"^{key}TimestampMonotonic=(\d+)$", shown, re.M)[1])
                      for key in ("Userspace", "Finish"))
        f.write(f"boot ms\t{(end - begin) // 1000}\n")
