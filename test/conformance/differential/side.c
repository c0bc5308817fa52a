/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The two sides: see side.h. */

#include "test/conformance/differential/side.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/bench/raw.h"

#define PATIENCE_SECONDS 5 /* a bus that sends nothing for so long is regarded as hanging */

/* a session bus that allows everything, with limits so low that the sequences reach them */
static const char configuration[] =
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
        " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
        "<busconfig>\n"
        "  <type>session</type>\n"
        "  <listen>unix:path=%s</listen>\n"
        "  <auth>EXTERNAL</auth>\n"
        "  <policy context=\"default\">\n"
        "    <allow send_destination=\"*\" eavesdrop=\"true\"/>\n"
        "    <allow eavesdrop=\"true\"/>\n"
        "    <allow own=\"*\"/>\n"
        "  </policy>\n"
        "  <limit name=\"max_names_per_connection\">5</limit>\n"
        "  <limit name=\"max_match_rules_per_connection\">8</limit>\n"
        "  <limit name=\"max_replies_per_connection\">6</limit>\n"
        "</busconfig>\n";

void daemon_start(struct daemon *daemon, const char *binary, const char *directory,
                  const char *label) {
        char config[256], path[200], argument[300];
        int out[2];
        ssize_t n;
        FILE *f;

        daemon->binary = binary;
        snprintf(path, sizeof(path), "%s/%s.sock", directory, label);
        snprintf(config, sizeof(config), "%s/%s.conf", directory, label);
        f = fopen(config, "we");
        if (!f)
                raw_fail("%s: %s", config, strerror(errno));
        fprintf(f, configuration, path);
        fclose(f);

        if (pipe(out) < 0)
                raw_fail("pipe: %s", strerror(errno));
        daemon->pid = fork();
        if (daemon->pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGTERM);
                dup2(out[1], 1);
                close(out[0]);
                close(out[1]);
                if (!getenv("DIFFERENTIAL_LOG") && !freopen("/dev/null", "w", stderr))
                        _exit(127);
                snprintf(argument, sizeof(argument), "--config-file=%s", config);
                execlp(binary, binary, argument, "--nofork", "--print-address=1", NULL);
                _exit(127);
        }
        close(out[1]);
        n = read(out[0], daemon->address, sizeof(daemon->address) - 1);
        close(out[0]);
        if (n <= 0)
                raw_fail("%s does not start", binary);
        daemon->address[n] = 0;
        daemon->address[strcspn(daemon->address, "\n")] = 0;
}

bool daemon_stop(struct daemon *daemon) {
        int status;

        pid_t pid = daemon->pid;

        if (pid <= 0)
                return true;
        daemon->pid = 0;
        if (waitpid(pid, &status, WNOHANG) == pid)
                return false;
        kill(pid, SIGTERM);
        waitpid(pid, &status, 0);
        return (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
               (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* channels */

static bool channel_fill(struct channel *channel) {
        ssize_t n;

        if (channel->n_size - channel->n_in < 65536) {
                channel->n_size = channel->n_size ? 2 * channel->n_size : 131072;
                channel->in = realloc(channel->in, channel->n_size);
                if (!channel->in)
                        raw_fail("out of memory");
        }
        do
                n = recv(channel->fd, channel->in + channel->n_in, channel->n_size - channel->n_in,
                         0);
        while (n < 0 && errno == EINTR);
        if (n > 0)
                channel->n_in += n;
        else if (n == 0 || errno == ECONNRESET)
                channel->closed = true;
        else
                channel->broken = true;
        return n > 0;
}

static void channel_drop(struct channel *channel, size_t n) {
        channel->n_in -= n;
        memmove(channel->in, channel->in + n, channel->n_in);
}

static void read_line(struct channel *channel, char *line, size_t size) {
        for (;;) {
                const uint8_t *end = memchr(channel->in, '\n', channel->n_in);
                size_t n = end ? end + 1 - channel->in : 0;

                if (end && n < size) {
                        memcpy(line, channel->in, n);
                        line[n] = 0;
                        channel_drop(channel, n);
                        return;
                }
                if (end || !channel_fill(channel))
                        raw_fail("no answer to the authentication");
        }
}

void channel_open(struct channel *channel, const struct daemon *daemon, bool with_fds) {
        struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
        char start[128], hex[32] = "", uid[16], line[256];
        size_t n;

        channel->closed = channel->broken = false;
        channel->n_in = channel->n_taken = channel->n_messages = 0;
        channel->fd = raw_connect(daemon->address);
        if (channel->fd < 0)
                raw_fail("%s: %s", daemon->address, strerror(errno));
        setsockopt(channel->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));

        snprintf(uid, sizeof(uid), "%u", (unsigned)getuid());
        for (size_t i = 0; uid[i]; i++)
                snprintf(hex + 2 * i, 3, "%02x", uid[i]);
        start[0] = 0;
        n = 1 + snprintf(start + 1, sizeof(start) - 1, "AUTH EXTERNAL %s\r\n%sBEGIN\r\n", hex,
                         with_fds ? "NEGOTIATE_UNIX_FD\r\n" : "");
        raw_write(channel->fd, start, n);
        channel_fill(channel);
        read_line(channel, line, sizeof(line));
        if (strncmp(line, "OK ", 3) != 0)
                raw_fail("not authenticated: %s", line);
        if (with_fds) {
                read_line(channel, line, sizeof(line));
                if (strcmp(line, "AGREE_UNIX_FD\r\n") != 0)
                        raw_fail("no descriptors: %s", line);
        }
}

void channel_close(struct channel *channel) {
        close(channel->fd);
        channel->fd = -1;
        free(channel->in);
        free(channel->messages);
        *channel = (struct channel){.fd = -1};
}

void channel_write(struct channel *channel, const struct bytes *message) {
        size_t at = 0;

        while (at < message->n && !channel->closed) {
                ssize_t n = send(channel->fd, message->data + at, message->n - at, MSG_NOSIGNAL);

                if (n > 0)
                        at += n;
                else if (n == 0 || errno != EINTR)
                        return; /* the next read will find the end of the stream */
        }
}

static void message_add(struct channel *channel, size_t at) {
        if (channel->n_messages == channel->n_messages_size) {
                channel->n_messages_size =
                        channel->n_messages_size ? 2 * channel->n_messages_size : 32;
                channel->messages =
                        realloc(channel->messages, channel->n_messages_size * sizeof(size_t));
                if (!channel->messages)
                        raw_fail("out of memory");
        }
        channel->messages[channel->n_messages++] = at;
}

bool channel_get(const struct channel *channel, size_t i, struct received *ret) {
        size_t at = channel->messages[i];
        size_t end = i + 1 < channel->n_messages ? channel->messages[i + 1] : channel->n_taken;

        return received_parse(ret, channel->in + at, end - at);
}

bool channel_read_until(struct channel *channel,
                        bool (*found)(const struct received *m, const void *userdata),
                        const void *userdata) {
        for (;;) {
                size_t rest = channel->n_in - channel->n_taken;
                size_t n = received_size(channel->in + channel->n_taken, rest);
                struct received m;

                if (n > 0 && n <= rest) {
                        message_add(channel, channel->n_taken);
                        channel->n_taken += n;
                        if (!channel_get(channel, channel->n_messages - 1, &m)) {
                                channel->broken = true;
                                return false;
                        }
                        if (found(&m, userdata))
                                return true;
                } else if (channel->closed || channel->broken || !channel_fill(channel))
                        return false;
        }
}

void channel_forget(struct channel *channel) {
        channel_drop(channel, channel->n_taken);
        channel->n_taken = channel->n_messages = 0;
}
