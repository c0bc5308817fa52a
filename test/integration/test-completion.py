#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The completion of bus1ctl for bash: what it offers, and, in an interactive bash, what readline
# makes of it.
#
#   test-completion.py BUS1CTL

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

from busfixture import REFERENCE, TIMEOUT, Bus
from tap import Skip, contains, equal, main, test

BUS1CTL = os.path.abspath(sys.argv.pop(1))
SCRIPT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..',
                                       'tools', 'bus1ctl', 'bus1ctl.bash'))
CALL = '''source "$1"
COMP_LINE=$2 COMP_POINT=${#2} COMP_WORDBREAKS=$3
_bus1ctl
printf '%s\\n' "${COMPREPLY[@]}"
'''
WORDBREAKS = ' \t\n"\'><=;|&(:'


def offered(line, wordbreaks='', **popen):
    """Returns the words that the completion offers at the end of the line."""
    result = subprocess.run(['bash', '--norc', '-c', CALL, 'bash', SCRIPT, line, wordbreaks],
                            capture_output=True, text=True, timeout=TIMEOUT, **popen)
    equal((result.returncode, result.stderr), (0, ''), line)
    return result.stdout.split()


@test
def commands_are_offered():
    equal(offered('bus1ctl '), ['policy', 'reexec', 'state', 'switch', '--help', '--version'])
    equal(offered('bus1ctl s'), ['state', 'switch'])
    equal(offered('bus1ctl r'), ['reexec'])
    equal(offered('bus1ctl reexec '), [])
    equal(offered('bus1ctl reexec --session --sy'), ['--system'])
    equal(offered('bus1ctl state '), ['show'])
    equal(offered('bus1ctl state show --'), [])
    equal(offered('/usr/bin/bus1ctl --v'), ['--version'])
    equal(offered('bus1ctl policy '), ['check', 'explain'])
    equal(offered('bus1ctl policy e'), ['explain'])
    equal(offered('bus1ctl switch '), ['system', 'user', 'all'])
    equal(offered('bus1ctl switch --yes u'), ['user'])
    equal(offered('bus1ctl switch --root /x s'), ['system'])
    equal(offered('bus1ctl switch all '), [])
    equal(offered('bus1ctl nonsense '), [])
    equal(offered('bus1ctl'), [])


def options_of_usage(command):
    """Returns the options in the lines of `bus1ctl --help` about this command."""
    text = subprocess.run([BUS1CTL, '--help'], capture_output=True, text=True, check=True).stdout
    lines = re.findall(r'bus1ctl ' + command + r'\b.*(?:\n {15}.*)*', text)
    assert lines, text
    return {option for line in lines for option in re.findall(r'--[a-z-]+', line)}


@test
def the_options_are_those_of_the_usage():
    for command in ('policy check', 'policy explain', 'reexec', 'switch'):
        got = offered(f'bus1ctl {command} --')
        equal({option.rstrip('=') for option in got}, options_of_usage(command), command)
        equal(offered(f'bus1ctl {command} x --'), got)
    equal(offered('bus1ctl switch all --b'), ['--back'])
    equal(offered('bus1ctl switch all --r'), ['--root='])


@test
def values_of_options_are_offered():
    with tempfile.TemporaryDirectory() as directory:
        for name in ('bus.conf', 'bus.txt'):
            open(f'{directory}/{name}', 'w').close()
        os.mkdir(directory + '/bus.d')
        files = [f'{directory}/bus.{end}' for end in ('conf', 'd', 'txt')]
        equal(sorted(offered(f'bus1ctl policy explain --config {directory}/bus')), files)
        equal(sorted(offered(f'bus1ctl policy check --json {directory}/bus')), files)
        equal(sorted(offered('bus1ctl policy check ', cwd=directory)),
              ['bus.conf', 'bus.d', 'bus.txt'])
        equal(sorted(offered(f'bus1ctl state show {directory}/bus')), files)
        equal(offered(f'bus1ctl switch all --root {directory}/b'), [directory + '/bus.d'])
        equal(offered(f'bus1ctl switch all --root={directory}/b'), [directory + '/bus.d'])
    contains(offered('bus1ctl policy explain --user '), 'root', 'nobody')
    contains(offered('bus1ctl policy explain --user=ro'), 'root')
    contains(offered('bus1ctl policy explain --user root --group '), 'root')
    equal(offered('bus1ctl policy explain --address '), [])


@test
def questions_are_offered():
    explain = 'bus1ctl policy explain --user root '
    equal(offered(explain), ['connect', 'own', 'send', 'receive'])
    equal(offered(explain + '--group own s'), ['send'])
    equal(offered(explain + 'own '), [])
    contains(offered(explain + 'send '), 'destination=', 'owns=', 'type=', 'path=', 'interface=',
             'member=', 'error=', 'fds=', 'requested_reply=', 'eavesdrop=')
    assert 'sender=' not in offered(explain + 'send ')
    contains(offered(explain + 'receive type=signal '), 'sender=', 'destination=', 'eavesdrop=')
    assert 'owns=' not in offered(explain + 'receive ')
    equal(offered(explain + 'send type=m'), ['type=method_call', 'type=method_return'])
    equal(offered(explain + 'send type=m', WORDBREAKS), ['method_call', 'method_return'])
    equal(offered(explain + 'send eavesdrop=', WORDBREAKS), ['true', 'false'])
    equal(offered(explain + 'send interface=', WORDBREAKS), [])


