#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# bus1ctl switch: on trees of machines that this test makes, with the real systemctl --root; and, in
# a mount namespace, on the machine itself. Needs root.
#
#   test-switch.py BRIDGE BUS1CTL

import ctypes
import errno
import fcntl
import os
import pty
import re
import resource
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time

from busfixture import REFERENCE, TIMEOUT, Bus, clean_environment, daemon_under_test, wait_until
from tap import Skip, contains, equal, main, test

DAEMON = daemon_under_test()
BUS1CTL = os.path.abspath(sys.argv.pop(1))
NOBODY = 65534
SCOPES = ('system', 'user')
BRIDGE = 'bus1-bridge.service'
KEPT = 'dbus.service.before-bus1-bridge'
SUCCESS, REFUSED, FAILED = 0, 1, 2

UNIT = '''[Unit]
Description=A bus
Requires=dbus.socket

[Service]
Type=notify
Sockets=dbus.socket
ExecStart={command}
'''
ALIAS = '''
[Install]
Alias=dbus.service
'''
SOCKET = '''[Socket]
ListenStream=/run/dbus/system_bus_socket
'''
CONFIG = '''<busconfig>
  <type>{scope}</type>
  <user>root</user>
  <servicehelper>/usr/lib/helper</servicehelper>
  <servicedir>/usr/share/dbus-1/{scope}-services</servicedir>
  <listen>unix:path=/run/bus</listen>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
  </policy>
  <include ignore_missing="yes">/etc/dbus-1/{scope}-local.conf</include>
  <includedir>/usr/share/dbus-1/{scope}.d</includedir>
</busconfig>
'''
OPTION = {'system': '--system', 'user': '--session'}
CONFIG_NAME = {'system': 'system', 'user': 'session'}
POLICY = '<busconfig><policy context="default">\n{}\n</policy></busconfig>\n'
SERVICE = '[D-BUS Service]\nName={name}\nExec=/usr/bin/{name}\nUser=root\n{more}'


class Tree:
    """The root directory of a machine with dbus-daemon, dbus-broker and bus1-bridge."""

    def __init__(self):
        if os.geteuid() != 0:
            raise Skip('needs root')
        self.root = tempfile.mkdtemp(prefix='bus-switch-')
        for scope in SCOPES:
            os.makedirs(f'{self.root}/etc/systemd/{scope}')
            config = CONFIG_NAME[scope]
            self.write(f'usr/share/dbus-1/{config}.conf', CONFIG.format(scope=config))
            options = OPTION[scope] + ' --address=systemd: --nofork --systemd-activation'
            for name, program, more in (('dbus', 'dbus-daemon ' + options, ''),
                                        ('dbus-broker', 'dbus-broker-launch --scope ' + scope,
                                         ALIAS),
                                        ('bus1-bridge', 'bus1-bridge ' + options, ALIAS)):
                self.write(self.unit(scope, name + '.service'),
                           UNIT.format(command='/usr/bin/' + program) + more)
            self.write(self.unit(scope, 'dbus.socket'), SOCKET)
        for program in ('dbus-daemon', 'dbus-broker-launch', 'bus1-bridge'):
            self.write('usr/bin/' + program, '', 0o755)
        self.write('usr/lib/helper', '', 0o4755)
        self.write('etc/passwd', 'root:x:0:0::/:/bin/sh\nonlyhere:x:1234:1234::/:/bin/sh\n')
        self.write('etc/group', 'root:x:0:\n')
        os.symlink('usr/lib', self.root + '/lib')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root)

    @staticmethod
    def unit(scope, name):
        return f'usr/lib/systemd/{scope}/{name}'

    def path(self, path):
        return f'{self.root}/{path}'

    def place(self, scope, name='dbus.service'):
        return f'{self.root}/etc/systemd/{scope}/{name}'

    def write(self, path, text, mode=0o644):
        os.makedirs(os.path.dirname(self.path(path)), exist_ok=True)
        with open(self.path(path), 'w') as f:
            f.write(text)
        os.chmod(self.path(path), mode)

    def enable_broker(self, scope):
        # the text that deb-systemd-helper makes differs from that of systemctl
        os.symlink(f'/lib/systemd/{scope}/dbus-broker.service', self.place(scope))

    def is_bridge(self, scope):
        place = self.place(scope)
        return os.path.islink(place) and os.path.basename(os.readlink(place)) == BRIDGE

    def snapshot(self):
        """Returns all of each file and link, and of each directory what stays when its entries
        change."""
        found = {}
        for directory, names, files in os.walk(self.root):
            for name in names + files:
                path = os.path.join(directory, name)
                st = os.lstat(path)
                what = (st.st_mode, st.st_uid, st.st_gid)
                if stat.S_ISLNK(st.st_mode):
                    what += (os.readlink(path), st.st_nlink)
                elif stat.S_ISREG(st.st_mode):
                    with open(path, 'rb') as f:
                        what += (f.read(), st.st_mtime_ns, st.st_nlink)
                found[os.path.relpath(path, self.root)] = what
        return found

    def switch(self, *args, status=SUCCESS, **popen):
        """Returns the output, and that on standard error."""
        return switch(f'--root={self.root}', *args, status=status, **popen)


def switch(*args, status=SUCCESS, env=None, **popen):
    result = subprocess.run([BUS1CTL, 'switch', *args], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=60,
                            env=env or clean_environment(), **popen)
    if result.returncode != status:
        raise AssertionError(f'{args}: status {result.returncode}, not {status}: {result}')
    return result.stdout, result.stderr


def on_tree(function):
    """Marks a test that gets a tree."""
    def run():
        with Tree() as tree:
            function(tree)
    run.__name__ = function.__name__
    return test(run)


def refused(tree, *parts, args=('system', '--yes'), **popen):
    """The switch is refused with these texts, and changes nothing."""
    before = tree.snapshot()
    _, errors = tree.switch(*args, status=REFUSED, **popen)
    contains(errors, *parts, 'nothing has been changed')
    equal(tree.snapshot(), before, 'the tree')
    return errors


# there and back


@test
def a_switch_and_back_leave_the_tree_as_it_was():
    for what, scopes in (('system', ('system',)), ('user', ('user',)), ('all', SCOPES)):
        with Tree() as tree:
            before = tree.snapshot()
            output, errors = tree.switch(what, '--yes')
            equal(errors, '')
            for scope in SCOPES:
                equal(tree.is_bridge(scope), scope in scopes, f'{what} {scope}')
                equal(f'{scope} bus: done' in output, scope in scopes, output)
            contains(output, f'to go back: bus1ctl switch {what} --back --root={tree.root}')
            equal(len(tree.snapshot()), len(before) + len(scopes))
            tree.switch(what, '--back', '--yes')
            equal(tree.snapshot(), before, what)


@on_tree
def the_alias_of_dbus_broker_comes_back_byte_for_byte(tree):
    for scope in SCOPES:
        tree.enable_broker(scope)
    before = tree.snapshot()
    tree.switch('all', '--yes')
    for scope in SCOPES:
        assert tree.is_bridge(scope), scope
        equal(os.readlink(tree.place(scope, KEPT)),
              f'/lib/systemd/{scope}/dbus-broker.service')
    tree.switch('all', '--back', '--yes')
    equal(tree.snapshot(), before)


