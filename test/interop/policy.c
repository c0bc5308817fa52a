/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The policy refuses a native program exactly what it refuses a legacy one
 *
 * Under each policy, a client and a service of each kind (legacy, native) try the same things. The
 * results must be the same in all four combinations.
 *
 *     interop-policy BRIDGE
 */

#include "test/interop/interop.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct kind *const kinds[] = {&kind_legacy, &kind_native};

#define N_KINDS (sizeof(kinds) / sizeof(*kinds))

#define DRIVER "org.freedesktop.DBus"
#define REQUESTED "send_requested_reply=\"true\""

bool failed(const char *file, int line, const char *what) {
        printf("# %s:%d: %s\n", file, line, what);
        return false;
}

/* Rules that are added to a policy that allows all. USER and GROUP stand for our uid and gid. */
static const char *const policies[] = {
        "",
        "<deny send_interface=\"" INTEROP_INTERFACE "\" send_member=\"Echo\"/>",
        "<deny send_interface=\"" INTEROP_INTERFACE "\"/>",
        "<deny send_destination=\"" INTEROP_NAME "\"/>",
        "<deny send_destination=\"" INTEROP_NAME "\"/><allow send_destination=\"" INTEROP_NAME
        "\" send_interface=\"" INTEROP_INTERFACE "\" send_member=\"Where\"/>",
        "<deny send_destination_prefix=\"org.bus1\"/>",
        "<deny send_path=\"" INTEROP_OTHER_PATH "\"/>",
        "<deny send_type=\"method_call\" send_destination=\"" INTEROP_NAME "\"/>",
        "<deny send_type=\"method_return\" send_destination_prefix=\"a.none\"/>"
        "<deny send_type=\"error\" send_error=\"" INTEROP_ERROR "\" " REQUESTED "/>",
        "<deny send_type=\"signal\" send_interface=\"" INTEROP_INTERFACE "\"/>",
        "<deny send_type=\"signal\" send_interface=\"" INTEROP_INTERFACE
        "\" send_broadcast=\"true\"/>",
        "<deny send_destination=\"" INTEROP_NAME "\" min_fds=\"1\"/>",
        "<deny send_destination=\"" INTEROP_NAME "\" max_fds=\"0\"/>",
        "<deny send_destination=\"" DRIVER "\" send_interface=\"" DRIVER
        "\" send_member=\"ListNames\"/>",
        "<deny send_destination=\"" DRIVER "\" send_interface=\"" DRIVER ".Peer\"/>",
        "<deny receive_sender=\"" INTEROP_NAME "\" receive_type=\"signal\"/>",
        "<deny receive_type=\"signal\" receive_interface=\"" INTEROP_INTERFACE "\"/>",
        "<deny receive_interface=\"" INTEROP_INTERFACE "\" receive_member=\"Where\"/>",
        "<deny receive_path=\"" INTEROP_OTHER_PATH "\"/>",
        "<deny receive_type=\"method_call\" receive_path=\"" INTEROP_PATH "\"/>",
        "<deny receive_type=\"error\" receive_sender=\"" INTEROP_NAME
        "\" receive_requested_reply=\"true\"/>",
        "<deny receive_type=\"method_call\" receive_interface=\"" INTEROP_INTERFACE
        "\" min_fds=\"1\"/>",
        "<deny send_type=\"signal\" send_destination=\"" INTEROP_NAME "\"/>",
        "<deny send_type=\"signal\" send_interface=\"" INTEROP_INTERFACE
        "\" send_broadcast=\"false\"/>",
        "<deny receive_type=\"signal\" receive_interface=\"" INTEROP_INTERFACE
        "\" receive_member=\"Whispered\"/>",
        "<deny eavesdrop=\"true\"/>",
        "<deny receive_interface=\"" INTEROP_INTERFACE
        "\" receive_member=\"Echo\" eavesdrop=\"true\"/>",
        "<deny receive_type=\"signal\" receive_path=\"" INTEROP_PATH "\" eavesdrop=\"true\"/>",
        "<deny own=\"a.b\"/>",
        "<deny own_prefix=\"a.b\"/>",
        "<deny own=\"*\"/><allow own=\"" INTEROP_NAME "\"/><allow own=\"a.b.c\"/>",
        "</policy><policy user=\"USER\"><deny send_destination=\"" INTEROP_NAME "\"/>",
        "</policy><policy group=\"GROUP\"><deny send_path=\"" INTEROP_OTHER_PATH "\"/>",
        "</policy><policy user=\"USER\"><deny own=\"a.b\"/></policy>"
        "<policy context=\"mandatory\"><allow own=\"a.b\"/>"
        "<deny send_destination=\"" INTEROP_NAME "\" send_type=\"method_call\"/>",
        "</policy><policy user=\"4711\"><deny send_destination=\"" INTEROP_NAME "\"/></policy>"
        "<policy at_console=\"false\"><deny send_path=\"" INTEROP_OTHER_PATH "\"/>",
};

