/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The server: creation, addresses, and accepting connections. */

#include "bridge/socket/server-setup.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/container-of.h"
#include "bridge/base/log.h"
#include "bridge/bus/descriptors.h"
#include "bridge/socket/connection-life.h"
#include "bridge/socket/linger.h"
#include "bridge/socket/listen.h"

#define RETRY_DELAY (200 * INT64_C(1000000))
/* connections that one turn of the loop accepts from a listener */
#define ACCEPT_MAX 16

static int retry_expired(struct loop_timer *timer) {
        server_set_accepting(container_of(timer, struct server, retry), true);
        return 0;
}

static int linger_expired(struct loop_timer *timer) {
        linger_check(container_of(timer, struct server, linger));
        return 0;
}

static int stall_expired(struct loop_timer *timer) {
        struct server *server = container_of(timer, struct server, stall);
        struct schedule *schedule = &server->bus->schedule;
        struct connection *connection;
        int64_t now = loop_now();
        bool is_paused = false;

        DL_FOREACH(server->connections, connection) {
                output_has_fds_unread(&connection->output);
                if (!connection->has_client)
                        continue;
                is_paused |= connection->client.is_paused;
                if (!quota_is_stalling(&connection->client, now))
                        continue;
                account_note(server->bus, connection->client.account, ACCOUNT_DISCONNECTED);
                connection_violate(connection, "a large message without its end, while other "
                                               "connections of its user wait");
        }
        DL_FOREACH(server->connections, connection) {
                if (connection->is_stalled)
                        schedule_add_output(schedule, &connection->account->schedule,
                                            &connection->flush);
        }
        return is_paused ? server_set_stall(server) : 0;
}

/* Has the process run out of descriptors or memory? Other errors are those of one connection. */
static bool is_shortage(int e) {
        return e == EMFILE || e == ENFILE || e == ENOBUFS || e == ENOMEM;
}

/* How many descriptors does the bus hold for messages of this connection, and to it? */
static uint64_t count_fds(const struct connection *connection) {
        return connection->n_held_fds +
               (connection->has_client ? connection->client.outgoing_fds : 0);
}

/*
 * The process has no descriptor left. Whoever has most newcomers loses one; if there are none, the
 * connection with most descriptors in messages is closed.
 */
static void make_room(struct server *server) {
        struct account *account, *next, *most = NULL;
        uint32_t n, n_most = 0;
        struct connection *connection, *holder = NULL;

        HASH_ITER(hh, server->bus->accounts, account, next) {
                n = account->n_newcomers + account->n_parked;
                if (n > n_most) {
                        most = account;
                        n_most = n;
                }
        }
        if (most) {
                newcomer_evict(server->bus, most);
                return;
        }
        DL_FOREACH(server->connections, connection) {
                if (count_fds(connection) > (holder ? count_fds(holder) : 0))
                        holder = connection;
        }
        if (!holder)
                return;
        account_note(server->bus, holder->account, ACCOUNT_DISCONNECTED);
        connection_close(holder, "the bus has no file descriptors left");
}

/* Accept one connection. Returns 0, 1 if there is none, or a negative errno for a shortage. */
static int accept_connection(struct server *server, struct listener *listener) {
        struct connection *connection;
        int fd;

        fd = accept4(listener->source.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
                if (is_shortage(errno))
                        return -errno;
                /* for example, the program has closed its end already */
                return errno == EAGAIN ? 1 : 0;
        }
        /* The bus gathers messages itself, so the kernel need not. */
        if (listener->is_tcp)
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        return connection_new(server, fd, listener, &connection);
}

/* Whose connections they are is only known afterwards, so this is work of the bus itself. */
static int accept_connections(struct schedule_job *job) {
        struct listener *listener = container_of(job, struct listener, accept);
        struct server *server = listener->server;
        struct schedule *schedule = &server->bus->schedule;
        unsigned n = 0;
        int r;

        do {
                r = server->accepting ? accept_connection(server, listener) : 1;
                schedule_count(schedule, SCHEDULE_STEPS_SHARED);
        } while (r == 0 && ++n < ACCEPT_MAX && !schedule_is_over(schedule));
        if (r >= 0)
                return 0;

        if (r == -EMFILE || r == -ENFILE)
                make_room(server);
        /* Trying again at once would be a busy loop. Resources return when other clients leave. */
        log_write(server->bus->log, LOG_LEVEL_WARNING, "Cannot accept a connection for now: %s",
                  strerror(-r));
        server_set_accepting(server, false);
        return loop_timer_set(server->loop, &server->retry, loop_now() + RETRY_DELAY);
}

