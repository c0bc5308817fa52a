/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Connections in a state document: a second bus takes over from the first one, in the same process.
 *
 * What it would hand over is, byte for byte, what it has taken over, and it holds as much for its
 * users. Then the connections go on in it. The first bus is not used any more: its descriptors are
 * those of the second one. So each test needs a process of its own.
 */

#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scm.h"
#include "bridge/bus/configure.h"
#include "bridge/bus/descriptors.h"
#include "bridge/bus/held.h"
#include "bridge/bus/membership.h"
#include "bridge/bus/receive.h"
#include "bridge/bus/state-clients.h"
#include "bridge/bus/state-members.h"
#include "bridge/bus/state-names.h"
#include "bridge/driver/driver.h"
#include "bridge/socket/connection-life.h"
#include "bridge/socket/linger.h"
#include "bridge/socket/server-setup.h"
#include "bridge/socket/state-connections.h"
#include "bridge/socket/state-listeners.h"
#include "bridge/state/message-record.h"
#include "bridge/wire/writer.h"
#include "test/unit/memory.h"
#include "test/unit/suite.h"

#define MS INT64_C(1000000)
#define KIB 1024
#define GUID "0123456789abcdef0123456789abcdef"
#define ALL_MECHANISMS \
        (SASL_MECHANISM_EXTERNAL | SASL_MECHANISM_COOKIE_SHA1 | SASL_MECHANISM_ANONYMOUS)

struct side {
        struct bus bus;
        struct loop loop;
        struct server server;
        struct bus_config *config;
        struct loop_timer end;
};

static struct side first, second;
static struct side *side; /* that serves */
static char home[] = "/tmp/bus-state-XXXXXX";
static bool policy_is_old;

/* the loop */

static int ended(struct loop_timer *timer) {
        (void)timer;
        loop_stop(&side->loop);
        return 0;
}

static void run_for(int64_t ms) {
        side->loop.stop = false;
        side->end.expired = ended;
        ck_assert_int_eq(loop_timer_set(&side->loop, &side->end, loop_now() + ms * MS), 0);
        ck_assert_int_eq(loop_run(&side->loop), 0);
        loop_timer_cancel(&side->loop, &side->end);
}

/* Until nothing is to be done any more. */
static void run(void) {
        do
                run_for(1);
        while (side->bus.schedule.work.is_wanted);
}

static bool (*is_reached)(void);

static int look(void *userdata) {
        (void)userdata;
        if (is_reached())
                loop_stop(&side->loop);
        return 0;
}

/* Run turns until this is so. */
static void run_until(bool (*condition)(void)) {
        is_reached = condition;
        side->loop.between = look;
        run_for(5000);
        side->loop.between = NULL;
        ck_assert(condition());
}

/* a side */

static bool is_old(void *process) {
        (void)process;
        return policy_is_old;
}

static struct bus_config *make_config(const char *rules) {
        char path[] = "/tmp/bus-state-config-XXXXXX", *error = NULL;
        struct bus_config *made;
        int fd = mkstemp(path);

        ck_assert_int_ge(fd, 0);
        dprintf(fd,
                "<busconfig><listen>unix:path=/nonexistent</listen><allow_anonymous/>"
                "<limit name=\"max_incomplete_connections\">14</limit>"
                "<policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/>"
                "<allow send_destination=\"*\"/><allow receive_sender=\"*\"/>%s</policy>"
                "</busconfig>",
                rules);
        ck_assert_msg(bus_config_load(path, NULL, &made, &error) == 0, "%s", error);
        close(fd);
        unlink(path);
        return made;
}

static void configure(struct side *s, const char *rules) {
        struct bus_config *old = s->config;

        s->config = make_config(rules);
        ck_assert_int_eq(bus_configure(&s->bus, s->config), 0);
        server_configure(&s->server, s->config);
        s->server.mechanisms = ALL_MECHANISMS;
        bus_config_free(old);
}

static void side_init(struct side *s) {
        ck_assert_int_eq(loop_init(&s->loop), 0);
        ck_assert_int_eq(bus_init(&s->bus, NULL), 0);
        ck_assert_int_eq(driver_add_interfaces(&s->bus), 0);
        ck_assert_int_eq(server_init(&s->server, &s->bus, &s->loop), 0);
        s->bus.hooks.policy_is_old = is_old;
        configure(s, "");
        side = s;
}

static void side_start(struct side *s) {
        ck_assert_int_eq(server_start(&s->server), 0);
}

/* All charges are gone with what was charged. */
static void side_deinit(struct side *s) {
        server_deinit(&s->server);
        ck_assert_ptr_null(s->bus.clients);
        ck_assert_uint_eq(s->bus.n_incomplete, 0);
        ck_assert_uint_eq(s->bus.fds[FDS_HELD].used, 0);
        ck_assert_uint_eq(s->bus.fds[FDS_SENT].used, 0);
        account_forget_idle(&s->bus);
        ck_assert_ptr_null(s->bus.accounts);
        ck_assert_uint_eq(s->loop.n_timers, 0);
        bus_deinit(&s->bus);
        bus_config_free(s->config);
        loop_deinit(&s->loop);
}

static void setup(void) {
        const struct sockaddr_un any = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct listener *listener;

        ck_assert_ptr_nonnull(mkdtemp(home));
        setenv("HOME", home, 1);
        side_init(&first);
        /* an abstract name that the kernel chooses */
        ck_assert_int_eq(bind(fd, (const struct sockaddr *)&any, sizeof(any.sun_family)), 0);
        ck_assert_int_eq(listen(fd, 1), 0);
        ck_assert_int_eq(listener_new(&first.server, fd, GUID, &listener), 0);
        side_start(&first);
}

