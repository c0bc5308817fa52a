# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Tests with results in TAP (Test Anything Protocol). A test is a function marked with @test. main()
# runs the tests in order, and prints a line with the result of each.

import os
import sys
import traceback

TESTS = []


class Skip(Exception):
    """Raised by a test that cannot run here, with the reason."""


def test(function):
    TESTS.append(function)
    return function


def equal(got, want, what=''):
    if got != want:
        raise AssertionError(f'{what}: got {got!r}, expected {want!r}')


def contains(text, *parts):
    for part in parts:
        if part not in text:
            raise AssertionError(f'no {part!r} in {text!r}')


def main(*fixtures, only=None):
    """Runs all tests with the fixtures as arguments; exits with 1 if one or more failed."""
    only = sys.argv[1:] if only is None else only
    failed = 0
    print(f'1..{len(TESTS)}')
    for number, function in enumerate(TESTS, 1):
        if only and function.__name__ not in only:
            continue
        try:
            function(*fixtures)
            print(f'ok {number} - {function.__name__}')
        except Skip as reason:
            print(f'ok {number} - {function.__name__} # SKIP {reason}')
        except Exception:
            failed += 1
            print(f'not ok {number} - {function.__name__}')
            for line in traceback.format_exc().splitlines():
                print('#   ' + line)
        sys.stdout.flush()
    for fixture in fixtures:
        if hasattr(fixture, 'stop'):
            status = fixture.stop()
            if status:
                print(f'# the daemon ended with status {status}')
                failed += 1
    sys.stdout.flush()
    # end at once: threads and connections of the D-Bus bindings must not change the exit status
    os._exit(1 if failed else 0)
