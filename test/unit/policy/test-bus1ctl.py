#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Tests `bus1ctl policy` on configuration files that this test writes: exit status, text and JSON.
# Usage: test-bus1ctl.py BUS1CTL

import json
import os
import subprocess
import sys
import tempfile

BUS1CTL = sys.argv[1]
CONFIG = '''<busconfig>
  <listen>unix:path=/x</listen>
  <policy context="default">
    <deny own="*"/>
    <allow send_destination="*"/>
    <deny send_destination="a.b" send_interface="i.j"/>
    <allow receive_type="signal"/>
    <deny user="*"/>
  </policy>
  <policy user="7">
    <allow own_prefix="a.b"/>
  </policy>
  <policy group="8">
    <allow send_destination="a.b" send_interface="i.j" send_member="M"/>
  </policy>
</busconfig>
'''
NUMBER = 0
FAILED = 0


def run(*args):
    result = subprocess.run([BUS1CTL, 'policy', *args], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=60)
    return result.returncode, result.stdout, result.stderr


def check(what, good, *details):
    global NUMBER, FAILED
    NUMBER += 1
    FAILED += not good
    print(f'{"ok" if good else "not ok"} {NUMBER} - {what}', flush=True)
    if not good:
        print('\n'.join(f'# {d}' for d in details))


def explain(config, user, question, status, line, groups=()):
    """line is the line of the rule that must decide; None: no rule decides."""
    args = ['--config', config, '--user', user]
    for g in groups:
        args += ['--group', g]
    got = run('explain', '--json', *args, *question)
    good = got[0] == status and not got[2]
    if good:
        answer = json.loads(got[1])
        rule = answer['rule']
        good = (answer['verdict'] == ('deny' if status else 'allow') and
                (rule and rule['line']) == line and
                (answer['reason'] is None) == (line is not None))
        matching = [r for r in answer['rules'] if r['matches']]
        good = good and ((matching[-1]['line'] if matching else None) == line)
        text = run('explain', *args, *question)
        good = good and text[0] == status and text[1].startswith('denied' if status else 'allowed')
        if line:
            good = good and f'{config}:{line}: ' in text[1].splitlines()[0]
            good = good and sum(x.startswith('=>') for x in text[1].splitlines()) == 1
        brief = run('explain', '--matching', *args, *question)
        good = good and '(differs' not in brief[1]
    check(f'{user} {" ".join(question)}', good, got)


def main():
    with tempfile.TemporaryDirectory() as directory:
        config = os.path.join(directory, 'bus.conf')
        with open(config, 'w') as f:
            f.write(CONFIG)
        call = ['send', 'destination=a.b', 'interface=i.j', 'member=M', 'path=/']
        explain(config, '7', ['own', 'a.b.c'], 0, 11)
        explain(config, '7', ['own', 'a.bc'], 1, 4)
        explain(config, 'root', ['own', 'a.b'], 1, 4)
        explain(config, '7', call, 1, 6)
        explain(config, '7', call, 0, 14, groups=('8',))
        explain(config, '7', call[:2] + ['path=/', 'member=M'], 1, 6)
        explain(config, '7', ['send', 'destination=:1.7', 'owns=a.b', 'interface=i.j'], 1, 6)
        explain(config, '7', ['send', 'destination=:1.7', 'interface=i.j'], 0, 5)
        explain(config, '7', ['send', 'type=signal', 'interface=x.y'], 0, 5)
        explain(config, '7', ['receive', 'type=signal', 'sender=a.b', 'interface=x.y'], 0, 7)
        explain(config, '7', ['receive', 'type=method_call', 'sender=a.b'], 1, None)
        explain(config, '7', ['receive', 'type=error', 'error=e.f',
                              'sender=org.freedesktop.DBus', 'destination=:1.7'], 0, None)
        explain(config, '7', ['connect'], 1, 8)

        for bad in ([], ['own'], ['send', 'destination'], ['send', 'colour=red', 'destination=a.b'],
                    ['send', 'type=letter', 'destination=a.b'], ['send', 'member=M'],
                    ['send', 'fds=many', 'destination=a.b']):
            got = run('explain', '--config', config, '--user', '7', *bad)
            check(f'wrong question: {bad}', got[0] == 2 and not got[1] and got[2], got)
        got = run('explain', '--config', config, 'own', 'a.b')
        check('a question needs a user', got[0] == 2, got)
        got = run('explain', '--config', config, '--user', 'nosuchuser', 'own', 'a.b')
        check('unknown users are said to be', got[0] == 2 and 'unknown' in got[2], got)
        got = run('explain', '--config', config + 'x', '--user', '7', 'own', 'a.b')
        check('a missing file is an error', got[0] == 2 and got[2], got)

        got = run('check', config)
        check('findings give status 1', got[0] == 1 and f'{config}:5: broad-allow: ' in got[1], got)
        good, broken = (os.path.join(directory, n) for n in ('good.conf', 'broken.conf'))
        with open(good, 'w') as f:
            f.write('<busconfig><policy user="root"><allow own="a.b"/></policy></busconfig>')
        with open(broken, 'w') as f:
            f.write('<busconfig>\n  <policy>\n</busconfig>')
        got = run('check', good)
        check('nothing to say about a good drop-in', got == (0, '', ''), got)
        got = run('check', good, broken)
        check('an invalid file gives status 2 and its place',
              got[0] == 2 and f'{broken}:2:3: ' in got[1], got)
        got = run('check', '--json', good, config, broken)
        answer = json.loads(got[1])
        check('findings as JSON', got[0] == 2
              and [a['valid'] for a in answer] == [True, True, False]
              and not answer[0]['findings'] and answer[2]['error']
              and {'kind': 'broad-allow', 'file': config, 'line': 5}.items()
              <= answer[1]['findings'][0].items(), got)
        got = run('check')
        check('check needs files', got[0] == 2, got)
    print(f'1..{NUMBER}')
    return 1 if FAILED else 0


if __name__ == '__main__':
    sys.exit(main())
