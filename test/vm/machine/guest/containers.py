# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bus in a container, as systemd reaches it from outside, and a bus behind a filter."""

import os
import shutil
import subprocess
import time

import points
import rawbus

MACHINE = "inner"
# the root of the machine, in which all that is written is lost, and only what a bus needs runs
ROOT = "/run/machine/root"
NSPAWN = ["systemd-nspawn", "--quiet", "--boot", f"--directory={ROOT}", "--volatile=overlay",
          f"--machine={MACHINE}", "--console=pipe",
          "systemd.unit=basic.target", "systemd.wants=dbus.service",
          "systemd.mask=machine-agent.service"]
INSIDE = [
    "machinectl list --no-legend | cut -d ' ' -f 1-3",
    f"machinectl show {MACHINE} -p Class -p Service -p State",
    f"busctl --machine={MACHINE} call org.freedesktop.DBus / org.freedesktop.DBus NameHasOwner "
    "s org.freedesktop.systemd1",
    f"busctl --machine={MACHINE} get-property org.freedesktop.systemd1 /org/freedesktop/systemd1 "
    "org.freedesktop.systemd1.Manager Virtualization",
    f"systemctl --machine={MACHINE} is-active dbus.socket dbus.service",
    f"systemctl --machine={MACHINE} --failed --plain --no-legend",
    f"systemd-run --machine={MACHINE} --wait --quiet --pipe echo ran inside",
    f"systemd-run --machine={MACHINE} --wait --quiet --pipe busctl call "
    "org.freedesktop.hostname1 / org.freedesktop.DBus.Peer Ping",
    # another user of the container, who is refused by the policy of its bus
    f"systemd-run --machine={MACHINE} --wait --quiet --pipe --uid=ordinary busctl call "
    "org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager "
    "SetExitCode y 1",
    f"machinectl poweroff {MACHINE}",
]


def nspawn(transcript):
    # nspawn refuses / itself
    os.makedirs(ROOT)
    subprocess.run(["mount", "--bind", "/", ROOT], check=True)
    with open("/run/machine/results/nspawn", "w", encoding="utf-8") as log:
        # pylint: disable-next=consider-using-with
        container = subprocess.Popen(NSPAWN, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    deadline = time.monotonic() + points.PATIENCE
    while time.monotonic() < deadline and container.poll() is None:
        status, _ = points.run(["busctl", f"--machine={MACHINE}", "status"])
        if status == 0:
            break
        time.sleep(1)
    for command in INSIDE:
        points.progress(command)
        status, text = points.run(["sh", "-c", command])
        transcript.add(f"root$ {command}", f"{status}: {points.without_numbers(text)}")
    try:
        transcript.add("container ends", container.wait(points.PATIENCE))
    except subprocess.TimeoutExpired:
        container.kill()
        transcript.add("container ends", "no")
    subprocess.run(["umount", ROOT], check=True)
    os.rmdir(ROOT)


DIRECTORY = "/tmp/machine-filter"
PROXY = ["xdg-dbus-proxy", "--fd=3", points.SYSTEM, f"{DIRECTORY}/system", "--filter",
         "--talk=org.freedesktop.hostname1", "--see=org.freedesktop.login1",
         points.SESSION, f"{DIRECTORY}/user", "--filter", "--own=org.example.machine.Own",
         "--talk=org.a11y.Bus", "--call=org.freedesktop.systemd1=org.freedesktop.DBus.Peer.*@/*"]
SANDBOX = (f"bwrap --ro-bind / / --dev /dev --proc /proc --tmpfs /run --unshare-pid "
           f"--bind {DIRECTORY} /run/filter "
           "--setenv DBUS_SYSTEM_BUS_ADDRESS unix:path=/run/filter/system "
           "--setenv DBUS_SESSION_BUS_ADDRESS unix:path=/run/filter/user ")
PING = "gdbus call --{} -d {} -o {} -m org.freedesktop.DBus.Peer.Ping"
# each bus has an order of its own
LIST = ("-d org.freedesktop.DBus -o / -m org.freedesktop.DBus.ListNames | grep -o 'org[.0-9A-Za-z]*' | "
        "LC_ALL=C sort")
FILTERED = [
    PING.format("system", "org.freedesktop.hostname1", "/org/freedesktop/hostname1"),
    PING.format("system", "org.freedesktop.login1", "/org/freedesktop/login1"),
    PING.format("system", "org.freedesktop.systemd1", "/org/freedesktop/systemd1"),
    "gdbus call --system -d org.freedesktop.hostname1 -o /org/freedesktop/hostname1 "
    "-m org.freedesktop.hostname1.SetStaticHostname other false",
    PING.format("session", "org.a11y.Bus", "/org/a11y/bus"),
    PING.format("session", "org.freedesktop.systemd1", "/org/freedesktop/systemd1"),
    "gdbus call --session -d org.freedesktop.systemd1 -o /org/freedesktop/systemd1 "
    "-m org.freedesktop.systemd1.Manager.GetDefaultTarget",
    "gdbus call --session -d org.freedesktop.DBus -o / "
    "-m org.freedesktop.DBus.RequestName org.example.machine.Own 4",
    "gdbus call --session -d org.freedesktop.DBus -o / "
    "-m org.freedesktop.DBus.RequestName org.example.machine.Other 4",
    f"gdbus call --session {LIST}",
    f"gdbus call --system {LIST}",
]


def filtered(transcript):
    """What a program in a sandbox gets, as flatpak starts one."""
    os.makedirs(DIRECTORY)
    os.chown(DIRECTORY, points.USER, points.USER)
    ours, theirs = os.pipe()
    # the proxy writes to the descriptor when it listens, and ends when the pipe is closed
    proxy = subprocess.Popen(  # pylint: disable=consider-using-with
        ["sh", "-c", f"exec 3>&{theirs}; exec setpriv --reuid={points.USER} --regid={points.USER} "
         f"--init-groups {' '.join(PROXY)}"], pass_fds=[theirs])
    os.close(theirs)
    os.read(ours, 1)
    # what can be seen is only there if it has been started
    connection = rawbus.Connection(points.SYSTEM, uid=0).authenticate()
    for name in ("hostname1", "login1"):
        connection.call("StartServiceByName", "su", f"org.freedesktop.{name}", 0)
    connection.close()
    for command in FILTERED:
        points.progress(command)
        status, text = points.run(["sh", "-c", SANDBOX + command], points.USER)
        transcript.add(f"sandbox$ {command}", f"{status}: {points.without_numbers(text)}")
    os.close(ours)
    transcript.add("filter ends", proxy.wait(points.PATIENCE))
    shutil.rmtree(DIRECTORY)
