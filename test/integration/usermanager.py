# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A real systemd that runs as the manager of a user, with the bus under test. Only root can make the
# cgroup and the mount namespace that it needs; where this is not possible, "why" says so.

import os
import shutil
import signal
import subprocess
import tempfile

import rawbus
from busfixture import end, wait_until

SYSTEMD = '/lib/systemd/systemd'


class Manager:
    """
    uid: the user, if not root. What is special about a user without privileges can then be tested.
    A subclass writes the units.
    """

    def __init__(self, uid=0):
        self.process, self.cgroups, self.uid = None, [], uid
        self.directory = tempfile.mkdtemp(prefix='systemd-')
        self.unit_path = self.directory + '/units'
        os.chmod(self.directory, 0o755)
        self.why = self.cannot()
        if not self.why:
            for sub in 'units', 'run':
                os.makedirs(f'{self.directory}/{sub}')
            os.chmod(self.directory + '/run', 0o700)
            self.write()
            self.give(self.directory, *self.cgroups)
            self.start()

    def cannot(self):
        if os.geteuid() != 0:
            return 'only root can make a mount namespace and a cgroup'
        if not os.path.exists(SYSTEMD):
            return f'there is no {SYSTEMD}'
        if subprocess.run(['unshare', '-m', 'true'], stderr=subprocess.DEVNULL).returncode != 0:
            return 'no mount namespace can be made'
        for top in '/sys/fs/cgroup', '/sys/fs/cgroup/unified', '/sys/fs/cgroup/systemd':
            if os.path.exists(top + '/cgroup.procs'):
                path = f'{top}/bus1-test-{os.getpid()}'
                try:
                    os.mkdir(path)
                except OSError as e:
                    return f'no cgroup can be made: {e}'
                self.cgroups.append(path)
        return None if self.cgroups else 'there are no cgroups'

    def write_file(self, name, text):
        os.makedirs(os.path.dirname(f'{self.directory}/{name}'), exist_ok=True)
        with open(f'{self.directory}/{name}', 'w') as f:
            f.write(text.replace('{directory}', self.directory))

    def give(self, *tops):
        """Gives the user all below these directories."""
        for top in tops:
            for path, _, names in os.walk(top):
                for name in '', *names:
                    os.chown(os.path.join(path, name), self.uid, self.uid, follow_symlinks=False)

    def start(self):
        become = f'setpriv --reuid={self.uid} --regid={self.uid} --clear-groups' if self.uid else ''
        # systemd refuses to be a user instance on a system that it has not booted
        script = ''.join(f'echo $$ > {path}/cgroup.procs; ' for path in self.cgroups) + \
            'mkdir -p /run/systemd && mount -t tmpfs tmpfs /run/systemd && ' \
            f'mkdir /run/systemd/system && exec {become} {SYSTEMD} --user'
        d = self.directory
        self.env = {'PATH': '/usr/bin:/bin', 'HOME': d, 'XDG_RUNTIME_DIR': d + '/run',
                    'XDG_DATA_HOME': d, 'XDG_DATA_DIRS': '/nonexistent', 'LC_ALL': 'C.UTF-8',
                    'SYSTEMD_UNIT_PATH': self.unit_path, 'SYSTEMD_LOG_TARGET': 'null'}
        self.process = subprocess.Popen(['unshare', '-m', '/bin/sh', '-c', script], env=self.env,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: self.process.poll() is not None or self.connect(), 'systemd')
            if self.process.poll() is not None:
                self.why = 'systemd does not run here'
                self.stop()
                return
            wait_until(lambda: self.c.call('NameHasOwner', 's', 'org.freedesktop.systemd1').body[0],
                       'systemd on the bus')
        except BaseException:
            self.stop()
            raise

    def connect(self):
        try:
            c = rawbus.Connection(f'unix:path={self.directory}/run/bus')
        except OSError:
            return False  # systemd does not listen yet
        self.c = c.authenticate()
        return True

    def run(self, *command, check=False):
        """Runs a program as the user."""
        return subprocess.run(command, env=self.env, user=self.uid, group=self.uid, extra_groups=(),
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              check=check)

    def systemctl(self, *args):
        return self.run('systemctl', '--user', *args, check=True).stdout

    def stop(self):
        if self.process:
            # systemd reaps what it has started, and then exits
            for path in self.cgroups:
                kill_all(path, self.process.pid)
            self.process.send_signal(signal.SIGRTMIN + 24)
            end(self.process)
            self.process = None
        for path in self.cgroups:
            wait_until(lambda: remove_cgroups(path), 'the end of ' + path)
        self.cgroups = []
        shutil.rmtree(self.directory, ignore_errors=True)


def kill_all(top, but):
    """Ends all that this test has started in the cgroup, but not this process."""
    def pids():
        found = set()
        for path, _, _ in os.walk(top):
            try:
                with open(path + '/cgroup.procs') as f:
                    found |= {int(pid) for pid in f.read().split()}
            except OSError:
                pass  # systemd has just removed it
        return found - {but}

    def none_left():
        for pid in pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return not pids()
    wait_until(none_left, 'the end of what runs in ' + top)


def remove_cgroups(top):
    try:
        for path, _, _ in os.walk(top, topdown=False):
            os.rmdir(path)
        return True
    except OSError:
        return False
