#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A client of test-reexec-soak.py with python3-dbus (libdbus): soak-python-dbus.py NAME

import os
import sys

import dbus
import dbus.mainloop.glib
import dbus.service
from soakclient import INTERFACE, PATH, TIMEOUT, Client, check, fail


class Object(dbus.service.Object):
    client = None

    @dbus.service.method(INTERFACE, in_signature='t', out_signature='t', sender_keyword='sender')
    def Take(self, number, sender=None):
        self.client.take(sender, number)
        return number

    @dbus.service.method(INTERFACE, in_signature='th', out_signature='t', sender_keyword='sender')
    def TakeFd(self, number, fd, sender=None):
        own = fd.take()
        self.client.take(sender, number, own)
        os.close(own)
        return number

    @dbus.service.signal(INTERFACE, signature='t')
    def Tick(self, number):
        pass


class PythonDBus(Client):
    def __init__(self, name):
        self.c = dbus.bus.BusConnection(os.environ['DBUS_SESSION_BUS_ADDRESS'],
                                        mainloop=dbus.mainloop.glib.DBusGMainLoop())
        self.c.set_exit_on_disconnect(False)
        self.c.call_on_disconnection(lambda _: fail('the bus has closed the connection'))
        super().__init__(self.c.get_unique_name())
        self.object = Object(self.c, PATH)
        self.object.client = self
        self.c.add_signal_receiver(lambda number, sender: self.ticked(sender, number), 'Tick',
                                   INTERFACE, sender_keyword='sender')
        check(self.c.request_name(name) == 1, name)

    def call(self, peer, number, fd):
        arguments = (number,) if fd is None else (number, dbus.types.UnixFd(fd))
        self.c.call_async(peer, PATH, INTERFACE, 'Take' if fd is None else 'TakeFd',
                          't' if fd is None else 'th', arguments,
                          lambda answer: self.answered(peer, number, answer),
                          lambda error: fail(f'a call has failed: {error}'), TIMEOUT)

    def tick(self, number):
        self.object.Tick(number)


PythonDBus(sys.argv[1]).run()
