# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Binary interfaces of libraries, for the checks of this folder.
#
# The record of a library is what abidw writes about its exported functions and the types of its
# public headers: without paths, lines, and types of others. The file "constants" has what a program
# takes from the headers when it is compiled, which is in no library: the values of macros and
# enumerators, and the sizes of structures, one in each line.

import os
import re
import subprocess
import tempfile

# no paths, no lines, nothing about the machine that made the record
RECORD = ('--no-corpus-path', '--no-comp-dir-path', '--no-show-locs', '--no-elf-needed',
          '--no-architecture', '--drop-private-types', '--exported-interfaces-only',
          '--type-id-style', 'hash')
COMPARE = ('--no-added-syms', '--no-architecture', '--no-show-locs')
# bits of the exit status of abidiff
ABIDIFF_FAILED = 3

VALUES = '''#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
%(includes)s
static void text(const char *name, const char *value) { printf("%%s = \\"%%s\\"\\n", name, value); }
static void negative(const char *name, long long value) { printf("%%s = %%lld\\n", name, value); }
static void positive(const char *name, unsigned long long value) {
        printf("%%s = %%llu\\n", name, value);
}
#define SHOW(name, value) \\
        _Generic((value), char *: text, const char *: text, int: negative, long: negative, \\
                 long long: negative, default: positive)(name, value)
int main(void) {
%(shown)s
        return 0;
}
'''


def run(*command):
    """Returns (exit status, output) of a tool."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return result.returncode, result.stdout


def has_types(library):
    """Was the library built with debugging information?"""
    return '.debug_info' in run('readelf', '-S', '-W', library)[1]


def record(library, headers):
    """Returns the record of a library. headers is the directory of the public headers."""
    status, text = run('abidw', *RECORD, '--headers-dir', headers, library)
    if status:
        raise ValueError(f'abidw {library}: {text}')
    # the paths of the sources are relative to the source tree, wherever the build directory is
    return re.sub(r"(<abi-instr [^>]* path=')[^']*?([\w-]+/[\w-]+\.c')", r'\1\2', text)


def recorded_nodes(path):
    """Returns {symbol: version node} of a record."""
    with open(path, encoding='utf-8') as f:
        text = f.read()
    nodes = {}
    for symbol in re.findall(r'<elf-symbol ([^>]*)/>', text):
        values = dict(re.findall(r"([\w-]+)='([^']*)'", symbol))
        nodes[values['name']] = values.get('version')
    return nodes


def exported_nodes(library):
    """Returns {symbol: version node} of a library."""
    output = run('nm', '-D', '--defined-only', '--with-symbol-versions', library)[1]
    return {name: node for name, node in re.findall(r'^\w+ [TDBRVWi] (\w+)@@?(\S+)$', output, re.M)}


def compare(path, library, headers, growing=()):
    """Yields what is wrong with a library, if the record at path is that of the last release.

    The structures of growing may have new fields at their end.
    """
    # Two records are compared, and not a record with a library: a record has no places of types, so
    # abidiff would take its types for private ones, and their changes for unimportant.
    with tempfile.TemporaryDirectory(prefix='abi-') as directory:
        present, rules = directory + '/present.abi', directory + '/rules'
        with open(present, 'w', encoding='utf-8') as f:
            f.write(record(library, headers))
        with open(rules, 'w', encoding='utf-8') as f:
            f.write(''.join(f'[suppress_type]\nname = {name}\nhas_data_member_inserted_at = end\n'
                            for name in growing))
        status, text = run('abidiff', *COMPARE, '--suppressions', rules, path, present)
    if status:
        what = 'abidiff fails' if status & ABIDIFF_FAILED else 'the interface has changed'
        yield f'{library}: {what}:\n{text.strip()}'
    released = recorded_nodes(path)
    for name, node in sorted(exported_nodes(library).items()):
        if name not in released and node in released.values():
            yield (f'{library}: {name} is new, but {node} is a node of the last release: a program '
                   'that uses it would be started with the library of that release')


def constant_names(headers):
    """Returns the macros, enumerators and sizes of structures in the headers."""
    names = []
    for path in headers:
        with open(path, encoding='utf-8') as f:
            text = re.sub(r'/\*.*?\*/', ' ', f.read(), flags=re.S).replace('\\\n', ' ')
        names += re.findall(r'^\s*#\s*define\s+(BUS1_\w+)[ \t]+\S', text, re.M)
        for body in re.findall(r'\benum\b[^{;()]*\{(.*?)\}', text, re.S):
            names += re.findall(r'(?:^|,)\s*(BUS1_\w+)', body)
        names += [f'sizeof(struct {name})'
                  for name in re.findall(r'^struct (bus1_\w+) \{', text, re.M)]
    return names


def is_value(name, headers, compiler):
    """Is a macro a value, and not an initializer or a type?"""
    try:
        constants(headers, compiler, [name])
    except ValueError:
        return False
    return True


def constants(headers, compiler, names):
    """Returns {name: value}, for those of the names that the headers have.

    headers are paths; compiler is a command with its options.
    """
    names = [name for name in names if name in set(constant_names(headers))]
    includes = ''.join(f'#include "{os.path.abspath(path)}"\n' for path in headers)
    shown = ''.join(f'        SHOW("{name}", {name});\n' for name in names)
    with tempfile.TemporaryDirectory(prefix='abi-') as directory:
        program = os.path.join(directory, 'values')
        with open(program + '.c', 'w', encoding='utf-8') as f:
            f.write(VALUES % {'includes': includes, 'shown': shown})
        status, text = run(*compiler, program + '.c', '-o', program)
        if status:
            raise ValueError(f'the public headers do not compile: {text}')
        output = run(program)[1]
    return parse_constants(output)


def parse_constants(text):
    return dict(line.split(' = ', 1) for line in text.splitlines())


def write_constants(values):
    return ''.join(f'{name} = {values[name]}\n' for name in sorted(values))


def recorded_constants(path):
    with open(path, encoding='utf-8') as f:
        return parse_constants(f.read())


def compare_constants(path, values, growing=()):
    """Yields what is wrong with the values, if the file at path has those of the last release."""
    sizes = {f'sizeof(struct {name})' for name in growing}
    for name, value in recorded_constants(path).items():
        if name not in values:
            yield f'{name} is not in the public headers any more'
        elif values[name] != value and \
                not (name in sizes and int(values[name]) > int(value)):
            yield f'{name} is {values[name]}, and was {value} in the last release'
