# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine of Debian under QEMU, without hardware acceleration: its disks, and one boot of it."""

import glob
import os
import re
import shutil
import subprocess
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
SUITES = ["bookworm", "trixie", "testing"]

# Two processors and the clock of the host; or one processor and a clock that advances one
# nanosecond for each instruction, and that jumps while nothing is to be done.
CLOCKS = {
    "wall": ["-accel", "tcg,thread=multi", "-smp", "2"],
    "instructions": ["-accel", "tcg,thread=single", "-smp", "1", "-icount", "shift=0,sleep=off",
                     "-rtc", "clock=vm"],
}


class Failure(Exception):
    pass


def build_image(suite):
    """The directory of the suite's image, which is built unless the cache has it."""
    return subprocess.run([os.path.join(HERE, "build-image"), suite], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.strip()


def copy_disk(source, target):
    subprocess.run(["cp", "--sparse=always", source, target], check=True)


def new_version(package, directory):
    """The same package with a higher version, and another bus. Returns the path."""
    tree = os.path.join(directory, "tree")
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    with open(f"{tree}/DEBIAN/control", encoding="utf-8") as f:
        control = f.read()
    with open(f"{tree}/DEBIAN/control", "w", encoding="utf-8") as f:
        f.write(re.sub(r"^(Version: .*)$", r"\1+upgraded", control, flags=re.M))
    if os.path.exists(f"{tree}/usr/bin/bus1-bridge"):
        with open(f"{tree}/usr/bin/bus1-bridge", "ab") as f:
            f.write(b"upgraded\n")  # behind what the program uses
    path = os.path.join(directory, os.path.basename(package))
    subprocess.run(["dpkg-deb", "-Zgzip", "-z1", "--build", tree, path], check=True,
                   stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)
    return path


def make_input(directory, packages, with_upgrade=False):
    """
    The disk that the machine unpacks: the programs of guest/, and the packages, with_upgrade in two
    versions.
    """
    path = os.path.join(directory, "input.tar")
    with tarfile.open(path, "w") as tar, tempfile.TemporaryDirectory(dir=directory) as work:
        for source in sorted(glob.glob(os.path.join(HERE, "guest", "*"))):
            tar.add(source, os.path.basename(source))
        tar.add(os.path.join(TOP, "test/integration/rawbus.py"), "rawbus.py")
        for package in sorted(glob.glob(os.path.join(packages, "*.deb"))):
            # -dev would need packages that the machine does not have, -as-dbus takes the place of
            # dbus-daemon itself, whatever unit starts it, and for -dkms there is build_module()
            if re.search("-(dbgsym|dkms|dev|as-dbus)_", package):
                continue
            tar.add(package, "packages/" + os.path.basename(package))
            if with_upgrade:
                tar.add(new_version(package, work), "upgrade/" + os.path.basename(package))
    return path


def build_module(disk, packages, directory):
    """
    Install bus1-dkms in the machine while it is off: DKMS builds bus1.ko for the machine's kernel,
    which takes much longer on the emulated processor. The mounts end with the shell.
    """
    package, = glob.glob(os.path.join(packages, "bus1-dkms_*.deb"))
    root = os.path.join(directory, "root")
    os.makedirs(root, exist_ok=True)
    script = """
        mount -o loop "$1" "$2"
        mount -t proc proc "$2/proc"
        mount -t tmpfs tmpfs "$2/tmp"
        cp "$3" "$2/tmp/"
        chroot "$2" apt-get install -y --no-install-recommends "/tmp/${3##*/}"
        chroot "$2" sh -c 'find /lib/modules -name "bus1.ko*" | grep .'
        """
    result = subprocess.run(["unshare", "--mount", "--propagation=private", "sh", "-euc", script,
                             "sh", disk, root, package], stdin=subprocess.DEVNULL, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if result.returncode:
        print(result.stdout)
        raise Failure("bus1-dkms could not be installed in the machine")


def boot(image, disk, source, words, directory, number, clock="wall"):
    """
    Run the machine until it powers itself off. Returns the directory of its results. The files of
    this boot have the number in their names.
    """
    output = os.path.join(directory, "output")
    with open(output, "wb") as f:
        f.truncate(64 << 20)
    parameters = (f"root=/dev/vda rw console=ttyS0 quiet panic=-1 no_timer_check net.ifnames=0 "
                  f"machine.step={','.join(words)}")
    command = ["qemu-system-x86_64", *CLOCKS[clock], "-cpu", "max", "-m", "2048",
               "-nodefaults", "-nographic", "-no-reboot",
               "-serial", f"file:{directory}/console-{number}",
               "-kernel", f"{image}/vmlinuz", "-initrd", f"{image}/initrd.img",
               "-append", parameters,
               "-drive", f"file={disk},if=virtio,format=raw,cache=unsafe",
               "-drive", f"file={source},if=virtio,format=raw,readonly=on",
               "-drive", f"file={output},if=virtio,format=raw,cache=unsafe"]
    timeout = float(os.environ.get("VM_TIMEOUT", "1800"))
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Failure(f"the machine did not end in {timeout:.0f} s: "
                      f"see {directory}/console-{number}") from None
    results = os.path.join(directory, f"boot-{number}")
    try:
        with tarfile.open(output) as tar:
            tar.extractall(results)
    except tarfile.TarError:
        raise Failure(f"the machine left no results: see {directory}/console-{number}") from None
    results = os.path.join(results, "results")
    with open(f"{results}/status", encoding="utf-8") as f:
        status = f.read().strip()
    if status != "0":
        with open(f"{results}/log", encoding="utf-8", errors="replace") as f:
            print(f.read())
        raise Failure(f"a step failed: {results}")
    return results