static void teardown(void) {
        char command[64];

        side_deinit(side);
        snprintf(command, sizeof(command), "rm -r %s", home);
        ck_assert_int_eq(system(command), 0);
}

/* the document */

static void save_all(struct side *s, struct state_save *save) {
        members_save(&s->bus, save);
        listeners_save(&s->server, save);
        connections_save(&s->server, save);
        clients_save(&s->bus, save);
        names_save(&s->bus, save);
        outputs_save(&s->server, save);
}

static int try_to_save(struct side *s, int *ret_fd) {
        struct state_save save;
        int r;

        state_save_init(&save, "test");
        save_all(s, &save);
        r = state_save_finish(&save, ret_fd);
        state_save_deinit(&save);
        return r;
}

static int save(struct side *s) {
        int fd = -1;

        ck_assert_int_eq(try_to_save(s, &fd), 0);
        return fd;
}

static int load_record(struct side *s, struct state_load *load) {
        int r = members_load(&s->bus, load);

        if (r == 1)
                r = listeners_load(&s->server, load);
        if (r == 1)
                r = connections_load(&s->server, load);
        if (r == 1)
                r = orphans_load(&s->bus, load);
        if (r == 1)
                r = names_load(&s->bus, load);
        if (r == 1 && state_kind_is(load, STATE_MESSAGE))
                r = state_load_message(load);
        return r == 1 ? state_unknown_kind(load) : r;
}

static int load_all(struct side *s, struct state_load *load) {
        int r = 0;

        while (r >= 0 && (r = state_load_next(load)) > 0)
                r = load_record(s, load);
        if (r == 0)
                r = connections_loaded(&s->server, load);
        if (r == 0)
                r = names_loaded(&s->bus, load);
        if (r == 0)
                members_loaded(&s->bus, load);
        return r;
}

static void compare(int a, int b) {
        struct stat stat_a, stat_b;
        void *data_a, *data_b;

        ck_assert_int_eq(fstat(a, &stat_a), 0);
        ck_assert_int_eq(fstat(b, &stat_b), 0);
        ck_assert_int_eq(stat_a.st_size, stat_b.st_size);
        data_a = mmap(NULL, (size_t)stat_a.st_size, PROT_READ, MAP_PRIVATE, a, 0);
        data_b = mmap(NULL, (size_t)stat_b.st_size, PROT_READ, MAP_PRIVATE, b, 0);
        ck_assert(data_a != MAP_FAILED && data_b != MAP_FAILED);
        ck_assert_int_eq(memcmp(data_a, data_b, (size_t)stat_a.st_size), 0);
        munmap(data_a, (size_t)stat_a.st_size);
        munmap(data_b, (size_t)stat_b.st_size);
}

/* The memory of messages is not compared: their buffers may have more or less room. */
static void compare_charges(void) {
        struct account *account, *next, *other;
        struct client *client, *its;

        HASH_ITER(hh, first.bus.accounts, account, next) {
                other = account_find(&second.bus, account->uid);
                ck_assert_ptr_nonnull(other);
                ck_assert_uint_eq(account->n_refs, other->n_refs);
                ck_assert_uint_eq(account->n_connections, other->n_connections);
                ck_assert_uint_eq(account->n_newcomers, other->n_newcomers);
                ck_assert_uint_eq(account->n_parked, other->n_parked);
                ck_assert_uint_eq(account->n_shares, other->n_shares);
                ck_assert_uint_eq(account->outgoing_fds, other->outgoing_fds);
                for (unsigned i = 0; i < N_FDS; i++)
                        ck_assert_uint_eq(account->fds[i], other->fds[i]);
                ck_assert_uint_eq(account->queued > 0, other->queued > 0);
                ck_assert_uint_eq(account->answers > 0, other->answers > 0);
                ck_assert_uint_eq(account->backlog > 0, other->backlog > 0);
        }
        ck_assert_uint_eq(HASH_COUNT(first.bus.accounts), HASH_COUNT(second.bus.accounts));
        ck_assert_uint_eq(first.bus.n_incomplete, second.bus.n_incomplete);
        its = second.bus.clients;
        DL_FOREACH(first.bus.clients, client) {
                ck_assert_ptr_nonnull(its);
                ck_assert_uint_eq(client->n_outgoing, its->n_outgoing);
                ck_assert_uint_eq(client->outgoing_bytes, its->outgoing_bytes);
                ck_assert_uint_eq(client->outgoing_fds, its->outgoing_fds);
                ck_assert_uint_eq(client->n_notices, its->n_notices);
                ck_assert_uint_eq(client->backlog->n_messages, its->backlog->n_messages);
                ck_assert_uint_eq(client->backlog->bytes, its->backlog->bytes);
                ck_assert_uint_eq(client->backlog->fds, its->backlog->fds);
                ck_assert_uint_eq(client->credentials.uid, its->credentials.uid);
                ck_assert_uint_eq(client->credentials.pid, its->credentials.pid);
                its = its->next;
        }
        ck_assert_ptr_null(its);
}

static __typeof__(((struct bus_hooks *)NULL)->session_begin) second_session_begin;

