#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The Python bindings of libdbus (python3-dbus) and of GDBus (python3-gi) as clients and services,
# also of each other.

import os
import sys

from busfixture import TIMEOUT, Bus, Program, daemon_under_test
from tap import contains, equal, main, test

import dbus
import dbus.mainloop.glib
from gi.repository import Gio, GLib

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON_DBUS, GIO = 'com.example.PythonDBus', 'com.example.Gio'
PATH, INTERFACE = '/com/example/Object', 'com.example.Interface'
BUS = 'org.freedesktop.DBus'


def service(bus, which='python-dbus'):
    p = Program([os.path.join(HERE, f'service-{which}.py')], bus.environment())
    p.wait_output('ready')
    return p


def spin(condition, what):
    """Runs the main loop until the condition holds."""
    context = GLib.MainContext.default()
    late = []
    source = GLib.timeout_add(int(TIMEOUT * 1000), lambda: late.append(1) or True)
    while not condition():
        context.iteration(True)
        assert not late, f'timeout: {what}'
    GLib.source_remove(source)


# python3-dbus


def connect_dbus(bus):
    return dbus.bus.BusConnection(bus.address)


def expect_error(name, function, *args, **kw):
    try:
        function(*args, **kw)
    except dbus.DBusException as e:
        equal(e.get_dbus_name(), name)
    else:
        raise AssertionError(f'no error {name}')


@test
def python_dbus_calls(bus):
    with service(bus):
        c = connect_dbus(bus)
        o = c.get_object(PYTHON_DBUS, PATH)
        equal(o.Echo('grüße', dbus_interface=INTERFACE), 'grüße')
        values = {'a': dbus.UInt32(1), 'b': dbus.Array(['x', 'y'], signature='s'),
                  'c': dbus.Struct((1.5, True, dbus.ObjectPath('/p')), signature='dbo')}
        equal(o.EchoDict(values, dbus_interface=INTERFACE), values)
        equal(o.WhoAmI(dbus_interface=INTERFACE), c.get_unique_name())
        expect_error('com.example.Error.Failure', o.Fail, dbus_interface=INTERFACE)
        expect_error(BUS + '.Error.UnknownMethod', o.Nonsense, dbus_interface=INTERFACE)
        contains(o.Introspect(dbus_interface=BUS + '.Introspectable'), 'Echo')
        expect_error(BUS + '.Error.ServiceUnknown', c.get_object, 'com.example.Nobody', '/')
        c.close()


@test
def python_dbus_big_messages(bus):
    with service(bus):
        c = connect_dbus(bus)
        o = c.get_object(PYTHON_DBUS, PATH)
        for size in 1, 4096, 100000, 1 << 20, 30 << 20:
            data = dbus.ByteArray(b'x' * size)
            got = o.EchoBytes(data, dbus_interface=INTERFACE, byte_arrays=True, timeout=60)
            equal((len(got), got[:10]), (size, data[:10]))
        c.close()


@test
def python_dbus_descriptors(bus):
    with service(bus):
        c = connect_dbus(bus)
        o = c.get_object(PYTHON_DBUS, PATH)
        r, w = os.pipe()
        os.write(w, b'from the client')
        os.close(w)
        equal(o.ReadFd(dbus.types.UnixFd(r), dbus_interface=INTERFACE), 'from the client')
        os.close(r)
        with os.fdopen(o.MakeFd('from the service', dbus_interface=INTERFACE).take()) as f:
            equal(f.read(), 'from the service')
        c.close()


@test
def python_dbus_signals(bus):
    with service(bus):
        c = connect_dbus(bus)
        got = []
        c.add_signal_receiver(lambda text, **kw: got.append((text, kw['sender'])), 'Happened',
                              INTERFACE, PYTHON_DBUS, PATH, sender_keyword='sender')
        o = c.get_object(PYTHON_DBUS, PATH)
        for text in 'one', 'two':
            o.Emit(text, dbus_interface=INTERFACE)
        spin(lambda: len(got) == 2, 'signals')
        equal(got, [('one', c.get_name_owner(PYTHON_DBUS)),
                    ('two', c.get_name_owner(PYTHON_DBUS))])
        c.close()


