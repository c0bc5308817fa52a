#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A client of test-reexec-soak.py with GDBus of GLib: soak-gio.py NAME

import os
import sys

from gi.repository import Gio, GLib
from soakclient import INTERFACE, PATH, TIMEOUT, Client, check, fail

XML = f'''<node><interface name="{INTERFACE}">
  <method name="Take"><arg type="t" direction="in"/><arg type="t" direction="out"/></method>
  <method name="TakeFd"><arg type="t" direction="in"/><arg type="h" direction="in"/>
    <arg type="t" direction="out"/></method>
  <signal name="Tick"><arg type="t"/></signal>
</interface></node>'''
BUS = 'org.freedesktop.DBus'


class Gdbus(Client):
    def __init__(self, name):
        flags = (Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT |
                 Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION)
        self.c = Gio.DBusConnection.new_for_address_sync(os.environ['DBUS_SESSION_BUS_ADDRESS'],
                                                         flags, None, None)
        self.c.connect('closed', lambda *_: fail('the bus has closed the connection'))
        super().__init__(self.c.get_unique_name())
        info = Gio.DBusNodeInfo.new_for_xml(XML).interfaces[0]
        self.c.register_object(PATH, info, self.method, None, None)
        self.c.signal_subscribe(None, INTERFACE, 'Tick', None, None, Gio.DBusSignalFlags.NONE,
                                lambda c, sender, path, interface, member, parameters:
                                self.ticked(sender, parameters.unpack()[0]))
        # the answer comes after the match rule has been added
        result = self.c.call_sync(BUS, '/org/freedesktop/DBus', BUS, 'RequestName',
                                  GLib.Variant('(su)', (name, 0)), None,
                                  Gio.DBusCallFlags.NONE, -1, None)
        check(result.unpack() == (1,), name)

    def method(self, c, sender, path, interface, member, parameters, invocation):
        number, fd = parameters.unpack()[0], None
        if member == 'TakeFd':
            fd = invocation.get_message().get_unix_fd_list().get(parameters.unpack()[1])
        self.take(sender, number, fd)
        if fd is not None:
            os.close(fd)
        invocation.return_value(GLib.Variant('(t)', (number,)))

    def call(self, peer, number, fd):
        def answered(c, result):
            try:
                answer = c.call_with_unix_fd_list_finish(result)[0]
            except GLib.Error as e:
                fail(f'a call has failed: {e.message}')
            self.answered(peer, number, answer.unpack()[0])

        fds = None
        if fd is not None:
            fds = Gio.UnixFDList.new()
            fds.append(fd)
        self.c.call_with_unix_fd_list(
            peer, PATH, INTERFACE, 'Take' if fd is None else 'TakeFd',
            GLib.Variant('(t)', (number,)) if fd is None else GLib.Variant('(th)', (number, 0)),
            None, Gio.DBusCallFlags.NONE, TIMEOUT * 1000, fds, None, answered)

    def tick(self, number):
        self.c.emit_signal(None, PATH, INTERFACE, 'Tick', GLib.Variant('(t)', (number,)))


Gdbus(sys.argv[1]).run()
