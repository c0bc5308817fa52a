/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "test/interop/storm.h"

#include <bus1/dbus.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/interop/executions.h"
#include "test/interop/interop.h"

#define STORM_PATH "/storm"
#define STORM_INTERFACE "org.bus1.Storm"

#define N_SERVICES 2 /* the legacy one, the native one */
#define N_CLIENTS 4  /* of each kind */
#define N_STREAMS 4  /* of each client: by name, and by handle, to each service */
#define WINDOW 4     /* pending calls of a stream */
#define CALLS_PER_TICK 4
#define TIMEOUT_MS 30000

static const char *const names[N_SERVICES] = {"org.bus1.StormLegacy", "org.bus1.StormNative"};

/* shared by all processes */
static struct shared {
        bool stop;                      /* clients end their streams */
        bool stop_emit;                 /* services emit one more signal */
        bool stop_serve;                /* services end */
        uint64_t n_ready;               /* services that serve */
        uint64_t last_tick[N_SERVICES]; /* 0: there are more to come */
        uint64_t n_calls, n_direct, n_fds, n_handles, n_pokes, n_signals;
} * shared;

static void add(uint64_t *counter, uint64_t n) {
        __atomic_fetch_add(counter, n, __ATOMIC_SEQ_CST);
}

#define GET(field) __atomic_load_n(&shared->field, __ATOMIC_SEQ_CST)
#define SET(field, value) __atomic_store_n(&shared->field, (value), __ATOMIC_SEQ_CST)

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...) {
        va_list args;

        va_start(args, format);
        fprintf(stderr, "storm: ");
        vfprintf(stderr, format, args);
        fprintf(stderr, "\n");
        va_end(args);
        _exit(EXIT_FAILURE);
}

