#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Tests random policies: the reference and the daemon must deliver the same messages.
#
#     test-random.py DAEMON [--policies N] [--first SEED] [--operations N] [--verbose]
#
# Needs root, because the messages come from two users. Prints how many verdicts were compared, and
# for each difference the seed, the message and its outcome on both buses.

import argparse
import os
import shutil
import sys
import tempfile
import time

import generate
import verdicts
from world import REFERENCE


def record(daemon, seed, n, directory):
    r = generate.generator(seed)
    policy = generate.policy(r)
    operations = {sender: generate.operations(r, n // 2) for sender in ('root', 'user')}
    return policy, verdicts.record(daemon, policy, operations, r, directory)


def compare(daemon, seed, n, directory):
    """Returns the numbers of compared verdicts and of denials, and the differences."""
    policy, want = record(REFERENCE, seed, n, directory)
    _, got = record(daemon, seed, n, directory)
    lines = verdicts.differences(want, got)
    if lines:
        lines[:0] = [f'seed {seed}', policy]
    refused = sum('AccessDenied' in outcome for _, _, outcome in want)
    return len(want), refused, lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('daemon')
    parser.add_argument('--policies', type=int, default=60)
    parser.add_argument('--first', type=int, default=0)
    parser.add_argument('--operations', type=int, default=200)
    parser.add_argument('--verbose', action='store_true')
    args = parser.parse_args()
    if os.getuid() != 0:
        print('1..0 # SKIP messages come from two users, which needs root')
        return 0
    directory = tempfile.mkdtemp(prefix='bus-policy-')
    os.chmod(directory, 0o755)
    total = refused = different = 0
    start = time.monotonic()
    try:
        for seed in range(args.first, args.first + args.policies):
            n, no, lines = compare(os.path.abspath(args.daemon), seed, args.operations, directory)
            total += n
            refused += no
            if lines:
                different += 1
                if different <= 5 or args.verbose:
                    print('\n'.join('# ' + x for line in lines for x in line.split('\n')),
                          flush=True)
    finally:
        shutil.rmtree(directory)
    print('1..1')
    print(f'# {args.policies} policies, {total} messages, {refused} refused, {different} policies '
          f'with differences, {time.monotonic() - start:.1f} s')
    print(f'{"not ok" if different else "ok"} 1 - generated policies decide as in the reference')
    return 1 if different else 0


if __name__ == '__main__':
    sys.exit(main())