@on_tree
def twice_is_like_once(tree):
    tree.enable_broker('system')
    before = tree.snapshot()
    tree.switch('all', '--yes')
    switched = tree.snapshot()
    output, errors = tree.switch('all', '--yes')
    equal(output.count('nothing to do, it is bus1-bridge already'), 2, output)
    equal(errors, '')
    equal(tree.snapshot(), switched)
    tree.switch('all', '--back', '--yes')
    equal(tree.snapshot(), before)
    output, errors = tree.switch('all', '--back', '--yes')
    equal(output.count('nothing to do, it is not bus1-bridge'), 2, output)
    equal(errors, '')
    equal(tree.snapshot(), before)


@on_tree
def one_bus_after_the_other(tree):
    tree.enable_broker('user')
    before = tree.snapshot()
    tree.switch('system', '--yes')
    tree.switch('all', '--yes')
    assert tree.is_bridge('system') and tree.is_bridge('user')
    tree.switch('user', '--back', '--yes')
    assert tree.is_bridge('system') and not tree.is_bridge('user')
    tree.switch('all', '--back', '--yes')
    equal(tree.snapshot(), before)


@on_tree
def a_missing_directory_is_made(tree):
    shutil.rmtree(tree.path('etc/systemd'))
    before = tree.snapshot()
    tree.switch('all', '--yes')
    assert tree.is_bridge('system') and tree.is_bridge('user')
    tree.switch('all', '--back', '--yes')
    # systemctl has made the directories, and nobody removes them
    for made in ('', '/system', '/user'):
        equal(sorted(os.listdir(tree.path('etc/systemd' + made))),
              [] if made else ['system', 'user'])
    shutil.rmtree(tree.path('etc/systemd'))
    equal(tree.snapshot(), before)


@on_tree
def the_alias_that_systemctl_made_can_be_removed(tree):
    before = tree.snapshot()
    subprocess.run(['systemctl', '--quiet', '--root', tree.root, 'enable',
                    'bus1-bridge.service'], check=True)
    assert tree.is_bridge('system')
    tree.switch('system', '--back', '--yes')
    equal(tree.snapshot(), before)


@on_tree
def what_another_tool_has_changed_stays(tree):
    tree.enable_broker('system')
    before = tree.snapshot()
    tree.switch('system', '--yes')
    # removed: what was there before still comes back
    subprocess.run(['systemctl', '--quiet', '--root', tree.root, 'disable',
                    'bus1-bridge.service'], check=True)
    tree.switch('system', '--back', '--yes')
    equal(tree.snapshot(), before)
    # replaced: the present choice counts, and the next switch keeps it
    tree.switch('system', '--yes')
    subprocess.run(['systemctl', '--quiet', '--root', tree.root, 'enable', '--force',
                    'dbus-broker.service'], check=True)
    changed = tree.snapshot()
    output, _ = tree.switch('system', '--back', '--yes')
    contains(output, 'another tool has changed')
    equal(tree.snapshot(), changed)
    link = os.readlink(tree.place('system'))
    tree.switch('system', '--yes')
    tree.switch('system', '--back', '--yes')
    equal(os.readlink(tree.place('system')), link)
    assert not os.path.lexists(tree.place('system', KEPT))


# what is refused


@test
def a_mask_is_refused():
    for scope in SCOPES:
        for unit in ('dbus.service', 'dbus.socket', 'bus1-bridge.service'):
            with Tree() as tree:
                os.symlink('/dev/null', tree.place(scope, unit))
                refused(tree, f'/etc/systemd/{scope}/{unit}', 'mask', 'unmask ' + unit,
                        args=('all', '--yes'))
                refused(tree, 'mask', args=('all', '--yes', '--force'))
                os.unlink(tree.place(scope, unit))
                open(tree.place(scope, unit), 'w').close()
                refused(tree, 'mask', args=('all', '--yes'))


@on_tree
def a_file_of_the_administrator_is_refused(tree):
    tree.write('etc/systemd/system/dbus.service', UNIT.format(command='/usr/bin/dbus-daemon'),
               0o600)
    os.chown(tree.place('system'), 1, 2)
    os.utime(tree.place('system'), ns=(1, 1234567890))
    before = tree.snapshot()
    refused(tree, '/etc/systemd/system/dbus.service', 'administrator', '--force')
    refused(tree, 'administrator', args=('all', '--yes'))
    output, _ = tree.switch('system', '--yes', '--force')
    contains(output, 'note: system bus: /etc/systemd/system/dbus.service', 'administrator')
    assert tree.is_bridge('system')
    tree.switch('system', '--back', '--yes')
    equal(tree.snapshot(), before)


@on_tree
def a_kept_file_of_the_administrator_is_not_lost(tree):
    tree.write('etc/systemd/system/dbus.service', UNIT.format(command='/usr/bin/dbus-daemon'))
    tree.switch('system', '--yes', '--force')
    subprocess.run(['systemctl', '--quiet', '--root', tree.root, 'enable', '--force',
                    'dbus-broker.service'], check=True)
    refused(tree, KEPT, 'would be lost', args=('system', '--yes', '--force'))


@test
def a_file_that_hides_the_link_is_refused():
    with Tree() as tree:
        tree.write('etc/systemd/system.control/dbus.service', UNIT.format(command='/bin/true'))
        refused(tree, '/etc/systemd/system.control/dbus.service', 'hides')
    with Tree() as tree:
        tree.write('etc/xdg/systemd/user/dbus.service', UNIT.format(command='/bin/true'))
        refused(tree, '/etc/xdg/systemd/user/dbus.service', 'hides', args=('user', '--yes'))
    # Debian's link is no other directory
    with Tree() as tree:
        os.makedirs(tree.path('etc/xdg/systemd'))
        os.symlink('../../systemd/user', tree.path('etc/xdg/systemd/user'))
        tree.enable_broker('user')
        before = tree.snapshot()
        tree.switch('user', '--yes')
        tree.switch('user', '--back', '--yes')
        equal(tree.snapshot(), before)


@test
def missing_units_and_programs_are_refused():
    for scope in SCOPES:
        for name in ('bus1-bridge.service', 'dbus.socket'):
            with Tree() as tree:
                os.unlink(tree.path(tree.unit(scope, name)))
                refused(tree, f'{scope} bus: the unit {name} is missing', args=('all', '--yes'))
    with Tree() as tree:
        os.unlink(tree.path('usr/bin/bus1-bridge'))
        refused(tree, '/usr/bin/bus1-bridge', 'No such file')
        tree.write('usr/bin/bus1-bridge', '')
        refused(tree, '/usr/bin/bus1-bridge', 'cannot be executed')
    with Tree() as tree:
        tree.write(tree.unit('system', 'bus1-bridge.service'), '[Unit]\nDescription=x\n' + ALIAS)
        refused(tree, '/bus1-bridge.service has no ExecStart=')
        tree.write(tree.unit('system', 'bus1-bridge.service'),
                   UNIT.format(command='/usr/bin/bus1-bridge') + ALIAS)
        refused(tree, 'ExecStart= names no configuration')