/* The second bus takes over, and goes on. */
static void take_over(void) {
        struct state_load document;
        int a, b, r;

        a = save(&first);
        side_init(&second);
        r = state_load_init(&document, a);
        r = r < 0 ? r : load_all(&second, &document);
        ck_assert_msg(r == 0, "%s", document.error_text);
        b = save(&second);
        compare(a, b);
        compare_charges();
        /* like the native front end, which comes after the connections */
        second.bus.hooks.session_begin = second_session_begin;
        side_start(&second);
        state_load_deinit(&document);
        ck_assert_int_eq(connections_wake(&second.server), 0);
        close(a);
        close(b);
}

/* programs */

struct program {
        int fd, bus_fd;                /* of both ends */
        struct connection *connection; /* in the first bus */
};

static struct program connect_to(struct listener *listener, int fd, int bus_fd) {
        struct program program = {.fd = fd, .bus_fd = bus_fd};

        ck_assert_int_eq(connection_new(&first.server, bus_fd, listener, &program.connection), 0);
        return program;
}

static struct program program_new(void) {
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
                         0);
        return connect_to(first.server.listeners, fds[0], fds[1]);
}

static void say(struct program *program, const void *bytes, size_t n) {
        ck_assert_int_eq(send(program->fd, bytes, n, MSG_NOSIGNAL), (ssize_t)n);
}

static void say_text(struct program *program, const char *text) {
        say(program, text, strlen(text));
}

static void say_with_fd(struct program *program, const void *bytes, size_t n, int fd) {
        struct iovec iov = {.iov_base = (void *)bytes, .iov_len = n};
        struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
        union scm_buffer control;

        scm_attach(&header, &control, &fd, 1);
        ck_assert_int_eq(sendmsg(program->fd, &header, MSG_NOSIGNAL), (ssize_t)n);
}

/* Run until the program can read exactly this. */
static void expect(struct program *program, const char *text) {
        char got[512];
        size_t n = 0;

        for (unsigned i = 0; i < 400 && n < strlen(text); i++) {
                ssize_t k = recv(program->fd, got + n, sizeof(got) - 1 - n, MSG_DONTWAIT);

                if (k > 0)
                        n += (size_t)k;
                else
                        run_for(5);
        }
        got[n] = '\0';
        ck_assert_str_eq(got, text);
}

static void to_hex(const char *text, char *hex) {
        for (; *text; text++, hex += 2)
                snprintf(hex, 3, "%02x", (uint8_t)*text);
}

static void begin(struct program *program, const char *more) {
        say(program, "", 1);
        say_text(program, "AUTH EXTERNAL\r\nDATA\r\n");
        expect(program, "DATA\r\nOK " GUID "\r\n");
        say_text(program, more);
}

static struct program client_new(void) {
        struct program program = program_new();

        begin(&program, "NEGOTIATE_UNIX_FD\r\nBEGIN\r\n");
        expect(&program, "AGREE_UNIX_FD\r\n");
        run();
        ck_assert(program.connection->has_client);
        return program;
}

static struct message *hello(void) {
        struct message *m;
        struct writer w;

        writer_init(&w, MESSAGE_TYPE_METHOD_CALL, 0, 1, "");
        w.destination = BUS_DRIVER_NAME;
        w.path = BUS_DRIVER_PATH;
        w.interface = BUS_DRIVER_INTERFACE;
        w.member = "Hello";
        ck_assert_int_eq(writer_finish(&w, &m), 0);
        return m;
}

/* A message with the sender ":1.99" of n strings, and a descriptor. */
static struct message *make_message(size_t n_strings, int fd) {
        struct message *m;
        struct writer w;

        writer_init(&w, MESSAGE_TYPE_SIGNAL, 0, 7, fd < 0 ? "as" : "ash");
        w.path = "/a";
        w.interface = "i.j";
        w.member = "M";
        w.sender = ":1.99";
        writer_array_begin(&w, 4);
        for (size_t i = 0; i < n_strings; i++)
                writer_string(&w, "0123456789abcdef0123456789abcdef0123456789abcdef");
        writer_array_end(&w);
        if (fd >= 0)
                writer_fd(&w, fd);
        ck_assert_int_eq(writer_finish(&w, &m), 0);
        return m;
}

/* Queue a message that another client (NULL: the bus) has sent. */
static void deliver(struct program *to, struct program *from, struct message *m) {
        struct client *client = &to->connection->client;

        if (from)
                quota_charge_sender(&from->connection->client, client, m);
        ck_assert_int_eq(connection_client_ops.deliver(client, m, NULL, 0), 0);
        message_unref(m);
}

/* What the program reads, with the bus that serves now, until it has as many bytes. */
static size_t read_all(struct program *program, uint8_t *bytes, size_t n, size_t *ret_n_fds) {
        int fds[SCM_FDS_MAX];
        size_t at = 0, n_fds;

        *ret_n_fds = 0;
        for (unsigned i = 0; i < 400 && at < n;) {
                struct iovec iov = {.iov_base = bytes + at, .iov_len = n - at};
                union scm_buffer control;
                struct msghdr header = {
                        .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control),
                };
                ssize_t k = recvmsg(program->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

                if (k > 0) {
                        at += (size_t)k;
                        n_fds = scm_take(&header, fds);
                        for (size_t j = 0; j < n_fds; j++)
                                close(fds[j]);
                        *ret_n_fds += n_fds;
                } else {
                        run_for(5);
                        i++;
                }
        }
        return at;
}

/* The connection of a program in the second bus. */
static struct connection *connection_of(const struct program *program) {
        struct connection *connection;

        DL_FOREACH(second.server.connections, connection) {
                if (connection->source.fd == program->bus_fd)
                        return connection;
        }
        return NULL;
}

