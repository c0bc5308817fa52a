#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# bus1-launch: from the name of a service to its program, its user and its environment, and the exit
# status of each failure. The first argument is bus1-launch, the others are its template units.

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile

from busfixture import clean_environment
from tap import Skip, contains, equal, main, test

LAUNCH = os.path.abspath(sys.argv.pop(1))
UNITS = [os.path.abspath(sys.argv.pop(1)) for _ in range(2)]

CONFIG = '''<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  {kind}
  {listen}
  <servicedir>{directory}/first</servicedir>
  <servicedir>{directory}/second</servicedir>
  <policy context="default"><allow user="*"/></policy>
</busconfig>
'''
SYSTEM = '<listen>unix:path=/run/dbus/system_bus_socket</listen>'
NOBODY = 65534
SHOW = '/bin/sh {directory}/show one "two words"'


class Launch:
    """Configurations, and service files in two directories."""

    def __init__(self, kind='system', listen=SYSTEM):
        self.directory = tempfile.mkdtemp(prefix='launch-')
        os.chmod(self.directory, 0o755)
        for sub in 'first', 'second':
            os.mkdir(f'{self.directory}/{sub}')
        self.write('bus.conf', CONFIG.format(
            kind=f'<type>{kind}</type>' if kind else '', listen=listen, directory=self.directory))
        # what the service sees: its identity and its environment
        self.write('show', 'printf "%s\\n" "$@"\nid -un; id -gn; id -Gn; pwd\n'
                   'grep -E "^(Uid|Gid|CapPrm):" /proc/self/status\nenv\n')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.directory)

    def write(self, name, text):
        with open(f'{self.directory}/{name}', 'w') as f:
            f.write(text.replace('{directory}', self.directory))

    def service(self, name, lines, where='first', file=None):
        self.write(f'{where}/{file or name}.service', f'[D-BUS Service]\nName={name}\n{lines}\n')

    def run(self, *args, program=LAUNCH, user=None, **environment):
        """Returns the exit status, the lines of standard output, and standard error."""
        args = args if len(args) > 1 else [f'--config-file={self.directory}/bus.conf', *args]
        p = subprocess.run([program, *args], env=clean_environment(**environment), text=True,
                           capture_output=True, user=user, cwd='/')
        # a build that measures coverage cannot write its counters as another user
        lines = [x for x in p.stderr.splitlines(True) if not x.startswith('profiling:')]
        return p.returncode, p.stdout.splitlines(), ''.join(lines)

    def run_unprivileged(self, *args, **environment):
        if os.geteuid() != 0:
            return self.run(*args, **environment)
        # a copy, because the directory of the build may be closed to others
        program = shutil.copy(LAUNCH, self.directory)
        os.chmod(program, 0o755)
        return self.run(*args, program=program, user=NOBODY, **environment)

    def fails(self, status, text, *args, **kw):
        got, out, err = self.run(*args, **kw)
        equal((got, out), (status, []), err)
        contains(err, text)
        equal(err.count('\n'), 1, err)


def need_root():
    if os.geteuid() != 0:
        raise Skip('only root can become another user')


@test
def a_service_becomes_its_user():
    need_root()
    with Launch() as x:
        x.service('com.example.A', f'Exec={SHOW}\nUser=nobody')
        nobody = pwd.getpwnam('nobody')
        status, out, err = x.run('com.example.A', HOME='/root', USER='root')
        equal((status, err), (0, ''))
        equal(out[:6], ['one', 'two words', 'nobody', 'nogroup', 'nogroup', '/'])
        for line, number in zip(out[6:8], (nobody.pw_uid, nobody.pw_gid)):
            equal(line.split()[1:], [str(number)] * 4, line)
        equal(out[8].split()[1], '0' * 16)
        contains(out, 'USER=nobody', 'LOGNAME=nobody', f'HOME={nobody.pw_dir}',
                 f'SHELL={nobody.pw_shell}', 'DBUS_STARTER_BUS_TYPE=system',
                 'DBUS_STARTER_ADDRESS=unix:path=/run/dbus/system_bus_socket',
                 'DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/dbus/system_bus_socket')


