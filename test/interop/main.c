/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The interop matrix: see interop.h
 *
 *     interop BRIDGE                              run the whole matrix and print a table
 *     interop BRIDGE CLIENT SERVICE EXCHANGE      run one cell
 */

#include "test/interop/interop.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct kind *const kinds[] = {&kind_legacy, &kind_sdbus, &kind_native};

#define N_KINDS (sizeof(kinds) / sizeof(*kinds))

bool failed(const char *file, int line, const char *what) {
        fprintf(stderr, "%s:%d: %s\n", file, line, what);
        return false;
}

static bool service_wait(struct client *client) {
        const char *name = INTEROP_NAME;

        for (int i = 0; i < 3000; i++) {
                DBusMessage *m, *reply;
                dbus_bool_t owned = FALSE;

                m = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
                                                 DBUS_INTERFACE_DBUS, "NameHasOwner");
                dbus_message_append_args(m, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID);
                reply = client->kind->call(client->member, m, NULL);
                dbus_message_unref(m);
                if (!reply)
                        return false;
                dbus_message_get_args(reply, NULL, DBUS_TYPE_BOOLEAN, &owned, DBUS_TYPE_INVALID);
                dbus_message_unref(reply);
                if (owned)
                        return true;
                usleep(10000);
        }
        return false;
}

static bool run(const char *bridge, const struct kind *client_kind, const struct kind *service_kind,
                const struct exchange *exchange) {
        struct client client = {.kind = client_kind, .service_kind = service_kind};
        struct daemon daemon = {};
        bool ok = false;
        pid_t service;
        int status;

        if (!daemon_start(&daemon, bridge, ""))
                return failed(__FILE__, __LINE__, "the bus does not start");
        client.address = daemon.address;
        service = service_start(service_kind, daemon.address);
        client.member = client_kind->open(daemon.address);
        if (client.member) {
                ok = service_wait(&client) && exchange->run(&client);
                client_kind->close(client.member);
        }
        kill(service, SIGTERM);
        waitpid(service, &status, 0);
        if (WIFSIGNALED(status) && WTERMSIG(status) != SIGTERM)
                ok = failed(__FILE__, __LINE__, "the service crashed");
        if (!daemon_stop(&daemon))
                ok = failed(__FILE__, __LINE__, "the bus did not end well");
        return ok;
}

static bool run_matrix(const char *bridge) {
        bool ok = true;

        printf("%-12s", "");
        for (size_t i = 0; i < N_KINDS * N_KINDS; i++)
                printf("  %s->%s", kinds[i / N_KINDS]->name, kinds[i % N_KINDS]->name);
        printf("\n");
        for (const struct exchange *e = exchanges; e->name; e++) {
                printf("%-12s", e->name);
                for (size_t i = 0; i < N_KINDS * N_KINDS; i++) {
                        bool good = run(bridge, kinds[i / N_KINDS], kinds[i % N_KINDS], e);

                        printf("  %-14s", good ? "ok" : "FAILED");
                        fflush(stdout);
                        ok = ok && good;
                }
                printf("\n");
        }
        return ok;
}

static const struct kind *find_kind(const char *name) {
        for (size_t i = 0; i < N_KINDS; i++)
                if (strcmp(kinds[i]->name, name) == 0)
                        return kinds[i];
        return NULL;
}

int main(int argc, char **argv) {
        if (argc == 2)
                return run_matrix(argv[1]) ? EXIT_SUCCESS : EXIT_FAILURE;
        if (argc == 5 && find_kind(argv[2]) && find_kind(argv[3]))
                for (const struct exchange *e = exchanges; e->name; e++)
                        if (strcmp(e->name, argv[4]) == 0)
                                return run(argv[1], find_kind(argv[2]), find_kind(argv[3]), e)
                                               ? EXIT_SUCCESS
                                               : EXIT_FAILURE;
        fprintf(stderr, "Usage: %s BRIDGE [CLIENT SERVICE EXCHANGE]\n", argv[0]);
        return EXIT_FAILURE;
}