@test
def each_key_is_accepted():
    """bus1ctl knows each key that the completion offers."""
    values = {'destination': 'a.b', 'owns': 'a.b', 'sender': 'a.b', 'type': 'error', 'path': '/',
              'interface': 'i.j', 'member': 'M', 'error': 'e.r', 'fds': '1',
              'requested_reply': 'true', 'eavesdrop': 'true'}
    with tempfile.NamedTemporaryFile('w', suffix='.conf') as config:
        config.write('<busconfig><listen>unix:path=/x</listen></busconfig>')
        config.flush()
        for question in ('send', 'receive'):
            keys = [key.rstrip('=') for key in
                    offered(f'bus1ctl policy explain --user root {question} ')]
            for key in keys:
                words = [f'{key}={values[key]}']
                if question == 'send' and key not in ('destination', 'owns'):
                    words.append('destination=a.b')
                result = subprocess.run([BUS1CTL, 'policy', 'explain', '--config', config.name,
                                         '--user', 'root', question, *words],
                                        capture_output=True, text=True, timeout=TIMEOUT)
                assert result.returncode in (0, 1), (words, result)


@test
def names_on_the_bus_are_offered():
    if not shutil.which('busctl'):
        raise Skip('no busctl')
    with Bus(REFERENCE) as bus:
        words = f'bus1ctl policy explain --live --address {bus.address} --client '
        got = offered(words)
        assert 'org.freedesktop.DBus' in got and any(re.match(r':1\.\d', name) for name in got), got
        contains(offered(words.replace('--address ', '--address=')), 'org.freedesktop.DBus')
        equal(offered(words + 'org.freedesktop.D'), ['org.freedesktop.DBus'])
        assert re.match(r'1\.\d', offered(words + ':', WORDBREAKS)[0])
        contains(offered('bus1ctl policy explain --live --session --client org.',
                         env=bus.environment()), 'org.freedesktop.DBus')


class Bash:
    """An interactive bash."""

    PROMPT = 'ready> '

    def __init__(self):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            environment = {'PATH': os.environ['PATH'], 'TERM': 'dumb', 'LC_ALL': 'C.UTF-8',
                           'PS1': self.PROMPT, 'INPUTRC': '/dev/null', 'HISTFILE': ''}
            os.execve(shutil.which('bash'), ['bash', '--norc', '--noprofile', '-i'], environment)
        self.read('')
        self.run('bind "set enable-bracketed-paste off"; echo done', '\ndone\r\n')
        self.run(f'source {SCRIPT}; echo done', '\ndone\r\n')

    def read(self, pattern):
        """Reads until the output has the pattern, and then a prompt. Returns the match."""
        text = ''
        deadline = time.monotonic() + TIMEOUT
        while not (match := re.search(f'(?:{pattern})\r*{self.PROMPT}$', text)):
            left = max(0, deadline - time.monotonic())
            if not select.select([self.terminal], [], [], left)[0]:
                raise AssertionError(f'timeout: no {pattern!r} and prompt in {text!r}')
            text += os.read(self.terminal, 4096).decode()
        return match

    def run(self, line, pattern):
        os.write(self.terminal, line.encode() + b'\n')
        return self.read(pattern)

    def complete(self, line):
        """Returns the line after it has been typed and TAB has been pressed."""
        # Ctrl-A and Ctrl-E: the line becomes the argument of a command that prints it
        return self.run(f"{line}\t\x01printf '\\n<<%s>>' '\x05'", '\n<<(.*)>>').group(1)

    def stop(self):
        os.write(self.terminal, b'exit\n')
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


@test
def readline_completes_the_line():
    bash = Bash()
    try:
        for line, completed in (('bus1ctl sw', 'bus1ctl switch '),
                                ('bus1ctl switch us', 'bus1ctl switch user '),
                                ('bus1ctl switch all --ba', 'bus1ctl switch all --back '),
                                ('bus1ctl switch all --ro', 'bus1ctl switch all --root='),
                                ('bus1ctl switch --root=/us', 'bus1ctl switch --root=/usr/'),
                                ('bus1ctl policy ch', 'bus1ctl policy check '),
                                ('bus1ctl policy explain --user root send ty',
                                 'bus1ctl policy explain --user root send type='),
                                ('bus1ctl policy explain --user root send type=method_c',
                                 'bus1ctl policy explain --user root send type=method_call ')):
            equal(bash.complete(line), completed)
    finally:
        bash.stop()


main()