/* tests */

/* The whole handshake, as it goes after n bytes. */
static const char handshake[] =
        "\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nERROR\r\nAUTH ANONYMOUS\r\n"
        "CANCEL\r\nFOO\r\nAUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";
static const char answers[] =
        "DATA\r\nOK " GUID "\r\nAGREE_UNIX_FD\r\nREJECTED EXTERNAL DBUS_COOKIE_SHA1 ANONYMOUS\r\n"
        "OK " GUID "\r\nREJECTED EXTERNAL DBUS_COOKIE_SHA1 ANONYMOUS\r\n"
        "ERROR \"Need to authenticate first\"\r\nDATA\r\nOK " GUID "\r\nAGREE_UNIX_FD\r\n";

START_TEST(handshake_goes_on_at_each_byte) {
        struct program programs[sizeof(handshake)];

        first.bus.limits.max_incomplete_connections = 1000;
        for (size_t i = 0; i < sizeof(handshake); i++) {
                programs[i] = program_new();
                say(&programs[i], handshake, i);
                run_for(1);
        }
        run();
        ck_assert(programs[sizeof(handshake) - 1].connection->has_client);
        take_over();
        for (size_t i = 0; i < sizeof(handshake); i++) {
                if (i + 1 < sizeof(handshake))
                        say(&programs[i], handshake + i, sizeof(handshake) - 1 - i);
                expect(&programs[i], answers);
                run();
                ck_assert(connection_of(&programs[i])->client.fds_negotiated);
                ck_assert_uint_eq(connection_of(&programs[i])->client.credentials.pid,
                                  (uint32_t)getpid());
        }
}
END_TEST

START_TEST(cookie_is_remembered) {
        char line[256] = "AUTH DBUS_COOKIE_SHA1 ", uid[16];
        struct program program = program_new(), late = program_new();
        struct sasl_server *sasl = &program.connection->sasl, *its;

        snprintf(uid, sizeof(uid), "%u", (unsigned)getuid());
        to_hex(uid, line + strlen(line));
        strcat(line, "\r\n");
        say(&program, "", 1);
        say_text(&program, line);
        for (unsigned i = 0; i < 400 && !sasl->challenge; i++)
                run_for(5);
        ck_assert_ptr_nonnull(sasl->challenge);

        /* the look-up of the other one does not end before the first bus does */
        say(&late, "", 1);
        say_text(&late, line);
        say_text(&late, "CANCEL\r\n");
        while (!late.connection->cookie.queued)
                run_for(0);
        cookies_stop(&first.server.cookies);
        take_over();
        its = &connection_of(&program)->sasl;
        ck_assert_uint_eq(its->state, sasl->state);
        ck_assert_ptr_nonnull(its->challenge);
        say_text(&program, "CANCEL\r\n");
        run();
        ck_assert_ptr_null(its->challenge);
        for (unsigned i = 0; i < 400 && connection_of(&late)->sasl.n_rejected == 0; i++)
                run_for(5);
        ck_assert_uint_eq(connection_of(&late)->sasl.n_rejected, 1);
}
END_TEST

START_TEST(anonymous_client_stays_one) {
        struct program program = program_new();

        say(&program, "", 1);
        say_text(&program, "AUTH ANONYMOUS\r\nBEGIN\r\n");
        expect(&program, "OK " GUID "\r\n");
        run();
        ck_assert_uint_eq(program.connection->client.credentials.uid, UINT32_MAX);
        take_over();
        ck_assert_uint_eq(connection_of(&program)->client.credentials.uid, UINT32_MAX);
        ck_assert_uint_eq(connection_of(&program)->client.credentials.pid, (uint32_t)getpid());
}
END_TEST

static int refuse_session(void *native, struct native_anchor *anchor,
                          const struct client_credentials *credentials, enum sasl_bus1_mode mode,
                          int fd, struct native_session **ret_session, uint64_t *ret_handle,
                          int *ret_fd, const char **ret_why) {
        (void)native, (void)anchor, (void)credentials, (void)ret_session, (void)ret_handle;
        *ret_fd = -1;
        *ret_why = mode == SASL_BUS1_DEVICE && fd >= 0 ? "got it" : "something is missing";
        if (fd >= 0)
                close(fd);
        return -EPERM;
}

/* The steps that the policy denies are BEGIN and NEGOTIATE_BUS1. */
START_TEST(handshake_waits_for_policy) {
        const char bus1[] = "NEGOTIATE_BUS1 device\r\n";
        struct program program, expired, native;

        first.bus.hooks.session_begin = refuse_session;
        program = program_new();
        expired = program_new();
        native = program_new();
        begin(&program, "");
        begin(&expired, "");
        begin(&native, "");
        configure(&first, "<deny user=\"*\"/>");
        policy_is_old = true;
        say_text(&program, "BEGIN\r\nrest");
        say_text(&expired, "BEGIN\r\n");
        say_with_fd(&native, bus1, strlen(bus1), STDIN_FILENO);
        run();
        ck_assert_ptr_nonnull(program.connection->visit.bus);
        ck_assert_ptr_nonnull(native.connection->visit.bus);
        loop_timer_cancel(&first.loop, &expired.connection->visit.timer);
        expired.connection->visit.is_over = true;
        second_session_begin = refuse_session;
        take_over();
        ck_assert_ptr_nonnull(connection_of(&program)->visit.bus);
        ck_assert_ptr_nonnull(connection_of(&expired)->visit.bus);
        ck_assert(connection_of(&expired)->visit.is_over);
        ck_assert_int_eq(connection_of(&program)->visit.timer.deadline,
                         program.connection->visit.deadline);
        ck_assert_ptr_nonnull(connection_of(&native)->visit.bus);
        run();
        ck_assert(connection_of(&program)->has_client);
        ck_assert(connection_of(&expired)->has_client);
        ck_assert_uint_eq(connection_of(&program)->input.n_header, 4);
        expect(&native, "ERROR \"got it\"\r\n");
        say_text(&native, bus1);
        expect(&native, "ERROR \"something is missing\"\r\n");
}
END_TEST

