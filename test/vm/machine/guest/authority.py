# SPDX-License-Identifier: LGPL-2.1-or-later
"""polkit asks an ordinary user for a password on a terminal: right, wrong, and nobody to ask."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import termios
import time

import points

PASSWORD = "machine"
# pkttyagent tells by closing a descriptor that it is registered, and then asks for all of this shell
AGENT = ("rm -f /tmp/agent; mkfifo /tmp/agent; "
         "pkttyagent --process $$ --notify-fd 4 4>/tmp/agent & "
         "read x </tmp/agent; {} ; s=$?; kill $!; rm /tmp/agent; exit $s")
CHECK = ("pkcheck --action-id org.freedesktop.policykit.exec --process $$ "
         "--allow-user-interaction")
# name: (command, does it ask)
AGENTS = {
    "pkexec, pkttyagent": (AGENT.format("pkexec --disable-internal-agent id -u"), True),
    "pkcheck, pkttyagent": (AGENT.format(CHECK), True),
    "pkcheck without an agent": (CHECK, False),
    "pkexec without an agent": ("pkexec --disable-internal-agent id -u", False),
}
INTERNAL_AGENTS = {
    # refused even with the right password: pkexec's agent registers as root, and answers as the user
    "pkexec": ("pkexec id -u", True),
    "pkcheck": (f"{CHECK} --enable-internal-agent", True),
}


def on_terminal(command, password):
    """
    Run the command as the ordinary user on a terminal, and type the password when something asks.
    Returns the exit status and the text.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("setpriv", ["setpriv", f"--reuid={points.USER}", f"--regid={points.USER}",
                              "--init-groups", "--reset-env", "env", "LANG=C.UTF-8",
                              "SYSTEMD_COLORS=0", "sh", "-c", command])
    text, asked, deadline = "", 0, time.monotonic() + points.PATIENCE
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            data = os.read(terminal, 4096)
        except OSError:  # nobody has the terminal open any more
            break
        text += data.decode(errors="replace")
        if text.count("Password: ") > asked:
            asked += 1
            # what is typed before the echo is off gets lost
            while termios.tcgetattr(terminal)[3] & termios.ECHO and time.monotonic() < deadline:
                time.sleep(0.01)
            os.write(terminal, password.encode() + b"\n")
    else:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    # colours of the agent, and the process that it asks for
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return os.waitstatus_to_exitcode(status), re.sub(r"\d{3,}", "N", text)


def ask(transcript, commands):
    """The administrator is root, as the group sudo has no members: it gets a password for now."""
    shutil.copy2("/etc/shadow", "/etc/shadow.before")
    subprocess.run(["chpasswd"], input=f"root:{PASSWORD}\n", text=True, check=True)
    try:
        for name, (command, asks) in commands.items():
            for kind, password in (("right", PASSWORD), ("wrong", "other"))[:2 if asks else 1]:
                points.progress(f"{name}: {kind} password")
                status, text = on_terminal(command, password)
                transcript.add(f"polkit, {name}, {kind} password", f"{status}: {text}")
    finally:
        os.rename("/etc/shadow.before", "/etc/shadow")


def agents(transcript):
    ask(transcript, AGENTS)


def internal_agents(transcript):
    ask(transcript, INTERNAL_AGENTS)
