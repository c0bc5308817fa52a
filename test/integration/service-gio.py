#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A service on Gio (GDBus): com.example.Gio, an object with a method, a signal and properties.
# Prints "ready" when it owns its name.

from gi.repository import Gio, GLib

NAME = 'com.example.Gio'
PATH = '/com/example/Object'
XML = '''<node><interface name="com.example.Interface">
  <method name="Echo"><arg type="s" direction="in"/><arg type="s" direction="out"/></method>
  <method name="Emit"><arg type="s" direction="in"/></method>
  <signal name="Happened"><arg type="s"/></signal>
  <property name="Value" type="s" access="readwrite"/>
  <property name="Constant" type="u" access="read"/>
</interface></node>'''

values = {'Value': GLib.Variant('s', 'initial'), 'Constant': GLib.Variant('u', 42)}


def method(connection, sender, path, interface, member, parameters, invocation):
    if member == 'Emit':
        connection.emit_signal(None, PATH, interface, 'Happened', parameters)
        invocation.return_value(None)
    else:
        invocation.return_value(parameters)


def get_property(connection, sender, path, interface, name):
    return values[name]


def set_property(connection, sender, path, interface, name, value):
    values[name] = value
    connection.emit_signal(None, PATH, 'org.freedesktop.DBus.Properties', 'PropertiesChanged',
                           GLib.Variant('(sa{sv}as)', (interface, {name: value}, [])))
    return True


def on_bus(connection, name):
    info = Gio.DBusNodeInfo.new_for_xml(XML).interfaces[0]
    connection.register_object(PATH, info, method, get_property, set_property)


if __name__ == '__main__':
    Gio.bus_own_name(Gio.BusType.SESSION, NAME, Gio.BusNameOwnerFlags.NONE, on_bus,
                     lambda *_: print('ready', flush=True), lambda *_: print('lost', flush=True))
    GLib.MainLoop().run()
