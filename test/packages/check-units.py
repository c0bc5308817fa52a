#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Check the units with systemd: check-units.py SYSTEM-UNIT USER-UNIT

Each unit is installed into a directory of its own, with the path of a program that exists.
systemd-analyze then verifies it, and compares its exposure with the limits below. Prints TAP.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

NAME = 'bus1-bridge.service'
# Tenths of systemd's exposure, from 0 to 100. A user manager can neither limit capabilities nor
# hide files, devices and networks, which is most of the exposure of its unit.
EXPOSURE = {'system': 17, 'user': 60}
# the capabilities that the bus uses: to change its user, and to write records to the audit log
CAPABILITIES = {'CAP_SETUID', 'CAP_SETGID', 'CAP_AUDIT_WRITE'}


def run(manager, directory, *arguments):
    environment = dict(os.environ, XDG_RUNTIME_DIR=directory)
    result = subprocess.run(['systemd-analyze', f'--{manager}', '--no-pager', *arguments],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env=environment)
    return result.returncode, result.stdout.strip()


def settings(path):
    with open(path, encoding='utf-8') as f:
        return re.findall(r'^(\w+)=(.*)$', f.read(), re.M)


def check(manager, unit, directory):
    """Returns (name, fault) for each test. The fault is empty if the test passes."""
    found = settings(unit)
    command = dict(found)['ExecStart'].split()
    copy = os.path.join(directory, NAME)
    with open(unit, encoding='utf-8') as f:
        text = f.read()
    # the build is not installed
    with open(copy, 'w', encoding='utf-8') as f:
        f.write(text.replace(command[0], shutil.which('true')))

    code, output = run(manager, directory, 'verify', '--man=no', copy)
    yield 'is valid', output if code or NAME in output else ''
    code, output = run(manager, directory, 'security', '--offline=yes',
                       f'--threshold={EXPOSURE[manager]}', copy)
    yield f'has an exposure of at most {EXPOSURE[manager] / 10}', output if code else ''
    # the threshold is no formality: without the sandbox, the unit is above it
    with open(copy, 'w', encoding='utf-8') as f:
        f.write(re.sub(r'(?m)^(System|Restrict|NoNew|Capability|Private|Protect).*$', '', text))
    code, output = run(manager, directory, 'security', '--offline=yes',
                       f'--threshold={EXPOSURE[manager]}', copy)
    yield 'is more exposed without its sandbox', output if code == 0 else ''

    if manager == 'system':
        kept = set(dict(found)['CapabilityBoundingSet'].split())
        yield 'keeps the capabilities of the bus', str(kept) if kept != CAPABILITIES else ''
    scope = '--session' if manager == 'user' else '--system'
    options = {scope, '--address=systemd:', '--nofork', '--nopidfile', '--systemd-activation',
               '--syslog-only'}
    yield 'starts the bus on the sockets of systemd', '' if set(command[1:]) == options else command
    again = {('StartLimitIntervalSec', '0'), ('RestartSec', '1s'), ('Restart', 'on-failure')}
    yield 'starts a bus that fails again and again', str(again - set(found) or '')
    yield 'is the bus when enabled', '' if ('Alias', 'dbus.service') in found else text


def main():
    if not shutil.which('systemd-analyze'):
        print('1..0 # SKIP no systemd-analyze')
        return 0
    number = failed = 0
    for manager, unit in zip(('system', 'user'), sys.argv[1:], strict=True):
        with tempfile.TemporaryDirectory() as directory:
            for name, fault in check(manager, unit, directory):
                number += 1
                failed += bool(fault)
                print(f'{"not ok" if fault else "ok"} {number} - the unit for the {manager} '
                      f'manager {name}')
                if fault:
                    print(re.sub('^', '# ', str(fault), flags=re.M))
    print(f'1..{number}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
