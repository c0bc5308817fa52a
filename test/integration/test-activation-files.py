#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Odd service files: the daemon under test and the reference get the same files. Both must list the
# same names, and start the same programs with the same words or fail with the same error. Where the
# two differ on purpose, the test has the result of each.
#
#   test-activation-files.py BRIDGE

import os
import shutil
import tempfile

from busfixture import REFERENCE, Bus, clean_environment, daemon_under_test, is_reference
from rawbus import Connection
from tap import Skip, equal, main, test

DAEMON = daemon_under_test()
BUS = 'org.freedesktop.DBus'
ERROR = BUS + '.Error.'
GROUP = b'[D-BUS Service]\n'

# A program that writes its arguments, except the first, to the file that the first one names. The
# exit status 3 shows that it ran.
WORDS = '''#!/bin/sh
out="${0%/*}/$1"
shift
: > "$out"
for word; do printf '%s\\0' "$word" >> "$out"; done
exit 3
'''


class Place:
    """A temporary directory, in which a test makes service directories."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix='files-test-')
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def put(self, name, content):
        path = f'{self.path}/{name}'
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as f:
            f.write(content)
        return path


def ask(daemon, extra, names=None, env=None):
    """
    Returns the names that a daemon lists, and the error of starting each name of names, or, without
    names, each that the daemon lists.
    """
    with Bus(daemon, extra=extra, env=clean_environment(**(env or {}))) as bus:
        c = Connection(bus.address).authenticate()
        listed = c.call('ListActivatableNames').body[0]
        equal(len(listed), len(set(listed)), 'names are listed once')
        listed = set(listed) - {BUS}
        errors = {}
        for name in sorted(listed) if names is None else names:
            answer = c.call('StartServiceByName', 'su', name, 0)
            errors[name] = (answer.error_name or f'{answer.body}').replace(ERROR, '')
        c.close()
        return listed, errors


def servicedirs(place, *names):
    return ''.join(f'  <servicedir>{place.path}/{name}</servicedir>\n' for name in names)


def service(name, exec_line=b'/nonexistent', more=b''):
    return GROUP + b'Name=' + name.encode() + b'\nExec=' + exec_line + b'\n' + more


def compare(cases, different):
    """
    cases has the content of a file for each label, with NAME in place of its name. Both daemons
    must list the names of the same files, and fail in the same way to start them. The exceptions
    are in different: for each label, whether the reference lists the name. The daemon under test
    must do the opposite.
    """
    with Place() as place:
        names = {label: f'files.n{i}' for i, label in enumerate(cases)}
        for label, content in cases.items():
            place.put(f's/{names[label]}.service', content.replace(b'NAME', names[label].encode()))
        extra = servicedirs(place, 's')
        listed, errors = ask(REFERENCE, extra)
        by_reference = {name.strip() for name in listed}
        taken, _ = ask(DAEMON, extra, [])
        both = sorted(listed & taken)
        _, own_errors = ask(DAEMON, extra, both)

        want = {label: names[label] in by_reference for label in cases}
        equal({label: want[label] for label in different}, different, 'the reference')
        if not is_reference(DAEMON):
            want |= {label: not value for label, value in different.items()}
            equal({label: names[label] in taken for label in cases}, want)
        equal(own_errors, {name: errors[name] for name in both})


@test
def lines_of_service_files():
    good = GROUP + b'Name=NAME\nExec=/nonexistent\n'
    compare({
        'plain': good,
        'no end of the last line': good[:-1],
        'blanks around =': GROUP + b'Name =NAME\nExec  =   /nonexistent\n',
        'a tab before =': GROUP + b'Name\t=NAME\nExec=/nonexistent\n',
        'CRLF': good.replace(b'\n', b'\r\n'),
        'CR': good.replace(b'\n', b'\r'),
        'CRCRLF': good.replace(b'\n', b'\r\r\n'),
        'CR within a line': GROUP + b'Name=NAME\rfoo bar\nExec=/x\n',
        'comments and blanks': b'# c\n\n  \n\t\n' + good + b' \t\f\n#[\n#\x01\n  ',
        'a blank before a comment': good + b' # c\n',
        'a blank before a key': good + b' Foo=x\n',
        'a blank before a group': good + b' [X]\n',
        'a vertical tab': good + b'\v\n',
        'another kind of comment': good + b';c\n',
        'no key': good + b'foo\n',
        'no key in another group': good + b'[X]\nfoo\n',
        'an empty key': good + b'=x\n',
        'odd keys': good + b'X-1=\n1a=  \n-a=x\nname=x\n',
        'an underscore in a key': good + b'X_Y=x\n',
        'a blank in a key': good + b'X Y=x\n',
        'a dot in a key': good + b'a.b=x\n',
        'a # in a key': good + b'a#b=x\n',
        'UTF-8 in a key': good + 'é=x\n'.encode(),
        'locales': good + b'Name[]=x\nFoo[de=x\nBar[d e]=x\nBar[de]x=x\nBar[de] =x\n',
        'UTF-8 in a locale': good + 'Name[é]=x\n'.encode(),
        'a blank before a locale': good + b'Foo [de]=x\n',
        'a locale without its beginning': good + b'Foo]=x\n',
        'a locale alone': good + b'[de]=x\n',
        'a key before the first group': b'Foo=x\n' + good,
        'a byte order mark': b'\xef\xbb\xbf' + good,
        'odd groups': good + b'[a-b c_=;#~]\n[X]\n[X]\n',
        'an empty group': good + b'[]\n',
        'a group with a bracket': good + b'[a[b]\n',
        'a group with a tab': good + b'[a\tb]\n',
        'a group in UTF-8': good + '[é]\n'.encode(),
        'a group with more behind': b'[D-BUS Service]x\n' + good,
        'a group with a blank behind': good.replace(b']', b'] '),
        'a group without its end': good + b'[X\n',
        'a group with an escape': good.replace(b'S S', b'S\\sS'),
        'other groups before': b'[X]\nName=x.y\nExec=/x\n' + good,
        'the group once more': good + GROUP + b'Name=x.y\nExec=/\n',
        'the group empty before': GROUP + good,
        'keys once more': good + b'Name=x.y\nExec=/\nFoo=1\nFoo=2\n',
        'no name': GROUP + b'Exec=/nonexistent\n# NAME\n',
        'a name for one locale': GROUP + b'Name[de]=NAME\nExec=/nonexistent\n',
        'nothing': b'',
        'escapes': GROUP + b'Name=NAME\nExec=\\s/\\n\\t\\r\\\\\n',
        'an unknown escape': good + b'Foo=\\q\n',
        'an escaped semicolon': good + b'Foo=\\;\n',
        'an escape of nothing': good + b'Foo=\\\n',
        'an unknown escape in another group': good + b'[X]\nFoo=\\q\n',
        'an unknown escape in a locale': good + b'Foo[de]=\\q\n',
        'an unknown escape in a comment': good + b'#\\q\n',
        'a NUL': good + b'Foo=a\0b\n',
        'invalid UTF-8': good + b'#\xff\n',
        'a surrogate': good + b'#\xed\xa0\x80\n',
        'a noncharacter': good + b'#\xef\xbf\xbf\n',
        'an overlong character': good + b'#\xc0\x80\n',
        'control characters': good + b'Foo=\x01\x7f\v\n',
        'as large as may be': good + b'#' * (128 * 1024 - len(good) + len('NAME') - 10) + b'\n',
        'too large': good + b'#' * (128 * 1024) + b'\n',
        'an empty Exec': GROUP + b'Name=NAME\nExec=\n',
        'a relative Exec': GROUP + b'Name=NAME\nExec=true\n',
        'a directory as Exec': GROUP + b'Name=NAME\nExec=/\n',
        'no Exec': GROUP + b'Name=NAME\n' + b'[X]\nExec=/nonexistent\n',
        'a unit and no Exec': GROUP + b'Name=NAME\nSystemdService=x.service\n',
        'a blank behind the name': GROUP + b'Name=NAME \nExec=/nonexistent\n',
        'a tab before the name': GROUP + b'Name=\tNAME\nExec=/nonexistent\n',
    }, {
        # the reference wants Exec in each file, and lists names that nobody can own
        'no Exec': False,
        'a unit and no Exec': False,
        'a blank behind the name': True,
        'a tab before the name': True,
    })


@test
def names_that_nobody_can_own():
    names = ['', 'nodot', ':1.5', 'a..b', '1a.b', 'a.é', 'a.' + 'b' * 254]
    with Place() as place:
        for i, name in enumerate(names):
            place.put(f's/{i}.service', service(name))
        place.put('s/good.service', service('files.good'))
        extra = servicedirs(place, 's')
        equal(ask(REFERENCE, extra, [])[0], {*names, 'files.good'}, 'the reference')
        if not is_reference(DAEMON):
            equal(ask(DAEMON, extra, [])[0], {'files.good'}, 'this bus')


# Exec= as it is in the file
COMMAND_LINES = (
    'a b', r'a  b\tc', "'a b'c", '"a b"c', r'"a\\$b"', r'"a\\qb"', r'a\\ b', r'a\\qb', r"'a\\b'",
    'a#b', "''", '""', "a '' b", '$HOME', '~', '`ls`', '*', 'a;b', 'a&b', 'a|b', 'a>b', '(a)',
    r'a\nb', r'a\n#b\nc', r'a #b\nc', r'"a\nb"', r'"a\\\nb"', r'a\\\nb', r"'a\nb'", "'a", '"a',
    r'a\\', r'"a\\', r'"a\\"', r'"a\\""', "'a'#b", 'a"#"b', r'a\\#b', r'a \\#b', '"a"\'b\'c', 'é',
    r'a\rb', 'a\vb', 'a\fb', 'a=b', r'a\sb', r'a \\\n b', r'"`\\`\\!"', '"a$HOME"', r'"a\\"b"',
    'a#"b', r"a\n#'b\nc", r"a #'b\nc", "a '#' b", r'a\r#b', '{a,b}', r'a\\\\b', r"\\'a",
    r"'a'\\''b'", 'a "b')
# The reference makes empty words of comments and of empty lines. For each line: the words of the
# reference, and those of the bridge.
WITH_EMPTY_WORDS = {
    'a #b': (['a', ''], ['a']), '#a': ([''], []), "a #'b": (['a', ''], ['a']),
    r'a\t#b': (['a', ''], ['a']), r'a\n\nb': (['a', '', 'b'], ['a', 'b']),
    '"" #x': (['', ''], [''])}


def run_all(daemon, place, extra, names):
    """Returns for each name the arguments that its program got, or the error."""
    _, errors = ask(daemon, extra, names)
    result = {}
    for name, error in errors.items():
        out = f'{place.path}/{name}'
        if os.path.exists(out):
            equal(error, 'Spawn.ChildExited', name)
            with open(out, newline='') as f:
                result[name] = f.read().split('\0')[:-1]
            os.unlink(out)
        else:
            result[name] = error
    return result


@test
def words_of_command_lines():
    with Place() as place:
        program = place.put('words', WORDS.encode())
        os.chmod(program, 0o755)
        names = {text: f'files.n{i}'
                 for i, text in enumerate((*COMMAND_LINES, *WITH_EMPTY_WORDS))}
        for text, name in names.items():
            place.put(f's/{name}.service', service(name, f'{program} {name} {text}'.encode()))
        extra = servicedirs(place, 's')
        want = run_all(REFERENCE, place, extra, names.values())
        got = run_all(DAEMON, place, extra, names.values())
        for text in COMMAND_LINES:
            equal(got[names[text]], want[names[text]], text)
        for text, (by_reference, by_us) in WITH_EMPTY_WORDS.items():
            equal(want[names[text]], by_reference, 'the reference: ' + text)
            equal(got[names[text]], by_reference if is_reference(DAEMON) else by_us, text)


@test
def empty_command_lines():
    lines = {'': 'Spawn.ExecFailed', ' ': 'Spawn.ExecFailed', '#x': 'Spawn.ExecFailed',
             "''": 'Spawn.ExecFailed', r'\s': 'Spawn.ExecFailed', r'\n': 'Spawn.ExecFailed',
             '"': 'InvalidArgs', r'\\': 'InvalidArgs'}
    with Place() as place:
        for i, line in enumerate(lines):
            place.put(f's/{i}.service', service(f'files.n{i}', line.encode()))
        for daemon in (REFERENCE, DAEMON):
            _, errors = ask(daemon, servicedirs(place, 's'))
            equal(list(errors.values()), list(lines.values()), daemon)


@test
def without_exec_it_is_for_others_to_start_a_service():
    if is_reference(DAEMON):
        raise Skip('the reference leaves such files out')
    with Place() as place:
        place.put('s/a.service', GROUP + b'Name=files.a\n')
        place.put('s/b.service', GROUP + b'Name=files.b\nSystemdService=x.service\n')
        extra = servicedirs(place, 's') + '  <limit name="service_start_timeout">100</limit>\n'
        equal(ask(DAEMON, extra)[1], {'files.a': 'TimedOut', 'files.b': 'Spawn.FileInvalid'})


@test
def which_file_counts():
    with Place() as place:
        for path, name, line in (
                ('1/x.service', 'files.first', '/'), ('2/files.first.service', 'files.first', '"'),
                ('1/same.service', 'files.same1', '/'), ('2/same.service', 'files.same2', '/'),
                ('1/.service', 'files.suffix', '/'), ('1/.hidden.service', 'files.hidden', '/'),
                ('1/a blank.service', 'files.blank', '/'), ('1/x.SERVICE', 'files.upper', '/'),
                ('1/x.service~', 'files.tilde', '/'), ('1/x.service.bak', 'files.backup', '/'),
                ('1/xservice', 'files.nodot', '/'), ('1/bad/x.service', 'files.below', '/'),
                ('2/instead.service', 'files.instead', '/')):
            place.put(path, service(name, line.encode()))
        place.put('1/instead.service', b'[D-BUS Service]\nName=files.instead\nbad\n')
        os.symlink('x.service', f'{place.path}/1/link.service')
        os.symlink('nothing', f'{place.path}/1/dangling.service')
        os.mkdir(f'{place.path}/1/directory.service')
        os.symlink(place.path + '/2', place.path + '/4')
        extra = servicedirs(place, '1', '2', '3', '4')
        equal(ask(DAEMON, extra), ask(REFERENCE, extra))
        equal(sorted(ask(DAEMON, extra, [])[0]),
              ['files.blank', 'files.first', 'files.hidden', 'files.instead', 'files.same1',
               'files.same2', 'files.suffix'])


@test
def runtime_directory_wants_names_of_files():
    with Place() as place:
        place.put('run/dbus-1/services/files.right.service', service('files.right', b'/'))
        place.put('run/dbus-1/services/wrong.service', service('files.wrong', b'/'))
        place.put('data/dbus-1/services/wrong.service', service('files.data', b'/'))
        env = {'XDG_RUNTIME_DIR': place.path + '/run', 'XDG_DATA_HOME': place.path + '/data',
               'XDG_DATA_DIRS': place.path + '/none'}
        extra = '  <standard_session_servicedirs/>\n'
        names = ['files.right', 'files.wrong', 'files.data']
        want = {'files.right': 'Spawn.ExecFailed', 'files.wrong': 'ServiceUnknown',
                'files.data': 'Spawn.ExecFailed'}
        for daemon in (REFERENCE, DAEMON):
            listed, errors = ask(daemon, extra, names, env)
            equal({n for n in listed if n.startswith('files.')}, {'files.right', 'files.data'},
                  daemon)
            equal(errors, want, daemon)


@test
def services_of_other_users_are_left_alone():
    if os.geteuid() != 0:
        raise Skip('only root can make files of other users')
    with Place() as place:
        place.put('run/dbus-1/services/files.run.service', service('files.run', b'/'))
        place.put('home/.local/share/dbus-1/services/files.home.service',
                  service('files.home', b'/'))
        place.put('data/dbus-1/services/files.data.service', service('files.data', b'/'))
        os.chown(place.put('data/dbus-1/services/files.file.service',
                           service('files.file', b'/')), 4001, 4001)
        for name in ('run', 'run/dbus-1', 'run/dbus-1/services',
                     'home/.local/share/dbus-1/services'):
            os.chown(f'{place.path}/{name}', 4001, 4001)
        os.mkdir(place.path + '/empty')
        os.chown(place.path + '/empty', 4001, 4001)
        extra = '  <standard_session_servicedirs/>\n'
        env = {'XDG_RUNTIME_DIR': place.path + '/run', 'HOME': place.path + '/home',
               'XDG_DATA_DIRS': place.path + '/data'}
        listed, _ = ask(DAEMON, extra, [], env)
        equal({n for n in listed if n.startswith('files.')}, {'files.data'})
        # nothing is made there
        ask(DAEMON, extra, [], env | {'XDG_RUNTIME_DIR': place.path + '/empty'})
        equal(os.listdir(place.path + '/empty'), [])


@test
def relative_directories_are_below_the_working_directory():
    with Place() as place:
        place.put('data/dbus-1/services/files.data.service', service('files.data', b'/'))
        place.put('dirs/dbus-1/services/files.dirs.service', service('files.dirs', b'/'))
        env = {'XDG_RUNTIME_DIR': place.path + '/run', 'XDG_DATA_HOME': 'data',
               'XDG_DATA_DIRS': 'nothing:dirs'}
        extra = '  <standard_session_servicedirs/>\n'
        names = ['files.data', 'files.dirs']
        before = os.getcwd()
        os.chdir(place.path)
        try:
            for daemon in (REFERENCE, DAEMON):
                listed, errors = ask(daemon, extra, names, env)
                equal({n for n in listed if n.startswith('files.')}, set(names), daemon)
                equal(errors, {n: 'Spawn.ExecFailed' for n in names}, daemon)
        finally:
            os.chdir(before)


@test
def new_files_are_found_when_they_are_asked_for():
    with Place() as place:
        place.put('s/a.service', service('files.a', b'/'))
        with Bus(DAEMON, extra=servicedirs(place, 's', 'later')) as bus:
            c = Connection(bus.address).authenticate()

            def start(name):
                return c.call('StartServiceByName', 'su', name, 0).error_name.replace(ERROR, '')

            for i in range(20):
                equal(start(f'files.n{i}'), 'ServiceUnknown')
                place.put(f's/{i}.service', service(f'files.n{i}', b'/'))
                equal(start(f'files.n{i}'), 'Spawn.ExecFailed')
            place.put('later/x.service', service('files.later', b'/'))
            equal(start('files.later'), 'Spawn.ExecFailed')
            os.unlink(place.path + '/s/a.service')
            equal(start('files.a'), 'ServiceUnknown')
            c.close()


main()