#define CHECK(x)                                          \
        do {                                              \
                if (!(x))                                 \
                        die("line %d: %s", __LINE__, #x); \
        } while (0)

static int64_t now_ms(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* services */

/* What a service knows of a stream. */
struct heard {
        uint32_t last;
        char sender[64]; /* through a handle there is none */
        void *kept;      /* a call that is answered before the next one */
        uint32_t kept_number;
};

static struct heard heard[2 * N_CLIENTS * N_STREAMS];
static uint64_t n_taken; /* calls of this service */

/* Check a call and count it. Returns its stream. */
static struct heard *take(DBusMessage *m, uint32_t *ret_number) {
        uint32_t stream, number, stored;
        const char *sender = dbus_message_get_sender(m);
        struct heard *h;
        DBusMessageIter iter;
        int fd = -1;

        CHECK(dbus_message_iter_init(m, &iter));
        dbus_message_iter_get_basic(&iter, &stream);
        CHECK(dbus_message_iter_next(&iter));
        dbus_message_iter_get_basic(&iter, &number);
        CHECK(stream < sizeof(heard) / sizeof(*heard));
        h = &heard[stream];
        if (number != h->last + 1)
                die("stream %u: call %u comes after %u", stream, number, h->last);
        h->last = number;
        if (sender && !h->sender[0])
                snprintf(h->sender, sizeof(h->sender), "%s", sender);
        if (sender && strcmp(sender, h->sender) != 0)
                die("stream %u: call %u comes from %s, not from %s", stream, number, sender,
                    h->sender);
        if (dbus_message_iter_next(&iter)) {
                dbus_message_iter_get_basic(&iter, &fd);
                CHECK(pread(fd, &stored, sizeof(stored), 0) == sizeof(stored));
                CHECK(stored == number);
                close(fd);
                add(&shared->n_fds, 1);
        }
        add(&shared->n_calls, 1);
        n_taken++;
        *ret_number = number;
        return h;
}

/* Every eighth call is answered only before the next one of its stream. */
static bool is_kept(uint32_t number) {
        return number % 8 == 0;
}

static DBusMessage *tick_new(unsigned service, uint64_t number) {
        DBusMessage *m = dbus_message_new_signal(STORM_PATH, STORM_INTERFACE, "Tick");
        uint32_t index = service;

        CHECK(m && dbus_message_append_args(m, DBUS_TYPE_UINT32, &index, DBUS_TYPE_UINT64, &number,
                                            DBUS_TYPE_INVALID));
        return m;
}

static int native_answer(struct bus1_dbus_message *call, uint32_t number) {
        return bus1_dbus_reply_args(call, DBUS_TYPE_UINT32, &number, DBUS_TYPE_INVALID);
}

static int run_take(struct bus1_dbus_message *m, void *userdata) {
        uint32_t number, bus_pid = *(uint32_t *)userdata;
        struct heard *h = take(m->message, &number);

        if (m->credentials.pid != bus_pid)
                add(&shared->n_direct, 1);
        if (h->kept) {
                CHECK(native_answer(h->kept, h->kept_number) == 0);
                h->kept = bus1_dbus_message_unref(h->kept);
        }
        for (size_t i = 0; i < m->n_handles; i++) {
                DBusMessage *poke =
                        dbus_message_new_method_call(NULL, "/", STORM_INTERFACE, "Poke");

                CHECK(m->handles[i] != BUS1_INVALID);
                add(&shared->n_handles, 1);
                CHECK(dbus_message_append_args(poke, DBUS_TYPE_UINT32, &number, DBUS_TYPE_INVALID));
                CHECK(bus1_dbus_send(m->bus, m->handles[i], poke, NULL, 0) == 0);
                dbus_message_unref(poke);
        }
        if (is_kept(number)) {
                h->kept = bus1_dbus_message_ref(m);
                h->kept_number = number;
                return 0;
        }
        return native_answer(m, number);
}

static const struct bus1_dbus_interface service_interfaces[] = {
        {
                .name = STORM_INTERFACE,
                .methods =
                        (const struct bus1_dbus_method[]){
                                {"Take", NULL, "u", run_take, NULL},
                                {},
                        },
        },
        {},
};

struct ticker {
        unsigned service;
        uint64_t number;
        bool is_over;
        bool (*emit)(void *member, DBusMessage *m);
};

/* Emit a signal for some calls, so that there are not more than the bus can deliver; and a last. */
static void tick(struct ticker *ticker, void *member) {
        bool is_last = GET(stop_emit);
        DBusMessage *m;

        if (ticker->is_over || (ticker->number >= n_taken / CALLS_PER_TICK && !is_last))
                return;
        ticker->is_over = is_last;
        m = tick_new(ticker->service, ++ticker->number);
        CHECK(ticker->emit(member, m));
        dbus_message_unref(m);
        if (is_last)
                SET(last_tick[ticker->service], ticker->number);
}

static bool native_emit(void *member, DBusMessage *m) {
        return bus1_dbus_emit(member, m) == 0;
}

static bool legacy_emit(void *member, DBusMessage *m) {
        return dbus_connection_send(member, m, NULL);
}

/* Other work must not wait for ever, either. */
static void dispatch(struct bus1_dbus *bus) {
        int r = 1;

        for (int i = 0; i < 16 && r > 0; i++)
                r = bus1_dbus_dispatch(bus);
        CHECK(r >= 0);
}

static void serve_native(const struct daemon *daemon) {
        uint32_t bus_pid = (uint32_t)daemon->pid;
        struct bus1_dbus *bus;
        struct ticker ticker = {.service = 1, .emit = native_emit};
        uint32_t result;

        CHECK(bus1_dbus_open(&bus, daemon->address, NULL) == 0);
        CHECK(bus1_dbus_object_new(bus, STORM_PATH, service_interfaces, &bus_pid, NULL) == 0);
        CHECK(bus1_dbus_publish(bus, names[1], 0, &result, NULL) == 0);
        add(&shared->n_ready, 1);
        while (!GET(stop_serve)) {
                dispatch(bus);
                tick(&ticker, bus);
                CHECK(bus1_dbus_wait(bus, 1) >= 0);
        }
        bus1_dbus_free(bus);
}

static void legacy_answer(DBusConnection *c, DBusMessage *call, uint32_t number) {
        DBusMessage *reply = dbus_message_new_method_return(call);

        CHECK(reply &&
              dbus_message_append_args(reply, DBUS_TYPE_UINT32, &number, DBUS_TYPE_INVALID));
        CHECK(dbus_connection_send(c, reply, NULL));
        dbus_message_unref(reply);
}

static void legacy_take(DBusConnection *c, DBusMessage *m) {
        struct heard *h;
        uint32_t number;

        if (!dbus_message_is_method_call(m, STORM_INTERFACE, "Take"))
                return;
        h = take(m, &number);
        if (h->kept) {
                legacy_answer(c, h->kept, h->kept_number);
                dbus_message_unref(h->kept);
                h->kept = NULL;
        }
        if (is_kept(number)) {
                h->kept = dbus_message_ref(m);
                h->kept_number = number;
        } else
                legacy_answer(c, m, number);
}

static void serve_legacy(const struct daemon *daemon) {
        DBusConnection *c = kind_legacy.open(daemon->address);
        struct ticker ticker = {.service = 0, .emit = legacy_emit};
        DBusMessage *m;

        CHECK(c);
        CHECK(dbus_bus_request_name(c, names[0], 0, NULL) == DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER);
        add(&shared->n_ready, 1);
        while (!GET(stop_serve)) {
                CHECK(dbus_connection_read_write(c, 1));
                while ((m = dbus_connection_pop_message(c))) {
                        legacy_take(c, m);
                        dbus_message_unref(m);
                }
                tick(&ticker, c);
                dbus_connection_flush(c);
        }
        kind_legacy.close(c);
}

/* clients: streams of calls */

struct stream {
        uint32_t id;
        unsigned service;
        uint64_t handle; /* BUS1_DBUS_BUS: by the name of the service */
        uint32_t sent;   /* number of the last call */
        uint32_t answered;
        uint32_t expected;        /* the next answer, in the order of calls */
        uint32_t serials[WINDOW]; /* legacy: of the pending calls, by number */
};

/* the numbers of the answers that may come now are [expected, sent] */
static void answered(struct stream *s, DBusMessage *reply, uint32_t number) {
        uint32_t got;

        if (dbus_message_get_type(reply) == DBUS_MESSAGE_TYPE_ERROR)
                die("stream %u: call %u has the answer %s", s->id, number,
                    dbus_message_get_error_name(reply));
        CHECK(dbus_message_get_args(reply, NULL, DBUS_TYPE_UINT32, &got, DBUS_TYPE_INVALID));
        if (got != number)
                die("stream %u: call %u has the answer to %u", s->id, number, got);
        /* when a handle becomes a direct one, an answer may overtake those that the bus has */
        if (s->handle == BUS1_DBUS_BUS && number != s->expected)
                die("stream %u: answer %u comes, not %u", s->id, number, s->expected);
        s->expected++;
        s->answered++;
}

/* A stream ends with a call that is answered at once. */
static bool may_send(const struct stream *s) {
        return s->sent - s->answered < WINDOW && (!GET(stop) || is_kept(s->sent));
}

static bool is_complete(const struct stream *s) {
        return s->answered == s->sent && GET(stop);
}

static DBusMessage *call_new(struct stream *s) {
        uint32_t number = s->sent + 1;
        DBusMessage *m;

        m = dbus_message_new_method_call(s->handle == BUS1_DBUS_BUS ? names[s->service] : NULL,
                                         STORM_PATH, STORM_INTERFACE, "Take");
        CHECK(m && dbus_message_append_args(m, DBUS_TYPE_UINT32, &s->id, DBUS_TYPE_UINT32, &number,
                                            DBUS_TYPE_INVALID));
        if (number % 5 == 0) {
                int fd = memfd_create("storm", MFD_CLOEXEC);

                CHECK(fd >= 0 && write(fd, &number, sizeof(number)) == sizeof(number));
                CHECK(dbus_message_append_args(m, DBUS_TYPE_UNIX_FD, &fd, DBUS_TYPE_INVALID));
                close(fd);
        }
        return m;
}

/* clients: signals */

static uint64_t ticks[N_SERVICES];

static void take_tick(DBusMessage *m) {
        uint32_t service;
        uint64_t number;

        if (!dbus_message_is_signal(m, STORM_INTERFACE, "Tick"))
                return;
        CHECK(dbus_message_get_args(m, NULL, DBUS_TYPE_UINT32, &service, DBUS_TYPE_UINT64, &number,
                                    DBUS_TYPE_INVALID));
        CHECK(service < N_SERVICES);
        if (ticks[service] != 0 && number != ticks[service] + 1)
                die("signal %llu of %s comes after %llu", (unsigned long long)number,
                    names[service], (unsigned long long)ticks[service]);
        ticks[service] = number;
        add(&shared->n_signals, 1);
}

static bool have_all_ticks(void) {
        for (unsigned i = 0; i < N_SERVICES; i++)
                if (GET(last_tick[i]) == 0 || ticks[i] != GET(last_tick[i]))
                        return false;
        return true;
}

static void streams_init(struct stream *streams, unsigned client) {
        for (unsigned i = 0; i < N_STREAMS; i++)
                streams[i] = (struct stream){
                        .id = client * N_STREAMS + i,
                        .service = i % N_SERVICES,
                        .handle = BUS1_DBUS_BUS,
                        .expected = 1,
                };
}

/* native clients */

struct pending {
        struct stream *stream;
        uint32_t number;
};

static uint32_t n_poked, n_sent_handles;

static int run_poke(struct bus1_dbus_message *m, void *userdata) {
        n_poked++;
        add(&shared->n_pokes, 1);
        return 0;
}

static const struct bus1_dbus_interface client_interfaces[] = {
        {
                .name = STORM_INTERFACE,
                .methods =
                        (const struct bus1_dbus_method[]){
                                {"Poke", "u", "", run_poke, NULL},
                                {},
                        },
        },
        {},
};

static int native_answered(struct bus1_dbus_message *reply, void *userdata) {
        struct pending *pending = userdata;

        answered(pending->stream, reply->message, pending->number);
        free(pending);
        return 0;
}

static int native_tick(struct bus1_dbus_message *m, void *userdata) {
        take_tick(m->message);
        return 0;
}

static void native_send(struct bus1_dbus *bus, struct stream *s, uint64_t own) {
        struct pending *pending = malloc(sizeof(*pending));
        DBusMessage *m = call_new(s);
        bool with_handle = s->service == 1 && s->sent % 7 == 0;
        int r;

        CHECK(pending);
        *pending = (struct pending){s, ++s->sent};
        r = bus1_dbus_call_async(bus, s->handle, m, &own, with_handle, TIMEOUT_MS, native_answered,
                                 pending, NULL);
        if (r < 0)
                die("stream %u: call %u is not sent: %s", s->id, s->sent, strerror(-r));
        n_sent_handles += with_handle;
        dbus_message_unref(m);
}

static void run_native(const struct daemon *daemon, unsigned client) {
        struct stream streams[N_STREAMS];
        DBusError error = DBUS_ERROR_INIT;
        struct bus1_dbus_object *object;
        struct bus1_dbus *bus;
        bool all_over = false;
        uint64_t own;

        CHECK(bus1_dbus_open(&bus, daemon->address, NULL) == 0);
        CHECK(bus1_dbus_object_new(bus, NULL, client_interfaces, NULL, &object) == 0);
        CHECK(bus1_dbus_object_get_handle(object, &own) == 0);
        CHECK(bus1_dbus_subscribe(bus, "interface='" STORM_INTERFACE "'", native_tick, NULL, NULL,
                                  NULL) == 0);
        streams_init(streams, client);
        for (unsigned i = N_SERVICES; i < N_STREAMS; i++)
                if (bus1_dbus_lookup(bus, names[streams[i].service], 0, &streams[i].handle,
                                     &error) < 0)
                        die("%s is not found: %s", names[streams[i].service], error.message);
        while (!all_over) {
                all_over = have_all_ticks() && n_poked == n_sent_handles;
                for (unsigned i = 0; i < N_STREAMS; i++) {
                        if (may_send(&streams[i]))
                                native_send(bus, &streams[i], own);
                        all_over = all_over && is_complete(&streams[i]);
                }
                dispatch(bus);
                CHECK(bus1_dbus_wait(bus, 1) >= 0);
        }
        bus1_dbus_free(bus);
}

/* legacy clients */

static void legacy_send(DBusConnection *c, struct stream *s) {
        DBusMessage *m = call_new(s);

        CHECK(dbus_connection_send(c, m, &s->serials[(s->sent + 1) % WINDOW]));
        s->sent++;
        dbus_message_unref(m);
}

static void legacy_received(struct stream *streams, DBusMessage *m) {
        uint32_t serial = dbus_message_get_reply_serial(m);

        take_tick(m);
        if (serial == 0)
                return;
        for (unsigned i = 0; i < N_SERVICES; i++)
                for (uint32_t number = streams[i].expected; number <= streams[i].sent; number++)
                        if (streams[i].serials[number % WINDOW] == serial) {
                                answered(&streams[i], m, number);
                                return;
                        }
        die("an answer to call %u, which nobody waits for", serial);
}

static void run_legacy(const struct daemon *daemon, unsigned client) {
        DBusConnection *c = kind_legacy.open(daemon->address);
        struct stream streams[N_STREAMS];
        bool all_over = false;
        DBusMessage *m;

        CHECK(c);
        dbus_bus_add_match(c, "interface='" STORM_INTERFACE "'", NULL);
        while ((m = dbus_connection_pop_message(c)))
                dbus_message_unref(m);
        streams_init(streams, client);
        while (!all_over) {
                all_over = have_all_ticks();
                for (unsigned i = 0; i < N_SERVICES; i++) {
                        if (may_send(&streams[i]))
                                legacy_send(c, &streams[i]);
                        all_over = all_over && is_complete(&streams[i]);
                }
                CHECK(dbus_connection_read_write(c, 1));
                while ((m = dbus_connection_pop_message(c))) {
                        legacy_received(streams, m);
                        dbus_message_unref(m);
                }
        }
        kind_legacy.close(c);
}

/* the storm */

static pid_t start(void (*run)(const struct daemon *daemon, unsigned client),
                   void (*serve)(const struct daemon *daemon), const struct daemon *daemon,
                   unsigned client) {
        pid_t pid = fork();

        if (pid != 0)
                return pid;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (run)
                run(daemon, client);
        else
                serve(daemon);
        _exit(EXIT_SUCCESS);
}

static bool has_ended_well(pid_t pid, bool wait) {
        int status = 0;

        if (waitpid(pid, &status, wait ? 0 : WNOHANG) == 0)
                return true;
        return wait && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

/* Let the bus execute its program once, or find out that it does not. */
static bool execute(const struct daemon *daemon) {
        unsigned n = executions(), n_refusals = executions_refusals();
        int64_t end = now_ms() + TIMEOUT_MS;
        const char *why = NULL;

        kill(daemon->pid, SIGUSR2);
        while (executions() == n) {
                if (executions_refusals() > n_refusals) {
                        why = executions_refused();
                        /* the programs of the storm leave the machine no time for the check */
                        return why && strstr(why, "takes too long");
                }
                if (now_ms() > end) {
                        fprintf(stderr, "storm: the bus does not execute its program\n");
                        return false;
                }
                usleep(1000);
        }
        return true;
}

static bool run(const struct daemon *daemon, unsigned n) {
        pid_t services[N_SERVICES], clients[2 * N_CLIENTS];
        bool ok = true;

        services[0] = start(NULL, serve_legacy, daemon, 0);
        services[1] = start(NULL, serve_native, daemon, 0);
        for (int i = 0; i < 10000 && GET(n_ready) < N_SERVICES; i++)
                usleep(1000);
        for (unsigned i = 0; i < 2 * N_CLIENTS; i++)
                clients[i] = start(i < N_CLIENTS ? run_legacy : run_native, NULL, daemon, i);
        usleep(100000);
        for (unsigned tries = 2 * n; executions() < n && ok; tries--) {
                ok = tries > 0 && execute(daemon);
                usleep((useconds_t)(random() % 30000));
                for (unsigned k = 0; k < 2 * N_CLIENTS; k++)
                        ok = ok && has_ended_well(clients[k], false);
                for (unsigned k = 0; k < N_SERVICES; k++)
                        ok = ok && has_ended_well(services[k], false);
        }
        SET(stop_emit, true);
        SET(stop, true);
        if (ok)
                alarm(60); /* nobody waits longer for what does not come */
        for (unsigned i = 0; i < 2 * N_CLIENTS; i++) {
                if (!ok)
                        kill(clients[i], SIGKILL);
                ok = has_ended_well(clients[i], true) && ok;
        }
        SET(stop_serve, true);
        for (unsigned i = 0; i < N_SERVICES; i++)
                ok = has_ended_well(services[i], true) && ok;
        alarm(0);
        return ok;
}

int storm_main(const char *program, unsigned n) {
        struct daemon daemon;
        bool ok;

        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                      0);
        if (shared == MAP_FAILED || executions_begin() != 0)
                return EXIT_FAILURE;
        ok = daemon_start(&daemon, program, "");
        executions_end();
        if (!ok)
                return EXIT_FAILURE;
        ok = run(&daemon, n);
        if (!ok && executions_refused())
                fprintf(stderr, "storm: the bus %s\n", executions_refused());
        printf("storm: %u executions, %u refused, %llu calls, %llu of them directly, %llu "
               "descriptors, "
               "%llu handles (%llu called), %llu signals: %s\n",
               executions(), executions_refusals(), (unsigned long long)shared->n_calls,
               (unsigned long long)shared->n_direct, (unsigned long long)shared->n_fds,
               (unsigned long long)shared->n_handles, (unsigned long long)shared->n_pokes,
               (unsigned long long)shared->n_signals, ok ? "nothing lost" : "FAILED");
        fflush(stdout);
        return daemon_stop(&daemon) && ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
