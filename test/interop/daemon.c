/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A private session bus for one test. */

#include "test/interop/interop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* These limits allow a message of 64 MiB, and 1,000 pending calls. */
static const char config[] =
        "<busconfig><type>session</type><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>"
        "<servicedir>services</servicedir>"
        "<limit name=\"max_incoming_bytes\">1000000000</limit>"
        "<limit name=\"max_outgoing_bytes\">1000000000</limit>"
        "<limit name=\"max_message_size\">134217728</limit>"
        "<limit name=\"max_replies_per_connection\">5000</limit>"
        "<policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>"
        "<allow eavesdrop=\"true\"/><allow own=\"*\"/>%s</policy></busconfig>";

bool daemon_configure(struct daemon *daemon, const char *rules) {
        char path[96], new_path[96];
        FILE *f;

        snprintf(path, sizeof(path), "%s/config", daemon->directory);
        snprintf(new_path, sizeof(new_path), "%s/config.new", daemon->directory);
        f = fopen(new_path, "we");
        if (!f)
                return false;
        fprintf(f, config, daemon->directory, rules);
        return fclose(f) == 0 && rename(new_path, path) == 0;
}

bool daemon_start(struct daemon *daemon, const char *program, const char *rules) {
        strcpy(daemon->directory, "/tmp/bus1-interop-XXXXXX");
        return mkdtemp(daemon->directory) && daemon_configure(daemon, rules) &&
               daemon_run(daemon, program);
}

/*
 * If $INTEROP_REEXECUTE_MS is set, the bus executes its program again and again, with so much time
 * in between, as long as it lives.
 */
static void reexecute(pid_t bus) {
        const char *text = getenv("INTEROP_REEXECUTE_MS");
        useconds_t pause = text ? (useconds_t)atoi(text) * 1000 : 0;
        int pidfd;

        if (pause == 0)
                return;
        pidfd = (int)syscall(SYS_pidfd_open, bus, 0); /* the number may be another process soon */
        if (pidfd < 0 || fork() != 0) {
                close(pidfd);
                return;
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(pidfd, 3);
        close_range(4, ~0U, 0);
        do
                usleep(pause);
        while (syscall(SYS_pidfd_send_signal, 3, SIGUSR2, NULL, 0) == 0);
        _exit(0);
}

bool daemon_run(struct daemon *daemon, const char *program) {
        char path[96], option[64];
        int pipe_fds[2];
        ssize_t l;

        snprintf(path, sizeof(path), "%s/config", daemon->directory);
        if (pipe2(pipe_fds, 0) < 0)
                return false;
        daemon->pid = fork();
        if (daemon->pid < 0)
                return false;
        if (daemon->pid == 0) {
                char config_option[128];

                prctl(PR_SET_PDEATHSIG, SIGKILL);
                close(pipe_fds[0]);
                snprintf(option, sizeof(option), "--print-address=%d", pipe_fds[1]);
                snprintf(config_option, sizeof(config_option), "--config-file=%s", path);
                execl(program, program, config_option, "--nofork", option, NULL);
                _exit(127);
        }
        close(pipe_fds[1]);
        for (size_t n = 0;; n += (size_t)l) {
                l = read(pipe_fds[0], daemon->address + n, sizeof(daemon->address) - 1 - n);
                if (l <= 0)
                        break;
                daemon->address[n + (size_t)l] = 0;
                if (strchr(daemon->address, '\n'))
                        break;
        }
        close(pipe_fds[0]);
        daemon->address[strcspn(daemon->address, "\n")] = 0;
        reexecute(daemon->pid);
        return daemon->address[0] != 0;
}

void daemon_kill(struct daemon *daemon, int signo) {
        kill(daemon->pid, signo);
        waitpid(daemon->pid, NULL, 0);
}

bool daemon_stop(struct daemon *daemon) {
        char path[96];
        int status;

        kill(daemon->pid, SIGTERM);
        if (waitpid(daemon->pid, &status, 0) != daemon->pid)
                return false;
        snprintf(path, sizeof(path), "%s/config", daemon->directory);
        unlink(path);
        snprintf(path, sizeof(path), "%s/bus", daemon->directory);
        unlink(path);
        rmdir(daemon->directory);
        return (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
               (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}