@test
def a_user_by_number():
    need_root()
    with Launch() as x:
        x.service('com.example.A', f'Exec={SHOW}\nUser=65534')
        x.service('com.example.B', f'Exec={SHOW}\nUser=4294967296')
        x.service('com.example.C', f'Exec={SHOW}\nUser=0x10')
        equal(x.run('com.example.A')[1][2], 'nobody')
        x.fails(4, 'no user 4294967296', 'com.example.B')
        x.fails(4, 'no user 0x10', 'com.example.C')


@test
def a_service_of_root():
    need_root()
    with Launch() as x:
        x.service('com.example.A', f'Exec={SHOW}\nUser=root')
        equal(x.run('com.example.A')[1][2], 'root')


@test
def a_session_service_stays_the_user():
    for listen, environment, address in (
            ('<listen>unix:tmpdir=/tmp</listen>', {'XDG_RUNTIME_DIR': '/run/user/a b'},
             'unix:path=/run/user/a%20b/bus'),
            ('<listen>unix:tmpdir=/tmp</listen>',
             {'DBUS_SESSION_BUS_ADDRESS': 'unix:path=/x,guid=1', 'XDG_RUNTIME_DIR': '/y'},
             'unix:path=/x,guid=1'),
            ('<listen>unix:path=/a</listen><listen>tcp:port=0</listen>'
             '<listen>unix:abstract=b</listen>', {}, 'unix:path=/a;unix:abstract=b')):
        with Launch('session', listen) as x:
            x.service('com.example.A', f'Exec={SHOW}\nUser=root')
            status, out, err = x.run_unprivileged('com.example.A', OWN='kept',
                                                  DBUS_STARTER_ADDRESS='old', **environment)
            equal((status, err), (0, ''))
            equal(out[2], pwd.getpwuid(os.geteuid() or NOBODY).pw_name)
            contains(out, 'DBUS_STARTER_BUS_TYPE=session', f'DBUS_STARTER_ADDRESS={address}',
                     f'DBUS_SESSION_BUS_ADDRESS={address}', 'OWN=kept')


@test
def root_becomes_the_user_whatever_the_type():
    need_root()
    for kind in 'session', None:
        with Launch(kind) as x:
            x.service('com.example.A', f'Exec={SHOW}\nUser=nobody')
            x.service('com.example.B', f'Exec={SHOW}')
            equal(x.run('com.example.A')[1][2], 'nobody')
            x.fails(8, 'no User=', 'com.example.B')


@test
def a_bus_without_a_type():
    with Launch(None, '<listen>unix:path=/a</listen>') as x:
        x.service('com.example.A', f'Exec={SHOW}')
        _, out, _ = x.run_unprivileged('com.example.A', DBUS_STARTER_BUS_TYPE='session')
        contains(out, 'DBUS_STARTER_ADDRESS=unix:path=/a')
        equal([line for line in out if 'BUS_TYPE' in line or 'BUS_ADDRESS' in line], [])


@test
def the_first_directory_counts():
    need_root()
    with Launch() as x:
        x.service('com.example.A', 'Exec=/bin/echo first\nUser=nobody')
        x.service('com.example.A', 'Exec=/bin/echo second\nUser=nobody', 'second')
        x.service('com.example.B', 'Exec=/bin/echo second\nUser=nobody', 'second')
        equal(x.run('com.example.A')[1], ['first'])
        equal(x.run('com.example.B')[1], ['second'])


