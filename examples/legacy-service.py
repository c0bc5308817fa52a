#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An ordinary D-Bus service in python3-dbus, which knows nothing of bus1."""

import os
import sys

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

NAME = "org.bus1.Legacy"


class Legacy(dbus.service.Object):
    @dbus.service.method(NAME, in_signature="ss", out_signature="s")
    def Join(self, a, b):
        self.Joined(a + b)
        return a + b

    @dbus.service.method(NAME, in_signature="h", out_signature="t")
    def Size(self, file):
        fd = file.take()
        try:
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    @dbus.service.signal(NAME, signature="s")
    def Joined(self, text):
        pass


def greeted(who):
    print(f"legacy service: saw the signal of the native service: {who} was greeted", flush=True)


def main():
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    bus = dbus.SessionBus()
    bus.add_signal_receiver(greeted, "Greeted", "org.bus1.Example")
    name = dbus.service.BusName(NAME, bus)
    Legacy(bus, "/org/bus1/Legacy")
    print(f"legacy service: {bus.get_unique_name()} is {name.get_name()}", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    sys.exit(main())