@test
def errors_in_the_configuration_are_refused():
    with Tree() as tree:
        tree.write('etc/dbus-1/system-local.conf', '<busconfig>\n  <policy>\n</busconfig>\n')
        refused(tree, 'system bus: /etc/dbus-1/system-local.conf:2:')
        refused(tree, '/etc/dbus-1/system-local.conf:2:', args=('all', '--yes', '--force'))
        # the user bus has another configuration
        tree.switch('user', '--yes')
    with Tree() as tree:
        os.unlink(tree.path('usr/share/dbus-1/session.conf'))
        refused(tree, 'user bus: /usr/share/dbus-1/session.conf', args=('all', '--yes'))
    # the unit names another configuration
    with Tree() as tree:
        for option in ('--config-file=', '--config-file '):
            tree.write(tree.unit('system', 'bus1-bridge.service'),
                       UNIT.format(command=f'-/usr/bin/bus1-bridge {option}/etc/own.conf') + ALIAS)
            tree.write('etc/own.conf', '<busconfig>\n\n</nonsense>\n')
            refused(tree, '/etc/own.conf:3:')
    # a faulty file of an <includedir> is skipped, as dbus-daemon does
    with Tree() as tree:
        tree.write('usr/share/dbus-1/system.d/bad.conf', '<busconfig>\n<nonsense/>\n</busconfig>')
        output, _ = tree.switch('system', '--yes')
        contains(output, 'note: system bus: /usr/share/dbus-1/system.d/bad.conf:2:')


@test
def rules_that_dbus_daemon_understands_differently_are_refused():
    for rule, what in (('<allow send_destination="a.b" send_error="e.r"/>', 'matches only errors'),
                       ('<allow send_type="signal"/>\n<deny send_broadcast="true"/>',
                        'overrides the rules before it only for')):
        with Tree() as tree:
            tree.write('usr/share/dbus-1/system.d/x.conf', POLICY.format(rule))
            line = 1 + len(rule.splitlines())
            refused(tree, f'/usr/share/dbus-1/system.d/x.conf:{line}: ', what, '--force')
            output, _ = tree.switch('system', '--yes', '--force')
            contains(output, f'note: system bus: /usr/share/dbus-1/system.d/x.conf:{line}: ')
            assert tree.is_bridge('system')


@on_tree
def users_are_those_of_the_tree(tree):
    tree.write('usr/share/dbus-1/system.d/x.conf', '<busconfig>\n'
               '<policy user="onlyhere"><allow own="a.b"/></policy>\n'
               '<policy user="nosuchuser"><allow own="a.b"/></policy>\n</busconfig>')
    output, _ = tree.switch('system', '--yes')
    contains(output, 'x.conf:3:', 'nosuchuser')
    assert 'onlyhere' not in output, output


@on_tree
def the_helper_must_be_there_if_services_need_it(tree):
    services = 'usr/share/dbus-1/system-services'
    os.unlink(tree.path('usr/lib/helper'))
    # nothing needs it: systemd starts the only service
    tree.write(services + '/a.b.service',
               SERVICE.format(name='a.b', more='SystemdService=x.service\n'))
    tree.switch('system', '--dry-run')
    tree.write(services + '/a.c.service', SERVICE.format(name='a.c', more=''))
    at = '/usr/share/dbus-1/system.conf:4: the program /usr/lib/helper'
    refused(tree, at, 'No such file', f'a.c (/{services}/a.c.service)')
    tree.write('usr/lib/helper', '', 0o4644)
    refused(tree, at, 'cannot be executed')
    tree.write('usr/lib/helper', '', 0o755)
    refused(tree, at, 'not setuid root')
    os.chown(tree.path('usr/lib/helper'), 1, 1)
    os.chmod(tree.path('usr/lib/helper'), 0o4755)
    refused(tree, at, 'not setuid root')
    os.chown(tree.path('usr/lib/helper'), 0, 0)
    os.chmod(tree.path('usr/lib/helper'), 0o4755)
    tree.switch('system', '--yes')


@test
def a_bus_that_is_gone_does_not_come_back():
    with Tree() as tree:
        tree.enable_broker('system')
        tree.switch('system', '--yes')
        os.unlink(tree.path(tree.unit('system', 'dbus-broker.service')))
        switched = tree.snapshot()
        # a failure keeps the link to the unit that is gone
        with FakeSystemctl('exit 7') as env:
            tree.switch('system', '--back', '--yes', status=FAILED, env=env)
        equal(tree.snapshot(), switched)
        # a link to a unit that is gone would hide the one of the distribution
        output, _ = tree.switch('system', '--back', '--yes')
        contains(output, 'dbus.service.before-bus1-bridge', 'is gone')
        equal(os.listdir(tree.path('etc/systemd/system')), [])
    with Tree() as tree:
        # another tool has removed the link, too
        tree.enable_broker('system')
        tree.switch('system', '--yes')
        os.unlink(tree.path(tree.unit('system', 'dbus-broker.service')))
        os.unlink(tree.place('system'))
        tree.switch('system', '--back', '--yes')
        equal(os.listdir(tree.path('etc/systemd/system')), [])
    with Tree() as tree:
        tree.switch('system', '--yes')
        os.unlink(tree.path('usr/bin/dbus-daemon'))
        refused(tree, '/usr/bin/dbus-daemon', args=('system', '--back', '--yes'))
        os.unlink(tree.path(tree.unit('system', 'dbus.service')))
        refused(tree, 'there is no other bus', args=('system', '--back', '--yes'))


# links of the tree


@on_tree
def absolute_links_are_those_of_the_tree(tree):
    # as in some images; the links lead nowhere on this machine, or to other files
    os.unlink(tree.path('lib'))
    os.symlink('/usr/lib', tree.path('lib'))
    os.rename(tree.path('usr/share/dbus-1'), tree.path('configs'))
    os.symlink('/configs', tree.path('usr/share/dbus-1'))
    os.rename(tree.path('usr/lib/systemd'), tree.path('of-this-tree'))
    os.symlink('/of-this-tree', tree.path('usr/lib/systemd'))
    tree.write('of-this-tree/system/dbus.service', UNIT.format(command='/usr/bin/of-this-tree'))
    contains(tree.switch()[0], '/usr/bin/of-this-tree, by /lib/systemd/system/dbus.service')
    tree.switch('all', '--dry-run')


@on_tree
def no_link_leads_out_of_the_tree(tree):
    with Tree() as outside:
        outside.enable_broker('system')
        before = outside.snapshot()
        for path in 'etc/systemd/system', 'etc/systemd', 'etc':
            os.rename(tree.path(path), tree.path('aside'))
            os.symlink(outside.path(path), tree.path(path))
            output, _ = tree.switch()
            assert 'dbus-broker' not in output, output
            for args in ('system', '--yes'), ('all', '--back', '--yes'):
                _, errors = tree.switch(*args, status=FAILED)
                contains(errors, tree.path('etc/systemd/system'), 'leads out of the tree')
            os.unlink(tree.path(path))
            os.rename(tree.path('aside'), tree.path(path))
        equal(outside.snapshot(), before)
    tree.switch('system', '--yes')