START_TEST(message_goes_on_at_each_byte) {
        struct message *m = hello();
        struct program *programs = calloc(m->n_wire + 1, sizeof(*programs));
        size_t n_complete = 0;

        first.bus.limits.max_incomplete_connections = 1000;
        for (size_t i = 0; i < m->n_wire; i++) {
                programs[i] = client_new();
                if (i > 0)
                        say_with_fd(&programs[i], m->wire, i, STDIN_FILENO);
                run();
                ck_assert_uint_eq(programs[i].connection->n_held_fds, i > 0);
                ck_assert_uint_eq(programs[i].connection->fd_timer.index > 0, i > 0);
        }
        take_over();
        for (size_t i = 0; i < m->n_wire; i++) {
                struct connection *connection = connection_of(&programs[i]);

                say(&programs[i], m->wire + i, m->n_wire - i);
                run();
                n_complete += connection->is_complete;
                ck_assert_uint_eq(connection->n_held_fds, 0);
                ck_assert_uint_eq(connection->fd_timer.index, 0);
        }
        ck_assert_uint_eq(n_complete, m->n_wire);
        message_unref(m);
        free(programs);
}
END_TEST

static struct program checked;

static bool is_being_checked(void) {
        return checked.connection->input.check != NULL;
}

/* The check of a large body begins anew. */
START_TEST(body_is_checked_anew) {
        struct message *m = make_message(200000, STDIN_FILENO);
        struct connection *connection;
        size_t at = KIB;

        checked = client_new();
        say_with_fd(&checked, m->wire, at, m->fds[0]);
        while (at < m->n_wire) {
                ssize_t n = send(checked.fd, m->wire + at, m->n_wire - at, MSG_NOSIGNAL);

                if (n > 0)
                        at += (size_t)n;
                else if (at < m->n_wire)
                        run_for(0);
        }
        run_until(is_being_checked);
        ck_assert_uint_eq(checked.connection->n_held_fds, 1);
        take_over();
        connection = connection_of(&checked);
        ck_assert_uint_eq(connection->n_held_fds, 1);
        run();
        /* a client that has not said Hello may not send it */
        ck_assert_ptr_null(connection_of(&checked));
        ck_assert_uint_eq(second.bus.fds[FDS_HELD].used, 0);
        message_unref(m);
}
END_TEST

/* A socket takes a part of its queue, which has messages with descriptors. */
START_TEST(output_goes_on_at_its_byte) {
        const size_t n_messages = 400;
        struct program reader = client_new(), sender = client_new(), gone = client_new();
        size_t n_bytes = 0, n_fds = 0, n_sent = 0, n_read, at = 0;
        struct message **messages = calloc(n_messages, sizeof(*messages));
        struct connection *connection;
        uint8_t *bytes;

        first.bus.limits.max_outgoing_unix_fds = 1000;
        for (size_t i = 0; i < n_messages; i++) {
                struct message *m =
                        make_message(i % 50 == 5 ? 5000 : 20, i % 7 == 0 ? STDIN_FILENO : -1);

                messages[i] = message_ref(m);
                n_bytes += m->n_wire;
                n_sent += m->n_fds;
                deliver(&reader, i % 3 == 0 ? &sender : i % 3 == 1 ? &gone : NULL, m);
        }
        run();
        connection = reader.connection;
        ck_assert_uint_gt(connection->output.n_queued, 10);
        ck_assert_uint_gt(connection->output.n_written, 0);
        ck_assert_uint_gt(connection->output.n_fds_sent, 0);
        close(gone.fd);
        run();
        ck_assert_uint_eq(first.bus.n_incomplete, 2);
        take_over();
        bytes = malloc(n_bytes + 1);
        n_read = read_all(&reader, bytes, n_bytes, &n_fds);
        ck_assert_uint_eq(n_read, n_bytes);
        ck_assert_uint_eq(n_fds, n_sent);
        for (size_t i = 0; i < n_messages; i++) {
                ck_assert_int_eq(memcmp(bytes + at, messages[i]->wire, messages[i]->n_wire), 0);
                at += messages[i]->n_wire;
                messages[i]->n_fds = 0; /* the second bus has closed them */
                message_unref(messages[i]);
        }
        run();
        connection = connection_of(&reader);
        ck_assert_uint_eq(connection->output.n_queued, 0);
        ck_assert_uint_eq(connection->client.account->queued, 0);
        ck_assert_uint_eq(connection->client.account->backlog, 0);
        ck_assert_uint_eq(connection_of(&sender)->client.backlog->n_messages, 0);
        ck_assert_ptr_eq(connection_of(&gone), NULL);
        free(messages);
        free(bytes);
}
END_TEST

