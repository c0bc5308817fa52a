#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `bus1ctl state show` prints: test-show.py BUS1CTL CORPUS, with the documents of
test/fuzz/corpus/state"""

import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..',
                                'integration'))
from tap import contains, equal, main, test  # noqa: E402

BUS1CTL, CORPUS = os.path.abspath(sys.argv[1]), sys.argv[2]


def show(*args):
    result = subprocess.run([BUS1CTL, 'state', 'show', *args], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=60)
    return result.returncode, result.stdout, result.stderr


def records(text):
    """Returns the kinds of the records, and their fields."""
    found = []
    for line in text.splitlines():
        if line.startswith('    '):
            name, value = line[4:].split(': ', 1)
            found[-1][1][name] = value
        else:
            number, kind = line.split(' ')
            found.append((kind, {}))
            equal(int(number), len(found))
    return found


def read(name):
    with open(f'{CORPUS}/{name}', 'rb') as f:
        return f.read()


@test
def all_types_are_printed():
    status, out, err = show(f'{CORPUS}/nested')
    equal((status, err), (0, ''))
    (_, header), (kind, fields), (end, _) = records(out)
    equal((kind, end), ('Nested', 'End'))
    equal(header['major'], '1')
    equal(header['program'], '"sample 1.0"')
    equal(fields, {
        'all': '(200, true, -2, 65535, -3, 4000000000, -4, 5, 0.5, "say \\"x\\\\y\\"", "/a/b", '
               '"a{sv}", descriptor 7)',
        'dict': '[{"one": <<["a", "b"]>>}, {"two": <(1, [(2, 3), (4, 5)])>}]',
        'arrays': '[[[1, 2], []], []]',
        'empty': '[]',
        'terminal': '"\\x1b[1m\\x0anext"',
    })


@test
def messages_and_bytes_are_printed():
    status, out, err = show(f'{CORPUS}/fields-and-messages')
    equal((status, err), (0, ''))
    found = records(out)
    equal([kind for kind, _ in found], ['Header', 'Client', 'Message', 'Message', 'Output', 'Empty',
                                        'End'])
    client, message, raw = found[1][1], found[2][1], found[3][1]
    equal(client['text'], '"grüße"')
    equal(client['few'], '3 bytes: 616263')
    equal(client['nothing'], '0 bytes')
    contains(client['many'], '1030 bytes: 00070e', '..., checksum ')
    contains(message['wire'], 'type=method_call serial=7 sender=:1.5 path=/a member=Call '
                              'signature=hh')
    equal(message['fds'], '[descriptor 4, descriptor 5]')
    equal(bytes.fromhex(raw['wire'].split(': ')[1])[:3], b'OK ')


@test
def what_is_no_document_is_an_error():
    whole = read('messages')
    with tempfile.TemporaryDirectory() as directory:
        for name, data, message in (
                ('empty', b'', 'this is no document'),
                ('text', b'some text that is no document', 'record 1: invalid byte-order mark'),
                ('cut', whole[:1000], 'record 4: the document ends inside of it'),
                ('more', whole + bytes(8), '(End): something follows it')):
            path = f'{directory}/{name}'
            with open(path, 'wb') as f:
                f.write(data)
            status, out, err = show(path)
            equal(status, 2, name)
            contains(err, path, message)
            if name == 'cut':
                equal([kind for kind, _ in records(out)], ['Header', 'Message', 'Message'])
    for args in ((), ('a', 'b'), ('--json', 'a')):
        status, out, err = show(*args)
        equal((status, out), (2, ''))
        contains(err, 'usage: bus1ctl state show FILE')
    equal(show('/nonexistent'), (2, '', 'bus1ctl: /nonexistent: No such file or directory\n'))


main(only=sys.argv[3:])