@on_tree
def a_link_that_is_made_meanwhile_is_not_followed(tree):
    with tempfile.TemporaryDirectory() as outside:
        directory = tree.path('etc/systemd/user')
        # systemctl, which changes the bus of the system first, is slower than who else writes
        with FakeSystemctl(f'''rm -d {directory}; ln -s {outside} {directory}
exec "$real" "$@"''') as env:
            _, errors = tree.switch('all', '--yes', status=FAILED, env=env)
        contains(errors, directory, 'leads out of the tree', 'everything is as before')
        equal(os.listdir(outside), [])
    assert not tree.is_bridge('system')


@on_tree
def a_link_is_not_followed_back_either(tree):
    tree.switch('all', '--yes')
    with tempfile.TemporaryDirectory() as outside:
        directory = tree.path('etc/systemd/user')
        shutil.copytree(directory, outside, symlinks=True, dirs_exist_ok=True)
        with FakeSystemctl(f'''rm -r {directory}; ln -s {outside} {directory}
exec "$real" "$@"''') as env:
            _, errors = tree.switch('all', '--back', '--yes', status=FAILED, env=env)
        contains(errors, directory, 'leads out of the tree')
        equal(os.listdir(outside), ['dbus.service'])
    assert tree.is_bridge('system')


def without_openat2():
    """In a child: the kernel seems to be older than Linux 5.6, by a filter of seccomp."""
    def instruction(code, jump_true, jump_false, value):
        return struct.pack('HBBI', code, jump_true, jump_false, value)

    code = ctypes.create_string_buffer(instruction(0x20, 0, 0, 0) +  # load the number
                                       instruction(0x15, 0, 1, 437) +  # openat2
                                       instruction(0x06, 0, 0, 0x50000 | errno.ENOSYS) +
                                       instruction(0x06, 0, 0, 0x7fff0000))
    program = struct.pack('HxxxxxxP', 4, ctypes.addressof(code))
    for what in (38, 1, 0), (22, 2, program):  # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP
        if ctypes.CDLL(None).prctl(*what, 0, 0):
            os._exit(77)


@on_tree
def old_kernels_get_a_clear_error(tree):
    _, errors = tree.switch('system', '--yes', status=FAILED, preexec_fn=without_openat2)
    contains(errors, 'openat2()', 'Linux has it since 5.6')


# drop-ins and the sandbox


@on_tree
def drop_ins_are_told(tree):
    tree.enable_broker('system')
    tree.write('etc/systemd/system/dbus.service.d/a.conf',
               '[Unit]\nAfter=x\n[Service]\nEnvironment=A=b\nNice=3\n')
    tree.write('usr/lib/systemd/system/dbus-.service.d/b.conf', '[Service]\nExecStart=/bin/x\n')
    tree.write('usr/lib/systemd/system/service.d/c.conf', '[Service]\nUMask=0\n')
    # the file of the administrator counts
    tree.write('usr/lib/systemd/system/dbus.service.d/a.conf', '[Service]\nCPUWeight=3\n')
    tree.write('usr/lib/systemd/system/bus1-bridge.service.d/d.conf', '[Unit]\nAfter=x\n')
    output, _ = tree.switch('system', '--dry-run')
    at = 'note: system bus: /'
    contains(output, at + 'etc/systemd/system/dbus.service.d/a.conf sets Environment=, Nice=: this '
             'changes bus1-bridge\n',
             at + 'lib/systemd/system/service.d/c.conf sets UMask=: this changes bus1-bridge\n',
             'systemd/system/dbus-.service.d/b.conf sets ExecStart=: this will not change bus1-br')
    assert 'CPUWeight' not in output and '/d.conf' not in output, output
    equal(output.count('service.d/c.conf'), 1)
    tree.switch('user', '--dry-run')


@on_tree
def a_drop_in_that_is_masked_changes_nothing(tree):
    starts_another = '[Service]\nExecStart=\nExecStart=/usr/bin/dbus-daemon\n'
    own, packaged = (directory + '/dbus.service.d/x.conf'
                     for directory in ('etc/systemd/system', 'usr/lib/systemd/system'))
    tree.write(packaged, starts_another)
    refused(tree, 'starts /usr/bin/dbus-daemon, not')
    os.makedirs(os.path.dirname(tree.path(own)))
    for target in '/dev/null', '/nonexistent':
        os.symlink(target, tree.path(own))
        output, errors = tree.switch('system', '--dry-run')
        equal((errors, 'sets' in output), ('', False))
        os.unlink(tree.path(own))
    # what is no file is not read
    os.mkfifo(tree.path(own))
    tree.switch('system', '--dry-run')
    os.unlink(tree.path(own))
    os.mkdir(tree.path(own))
    tree.switch('system', '--dry-run')


@on_tree
def a_drop_in_that_starts_another_bus_is_refused(tree):
    drop_in = '/etc/systemd/system/dbus.service.d/x.conf'
    tree.write(drop_in[1:], '[Service]\nExecStart=\nExecStart=/usr/bin/dbus-daemon --system --x\n')
    refused(tree, 'the unit bus1-bridge.service starts /usr/bin/dbus-daemon, not /usr/bin/bus1-br')
    # for the bridge, with another configuration
    tree.write(drop_in[1:], '[Service]\nExecStart=\n'
               'ExecStart=/usr/bin/bus1-bridge --config-file=/etc/own.conf\n')
    tree.write('etc/own.conf', '<busconfig>\n\n</nonsense>\n')
    refused(tree, '/etc/own.conf:3:')
    tree.write(drop_in[1:], '[Service]\nExecStart=\n')
    refused(tree, 'the unit bus1-bridge.service starts nothing')


@on_tree
def what_the_sandbox_hides_is_refused(tree):
    unit = tree.unit('system', 'bus1-bridge.service')
    with open(tree.path(unit)) as f:
        text = f.read().replace('[Service]\n', '[Service]\nProtectHome=yes\nPrivateTmp=yes\n')
    tree.write(unit, text)
    tree.write('etc/dbus-1/system-local.conf', '<busconfig><includedir>/home/x</includedir>'
               '<include>/tmp/y.conf</include></busconfig>')
    tree.write('tmp/y.conf', '<busconfig/>')
    refused(tree, '/home/x is a part of the configuration, but ProtectHome= of bus1-bridge.service',
            '/tmp/y.conf is a part of the configuration, but PrivateTmp= of bus1-bridge.service')
    tree.write('etc/systemd/system/bus1-bridge.service.d/x.conf',
               '[Service]\nProtectHome=read-only\nPrivateTmp=no\n')
    tree.switch('system', '--yes')


# the link of bus1-bridge-as-dbus