/* What other users have put into the queue counts as theirs, and a large message extra. */
START_TEST(shares_of_other_users_are_counted) {
        struct program reader = client_new();
        size_t n_bytes = 0, n_fds;
        struct account *account;
        uint32_t n_messages;
        uint8_t *bytes;

        for (unsigned i = 0; i < 5; i++) {
                struct message *m = make_message(i == 3 ? 100000 : 5000, -1);

                m->cost = message_memory(m);
                m->caused_by = i % 2 ? 4242 : 4243;
                n_bytes += m->n_wire;
                deliver(&reader, NULL, m);
        }
        run();
        account = reader.connection->client.account;
        ck_assert_uint_eq(account->n_shares, 2);
        ck_assert_ptr_nonnull(account->bulky);
        n_messages = account_find_share(account, 4243)->n_messages;
        take_over();
        account = connection_of(&reader)->client.account;
        ck_assert_uint_eq(account->n_shares, 2);
        ck_assert_ptr_nonnull(account->bulky);
        ck_assert_ptr_eq(account->bulky_at, &connection_of(&reader)->client);
        ck_assert_uint_eq(account_find_share(account, 4243)->n_messages, n_messages);
        bytes = malloc(n_bytes);
        ck_assert_uint_eq(read_all(&reader, bytes, n_bytes, &n_fds), n_bytes);
        run();
        ck_assert_uint_eq(account->n_shares, 0);
        ck_assert_ptr_null(account->bulky);
        ck_assert_uint_eq(account->queued, 0);
        free(bytes);
}
END_TEST

/* Answers of the handshake that a socket does not take. */
START_TEST(bytes_of_handshake_are_kept) {
        struct program program = program_new();
        const size_t n_lines = 40000;
        char *got;
        size_t n = 0, n_fds;

        say(&program, "", 1);
        for (size_t i = 0; i < n_lines; i++)
                n += strlen("ERROR \"Need to authenticate first\"\r\n");
        for (size_t i = 0; i < n_lines; i++) {
                ck_assert_int_eq(connection_send_bytes(
                                         program.connection,
                                         "ERROR \"Need to authenticate first\"\r\n",
                                         strlen("ERROR \"Need to authenticate first\"\r\n"), -1),
                                 0);
        }
        run();
        ck_assert_uint_gt(program.connection->output.n_queued, 0);
        ck_assert(connection_handshake_waits(program.connection));
        say_text(&program, "AUTH EXTERNAL\r\n");
        run();
        take_over();
        run();
        got = malloc(n);
        ck_assert_uint_eq(read_all(&program, (uint8_t *)got, n, &n_fds), n);
        ck_assert_mem_eq(got + n - 8, "first\"\r\n", 8);
        expect(&program, "DATA\r\n");
        free(got);
}
END_TEST

/* It reads the rest, but has shut down its side. */
START_TEST(client_that_reads_the_rest) {
        struct program program = client_new();
        size_t n_bytes = 0, n_fds;
        uint8_t *bytes;

        for (size_t i = 0; i < 400; i++) {
                struct message *m = make_message(20, -1);

                n_bytes += m->n_wire;
                deliver(&program, NULL, m);
        }
        shutdown(program.fd, SHUT_WR);
        run();
        ck_assert_int_eq(program.connection->state, CONNECTION_DRAINING);
        take_over();
        run();
        ck_assert_ptr_nonnull(connection_of(&program));
        bytes = malloc(n_bytes);
        ck_assert_uint_eq(read_all(&program, bytes, n_bytes, &n_fds), n_bytes);
        run();
        ck_assert_ptr_null(connection_of(&program));
        free(bytes);
}
END_TEST

/* Its socket is broken, and it leaves when all that it has sent has been read. */
START_TEST(broken_output_stays_broken) {
        struct program program = client_new();

        deliver(&program, NULL, make_message(1, -1));
        output_break(&program.connection->output);
        program.connection->is_readable = true;
        take_over();
        ck_assert(connection_of(&program)->output.is_broken);
        run();
        ck_assert_ptr_null(connection_of(&program));
}
END_TEST

START_TEST(newcomers_keep_their_order) {
        struct program programs[20];
        struct account *account;

        for (unsigned i = 0; i < 20; i++)
                programs[i] = program_new();
        run();
        account = first.bus.accounts;
        ck_assert_uint_eq(account->n_newcomers, 14);
        ck_assert_uint_eq(account->n_parked, 6);
        take_over();
        account = second.bus.accounts;
        ck_assert_uint_eq(account->n_newcomers, 14);
        ck_assert_uint_eq(account->n_parked, 6);
        ck_assert_ptr_eq(account->parked, &connection_of(&programs[14])->newcomer);
        for (unsigned i = 0; i < 20; i++) {
                struct connection *connection = connection_of(&programs[i]);

                ck_assert_uint_eq(connection->auth_timer.index > 0, i < 14);
                ck_assert_int_eq(connection->auth_timer.deadline,
                                 programs[i].connection->auth_timer.deadline);
        }
        /* the place of one that leaves is that of the first one that waits */
        close(programs[3].fd);
        run();
        ck_assert(!connection_of(&programs[14])->newcomer.is_parked);
        ck_assert(connection_of(&programs[15])->newcomer.is_parked);
}
END_TEST

/* A socket that is closed, but whose descriptors nobody has read. */
START_TEST(lingering_socket_stays) {
        struct program program = client_new();

        deliver(&program, NULL, make_message(1, STDIN_FILENO));
        run();
        ck_assert_uint_eq(program.connection->output.n_fds_sent, 1);
        connection_close(program.connection, "test");
        run();
        ck_assert_ptr_nonnull(first.server.lingering);
        take_over();
        ck_assert_ptr_nonnull(second.server.lingering);
        ck_assert_uint_eq(second.bus.accounts->fds[FDS_SENT], 1);
        close(program.fd);
        linger_check(&second.server);
        ck_assert_ptr_null(second.server.lingering);
        ck_assert_uint_eq(second.bus.fds[FDS_SENT].used, 0);
}
END_TEST