#define N_POLICIES (sizeof(policies) / sizeof(*policies))

/* Always allow the signal Mark. A client that gets Mark gets no earlier signal any more. */
static const char mark[] = "</policy><policy context=\"mandatory\">"
                           "<allow send_interface=\"" INTEROP_INTERFACE
                           "\" send_member=\"Mark\"/><allow receive_interface=\"" INTEROP_INTERFACE
                           "\" receive_member=\"Mark\"/>";

static char *make_rules(const char *policy) {
        char *rules = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&rules, &size);
        if (!f)
                return NULL;
        while (*policy) {
                if (!strncmp(policy, "USER", 4)) {
                        fprintf(f, "%u", (unsigned)getuid());
                        policy += 4;
                } else if (!strncmp(policy, "GROUP", 5)) {
                        fprintf(f, "%u", (unsigned)getgid());
                        policy += 5;
                } else
                        fputc(*policy++, f);
        }
        fputs(mark, f);
        return fclose(f) ? NULL : rules;
}

/* trials: the string fates gets letters for the results of all tries */

/* one eavesdropper of each kind, then one monitor of each kind */
#define N_OBSERVERS (2 * N_KINDS)

struct observer {
        const struct kind *kind;
        bool is_monitor;
        void *member;
};

struct trial {
        struct client client;
        struct observer observers[N_OBSERVERS];
        char fates[256];
        size_t n;
};

static void note(struct trial *t, char fate) {
        if (t->n + 1 < sizeof(t->fates))
                t->fates[t->n++] = fate;
}

/* Call, and note the result. Takes over the reference of m. Returns the reply, or NULL. */
static DBusMessage *try_call(struct trial *t, DBusMessage *m) {
        DBusError error = DBUS_ERROR_INIT;
        DBusMessage *reply;

        reply = t->client.kind->call(t->client.member, m, &error);
        dbus_message_unref(m);
        if (reply)
                note(t, 'r');
        else if (dbus_error_has_name(&error, DBUS_ERROR_ACCESS_DENIED))
                note(t, 'D');
        else if (dbus_error_has_name(&error, DBUS_ERROR_NO_REPLY))
                note(t, 'N');
        else
                note(t, dbus_error_has_name(&error, INTEROP_ERROR) ? 'e' : '?');
        dbus_error_free(&error);
        return reply;
}

static void try_and_forget(struct trial *t, DBusMessage *m) {
        DBusMessage *reply = try_call(t, m);

        if (reply)
                dbus_message_unref(reply);
}

static DBusMessage *with_text(DBusMessage *m, const char *text) {
        dbus_message_append_args(m, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
        return m;
}

static void try_service(struct trial *t, const char *destination) {
        static const char *const paths[] = {INTEROP_PATH, INTEROP_OTHER_PATH};

        for (size_t i = 0; i < 2; i++) {
                try_and_forget(t, with_text(dbus_message_new_method_call(destination, paths[i],
                                                                         INTEROP_INTERFACE, "Echo"),
                                            "text"));
                try_and_forget(t, dbus_message_new_method_call(destination, paths[i],
                                                               INTEROP_INTERFACE, "Where"));
                try_and_forget(t, dbus_message_new_method_call(destination, paths[i],
                                                               INTEROP_INTERFACE, "Fail"));
                try_and_forget(t,
                               dbus_message_new_method_call(destination, paths[i], NULL, "Where"));
        }
}

static void try_descriptor(struct trial *t) {
        DBusMessage *m;
        int fd;

        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        m = dbus_message_new_method_call(INTEROP_NAME, INTEROP_PATH, INTEROP_INTERFACE, "Fd");
        dbus_message_append_args(m, DBUS_TYPE_UNIX_FD, &fd, DBUS_TYPE_INVALID);
        close(fd);
        try_and_forget(t, m);
}

static void try_driver(struct trial *t) {
        static const char *const names[] = {"a.b", "a.b.c", "a.bc"};
        uint32_t flags = DBUS_NAME_FLAG_DO_NOT_QUEUE;

        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
                DBusMessage *m = with_text(
                        dbus_message_new_method_call(DRIVER, DBUS_PATH_DBUS, DRIVER, "RequestName"),
                        names[i]);

                dbus_message_append_args(m, DBUS_TYPE_UINT32, &flags, DBUS_TYPE_INVALID);
                try_and_forget(t, m);
        }
        try_and_forget(t,
                       dbus_message_new_method_call(DRIVER, DBUS_PATH_DBUS, DRIVER, "ListNames"));
        try_and_forget(
                t, dbus_message_new_method_call(DRIVER, DBUS_PATH_DBUS, DRIVER ".Peer", "Ping"));
}

