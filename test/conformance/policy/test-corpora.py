#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Starts daemons with the configuration files of the reference's own tests (package dbus-tests).
# With each file, both daemons must start, or both must refuse it. For files that the reference
# calls equivalent, bus1ctl must give the same answers. The test uses copies without <user>, because
# many files name a user that does not exist.
#
#     test-corpora.py DAEMON BUS1CTL

import glob
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile

from world import REFERENCE, clean_environment

DATA = '/usr/lib/dbus-1.0/installed-tests/dbus/data'
CORPORA = ['valid-config-files', 'valid-config-files-system', 'invalid-config-files']
TIMEOUT = 20

# file: the reason why the bridge differs from the reference
DIFFERENCES = {}

QUESTIONS = [['own', 'com.example.Name'], ['own', 'org.freedesktop.Foo'], ['connect'],
             ['send', 'destination=com.example.Name', 'interface=com.example.I', 'member=M'],
             ['send', 'type=signal', 'interface=com.example.I'],
             ['receive', 'sender=com.example.Name', 'type=method_return']]


def answers_clients(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(TIMEOUT)
        try:
            s.connect(path)
            s.sendall(b'\0AUTH\r\n')
            return s.recv(100).startswith(b'REJECTED')
        except OSError:
            return False


def starts(daemon, path):
    """Does the daemon start and listen? The option --address replaces the <listen> of the file."""
    directory = tempfile.mkdtemp(prefix='bus-corpora-')
    os.chmod(directory, 0o777)
    try:
        process = subprocess.Popen(
            [daemon, '--config-file=' + path, '--nofork', '--nopidfile', '--print-address=1',
             f'--address=unix:path={directory}/bus'], cwd=directory, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environment())
        ready, _, _ = select.select([process.stdout], [], [], TIMEOUT)
        address = os.read(process.stdout.fileno(), 4096) if ready else b''
        if not address or not answers_clients(directory + '/bus'):
            status = process.wait(TIMEOUT)
            process.stdout.close()
            return f'exit status {status}'
        process.terminate()
        process.wait(TIMEOUT)
        process.stdout.close()
        return 'starts'
    finally:
        shutil.rmtree(directory)


def answers(bus1ctl, path):
    out = []
    for question in QUESTIONS:
        result = subprocess.run([bus1ctl, 'policy', 'explain', '--json', '--config', path,
                                 '--user', 'root', *question], capture_output=True, text=True,
                                timeout=TIMEOUT)
        answer = json.loads(result.stdout)
        out.append((answer['verdict'], [r['text'] for r in answer['rules']]))
    return out


def main():
    daemon, bus1ctl = (os.path.abspath(a) for a in sys.argv[1:3])
    if not os.path.isdir(DATA):
        print('1..0 # SKIP dbus-tests is not installed')
        return 0
    number = failed = 0

    def result(name, good, detail):
        nonlocal number, failed
        number += 1
        failed += not good
        print(f'{"ok" if good else "not ok"} {number} - {name}: {detail}', flush=True)

    copy = tempfile.mkdtemp(prefix='bus-corpora-')
    os.chmod(copy, 0o755)
    try:
        run(daemon, bus1ctl, copy, result)
    finally:
        shutil.rmtree(copy)
    print(f'1..{number}')
    return 1 if failed else 0


def run(daemon, bus1ctl, copy, result):
    data = copy + '/data'
    shutil.copytree(DATA, data)
    for path in glob.glob(data + '/*config-files*/**/*.conf*', recursive=True):
        with open(path) as f:
            text = f.read()
        with open(path, 'w') as f:
            f.write(re.sub('<user>mybususer</user>', '', text))

    files = [f for c in CORPORA for f in sorted(glob.glob(f'{data}/{c}/*.conf*'))]
    files += sorted(glob.glob(f'{data}/equiv-config-files/*/*.conf'))
    for path in files:
        name = os.path.relpath(path, data)
        want, got = starts(REFERENCE, path), starts(daemon, path)
        if name in DIFFERENCES:
            result(name, want != got, f'{got}: {DIFFERENCES[name]}')
        else:
            result(name, want == got, got if want == got else f'{got}, reference: {want}')

    for directory in sorted(glob.glob(data + '/equiv-config-files/*/')):
        paths = sorted(p for p in glob.glob(directory + '*.conf'))
        first = answers(bus1ctl, paths[0])
        for path in paths[1:]:
            name = re.sub('.*/data/', '', path)
            result(name, answers(bus1ctl, path) == first, 'says the same as the first')


if __name__ == '__main__':
    sys.exit(main())