START_TEST(nonce_goes_on_at_each_byte) {
        struct sockaddr_in address = {.sin_family = AF_INET};
        socklen_t n = sizeof(address);
        struct program programs[LISTENER_NONCE_SIZE + 1];
        uint8_t nonce[LISTENER_NONCE_SIZE];
        struct listener *listener;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        ck_assert_int_eq(listen(fd, 100), 0);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &n), 0);
        ck_assert_int_eq(listener_new(&first.server, fd, GUID, &listener), 0);
        listener->is_tcp = true;
        listener->nonce_file = strdup("/nonexistent/a/nonce");
        first.bus.limits.max_incomplete_connections = 1000;
        for (unsigned i = 0; i < sizeof(nonce); i++)
                listener->nonce[i] = nonce[i] = (uint8_t)(i * 7);
        for (unsigned i = 0; i <= sizeof(nonce); i++) {
                int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), accepted;

                ck_assert_int_eq(connect(client, (struct sockaddr *)&address, n), 0);
                accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
                programs[i] = connect_to(listener, client, accepted);
                if (i > 0)
                        say(&programs[i], nonce, i);
        }
        run();
        take_over();
        for (unsigned i = 0; i <= sizeof(nonce); i++) {
                if (i < sizeof(nonce))
                        say(&programs[i], nonce + i, sizeof(nonce) - i);
                say(&programs[i], "", 1);
                say_text(&programs[i], "AUTH ANONYMOUS\r\n");
                expect(&programs[i], "OK " GUID "\r\n");
        }
}
END_TEST

/* What is held in no queue is charged in the same way. */
START_TEST(held_message_is_charged_without_limits) {
        struct program program = client_new();
        struct client *client = &program.connection->client;
        struct message *m = make_message(3, STDIN_FILENO);

        quota_set_cause(client, m);
        ck_assert_int_eq(held_charge(client, m), 0);
        first.bus.limits.max_pending_service_starts = 1;
        first.bus.limits.max_incoming_unix_fds = 0;
        ck_assert_int_eq(held_charge(client, m), HELD_E_COUNT);
        held_restore(client, m);
        ck_assert_uint_eq(client->account->n_waiting, 2);
        ck_assert_uint_eq(client->account->fds[FDS_HELD], 2);
        ck_assert_uint_eq(client->backlog->n_messages, 2);
        ck_assert_uint_eq(client->backlog->bytes, 2 * m->n_wire);
        held_discharge(client, m);
        held_discharge(client, m);
        ck_assert_uint_eq(client->account->backlog, 0);
        message_unref(m);
}
END_TEST

/* Connections that are being closed are gone before a document is written. */
START_TEST(closing_connections_end) {
        struct program a = client_new(), b = program_new(), c = client_new();

        connection_close(a.connection, "test");
        connection_close(b.connection, "test");
        ck_assert_int_eq(connections_end_closing(&first.server), 0);
        ck_assert_ptr_eq(first.server.connections, c.connection);
        ck_assert_ptr_null(c.connection->next);
        ck_assert_ptr_eq(first.bus.clients, &c.connection->client);
        take_over();
}
END_TEST

/* Connections in many states, and their document. */
static int save_many(void) {
        struct program programs[] = {program_new(), program_new(), client_new(), client_new(),
                                     client_new(),  client_new(),  program_new()};
        struct message *m = hello();

        say(&programs[0], "\0AUTH EXT", 9);
        begin(&programs[1], "NEGOTIATE_UNIX_FD\r\nBE");
        say_with_fd(&programs[2], m->wire, 50, STDIN_FILENO);
        say(&programs[3], m->wire, 9);
        for (unsigned i = 0; i < 400; i++)
                deliver(&programs[4], i % 3 ? &programs[3] : &programs[5],
                        make_message(20, i % 100 == 0 ? STDIN_FILENO : -1));
        close(programs[5].fd);
        run();
        configure(&first, "<deny user=\"*\"/>");
        policy_is_old = true;
        begin(&programs[6], "BEGIN\r\n");
        run();
        message_unref(m);
        return save(&first);
}

/* Run it in a process of its own, which must not crash. Returns the status of its end. */
static int run_apart(int (*function)(void *userdata), void *userdata) {
        pid_t pid = fork();
        int status;

        ck_assert_int_ge(pid, 0);
        if (pid == 0)
                _exit(function(userdata));
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFEXITED(status), "the process has crashed");
        return WEXITSTATUS(status);
}

struct bytes {
        uint8_t *p;
        size_t n;
};

static int load_damaged(void *userdata) {
        const struct bytes *bytes = userdata;
        struct state_load document;
        int r;

        side_init(&second);
        r = state_load_init_bytes(&document, bytes->p, bytes->n);
        document.is_dry = true; /* no descriptor is asked whether it is the right one */
        r = r < 0 ? r : load_all(&second, &document);
        state_load_deinit(&document);
        if (r == 0)
                server_deinit(&second.server);
        return r == 0 ? 0 : 1;
}

