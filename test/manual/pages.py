# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The manual pages, for the checks of this folder.
#
# A check gets the directory of the pages as its first argument. It prints each fault, and at last
# how many there are, and exits with 1 if there are any.

import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# The directory in which the examples of the pages keep their files. Tests use another one.
EXAMPLE_DIRECTORY = '/srv/example'


def source(path):
    with open(os.path.join(TOP, path), encoding='utf-8') as f:
        return f.read()


class Page:
    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path)
        self.section = self.name.rsplit('.', 1)[1]
        with open(path, encoding='utf-8') as f:
            self.text = f.read()

    def part(self, title, level='Sh'):
        """Returns the text of a section (Sh) or subsection (Ss); '' if there is none."""
        end = r'^\.Sh ' if level == 'Sh' else r'^\.S[hs] '
        match = re.search(rf'^\.{level} "?{re.escape(title)}"?\n(.*?)(?={end}|\Z)', self.text,
                          re.M | re.S)
        return match.group(1) if match else ''

    def names(self):
        """Returns the names in the section NAME."""
        return re.findall(r'^\.Nm (\S+)', self.part('NAME'), re.M)

    def literals(self, title='EXAMPLES'):
        """Returns the literal blocks of a section as a terminal shows them."""
        blocks = re.findall(r'^\.Bd -literal\n(.*?)^\.Ed', self.part(title), re.M | re.S)
        return [unescape(block) for block in blocks]

    def prose(self):
        """Returns the text without literal blocks."""
        return re.sub(r'^\.Bd -literal\n.*?^\.Ed', '', self.text, flags=re.M | re.S)


def unescape(text):
    text = text.replace('\\\n', '').replace('\\e', '\0')
    if '\\' in text:
        raise ValueError('an example has an escape that the checks do not know: ' +
                         text[text.index('\\'):][:20])
    return text.replace('\0', '\\')


def all_pages(directory):
    return [Page(os.path.join(directory, name)) for name in sorted(os.listdir(directory))
            if re.search(r'\.[1-8]$', name)]


def items(text):
    """Returns the terms of all lists in a text: the lines .It, without their macros."""
    return [re.sub(r'\b(Li|Va|Fl|Ns|Ar|Cm|Ev|Pa|Op|Fa|Ta|=|\|)(?= |$)', '', line).replace(',', ' ')
            .split() for line in re.findall(r'^\.It (.*)', text.replace('\\\n', ''), re.M)]


def compare(page, what, documented, existing):
    """Yields a fault for each name that only one of two sets has."""
    for name in sorted(set(existing) - set(documented)):
        yield f'{page}: does not describe {what} {name}'
    for name in sorted(set(documented) - set(existing)):
        yield f'{page}: describes {what} {name}, which does not exist'


def finish(faults):
    faults = list(faults)
    for fault in faults:
        print(fault)
    print(f'{len(faults)} faults')
    sys.exit(1 if faults else 0)
