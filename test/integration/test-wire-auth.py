#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Authentication: the offered mechanisms, cookies and their keyring, anonymous clients.

import atexit
import hashlib
import os
import re
import shutil
import stat
import tempfile
import time

import rawbus
from busfixture import wait_until
from rawbus import Closed, Timeout
from transcript import main, scenario, scenario_with

HOME = tempfile.mkdtemp(prefix='bus-test-home-')
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ['HOME'] = HOME
KEYRINGS = HOME + '/.dbus-keyrings'
CONTEXT = 'org_freedesktop_general'
KEYRING = f'{KEYRINGS}/{CONTEXT}'

UID = str(os.getuid()).encode().hex()
USER = ''.join(line.split(':')[0] for line in open('/etc/passwd')
               if line.split(':')[2] == str(os.getuid())).encode().hex()


def ask(c, line):
    """Sends a line. Returns the answer, without the parts that differ each time."""
    c.send_raw(line.encode() + b'\r\n')
    try:
        answer = c.line()
    except Closed:
        return 'closed'
    if answer.startswith('DATA ') and len(answer) > 5:
        words = bytes.fromhex(answer[5:]).decode().split(' ')
        c.challenge = words
        return f'DATA {words[0]} <id> {len(words[2])} digits'
    if answer.startswith('ERROR'):
        return 'ERROR'
    return re.sub('[0-9a-f]{32}', '<guid>', answer)


def start(s, name='A'):
    c = s.socket(name)
    c.send_raw(b'\0')
    return c


def cookies():
    with open(KEYRING) as f:
        return {words[0]: words[1:] for words in (line.split() for line in f)}


def response(c, secret=None, mine='abc'):
    _, number, challenge = c.challenge
    secret = secret or cookies()[number][1]
    digest = hashlib.sha1(f'{challenge}:{mine}:{secret}'.encode()).hexdigest()
    return f'{mine} {digest}'.encode().hex()


def fresh():
    shutil.rmtree(KEYRINGS, ignore_errors=True)


def mechanisms(s):
    s.note(ask(start(s), 'AUTH'))
    for mechanism in ('EXTERNAL ' + UID, 'DBUS_COOKIE_SHA1 ' + UID, 'ANONYMOUS'):
        s.note(ask(start(s), 'AUTH ' + mechanism))


@scenario
def all_mechanisms_without_auth(s):
    fresh()
    mechanisms(s)


@scenario_with('  <auth>EXTERNAL</auth>\n')
def one_mechanism(s):
    mechanisms(s)


@scenario_with('  <auth>ANONYMOUS</auth><auth>EXTERNAL</auth>\n')
def two_mechanisms_in_another_order(s):
    mechanisms(s)


@scenario_with('  <auth>DBUS_COOKIE_SHA1</auth>\n')
def only_cookies(s):
    fresh()
    mechanisms(s)


@scenario
def cookie_user(s):
    fresh()
    for user in ('', UID, USER, 'DBUS_COOKIE_SHA1', 'zz', UID + ' ', UID + '3', '6e6f626f6479',
                 '6e6f73756368757365722d', '2d31', '34323934393637323935'):
        s.note(f'{user}: ' + ask(start(s), 'AUTH DBUS_COOKIE_SHA1 ' + user))


@scenario
def cookie_is_proven(s):
    fresh()
    c = start(s)
    s.note(ask(c, 'AUTH DBUS_COOKIE_SHA1 ' + USER))
    s.note(oct(stat.S_IMODE(os.stat(KEYRINGS).st_mode)))
    s.note(oct(stat.S_IMODE(os.stat(KEYRING).st_mode)) + str(os.listdir(KEYRINGS)))
    with open(KEYRING) as f:
        s.note(re.sub('[0-9]{10} ', '<time> ', re.sub('^[0-9]+ ', '<id> ', re.sub(
            '[0-9a-f]{48}', '<secret>', f.read()))))
    (number, (made, _)), = cookies().items()
    s.note(f'{int(number) < 1 << 31} {abs(int(made) - time.time()) < 5}')
    s.note(ask(c, 'DATA ' + response(c)))
    s.note(ask(c, 'NEGOTIATE_UNIX_FD'))
    c.send_raw(b'BEGIN\r\n')
    s.hello(c)
    c.drain()
    answer = c.call('GetConnectionCredentials', 's', c.unique)
    credentials = answer.body[0]
    s.note(f'{credentials.get("UnixUserID") == os.getuid()} '
           f'{credentials.get("ProcessID") == os.getpid()} '
           f'{sorted(set(credentials) - {"ProcessFD"})}')
    # the same cookie again
    d = start(s, 'B')
    s.note(ask(d, 'AUTH DBUS_COOKIE_SHA1 ' + UID))
    s.note(f'{list(cookies()) == [number]} {d.challenge[1] == number} '
           f'{d.challenge[2] != c.challenge[2]}')


