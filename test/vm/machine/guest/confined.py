# SPDX-License-Identifier: LGPL-2.1-or-later
"""A program that AppArmor confines, with rules about D-Bus."""

import os
import re

import activation
import points

FEATURES = "/sys/kernel/security/apparmor/features"
PROFILE = """
abi <kernel>,
profile machine-confined flags=(attach_disconnected) {
  file,
  unix,
  network,
  capability,
  signal,
  deny /etc/hostname r,
  dbus send bus={system,session} path=/org/freedesktop/DBus interface=org.freedesktop.DBus,
  dbus send bus=system path=/org/freedesktop/hostname1 peer=(label=unconfined),
  dbus receive bus=system,
  audit deny dbus send bus=system path=/org/freedesktop/login1,
}
"""
BUS = "org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus"
PING = "org.freedesktop.DBus.Peer Ping"
# (user, what the profile says about it, command)
COMMANDS = [
    (None, "enforced", "cat /proc/self/attr/current"),
    (None, "enforced", "cat /etc/hostname"),
    (None, "allowed", f"busctl call {BUS} NameHasOwner s org.example.None"),
    (None, "allowed", f"busctl call org.freedesktop.hostname1 /org/freedesktop/hostname1 {PING}"),
    (None, "denied", f"busctl call org.freedesktop.login1 /org/freedesktop/login1 {PING}"),
    (points.USER, "denied", f"busctl call org.freedesktop.login1 /org/freedesktop/login1 {PING}"),
    (points.USER, "allowed", f"busctl --user call {BUS} NameHasOwner s org.example.None"),
    (points.USER, "denied", f"busctl --user call {BUS} RequestName su org.example.machine.Own 4"),
    (points.USER, "denied", "busctl --user call org.freedesktop.systemd1 "
                            f"/org/freedesktop/systemd1 {PING}"),
]
LABEL = """
import points, rawbus
bus = rawbus.Connection(points.SYSTEM).authenticate()
print(bus.call("GetConnectionCredentials", "s", bus.unique).body[0].get("LinuxSecurityLabel"))
"""


def run(transcript):
    dbus = f"{FEATURES}/dbus/mask"
    mediates = "no"
    if os.path.exists(dbus):
        with open(dbus, encoding="utf-8") as f:
            mediates = f.read()
    # if not, the buses leave the rules alone
    transcript.add("AppArmor: the kernel mediates D-Bus", mediates)
    path = "/run/machine/profile"
    activation.write(path, PROFILE)
    transcript.add("AppArmor: profile", points.run(["apparmor_parser", "-r", path]))
    for user, rule, command in COMMANDS:
        status, text = points.run(["aa-exec", "-p", "machine-confined", "--", *command.split()],
                                  user)
        transcript.add(f"AppArmor: {'user' if user else 'root'}$ {command} ({rule})",
                       f"{status}: {points.without_numbers(text)}")
    # what the bus tells about a connection of the profile
    status, text = points.run(["aa-exec", "-p", "machine-confined", "--", "python3", "-c", LABEL])
    transcript.add("AppArmor: label of a connection", f"{status}: {text}")
    lines = re.findall(r'apparmor="\w+" operation="dbus_\w+"[^\n]*',
                       points.run(["journalctl", "-b", "-o", "cat", "--no-pager"])[1])
    transcript.add("AppArmor: lines of the audit log",
                   " ".join(sorted({re.sub(r"\bpid=\d+|name=\":1[^\"]*\"", "", x) for x in lines})))
    points.run(["apparmor_parser", "-R", path])