@test
def python_dbus_name_watch(bus):
    c = connect_dbus(bus)
    owners = []
    c.watch_name_owner(PYTHON_DBUS, owners.append)
    with service(bus):
        spin(lambda: owners and owners[-1], 'an owner')
        equal(owners[-1], c.get_name_owner(PYTHON_DBUS))
    spin(lambda: owners[-1] == '', 'no owner')
    c.close()


@test
def python_dbus_names(bus):
    c, d = connect_dbus(bus), connect_dbus(bus)
    equal(c.request_name('com.example.N', dbus.bus.NAME_FLAG_ALLOW_REPLACEMENT), 1)
    equal(d.request_name('com.example.N', dbus.bus.NAME_FLAG_DO_NOT_QUEUE), 3)
    equal(d.request_name('com.example.N'), 2)
    equal(d.request_name('com.example.N', dbus.bus.NAME_FLAG_REPLACE_EXISTING), 1)
    equal(c.get_name_owner('com.example.N'), d.get_unique_name())
    equal(c.list_names().count('com.example.N'), 1)
    equal(d.release_name('com.example.N'), 1)
    equal(c.get_name_owner('com.example.N'), c.get_unique_name())
    equal(c.release_name('com.example.N'), 1)
    expect_error(BUS + '.Error.NameHasNoOwner', c.get_name_owner, 'com.example.N')
    equal(c.get_unix_user(d.get_unique_name()), os.getuid())
    c.close()
    d.close()


@test
def python_dbus_vanishing_service(bus):
    with service(bus):
        c = connect_dbus(bus)
        o = c.get_object(PYTHON_DBUS, PATH)
        expect_error(BUS + '.Error.NoReply', o.Vanish, dbus_interface=INTERFACE)
        c.close()


@test
def python_dbus_many_calls_at_once(bus):
    with service(bus):
        c = connect_dbus(bus)
        o = c.get_object(PYTHON_DBUS, PATH)
        done, failed = [], []
        for i in range(1000):
            o.Echo(str(i), dbus_interface=INTERFACE, reply_handler=done.append,
                   error_handler=failed.append)
        spin(lambda: len(done) + len(failed) == 1000, 'replies')
        equal((done, failed), ([str(i) for i in range(1000)], []))
        c.close()


# python3-gi