@on_tree
def a_link_in_the_place_of_dbus_daemon_is_told(tree):
    os.rename(tree.path('usr/bin/dbus-daemon'), tree.path('usr/bin/dbus-daemon.distrib'))
    os.symlink('bus1-bridge', tree.path('usr/bin/dbus-daemon'))
    contains(tree.switch()[0], '/usr/bin/dbus-daemon (a link to bus1-bridge), by ')
    link = 'note: system bus: /usr/bin/dbus-daemon is a link to bus1-bridge, as the package '
    output, _ = tree.switch('system', '--yes')
    contains(output, link, 'is bus1-bridge also without the switch')
    output, _ = tree.switch('system', '--back', '--yes')
    contains(output, link, 'until this package is removed')
    # dbus-broker is no such link
    tree.enable_broker('system')
    for args in ('system', '--yes'), ('system', '--back', '--yes'):
        output, _ = tree.switch(*args)
        assert 'is a link' not in output, output


# failures in the middle


class FakeSystemctl:
    """A directory for PATH whose systemctl runs a shell script. There, $real is the real one."""

    def __init__(self, script):
        self.directory = tempfile.mkdtemp(prefix='bus-switch-path-')
        with open(self.directory + '/systemctl', 'w') as f:
            f.write(f'#!/bin/sh\nreal={shutil.which("systemctl")}\n{script}\n')
        os.chmod(f.name, 0o755)

    def __enter__(self):
        return clean_environment(PATH=self.directory + ':' + os.environ['PATH'])

    def __exit__(self, *_):
        shutil.rmtree(self.directory)


FAULTS = {
    'exits with status 7': 'exit 7',
    'ended by a signal': 'kill -KILL $$',
    'has not': 'exit 0',
    'after all, exits with status 8': '"$real" "$@"; exit 8',
}


def each_fault(verb):
    """Yields the environments in which systemctl fails with this verb for the user bus."""
    for what, fault in FAULTS.items():
        with FakeSystemctl(f'case "$*" in *--global*{verb}*) {fault};; esac\n'
                           'exec "$real" "$@"') as env:
            yield what.split(', ')[-1], env


@test
def a_failure_of_the_second_step_undoes_the_first():
    for with_broker in (False, True):
        for what, env in each_fault('enable'):
            with Tree() as tree:
                for scope in SCOPES if with_broker else ():
                    tree.enable_broker(scope)
                before = tree.snapshot()
                _, errors = tree.switch('all', '--yes', status=FAILED, env=env)
                contains(errors, what, 'everything is as before')
                equal(tree.snapshot(), before, what)


@test
def a_failure_of_the_second_step_back_undoes_the_first():
    for with_broker in (False, True):
        for what, env in each_fault('disable'):
            with Tree() as tree:
                if with_broker:
                    tree.enable_broker('system')
                tree.switch('all', '--yes')
                switched = tree.snapshot()
                _, errors = tree.switch('all', '--back', '--yes', status=FAILED, env=env)
                contains(errors, what, 'everything is as before')
                equal(tree.snapshot(), switched, what)
    # the first step fails
    with Tree() as tree, FakeSystemctl('exit 7') as env:
        before = tree.snapshot()
        tree.switch('all', '--yes', status=FAILED, env=env)
        equal(tree.snapshot(), before)
        tree.switch('all', '--yes')
        switched = tree.snapshot()
        tree.switch('all', '--back', '--yes', status=FAILED, env=env)
        equal(tree.snapshot(), switched)


@test
def a_switch_that_is_killed_can_be_done_or_undone():
    for when in ('kill -KILL $PPID', '"$real" "$@"; kill -KILL $PPID'):
        for scope in ('enable --force', '--global'):
            for back in (False, True):
                with Tree() as tree, FakeSystemctl(f'case "$*" in *"{scope}"*) {when}; exit;; esac\n'
                                                   'exec "$real" "$@"') as env:
                    for name in SCOPES:
                        tree.enable_broker(name)
                    before = tree.snapshot()
                    tree.switch('all', '--yes', status=-signal.SIGKILL, env=env)
                    # whatever has been done, the machine has a bus
                    for name in SCOPES:
                        assert os.path.lexists(tree.place(name)), (when, scope)
                    if not back:
                        tree.switch('all', '--yes')
                        assert tree.is_bridge('system') and tree.is_bridge('user')
                    tree.switch('all', '--back', '--yes')
                    left = {name: what for name, what in tree.snapshot().items()
                            if not name.endswith(KEPT)}
                    equal(left.keys(), before.keys())
                    for name in SCOPES:
                        equal(os.readlink(tree.place(name)),
                              f'/lib/systemd/{name}/dbus-broker.service')


@test
def signals_do_not_leave_half_a_switch():
    with Tree() as tree, FakeSystemctl('kill -INT $PPID; kill -TERM $PPID; kill -HUP $PPID\n'
                                       'exec "$real" "$@"') as env:
        result = subprocess.run([BUS1CTL, 'switch', f'--root={tree.root}', 'all', '--yes'],
                                env=env, capture_output=True, timeout=60)
        assert result.returncode in (-signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP), result
        assert tree.is_bridge('system') and tree.is_bridge('user')