static int listener_dispatch(struct loop_source *source, uint32_t events) {
        struct listener *listener = container_of(source, struct listener, source);
        struct schedule *schedule = &listener->server->bus->schedule;

        schedule_add(schedule, &schedule->own, &listener->accept);
        return 0;
}

int server_init(struct server *server, struct bus *bus, struct loop *loop) {
        *server = (struct server){
                .bus = bus,
                .loop = loop,
                .mechanisms = SASL_MECHANISM_EXTERNAL,
                .retry.expired = retry_expired,
                .stall.expired = stall_expired,
                .linger.expired = linger_expired,
        };
        schedule_init(&bus->schedule, loop);
        cookies_init(&server->cookies, loop);
        server->buffer = malloc(SERVER_BUFFER_SIZE);
        return server->buffer ? 0 : -ENOMEM;
}

void server_deinit(struct server *server) {
        struct listener *listener, *next;

        /* While this is true, the end of a connection does not make the listeners accept again. */
        server->accepting = true;
        while (server->connections)
                connection_free(server->connections);
        linger_end(server);
        cookies_deinit(&server->cookies);
        DL_FOREACH_SAFE(server->listeners, listener, next) {
                DL_DELETE(server->listeners, listener);
                listener_free(listener);
        }
        loop_timer_cancel(server->loop, &server->retry);
        loop_timer_cancel(server->loop, &server->stall);
        loop_timer_cancel(server->loop, &server->linger);
        schedule_deinit(&server->bus->schedule);
        free(server->buffer);
        server->buffer = NULL;
}

int server_listen(struct server *server, const char *addresses, char **ret_printed,
                  char **ret_error) {
        struct address_list list;
        char *error = NULL;
        int r;

        *ret_error = NULL;
        r = address_list_parse(addresses, &list, ret_error);
        if (r < 0)
                return r;

        r = -EINVAL;
        for (size_t i = 0; i < list.n_entries; i++) {
                free(error);
                error = NULL;
                r = listener_open(server, &list.entries[i], ret_printed, &error);
                if (r >= 0)
                        break;
        }
        address_list_deinit(&list);
        if (r < 0)
                *ret_error = error;
        else
                free(error);
        return r;
}

void server_configure(struct server *server, const struct bus_config *config) {
        static const struct {
                const char *name;
                unsigned mechanism;
        } mechanisms[] = {
                {"EXTERNAL", SASL_MECHANISM_EXTERNAL},
                {"DBUS_COOKIE_SHA1", SASL_MECHANISM_COOKIE_SHA1},
                {"ANONYMOUS", SASL_MECHANISM_ANONYMOUS},
        };

        server->mechanisms = 0;
        for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
                if (bus_config_allows_auth(config, mechanisms[i].name))
                        server->mechanisms |= mechanisms[i].mechanism;
        server->allow_anonymous = config->allow_anonymous;
}

int server_start(struct server *server) {
        struct listener *listener;
        int r;

        fds_init(server->bus);
        if (server->mechanisms & SASL_MECHANISM_COOKIE_SHA1) {
                r = cookies_start(&server->cookies);
                if (r < 0)
                        log_write(server->bus->log, LOG_LEVEL_WARNING,
                                  "DBUS_COOKIE_SHA1 is not available, because the cookies cannot "
                                  "be set up: %s",
                                  strerror(-r));
        }
        DL_FOREACH(server->listeners, listener) {
                listener->source.dispatch = listener_dispatch;
                listener->accept.run = accept_connections;
                r = loop_add(server->loop, &listener->source, EPOLLIN);
                if (r < 0)
                        return r;
        }
        server->accepting = true;
        return 0;
}