/* Whatever a document has in place of the right values: it is refused, or taken over. */
START_TEST(damaged_document_does_no_harm) {
        unsigned n_accepted = 0, n_refused = 0;
        uint64_t random = 1;
        struct bytes bytes;
        struct stat status;
        int fd;

        fd = save_many();
        ck_assert_int_eq(fstat(fd, &status), 0);
        bytes.n = (size_t)status.st_size;
        bytes.p = malloc(bytes.n);
        ck_assert_int_eq(pread(fd, bytes.p, bytes.n, 0), (ssize_t)bytes.n);
        ck_assert_int_eq(run_apart(load_damaged, &bytes), 0);
        for (unsigned i = 0; i < 500; i++) {
                /* most of it are messages: look at what is before them more often */
                size_t at = test_random(&random) % (i % 3 ? 8 * KIB : bytes.n);
                uint8_t before = bytes.p[at];

                bytes.p[at] ^= (uint8_t)(1U << test_random(&random) % 8);
                if (run_apart(load_damaged, &bytes) == 0)
                        n_accepted++;
                else
                        n_refused++;
                bytes.p[at] = before;
        }
        ck_assert_uint_gt(n_accepted, 20);
        ck_assert_uint_gt(n_refused, 50);
        free(bytes.p);
        close(fd);
}
END_TEST

struct attempt {
        int document;
        long n_allocations;
};

enum {
        COMPLETE,
        WITHOUT_MEMORY,
        WRONG,
};

static int load_with_little_memory(void *userdata) {
        const struct attempt *attempt = userdata;
        struct state_load document;
        bool failed;
        int r;

        side_init(&second);
        memory_left = attempt->n_allocations;
        r = state_load_init(&document, attempt->document);
        r = r < 0 ? r : load_all(&second, &document);
        failed = memory_left < 0;
        memory_left = -1;
        /* another program may take over: nothing was closed */
        for (int fd = -1; (fd = state_fds_next(&document.fds, fd + 1)) >= 0;)
                if (fcntl(fd, F_GETFD) < 0)
                        return WRONG;
        if (failed)
                return r == -ENOMEM ? WITHOUT_MEMORY : WRONG;
        return r == 0 ? COMPLETE : WRONG;
}

static int save_with_little_memory(void *userdata) {
        const struct attempt *attempt = userdata;
        bool failed;
        int fd, r;

        memory_left = attempt->n_allocations;
        r = try_to_save(&first, &fd);
        failed = memory_left < 0;
        memory_left = -1;
        run(); /* the bus goes on */
        if (failed)
                return r == -ENOMEM ? WITHOUT_MEMORY : WRONG;
        return r == 0 ? COMPLETE : WRONG;
}

START_TEST(every_allocation_can_fail) {
        struct attempt attempt = {.document = save_many()};
        int r;

        while ((r = run_apart(load_with_little_memory, &attempt)) == WITHOUT_MEMORY)
                attempt.n_allocations++;
        ck_assert_int_eq(r, COMPLETE);
        ck_assert_int_gt(attempt.n_allocations, 100);
        attempt.n_allocations = 0;
        while ((r = run_apart(save_with_little_memory, &attempt)) == WITHOUT_MEMORY)
                attempt.n_allocations++;
        ck_assert_int_eq(r, COMPLETE);
        ck_assert_int_gt(attempt.n_allocations, 10);
        close(attempt.document);
}
END_TEST

/* Is this why the first bus cannot be saved? */
static void expect_refusal(const char *reason) {
        struct state_save save;
        int fd;

        state_save_init(&save, "test");
        save_all(&first, &save);
        ck_assert_int_eq(state_save_finish(&save, &fd), -EOPNOTSUPP);
        ck_assert_str_eq(save.error_text, reason);
        state_save_deinit(&save);
}

START_TEST(what_cannot_be_saved_is_named) {
        static const struct client_ops no_ops;
        struct program program = client_new();
        struct client_credentials credentials;
        struct client other;

        client_credentials_init(&credentials);
        ck_assert_int_eq(client_init(&other, &first.bus, &no_ops, &credentials), 0);
        expect_refusal("a client that is no D-Bus program: (inactive)");
        client_deinit(&other);
        connection_close(program.connection, "test");
        expect_refusal("a connection is being closed");
        ck_assert_int_eq(connections_end_closing(&first.server), 0);
        close(save(&first));
}
END_TEST

int main(void) {
        TCase *t = tcase_create("state");

        tcase_set_timeout(t, 120);
        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_test(t, handshake_goes_on_at_each_byte);
        tcase_add_test(t, cookie_is_remembered);
        tcase_add_test(t, anonymous_client_stays_one);
        tcase_add_test(t, handshake_waits_for_policy);
        tcase_add_test(t, message_goes_on_at_each_byte);
        tcase_add_test(t, body_is_checked_anew);
        tcase_add_test(t, output_goes_on_at_its_byte);
        tcase_add_test(t, shares_of_other_users_are_counted);
        tcase_add_test(t, bytes_of_handshake_are_kept);
        tcase_add_test(t, client_that_reads_the_rest);
        tcase_add_test(t, broken_output_stays_broken);
        tcase_add_test(t, newcomers_keep_their_order);
        tcase_add_test(t, lingering_socket_stays);
        tcase_add_test(t, nonce_goes_on_at_each_byte);
        tcase_add_test(t, held_message_is_charged_without_limits);
        tcase_add_test(t, closing_connections_end);
        tcase_add_test(t, damaged_document_does_no_harm);
        tcase_add_test(t, every_allocation_can_fail);
        tcase_add_test(t, what_cannot_be_saved_is_named);
        return suite_run("socket-state", t);
}
