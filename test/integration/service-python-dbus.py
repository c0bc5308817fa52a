#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A service on python3-dbus (libdbus): com.example.PythonDBus, an object with methods of each kind.
# Prints "ready" when it owns its name.

import os

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

NAME = 'com.example.PythonDBus'
PATH = '/com/example/Object'
INTERFACE = 'com.example.Interface'


class Failure(dbus.DBusException):
    _dbus_error_name = 'com.example.Error.Failure'


class Object(dbus.service.Object):
    @dbus.service.method(INTERFACE, in_signature='s', out_signature='s')
    def Echo(self, text):
        return text

    @dbus.service.method(INTERFACE, in_signature='a{sv}', out_signature='a{sv}')
    def EchoDict(self, values):
        return values

    @dbus.service.method(INTERFACE, in_signature='ay', out_signature='ay', byte_arrays=True)
    def EchoBytes(self, data):
        return data

    @dbus.service.method(INTERFACE)
    def Fail(self):
        raise Failure('it failed')

    @dbus.service.method(INTERFACE, in_signature='s')
    def Emit(self, text):
        self.Happened(text)

    @dbus.service.signal(INTERFACE, signature='s')
    def Happened(self, text):
        pass

    @dbus.service.method(INTERFACE, in_signature='h', out_signature='s')
    def ReadFd(self, fd):
        with os.fdopen(fd.take()) as f:
            return f.read()

    @dbus.service.method(INTERFACE, in_signature='s', out_signature='h')
    def MakeFd(self, text):
        r, w = os.pipe()
        os.write(w, text.encode())
        os.close(w)
        fd = dbus.types.UnixFd(r)
        os.close(r)
        return fd

    @dbus.service.method(INTERFACE, async_callbacks=('done', 'fail'))
    def Never(self, done, fail):
        pass

    @dbus.service.method(INTERFACE)
    def Vanish(self):
        os._exit(0)

    @dbus.service.method(INTERFACE, out_signature='s', sender_keyword='sender')
    def WhoAmI(self, sender=None):
        return sender


if __name__ == '__main__':
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    bus = dbus.SessionBus()
    name = dbus.service.BusName(NAME, bus)
    Object(bus, PATH)
    print('ready', flush=True)
    GLib.MainLoop().run()