@scenario
def cookie_is_not_proven(s):
    fresh()
    for wrong in ('', '61', '616263', '61626320', 'zz', '616', '6162632030'):
        c = start(s)
        s.note(ask(c, 'AUTH DBUS_COOKIE_SHA1 ' + UID))
        s.note(f'{wrong!r}: ' + ask(c, 'DATA ' + wrong))
    for what in (lambda c: response(c, '00' * 24), lambda c: response(c)[:-2],
                 lambda c: response(c) + '30', lambda c: response(c, mine='')):
        c = start(s)
        ask(c, 'AUTH DBUS_COOKIE_SHA1 ' + UID)
        s.note(ask(c, 'DATA ' + what(c)))
    # digits in upper case; then two blanks instead of one
    c = start(s)
    ask(c, 'AUTH DBUS_COOKIE_SHA1 ' + UID)
    mine, digest = bytes.fromhex(response(c)).decode().split(' ')
    s.note(ask(c, 'DATA ' + f'{mine} {digest.upper()}'.encode().hex()))
    ask(c, 'AUTH DBUS_COOKIE_SHA1 ' + UID)
    mine, digest = bytes.fromhex(response(c)).decode().split(' ')
    s.note(ask(c, 'DATA ' + f'{mine}  {digest}'.encode().hex()))


@scenario
def commands_while_the_challenge_waits(s):
    fresh()
    for line in ('CANCEL', 'ERROR', 'AUTH', 'AUTH EXTERNAL ' + UID, 'NEGOTIATE_UNIX_FD', 'NONSENSE',
                 'BEGIN'):
        c = start(s)
        ask(c, 'AUTH DBUS_COOKIE_SHA1 ' + UID)
        s.note(f'{line}: ' + ask(c, line))
        if line != 'BEGIN':
            s.note(ask(c, 'DATA ' + response(c)))


@scenario
def sixth_rejected_cookie_closes(s):
    fresh()
    c = start(s)
    for _ in range(4):
        ask(c, 'AUTH DBUS_COOKIE_SHA1 ' + UID)
        s.note(ask(c, 'DATA 616263'))
    s.note(ask(c, 'AUTH DBUS_COOKIE_SHA1'))
    s.note(ask(c, 'AUTH DBUS_COOKIE_SHA1'))
    s.note(ask(c, 'AUTH'))


@scenario
def lines_that_come_before_the_challenge(s):
    fresh()
    c = start(s)
    c.send_raw(f'AUTH DBUS_COOKIE_SHA1 {UID}\r\nNONSENSE\r\nCANCEL\r\nAUTH EXTERNAL {UID}\r\n'
               'NEGOTIATE_UNIX_FD\r\nBEGIN\r\n'.encode())
    s.note(' '.join(c.line().split(' ')[0] for _ in range(5)))
    s.hello(c)
    s.note(c.drain()[0].member)


def keyring(*lines, mode=0o600):
    fresh()
    os.mkdir(KEYRINGS, 0o700)
    with open(KEYRING, 'w') as f:
        f.write(''.join(line + '\n' for line in lines))
    os.chmod(KEYRING, mode)


@scenario
def old_cookies_are_dropped_with_the_next(s):
    now = int(time.time())
    keyring(f'1 {now - 1000} {"11" * 24}', f'2 {now - 400} {"22" * 24}', f'3 {now - 310} {"33" * 24}',
            f'4 {now + 1000} {"44" * 24}')
    c = start(s)
    s.note(ask(c, 'AUTH DBUS_COOKIE_SHA1 ' + UID))
    s.note(f'{sorted(set(cookies()) - {c.challenge[1]})}')
    s.note(ask(c, 'DATA ' + response(c)))


@scenario
def young_cookies_are_used_again(s):
    now = int(time.time())
    keyring(f'7 {now - 200} {"77" * 24}')
    c = start(s)
    ask(c, 'AUTH DBUS_COOKIE_SHA1 ' + UID)
    s.note(f'{c.challenge[1]} {sorted(cookies())}')
    s.note(ask(c, 'DATA ' + response(c)))


@scenario
def nonsense_in_the_keyring_is_passed_over(s):
    now = int(time.time())
    keyring('', 'nonsense', f'x {now} {"11" * 24}', f'2 {now}', f'-3 {now} {"33" * 24}',
            f'4 y {"44" * 24}')
    c = start(s)
    s.note(ask(c, 'AUTH DBUS_COOKIE_SHA1 ' + UID))
    s.note(ask(c, 'DATA ' + response(c)))


