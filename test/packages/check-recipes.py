#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Check debian/ and packaging/ against what is installed: check-recipes.py BUILD VERSION

  versions  all recipes and the module have the version of the project
  debian    each installed file is in one package, each entry of a package is an installed file, and
            the lists of symbols are those of the libraries
  rpm       rpmspec reads the spec file, in which each installed file is in one package
  arch      makepkg reads PKGBUILD, and bash reads its install file

Prints TAP. A check whose tool is missing is skipped.
"""

import fnmatch
import functools
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SPEC = 'packaging/bus1-bridge.spec'
# what -Dmodule=true adds, relative to the prefix
MODULE = ('src/', 'lib/modules-load.d/', 'lib/udev/')
# directories of the recipes, relative to the prefix
DEBIAN = {'SYSTEMD': 'lib/systemd', 'USER_UNITS': 'lib/systemd/user',
          'USER_GENERATORS': 'lib/systemd/user-generators',
          'USER_PRESETS': 'lib/systemd/user-preset', 'MODULES_LOAD': 'lib/modules-load.d',
          'UDEV_RULES': 'lib/udev/rules.d'}
RPM = {'_bindir': 'bin', '_datadir': 'share', '_includedir': 'include', '_libdir': 'lib/*',
       '_libexecdir': 'libexec', '_mandir': 'share/man', '_modulesloaddir': 'lib/modules-load.d',
       '_presetdir': 'lib/systemd/system-preset', '_udevrulesdir': 'lib/udev/rules.d',
       '_systemdgeneratordir': 'lib/systemd/system-generators',
       '_systemdusergeneratordir': 'lib/systemd/user-generators',
       '_unitdir': 'lib/systemd/system', '_userpresetdir': 'lib/systemd/user-preset',
       '_userunitdir': 'lib/systemd/user', '_usrsrc': 'src'}
# package -> the version script of its library
LIBRARIES = {'libbus1-0': 'libbus1/libbus1.sym', 'libbus1-dbus0': 'libbus1/dbus/libbus1-dbus.sym',
             'libbus1-dbus-glib0': 'libbus1/dbus/libbus1-dbus-glib.sym',
             'libbus1-dbus-sd-event0': 'libbus1/dbus/libbus1-dbus-sd-event.sym',
             'libbus1-hosted0': 'kernel/hosted/libbus1-hosted.sym'}


class Skip(Exception):
    pass


def read(path):
    with open(os.path.join(TOP, path), encoding='utf-8') as f:
        return f.read()


def run(*command, cwd=None):
    """Returns the output of a tool, or raises Skip if there is no such tool."""
    if not shutil.which(command[0]):
        raise Skip(f'no {command[0]}')
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            cwd=cwd)
    if result.returncode:
        raise ValueError(f'{command[0]}: {result.stderr or result.stdout}')
    return result.stdout


@functools.lru_cache
def installed(build):
    """Returns what the build installs without the module, relative to its prefix."""
    options = json.loads(run('meson', 'introspect', '--buildoptions', build))
    prefix = next(option['value'] for option in options if option['name'] == 'prefix')
    with tempfile.TemporaryDirectory() as directory:
        # as "make install" with DESTDIR does
        run('meson', 'install', '-C', build, '--no-rebuild', '--destdir', directory)
        files = {os.path.join('/', os.path.relpath(os.path.join(top, name), directory))
                 for top, _, names in os.walk(directory) for name in names}
    # with the prefix /usr, the directories of systemd may be in /lib
    found = {os.path.relpath(path, prefix if path.startswith(prefix + '/') else '/')
             for path in files}
    return {path for path in found if not path.startswith(MODULE)}


def matches(path, pattern):
    """Does the pattern name this path, or a folder above it?"""
    return fnmatch.fnmatch(path, pattern) or fnmatch.fnmatch(path, pattern + '/*')


def compare(files, packages):
    """Yields what is wrong with packages (name -> patterns), if files are installed."""
    for path in sorted(files):
        owners = [name for name, patterns in packages.items()
                  if any(matches(path, pattern) for pattern in patterns)]
        if len(owners) != 1:
            yield f'{path} is in these packages: {owners}'
    for name, patterns in packages.items():
        for pattern in patterns:
            if not pattern.startswith(MODULE) and pattern != 'src' and \
                    not any(matches(path, pattern) for path in files):
                yield f'{name}: {pattern} is not installed'


def check_versions(_, version):
    for path, pattern in (('debian/changelog', r'^bus1-bridge \(([^)]*)\)'),
                          (SPEC, r'(?m)^Version: *(.*)$'),
                          ('packaging/PKGBUILD', r'(?m)^pkgver=(.*)$'),
                          ('dkms.conf', r'(?m)^PACKAGE_VERSION="(.*)"$')):
        found = re.search(pattern, read(path))
        if not found or found.group(1) != version:
            yield f'{path}: the version is {found and found.group(1)}, not {version}'


def check_debian(build, _):
    packages = {}
    for path in glob.glob(os.path.join(TOP, 'debian/*.install')):
        lines = [re.sub(r'\$\{env:(\w+)\}', lambda match: DEBIAN[match.group(1)], line)
                 for line in read(path).splitlines()]
        packages[os.path.basename(path)] = [re.sub('^usr/', '', line) for line in lines]
    yield from compare(installed(build), packages)
    for path in glob.glob('debian/*.symbols', root_dir=TOP):
        if os.path.basename(path).removesuffix('.symbols') not in LIBRARIES:
            yield f'{path} is compared with no version script'
    for package, path in LIBRARIES.items():
        exported = set()
        for version, body in re.findall(r'^([\w.]+) \{\n(.*?)^\}', read(path), re.M | re.S):
            exported |= {f'{name}@{version}'
                         for name in [version, *re.findall(r'^\s+(\w+);$', body, re.M)]}
        listed = set(re.findall(r'^ ([\w.]+@[\w.]+) ', read(f'debian/{package}.symbols'), re.M))
        if exported != listed:
            yield f'debian/{package}.symbols and {path} differ in {sorted(exported ^ listed)}'


def check_rpm(build, _):
    text = run('rpmspec', '-P', os.path.join(TOP, SPEC))
    if '%files' not in text:
        yield f'rpmspec has no files: {text}'
    packages = {}
    # not from the output of rpmspec, in which the directories have the values of this machine
    for name, body in re.findall(r'^%files *([\w-]*)\n((?:[^\n]+\n)*)', read(SPEC), re.M):
        paths = re.findall(r'^%\{(\w+)\}/(.*)$', body, re.M)
        packages[name] = [RPM[macro] + '/' + rest.replace('%{version}', '*')
                          for macro, rest in paths]
    yield from compare({path + '.gz' if path.startswith('share/man/') else path
                        for path in installed(build)}, packages)


def check_arch(_, version):
    run('bash', '-n', os.path.join(TOP, 'packaging/bus1-bridge.install'))
    with tempfile.TemporaryDirectory() as directory:
        for name in ('PKGBUILD', 'bus1-bridge.install'):
            shutil.copy(os.path.join(TOP, 'packaging', name), directory)
        command = ['makepkg', '--printsrcinfo']
        if os.getuid() == 0:
            # makepkg refuses to be root
            shutil.chown(directory, 'nobody')
            command = ['runuser', '-u', 'nobody', '--', *command]
        if not shutil.which('makepkg') or not shutil.which('pacman'):
            raise Skip('no makepkg')
        output = run(*command, cwd=directory)
    for line in (f'\tpkgver = {version}', 'pkgname = bus1-bridge', 'pkgname = bus1-bridge-dkms'):
        if line not in output.splitlines():
            yield f'makepkg does not print {line!r}: {output}'


def main():
    build, version = os.path.abspath(sys.argv[1]), sys.argv[2]
    checks = {'versions': check_versions, 'debian': check_debian, 'rpm': check_rpm,
              'arch': check_arch}
    status = 0
    print(f'1..{len(checks)}')
    for number, (name, check) in enumerate(checks.items(), 1):
        try:
            faults = list(check(build, version))
        except Skip as skip:
            print(f'ok {number} - {name} # SKIP {skip}')
            continue
        except ValueError as error:
            faults = [str(error)]
        print(f'{"not ok" if faults else "ok"} {number} - {name}')
        for fault in faults:
            print(re.sub('^', '# ', fault, flags=re.M))
            status = 1
    return status


if __name__ == '__main__':
    sys.exit(main())