/* Send a signal to the destination, or broadcast it if the destination is NULL. */
static bool emit(struct trial *t, const char *member, const char *destination) {
        DBusMessage *m =
                with_text(dbus_message_new_signal(INTEROP_PATH, INTEROP_INTERFACE, member), "told");
        bool ok;

        dbus_message_set_destination(m, destination);
        ok = t->client.kind->emit(t->client.member, m);
        dbus_message_unref(m);
        return ok;
}

/*
 * Ask the service for the text of the last broadcast signal that it got (LastSignal), or of the
 * last signal that was sent to the service alone (LastWhisper).
 */
static void try_last(struct trial *t, const char *member) {
        const char *text;
        DBusMessage *m;

        m = try_call(t, dbus_message_new_method_call(INTEROP_NAME, INTEROP_PATH, INTEROP_INTERFACE,
                                                     member));
        if (m) {
                dbus_message_get_args(m, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
                note(t, text[0] ? text[0] : '-');
                dbus_message_unref(m);
        }
}

/*
 * The service broadcasts Said. The client broadcasts Told, sends Whispered to the service, and then
 * broadcasts Mark.
 */
static bool try_signals(struct trial *t) {
        const char *member = "";
        DBusMessage *m;

        EXPECT(t->client.kind->subscribe(t->client.member,
                                         "type='signal',interface='" INTEROP_INTERFACE "'"));
        try_and_forget(t, with_text(dbus_message_new_method_call(INTEROP_NAME, INTEROP_PATH,
                                                                 INTEROP_INTERFACE, "Emit"),
                                    "something"));
        EXPECT(emit(t, "Told", NULL) && emit(t, "Whispered", INTEROP_NAME) &&
               emit(t, "Mark", NULL));
        while (strcmp(member, "Mark") != 0) {
                m = t->client.kind->wait_signal(t->client.member);
                EXPECT(m);
                member = !strcmp(dbus_message_get_member(m), "Said")   ? "Said"
                         : !strcmp(dbus_message_get_member(m), "Told") ? "Told"
                                                                       : "Mark";
                note(t, member[0]);
                dbus_message_unref(m);
        }

        try_last(t, "LastSignal");
        try_last(t, "LastWhisper");
        return true;
}

/* eavesdroppers and monitors */

static bool observer_begin(const struct observer *o) {
        static const char rule[] = "interface='" INTEROP_INTERFACE "'", *rules[] = {rule};
        DBusError error = DBUS_ERROR_INIT;
        const char *const *array = rules;
        DBusMessage *m, *reply;
        uint32_t flags = 0;

        if (!o->is_monitor)
                return o->kind->overhear(o->member,
                                         "eavesdrop='true',interface='" INTEROP_INTERFACE "'");

        m = dbus_message_new_method_call(DRIVER, DBUS_PATH_DBUS, DRIVER ".Monitoring",
                                         "BecomeMonitor");
        dbus_message_append_args(m, DBUS_TYPE_ARRAY, DBUS_TYPE_STRING, &array, 1, DBUS_TYPE_UINT32,
                                 &flags, DBUS_TYPE_INVALID);
        reply = o->kind->call(o->member, m, &error);
        dbus_message_unref(m);
        if (!reply) {
                printf("# %s: %s\n", o->kind->name, error.message);
                dbus_error_free(&error);
                return false;
        }
        dbus_message_unref(reply);
        return o->kind->overhear(o->member, NULL);
}

/* Collect the first letter of each MEMBER up to Mark. A call gives a lower-case letter. */
static bool observer_listen(const struct observer *o, char *heard, size_t n_heard) {
        size_t n = 0;
        char letter = '\0';

        while (letter != 'M') {
                DBusMessage *m = o->kind->wait_overheard(o->member);

                EXPECT(m && n + 1 < n_heard);
                letter = dbus_message_get_member(m)[0];
                if (dbus_message_get_type(m) == DBUS_MESSAGE_TYPE_METHOD_CALL)
                        letter = (char)(letter - 'A' + 'a');
                heard[n++] = letter;
                dbus_message_unref(m);
        }
        heard[n] = '\0';
        return true;
}

/*
 * Eavesdroppers of all kinds must hear the same messages. Monitors of all kinds must hear the same
 * messages, too, but they can hear others than the eavesdroppers do.
 */
static bool try_observers(struct trial *t) {
        char heard[N_OBSERVERS][64];

        for (size_t i = 0; i < N_OBSERVERS; i++) {
                const struct observer *o = &t->observers[i];
                const char *first = heard[i - i % N_KINDS];

                EXPECT(observer_listen(o, heard[i], sizeof(heard[i])));
                if (strcmp(heard[i], first) != 0) {
                        printf("# a %s %s heard %s, not %s\n", o->kind->name,
                               o->is_monitor ? "monitor" : "eavesdropper", heard[i], first);
                        return false;
                }
                if (i % N_KINDS > 0)
                        continue;
                note(t, ' ');
                for (const char *c = heard[i]; *c; c++)
                        note(t, *c);
        }
        return true;
}

static bool observers_open(struct trial *t, const char *address) {
        for (size_t i = 0; i < N_OBSERVERS; i++) {
                struct observer *o = &t->observers[i];

                o->is_monitor = i >= N_KINDS;
                o->kind = kinds[i % N_KINDS];
                o->member = o->kind->open(address);
                EXPECT(o->member && observer_begin(o));
        }
        return true;
}

static void observers_close(struct trial *t) {
        for (size_t i = 0; i < N_OBSERVERS; i++)
                if (t->observers[i].member)
                        t->observers[i].kind->close(t->observers[i].member);
}

/* Wait until INTEROP_NAME has an owner. Returns the unique name of the owner, or NULL. */
static char *service_wait(struct client *client) {
        for (int i = 0; i < 3000; i++) {
                const char *owner;
                DBusMessage *m, *reply;

                m = with_text(dbus_message_new_method_call(DRIVER, DBUS_PATH_DBUS, DRIVER,
                                                           "GetNameOwner"),
                              INTEROP_NAME);
                reply = client->kind->call(client->member, m, NULL);
                dbus_message_unref(m);
                if (reply) {
                        char *copy = NULL;

                        if (dbus_message_get_args(reply, NULL, DBUS_TYPE_STRING, &owner,
                                                  DBUS_TYPE_INVALID))
                                copy = strdup(owner);
                        dbus_message_unref(reply);
                        return copy;
                }
                usleep(5000);
        }
        return NULL;
}

static bool run_trial(struct trial *t) {
        char *owner;
        bool ok;

        owner = service_wait(&t->client);
        EXPECT(owner);
        try_service(t, INTEROP_NAME);
        try_service(t, owner);
        free(owner);
        try_descriptor(t);
        ok = try_signals(t);
        try_driver(t);
        return ok && try_observers(t);
}

static bool run(const char *bridge, const char *policy, const struct kind *client,
                const struct kind *service, struct trial *ret_trial) {
        struct trial t = {.client.kind = client, .client.service_kind = service};
        struct daemon daemon = {};
        char *rules;
        bool ok;
        pid_t pid;

        rules = make_rules(policy);
        ok = rules && daemon_start(&daemon, bridge, rules);
        free(rules);
        EXPECT(ok);
        ok = observers_open(&t, daemon.address);
        pid = service_start(service, daemon.address);
        t.client.address = daemon.address;
        t.client.member = client->open(daemon.address);
        ok = ok && t.client.member && run_trial(&t);
        if (t.client.member)
                client->close(t.client.member);
        observers_close(&t);
        kill(pid, SIGTERM);
        waitpid(pid, NULL, 0);
        if (!daemon_stop(&daemon))
                ok = failed(__FILE__, __LINE__, "the bus did not end well");
        *ret_trial = t;
        return ok;
}

int main(int argc, char **argv) {
        char everything[sizeof(((struct trial *)NULL)->fates)] = "";
        size_t n_failed = 0;

        if (argc != 2) {
                fprintf(stderr, "Usage: %s BRIDGE\n", argv[0]);
                return EXIT_FAILURE;
        }
        printf("1..%zu\n", N_POLICIES);
        for (size_t p = 0; p < N_POLICIES; p++) {
                struct trial trials[N_KINDS * N_KINDS];
                bool ok = true;

                for (size_t i = 0; i < N_KINDS * N_KINDS; i++)
                        ok = run(argv[1], policies[p], kinds[i / N_KINDS], kinds[i % N_KINDS],
                                 &trials[i]) &&
                             ok;
                for (size_t i = 1; i < N_KINDS * N_KINDS; i++)
                        ok = ok && !strcmp(trials[0].fates, trials[i].fates);
                /* Each policy but the first must refuse something. */
                if (p == 0)
                        strcpy(everything, trials[0].fates);
                else
                        ok = ok && strcmp(trials[0].fates, everything) != 0;
                printf("%s %zu - %s\n", ok ? "ok" : "not ok", p + 1, policies[p]);
                for (size_t i = 0; i < N_KINDS * N_KINDS && !ok; i++)
                        printf("# %s -> %s: %s\n", kinds[i / N_KINDS]->name,
                               kinds[i % N_KINDS]->name, trials[i].fates);
                fflush(stdout);
                n_failed += !ok;
        }
        return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