@scenario
def directory_that_others_can_enter(s):
    fresh()
    os.mkdir(KEYRINGS)
    for mode in 0o755, 0o770, 0o701:
        os.chmod(KEYRINGS, mode)
        s.note(ask(start(s), 'AUTH DBUS_COOKIE_SHA1 ' + UID))
    os.chmod(KEYRINGS, 0o700)
    s.note(ask(start(s), 'AUTH DBUS_COOKIE_SHA1 ' + UID))


@scenario
def keyring_that_is_no_file(s):
    fresh()
    os.makedirs(KEYRING, 0o700)
    os.chmod(KEYRINGS, 0o700)
    s.note(ask(start(s), 'AUTH DBUS_COOKIE_SHA1 ' + UID))


@scenario
def others_go_on_while_the_lock_is_held(s):
    fresh()
    os.mkdir(KEYRINGS, 0o700)
    open(KEYRING + '.lock', 'x').close()
    c, d = start(s), start(s, 'B')
    c.send_raw(f'AUTH DBUS_COOKIE_SHA1 {UID}\r\n'.encode())
    time.sleep(0.1)
    d.send_raw(f'AUTH EXTERNAL {UID}\r\n'.encode())
    try:
        d.read_some(3)
        s.note('B is served')
    except Timeout:
        s.note('B has to wait')
    os.unlink(KEYRING + '.lock')
    c.challenge = bytes.fromhex(c.line()[5:]).decode().split(' ')
    s.note(ask(c, 'DATA ' + response(c)))
    s.note(str(sorted(os.listdir(KEYRINGS))))


@scenario
def waiting_for_the_lock_may_be_given_up(s):
    fresh()
    os.mkdir(KEYRINGS, 0o700)
    open(KEYRING + '.lock', 'x').close()
    for _ in range(3):
        c = start(s)
        c.send_raw(f'AUTH DBUS_COOKIE_SHA1 {UID}\r\nNONSENSE\r\n'.encode())
        c.close()
    os.unlink(KEYRING + '.lock')
    wait_until(lambda: os.path.exists(KEYRING), 'no cookie')
    s.connect('B')
    s.note('served')


@scenario
def anonymous_is_not_let_in(s):
    c = start(s)
    s.note(ask(c, 'AUTH ANONYMOUS 6c6962646275732031'))
    s.note(ask(c, 'NEGOTIATE_UNIX_FD'))
    c.send_raw(b'BEGIN\r\n')
    s.see(c, c.until_closed() + [None])


@scenario_with('  <allow_anonymous/>\n')
def anonymous_is_let_in(s):
    c = start(s)
    s.note(ask(c, 'AUTH ANONYMOUS'))
    c.send_raw(b'BEGIN\r\n')
    s.hello(c)
    c.drain()
    credentials = c.call('GetConnectionCredentials', 's', c.unique).body[0]
    s.note(f'{credentials.get("ProcessID") == os.getpid()} '
           f'{sorted(set(credentials) - {"ProcessFD"})}')
    for member in ('GetConnectionUnixUser', 'GetConnectionUnixProcessID'):
        answer = c.call(member, 's', c.unique)
        s.note(f'{member} {answer.error_name} {answer.body == (os.getpid(),)}')
    # and methods that only root and the user of the bus may call
    for m in (rawbus.bus_call('ReloadConfig'),
              rawbus.bus_call('UpdateActivationEnvironment', 'a{ss}', {}),
              rawbus.bus_call('BecomeMonitor', 'asu', [], 0,
                              interface='org.freedesktop.DBus.Monitoring')):
        s.note(str(c.wait_for(c.send(m)).error_name))


@scenario
def mechanisms_are_those_of_the_start(s):
    a = s.connect('A')
    config = s.bus.directory + '/session.conf'
    with open(config) as f:
        text = f.read()
    with open(config, 'w') as f:
        f.write(text.replace('</busconfig>', '<auth>ANONYMOUS</auth><allow_anonymous/></busconfig>'))
    s.ask(a, rawbus.bus_call('ReloadConfig'))
    c = start(s)
    s.note(ask(c, 'AUTH'))
    s.note(ask(c, 'AUTH ANONYMOUS')[:8])
    s.note(ask(c, 'AUTH EXTERNAL ' + UID)[:2])


DIFFERENCES = {
    'cookie_user': [
        (UID + '3: DATA org_freedesktop_general <id> 32 digits',
         [UID + '3: REJECTED EXTERNAL DBUS_COOKIE_SHA1 ANONYMOUS'],
         'half a byte of hex is not left out'),
    ],
    'others_go_on_while_the_lock_is_held': [
        ('B has to wait', ['B is served'], 'waiting for files is not for the thread of the bus'),
    ],
}

if __name__ == '__main__':
    main(DIFFERENCES)