@test
def failures_have_statuses():
    need_root()
    with Launch() as x:
        x.service('com.example.NoUser', 'Exec=/bin/true')
        x.service('com.example.NoExec', 'SystemdService=x.service\nUser=nobody')
        x.service('com.example.Misnamed', 'Exec=/bin/true\nUser=nobody', file='other')
        x.service('com.example.NoSuchUser', 'Exec=/bin/true\nUser=no-such-user')
        x.service('com.example.NoSuchProgram', 'Exec=/no/such/program\nUser=nobody')
        x.service('com.example.Secret', f'Exec={x.directory}/secret\nUser=nobody')
        x.service('com.example.Relative', 'Exec=true\nUser=nobody')
        x.service('com.example.Nothing', 'Exec=#\nUser=nobody')
        x.service('com.example.Quotes', 'Exec="\nUser=nobody')
        x.write('secret', '#!/bin/sh\n')
        os.chmod(x.directory + '/secret', 0o700)
        x.fails(8, 'no User=', 'com.example.NoUser')
        x.fails(8, 'no Exec=', 'com.example.NoExec')
        x.fails(8, 'not named com.example.Misnamed.service', 'com.example.Misnamed')
        x.fails(4, 'no user no-such-user', 'com.example.NoSuchUser')
        x.fails(9, 'No such file', 'com.example.NoSuchProgram')
        x.fails(9, 'Permission denied', 'com.example.Secret')
        x.fails(9, 'No such file', 'com.example.Relative')
        x.fails(9, 'No such file', 'com.example.Nothing')
        x.fails(10, 'Exec:', 'com.example.Quotes')
        x.fails(6, 'no valid service file', 'com.example.Unknown')
        for name in '', 'x', ':1.5', '../com.example.A', 'com.example/A', 'a.' + 'b' * 254:
            x.fails(5, 'not valid', name)


@test
def a_service_file_with_an_error_is_named():
    with Launch() as x:
        x.write('first/com.example.A.service', 'nonsense\n')
        status, _, err = x.run('com.example.A')
        equal(status, 6)
        contains(err, f'{x.directory}/first/com.example.A.service:1')


@test
def another_user_can_start_nothing_of_the_system():
    need_root()
    with Launch() as x:
        x.service('com.example.A', 'Exec=/bin/true\nUser=root')
        # a copy, because the directory of the build may be closed to others
        program = shutil.copy(LAUNCH, x.directory)
        os.chmod(program, 0o755)
        x.fails(7, 'only root', 'com.example.A', program=program, user='nobody')


@test
def configurations_that_cannot_be_used():
    with Launch() as x:
        x.fails(3, '/none', '--config-file=/none', 'com.example.A')
        x.write('bus.conf', '<busconfig>')
        x.fails(3, 'bus.conf', 'com.example.A')


@test
def wrong_arguments():
    with Launch() as x:
        for args in (['--system', '--session', 'a.b'], ['--other', 'a.b'], ['--system', '--session'],
                     ['--config-file', 'a.b']):
            status, out, err = x.run(*args)
            equal((status, out), (1, []))
            contains(err, '--config-file=FILE] NAME')


@test
def the_standard_configuration_of_the_system_is_read():
    if not os.path.exists('/usr/share/dbus-1/system.conf'):
        raise Skip('there is no system.conf')
    with Launch() as x:
        x.fails(6, 'com.example.NotOfTheSystem', '--system', 'com.example.NotOfTheSystem')


@test
def the_program_is_not_setuid():
    equal(os.stat(LAUNCH).st_mode & (stat.S_ISUID | stat.S_ISGID), 0)


@test
def systemd_accepts_the_template_units():
    if not shutil.which('systemd-analyze'):
        raise Skip('there is no systemd-analyze')
    for unit, option in zip(UNITS, ('--system', '--session')):
        with tempfile.TemporaryDirectory() as directory:
            with open(unit) as f:
                text = f.read()
            contains(text, f'/bus1-launch {option} %i\n')
            # the program is not installed yet
            path = [line.split()[0][len('ExecStart='):] for line in text.splitlines()
                    if line.startswith('ExecStart=')][0]
            with open(directory + '/bus1-service@.service', 'w') as f:
                f.write(text.replace(path, LAUNCH))
            p = subprocess.run(['systemd-analyze', 'verify', '--man=no', '--recursive-errors=no',
                                directory + '/bus1-service@com.example.A-b_1.service'],
                               capture_output=True, text=True)
            equal((p.returncode, [line for line in p.stderr.splitlines() if 'bus1-service' in line]),
                  (0, []), p.stderr)


if __name__ == '__main__':
    main()