def connect_gio(bus):
    c = Gio.DBusConnection.new_for_address_sync(
        bus.address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT |
        Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
    c.set_exit_on_close(False)
    return c


def gio_call(c, name, member, parameters=None, path=PATH, interface=INTERFACE):
    return c.call_sync(name, path, interface, member, parameters, None, Gio.DBusCallFlags.NONE,
                       int(TIMEOUT * 1000), None).unpack()


@test
def gio_calls_both_services(bus):
    with service(bus), service(bus, 'gio'):
        c = connect_gio(bus)
        for name in PYTHON_DBUS, GIO:
            equal(gio_call(c, name, 'Echo', GLib.Variant('(s)', ('hello',))), ('hello',))
        try:
            gio_call(c, PYTHON_DBUS, 'Fail')
        except GLib.Error as e:
            equal(Gio.DBusError.get_remote_error(e), 'com.example.Error.Failure')
        else:
            raise AssertionError('no error')
        c.close_sync()


@test
def python_dbus_calls_gio(bus):
    with service(bus, 'gio'):
        c = connect_dbus(bus)
        o = c.get_object(GIO, PATH)
        equal(o.Echo('text', dbus_interface=INTERFACE), 'text')
        equal(o.Get(INTERFACE, 'Constant', dbus_interface=BUS + '.Properties'), 42)
        c.close()


@test
def gio_proxy_follows_properties_and_owner(bus):
    c = connect_gio(bus)
    with service(bus, 'gio'):
        proxy = Gio.DBusProxy.new_sync(c, Gio.DBusProxyFlags.NONE, None, GIO, PATH, INTERFACE, None)
        equal(proxy.get_cached_property('Value').unpack(), 'initial')
        changes, signals = [], []
        proxy.connect('g-properties-changed', lambda p, v, i: changes.append(v.unpack()))
        proxy.connect('g-signal', lambda p, sender, name, v: signals.append((name, v.unpack())))
        proxy.call_sync('org.freedesktop.DBus.Properties.Set',
                        GLib.Variant('(ssv)', (INTERFACE, 'Value', GLib.Variant('s', 'new'))),
                        Gio.DBusCallFlags.NONE, -1, None)
        proxy.call_sync('Emit', GLib.Variant('(s)', ('news',)), Gio.DBusCallFlags.NONE, -1, None)
        spin(lambda: changes and signals, 'signals')
        equal((changes[0], signals[0]), ({'Value': 'new'}, ('Happened', ('news',))))
        assert proxy.get_name_owner().startswith(':1.')
    spin(lambda: proxy.get_name_owner() is None, 'the owner vanishes')
    c.close_sync()


@test
def gio_owns_and_watches_names(bus):
    c, d = connect_gio(bus), connect_gio(bus)
    events = []
    Gio.bus_watch_name_on_connection(
        c, 'com.example.Owned', Gio.BusNameWatcherFlags.NONE,
        lambda _, name, owner: events.append(owner), lambda *_: events.append(None))
    spin(lambda: events == [None], 'nobody at first')
    state = []
    owner = Gio.bus_own_name_on_connection(d, 'com.example.Owned', Gio.BusNameOwnerFlags.NONE,
                                           lambda *_: state.append('acquired'),
                                           lambda *_: state.append('lost'))
    spin(lambda: state == ['acquired'], 'acquired')
    spin(lambda: events == [None, d.get_unique_name()], 'appeared')
    Gio.bus_unown_name(owner)
    spin(lambda: events[-1] is None, 'vanished')
    d.close_sync()
    c.close_sync()


@test
def gio_replaces_a_name(bus):
    c, d = connect_gio(bus), connect_gio(bus)
    state = []
    own = Gio.bus_own_name_on_connection
    one = own(c, 'com.example.Owned', Gio.BusNameOwnerFlags.ALLOW_REPLACEMENT,
              lambda *_: state.append('c has it'), lambda *_: state.append('c lost it'))
    spin(lambda: state == ['c has it'], 'first')
    two = own(d, 'com.example.Owned', Gio.BusNameOwnerFlags.REPLACE,
              lambda *_: state.append('d has it'), lambda *_: state.append('d lost it'))
    spin(lambda: len(state) == 3, 'second')
    equal(sorted(state[1:]), ['c lost it', 'd has it'])
    Gio.bus_unown_name(two)
    spin(lambda: state[-1] == 'c has it', 'back to the first')
    Gio.bus_unown_name(one)
    d.close_sync()
    c.close_sync()


@test
def gio_descriptors(bus):
    with service(bus):
        c = connect_gio(bus)
        r, w = os.pipe()
        os.write(w, b'from gio')
        os.close(w)
        out, fds = c.call_with_unix_fd_list_sync(
            PYTHON_DBUS, PATH, INTERFACE, 'ReadFd', GLib.Variant('(h)', (0,)), None,
            Gio.DBusCallFlags.NONE, -1, Gio.UnixFDList.new_from_array([r]), None)
        equal(out.unpack(), ('from gio',))
        out, fds = c.call_with_unix_fd_list_sync(
            PYTHON_DBUS, PATH, INTERFACE, 'MakeFd', GLib.Variant('(s)', ('to gio',)), None,
            Gio.DBusCallFlags.NONE, -1, None, None)
        with os.fdopen(fds.get(out.unpack()[0])) as f:
            equal(f.read(), 'to gio')
        c.close_sync()


if __name__ == '__main__':
    daemon_under_test()
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    sys.stdout.reconfigure(line_buffering=True)
    main(Bus(extra='  <limit name="max_replies_per_connection">50000</limit>\n'))