@test
def only_one_switch_at_a_time():
    with Tree() as tree, tempfile.TemporaryDirectory() as directory:
        os.mkfifo(directory + '/go')
        # what everybody can open is not the lock
        fd = os.open(tree.root, os.O_RDONLY)
        fcntl.flock(fd, fcntl.LOCK_EX)
        with FakeSystemctl(f'>{directory}/begun; cat {directory}/go; exec "$real" "$@"') as env:
            first = subprocess.Popen([BUS1CTL, 'switch', f'--root={tree.root}', 'user', '--yes'],
                                     env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            wait_until(lambda: os.path.exists(directory + '/begun'), 'systemctl')
            _, errors = tree.switch('all', '--yes', status=FAILED)
            contains(errors, 'another bus1ctl switch')
            equal(stat.S_IMODE(os.stat('/run/bus1ctl-switch.lock').st_mode), 0o600)
            os.close(fd)
            os.close(os.open(directory + '/go', os.O_WRONLY))
            output, _ = first.communicate(timeout=TIMEOUT)
            equal(first.returncode, SUCCESS, output)
        assert tree.is_bridge('user') and not tree.is_bridge('system')


# asking, and the command line


@on_tree
def a_dry_run_changes_nothing(tree):
    tree.enable_broker('user')
    before = tree.snapshot()
    output, _ = tree.switch('all', '--dry-run')
    contains(output, f'system bus: make the link {tree.place("system")} to bus1-bridge.service',
             'user bus: keep what is there now (a link to '
             f'/lib/systemd/user/dbus-broker.service) as {tree.place("user", KEPT)}',
             'nothing has been changed')
    equal(tree.snapshot(), before)
    tree.switch('all', '--yes')
    switched = tree.snapshot()
    output, _ = tree.switch('all', '--back', '--dry-run')
    contains(output, f'system bus: remove the link {tree.place("system")}\n',
             f'user bus: put back {tree.place("user", KEPT)} as {tree.place("user")} ')
    equal(tree.snapshot(), switched)


def answer(tree, text):
    """Runs a switch on a terminal with this answer; returns the exit status and the output."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(BUS1CTL, [BUS1CTL, 'switch', 'system', '--root=' + tree.root])
    output = ''
    while '[y/N]' not in output:
        output += os.read(terminal, 4096).decode()
    os.write(terminal, text)
    try:
        while data := os.read(terminal, 4096):
            output += data.decode()
    except OSError:  # the other end of the terminal is closed
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), output


@on_tree
def a_switch_asks_unless_yes_is_given(tree):
    before = tree.snapshot()
    _, errors = tree.switch('system', status=FAILED)
    contains(errors, '--yes', 'nothing has been changed')
    for text in (b'n\n', b'\n', b'\x04'):
        status, output = answer(tree, text)
        equal(status, REFUSED, output)
        contains(output, 'nothing has been changed')
        equal(tree.snapshot(), before)
    status, output = answer(tree, b'y\n')
    equal(status, SUCCESS, output)
    assert tree.is_bridge('system')


@on_tree
def only_root_switches(tree):
    os.chmod(tree.root, 0o755)
    before = tree.snapshot()
    for args in (('system', '--yes'), ('all', '--back', '--yes'), ('user', '--dry-run')):
        _, errors = tree.switch(*args, status=FAILED, user=NOBODY, group=NOBODY,
                                extra_groups=())
        contains(errors, 'only root')
    equal(tree.snapshot(), before)
    # everybody may look
    output, _ = tree.switch(user=NOBODY, group=NOBODY, extra_groups=())
    contains(output, '/usr/bin/dbus-daemon')


@test
def wrong_arguments_are_errors():
    for args, what in ((('session',), 'neither system, user nor all: session'),
                       (('system', 'user'), 'one argument at most: user'),
                       (('system', '--nonsense'), 'unknown option: --nonsense'),
                       (('system', '-x'), 'unknown option: -x'),
                       (('system', '--root'), 'an option needs a value: --root'),
                       (('--back',), 'say which bus'),
                       (('--yes', '--root=/'), 'say which bus'),
                       (('all', '--yes', '--dry-run'), 'exclude each other')):
        output, errors = switch(*args, status=FAILED)
        equal(output, '')
        contains(errors, what, 'usage: bus1ctl switch system|user|all')
    _, errors = switch('system', '--root=/nonexistent', status=FAILED)
    contains(errors, '--root=/nonexistent', 'No such file')


# which bus


@on_tree
def the_state_of_a_tree(tree):
    def state():
        return tree.switch()[0]

    equal(state(), 'system bus\n'
          '  configured: /usr/bin/dbus-daemon, by /lib/systemd/system/dbus.service\n'
          'user bus\n'
          '  configured: /usr/bin/dbus-daemon, by /usr/lib/systemd/user/dbus.service\n')
    tree.enable_broker('user')
    contains(state(), 'configured: /usr/bin/dbus-broker-launch, by '
             '/etc/systemd/user/dbus.service -> /lib/systemd/user/dbus-broker.service\n')
    tree.switch('all', '--yes')
    contains(state(), 'configured: /usr/bin/bus1-bridge, by /etc/systemd/system/dbus.service'
             ' -> /lib/systemd/system/bus1-bridge.service\n',
             f'before bus1-bridge: /etc/systemd/user/{KEPT}'
             ' -> /lib/systemd/user/dbus-broker.service\n')
    os.unlink(tree.place('system'))
    os.symlink('/dev/null', tree.place('system'))
    contains(state(), 'configured: none: masked by /etc/systemd/system/dbus.service')


@test
def the_bus_that_runs_is_named():
    for daemon in (DAEMON, REFERENCE):
        with Bus(daemon) as bus:
            env = clean_environment(DBUS_SYSTEM_BUS_ADDRESS=bus.address,
                                    XDG_RUNTIME_DIR=bus.directory)
            output, _ = switch(env=env)
            program = os.path.realpath(daemon)
            equal(output.count(f': {program}, process {bus.pid}\n'), 2, output)
            contains(output, f'running for user {os.geteuid()}: {program}')
    with tempfile.TemporaryDirectory() as directory:
        address = f'unix:path={directory}/none'
        output, _ = switch(env=clean_environment(DBUS_SYSTEM_BUS_ADDRESS=address))
        contains(output, f'running: none answers at {address}: No such file')


@test
def names_of_strangers_are_no_commands_to_the_terminal():
    evil = 'bus\x1b]0;x\x07\n\u202e\x9b\\'
    shown = r'bus\x1b]0;x\x07\x0a\xe2\x80\xae\xc2\x9b' + '\\'
    with tempfile.TemporaryDirectory() as directory:
        program = f'{directory}/{evil}'
        shutil.copy(REFERENCE, program)
        with Bus(program) as bus:
            output, _ = switch(env=clean_environment(DBUS_SYSTEM_BUS_ADDRESS=bus.address,
                                                     XDG_RUNTIME_DIR=bus.directory))
        contains(output, f'running: {directory}/{shown}, process {bus.pid}\n')
        # the names of files, and what is in them
        config = f'{directory}/\x1b.conf'
        with open(config, 'w') as f:
            f.write('<busconfig><policy user="\u2066\x7f\xe9"/></busconfig>')
        result = subprocess.run([BUS1CTL, 'policy', 'check', config], capture_output=True)
        contains(result.stdout.decode(), r'/\x1b.conf:1: ', r'\xe2\x81\xa6\x7f' + '\xe9')
        result = subprocess.run([BUS1CTL, 'policy', 'check', '--json', config], capture_output=True)
        contains(result.stdout.decode(), '\\u001b.conf', '\u2066')
        _, errors = switch('\x1b[2J\udcff', status=FAILED)
        contains(errors, r'neither system, user nor all: \x1b[2J\xff' + '\n')


# the machine itself


class Machine(Tree):
    """A tree whose units and configurations replace those of this machine, in a namespace."""

    mounts = ()  # more of them
    commands = ()  # what else the shell does in the namespace
    MOUNTS = ('etc/systemd', 'usr/share/dbus-1', 'run/systemd', 'run/user', 'sys/fs/cgroup')

    def __init__(self):
        if subprocess.run(['unshare', '--mount', 'true'], capture_output=True).returncode:
            raise Skip('no mount namespaces')
        for path in self.MOUNTS:
            if not os.path.isdir('/' + path):
                raise Skip(f'no /{path}')
        super().__init__()
        os.chmod(self.root, 0o755)
        os.makedirs(self.path('run/systemd'))  # empty: systemctl does not look for a manager
        os.makedirs(self.path('run/user'))
        os.makedirs(self.path('sys/fs/cgroup'))
        for scope in SCOPES:
            self.write(self.unit(scope, 'bus1-bridge.service'), UNIT.format(
                command=f'{DAEMON} {OPTION[scope]} --address=systemd: --nofork '
                        '--systemd-activation') + ALIAS)
            self.write(f'usr/share/dbus-1/{CONFIG_NAME[scope]}.conf',
                       CONFIG.format(scope=CONFIG_NAME[scope])
                       .replace('<servicehelper>/usr/lib/helper</servicehelper>', ''))

    def boot(self, *users):
        """From now on, systemd seems to run, with managers of these users."""
        for directory in ('run/systemd', 'run/user'):
            shutil.rmtree(self.path(directory))
            os.mkdir(self.path(directory))
        os.mkdir(self.path('run/systemd/system'))
        for user in users:
            directory = self.path(f'run/user/{user}')
            os.makedirs(directory + '/systemd')
            for path in (directory, directory + '/systemd'):
                os.chown(path, user, user)
                os.chmod(path, 0o700)

    def start(self, unit, user=None):
        """From now on, the manager of the system, or of the user, seems to run this unit."""
        with open('/proc/1/cgroup') as f:
            top = re.search('(?m)^0::(.*?)(/init.scope)?$|$', f.read()).group(1) or ''
        slices = f'user.slice/user-{user}.slice/user@{user}.service/session.slice' if user else \
            'system.slice'
        os.makedirs(self.path(f'sys/fs/cgroup{top}/{slices}/{unit}'))

    def pins(self):
        """Returns each file in the directories below /run that a switch uses: its owner, and the
        text of the link or file."""
        found = {}
        for directory, _, names in os.walk(self.path('run')):
            for path in (os.path.join(directory, name) for name in names):
                assert path.endswith('.control/dbus.service'), path
                if os.path.islink(path):
                    text = os.readlink(path)
                else:
                    with open(path) as f:
                        text = f.read()
                found[os.path.relpath(path, self.path('run'))] = (os.lstat(path).st_uid, text)
        return found

    def switch(self, *args, status=SUCCESS, env=None, **popen):
        mounts = [f'mount --bind {self.root}/{path} /{path}'
                  for path in (*self.MOUNTS, *self.mounts)]
        mounts += [f'mount --bind {self.root}/usr/lib/systemd/{scope} /usr/lib/systemd/{scope}'
                   for scope in SCOPES]
        script = ' && '.join((*mounts, *self.commands)) + ' && exec "$@"'
        result = subprocess.run(['unshare', '--mount', 'sh', '-c', script, 'sh', BUS1CTL, 'switch',
                                 *args], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                timeout=60, env=env or clean_environment(), **popen)
        if result.returncode != status:
            raise AssertionError(f'{args}: status {result.returncode}, not {status}: {result}')
        return result.stdout, result.stderr


def on_machine(function):
    """Marks a test that gets a machine."""
    def run():
        with Machine() as machine:
            function(machine)
    run.__name__ = function.__name__
    return test(run)


def on_running_machine(function):
    """Marks a test that gets a machine whose systemd runs, and the environment for it."""
    def run(machine):
        with FakeSystemctl(BOOTED) as env:
            function(machine, env)
    run.__name__ = function.__name__
    return on_machine(run)


# a machine whose systemd runs: systemctl works on files, and there is no manager to be reloaded
BOOTED = '''case "$*" in *daemon-reload*) exit 0;; esac
exec "$real" --root=/ "$@"'''


def left_in_tmp():
    return {name for name in os.listdir('/tmp') if name.startswith('bus1ctl-')}


@on_machine
def the_machine_is_switched_and_tells_when(machine):
    machine.enable_broker('system')
    before, tmp = machine.snapshot(), left_in_tmp()
    output, errors = machine.switch('all', '--yes')
    equal(errors, '')
    contains(output, 'system bus: done, in force from the next boot on',
             'user bus: done, in force for each user at the first login',
             'to go back: bus1ctl switch all --back\n')
    assert machine.is_bridge('system') and machine.is_bridge('user')
    equal(left_in_tmp(), tmp)
    machine.switch('--root=/', 'all', '--back', '--yes')
    equal(machine.snapshot(), before)


SYSTEM_PIN = 'systemd/system.control/dbus.service'
USER_PIN = f'user/{NOBODY}/systemd/user.control/dbus.service'


@on_running_machine
def the_running_managers_do_not_notice_a_switch(machine, env):
    machine.enable_broker('user')
    machine.boot(NOBODY)
    os.makedirs(machine.path('run/user/77'))  # a user without a manager
    before = machine.snapshot()
    with open(machine.path(machine.unit('system', 'dbus.service'))) as f:
        copy = f.read()  # systemd would ignore a link to a unit of the same name
    pins = {SYSTEM_PIN: (0, copy),
            USER_PIN: (NOBODY, '/usr/lib/systemd/user/dbus-broker.service')}
    machine.switch('all', '--yes', env=env)
    equal(machine.pins(), pins)
    # back before the boot: nothing is left
    machine.switch('all', '--back', '--yes', env=env)
    equal(machine.snapshot(), before)
    # the same bus goes on, however often the choice changes
    machine.switch('all', '--yes', env=env)
    machine.switch('user', '--back', '--yes', env=env)
    equal(machine.pins(), {SYSTEM_PIN: pins[SYSTEM_PIN]})
    machine.switch('all', '--yes', env=env)
    equal(machine.pins(), pins)
    # after the boot, bus1-bridge is the bus that goes on
    machine.boot(NOBODY)
    machine.switch('all', '--back', '--yes', env=env)
    equal(machine.pins(), {SYSTEM_PIN: (0, '/lib/systemd/system/bus1-bridge.service'),
                           USER_PIN: (NOBODY, '/usr/lib/systemd/user/bus1-bridge.service')})
    machine.switch('all', '--yes', env=env)
    equal(machine.pins(), {})
    machine.switch('all', '--back', '--yes', env=env)
    machine.boot(NOBODY)
    os.makedirs(machine.path('run/user/77'))
    equal(machine.snapshot(), before)


@on_running_machine
def a_bus_that_has_lost_its_alias_goes_on(machine, env):
    """bus1-bridge runs; another tool has removed its link. The generator keeps it in force, so a
    pin of what is left, dbus-daemon, would make the managers lose it."""
    machine.boot(NOBODY)
    machine.start(BRIDGE)
    machine.start(BRIDGE, NOBODY)
    machine.switch('all', '--yes', env=env)
    equal(machine.pins(), {})
    # with the link, it needs a pin when the link goes
    machine.switch('all', '--back', '--yes', env=env)
    equal(set(machine.pins()), {SYSTEM_PIN, USER_PIN})


@on_running_machine
def another_bus_goes_on_whatever_else_runs(machine, env):
    machine.boot(NOBODY)
    for unit in (BRIDGE, 'dbus-broker.service'):
        machine.start(unit)
        machine.start(unit, NOBODY)
    machine.switch('all', '--yes', env=env)
    equal(set(machine.pins()), {SYSTEM_PIN, USER_PIN})


@on_running_machine
def what_the_generator_keeps_goes_on(machine, env):
    machine.boot(NOBODY)
    kept = [machine.path(f'run/{manager}/generator.early/dbus.service')
            for manager in ('systemd', f'user/{NOBODY}/systemd')]
    for path in kept:
        os.mkdir(os.path.dirname(path))
        os.symlink(BRIDGE, path)
    machine.switch('all', '--yes', env=env)
    for path in kept:
        shutil.rmtree(os.path.dirname(path))
    equal(machine.pins(), {})


@on_running_machine
def a_file_of_the_administrator_goes_on_until_the_boot(machine, env):
    text = UNIT.format(command='/usr/bin/dbus-daemon')
    machine.write('etc/systemd/system/dbus.service', text, 0o600)
    machine.boot()
    before = machine.snapshot()
    machine.switch('system', '--yes', '--force', env=env)
    equal(machine.pins(), {SYSTEM_PIN: (0, text)})
    machine.switch('system', '--back', '--yes', '--force', env=env)
    equal(machine.snapshot(), before)


@on_machine
def a_failure_leaves_no_pins(machine):
    machine.enable_broker('system')
    machine.boot(NOBODY)
    before = machine.snapshot()
    with FakeSystemctl('case "$*" in *--global*) exit 7;; esac\n' + BOOTED) as env:
        _, errors = machine.switch('all', '--yes', status=FAILED, env=env)
    contains(errors, 'everything is as before')
    equal(machine.snapshot(), before)
    # no room for the copy: half a unit, or none, would be no bus
    machine.boot()
    machine.switch('system', '--back', '--yes')
    before = machine.snapshot()
    os.unlink(machine.place('system'))
    before.pop('etc/systemd/system/dbus.service')
    for size in 0, 10:
        with FakeSystemctl(BOOTED) as env:
            _, errors = machine.switch(
                'system', '--yes', status=FAILED, env=env, restore_signals=False,
                preexec_fn=lambda size=size: resource.setrlimit(resource.RLIMIT_FSIZE,
                                                                (size, size)))
        contains(errors, f'cannot make /run/{SYSTEM_PIN}', 'everything is as before')
        equal(machine.snapshot(), before)


@test
def a_user_cannot_keep_the_machine_from_a_switch():
    other = NOBODY - 1
    for fault in 'link', 'file', 'fifo':
        with Machine() as machine, FakeSystemctl(BOOTED) as env:
            machine.enable_broker('user')
            machine.boot(NOBODY, other)
            directory = machine.path(os.path.dirname('run/' + USER_PIN))
            target = machine.path('target')
            os.mkdir(target)
            if fault == 'link':
                os.symlink(target, directory)
            elif fault == 'file':
                open(directory, 'w').close()
            else:
                os.mkdir(directory)
                os.mkfifo(directory + '/dbus.service')
            for args in ('all', '--yes'), ('all', '--back', '--yes'):
                _, errors = machine.switch(*args, env=env)
                if fault == 'link' and len(args) == 2:
                    contains(errors, f'cannot make /run/{USER_PIN}')
                if fault == 'file':
                    contains(errors, f'/run/{USER_PIN}', f'warning: going on without user {NOBODY}')
                equal(machine.is_bridge('user'), len(args) == 2)
                equal(os.path.lexists(machine.path('run/' + USER_PIN.replace(
                    str(NOBODY), str(other)))), len(args) == 2)
            equal(os.listdir(target), [])


@on_running_machine
def a_user_with_a_bus_of_their_own_gets_no_pin(machine, env):
    machine.enable_broker('user')
    machine.boot(NOBODY)
    machine.write('etc/passwd', 'root:x:0:0::/:/bin/sh\n'
                  f'own:x:{NOBODY}:{NOBODY}::{machine.root}/home:/bin/sh\n')
    machine.mounts = ('etc/passwd',)
    machine.write('home/.config/systemd/user/dbus.service', UNIT.format(command='/bin/own'))
    machine.switch('user', '--yes', env=env)
    equal(machine.pins(), {})
    machine.switch('user', '--back', '--yes', env=env)
    shutil.rmtree(machine.path('home'))
    machine.switch('user', '--yes', env=env)
    equal(list(machine.pins()), [USER_PIN])


@on_machine
def a_bus_that_becomes_another_user_starts(machine):
    tmp = left_in_tmp()
    config = 'usr/share/dbus-1/system.conf'
    with open(machine.path(config)) as f:
        text = f.read()
    machine.write(config, text.replace('<user>root<', '<user>nobody<'))
    output, errors = machine.switch('system', '--dry-run')
    equal(errors, '')
    contains(output, 'all checks succeed')
    equal(left_in_tmp(), tmp)


@on_machine
def a_bus_that_does_not_start_is_refused(machine):
    tmp = left_in_tmp()
    config = 'usr/share/dbus-1/system.conf'
    with open(machine.path(config)) as f:
        text = f.read()
    # the configuration can be read, but its user does not exist
    machine.write(config, text.replace('<user>root<', '<user>nosuchuser<'))
    refused(machine, DAEMON, f'/{config} does not start', 'cannot change to the user in <user>')
    # a program that is no bus
    unit = machine.unit('system', 'bus1-bridge.service')
    machine.write(config, text)
    machine.write(unit, UNIT.format(command='/bin/false --system') + ALIAS)
    refused(machine, '/bin/false', 'does not start')
    equal(left_in_tmp(), tmp)


def find_processes(uid, name, ret_found):
    """Finds the first processes of a user with this name: their sessions and standard files."""
    def look():
        for pid in (int(entry) for entry in os.listdir('/proc') if entry.isdigit()):
            try:
                with open(f'/proc/{pid}/status') as f:
                    status = dict(re.findall('(?m)^(\\w+):\t(.*)$', f.read()))
                if status['Name'] == name and status['Uid'].split() == [str(uid)] * 4:
                    ret_found[pid] = (os.getsid(pid),
                                      [os.readlink(f'/proc/{pid}/fd/{fd}') for fd in range(3)])
            except (FileNotFoundError, ProcessLookupError):
                pass
        return ret_found
    wait_until(look, f'{name} of {uid}')


@on_running_machine
def a_user_who_does_not_answer_is_given_up(machine, env):
    if not os.path.exists('/dev/fuse'):
        raise Skip('no FUSE')
    other = NOBODY - 1
    machine.enable_broker('user')
    machine.boot(NOBODY, other)
    # a file system that answers nothing
    directory = f'/run/user/{NOBODY}/systemd'
    machine.commands = ('exec 9<>/dev/fuse', 'mount -i -t fuse -o fd=9,rootmode=40000,'
                        f'user_id={NOBODY},group_id={NOBODY},allow_other x {directory}')
    begin = time.monotonic()
    children = {}
    watch = threading.Thread(target=find_processes, args=(NOBODY, 'bus1ctl', children))
    watch.start()
    _, errors = machine.switch('user', '--yes', env=env)
    watch.join()
    # it has nothing of root's terminal
    for pid, (session, files) in children.items():
        equal((session, files[:2]), (pid, ['/dev/null'] * 2))
        contains(files[2], 'pipe:')
    assert children
    # once for the pin, and once to see whether it is needed
    equal(errors.count(f'the work of user {NOBODY} is not done after 5 seconds'), 2, errors)
    contains(errors, f'warning: going on without user {NOBODY}')
    if not 10 <= time.monotonic() - begin <= 14:
        raise AssertionError(f'after {time.monotonic() - begin} s')
    assert machine.is_bridge('user')
    equal(list(machine.pins()), [USER_PIN.replace(str(NOBODY), str(other))])


main()
