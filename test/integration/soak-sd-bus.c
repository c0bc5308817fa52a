/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A client of test-reexec-soak.py with sd-bus: soak-sd-bus NAME */

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "test/integration/soak.h"

static sd_bus *bus;

struct waiting {
        size_t peer;
        uint64_t number;
};

static int check(int r, const char *what) {
        if (r < 0)
                soak_fail("%s: %s", what, strerror(-r));
        return r;
}

static int wait_for(short *ret_events, int *ret_timeout) {
        uint64_t deadline = UINT64_MAX;
        struct timespec now;
        int64_t left;

        *ret_events = (short)check(sd_bus_get_events(bus), "events");
        check(sd_bus_get_timeout(bus, &deadline), "timeout");
        *ret_timeout = -1;
        if (deadline != UINT64_MAX) {
                clock_gettime(CLOCK_MONOTONIC, &now);
                left = (int64_t)deadline / 1000 - now.tv_sec * 1000 - now.tv_nsec / 1000000 + 1;
                *ret_timeout = left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
                if (deadline == 0)
                        *ret_timeout = 0;
        }
        return sd_bus_get_fd(bus);
}

static void process(void) {
        while (check(sd_bus_process(bus, NULL), "the connection") > 0)
                ;
}

static int answered(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct waiting *waiting = userdata;
        uint64_t number = 0;

        if (sd_bus_message_is_method_error(m, NULL))
                soak_fail("a call has failed: %s", sd_bus_message_get_error(m)->name);
        check(sd_bus_message_read(m, "t", &number), "an answer");
        soak_answered(waiting->peer, waiting->number, number);
        free(waiting);
        return 1;
}

static void call(const char *destination, size_t peer, uint64_t number, int fd) {
        struct waiting *waiting = malloc(sizeof(*waiting));
        sd_bus_message *m = NULL;

        if (!waiting)
                soak_fail("no memory");
        *waiting = (struct waiting){peer, number};
        check(sd_bus_message_new_method_call(bus, &m, destination, SOAK_PATH, SOAK_INTERFACE,
                                             fd < 0 ? "Take" : "TakeFd"),
              "a call");
        check(sd_bus_message_append(m, "t", number), "a call");
        if (fd >= 0)
                check(sd_bus_message_append(m, "h", fd), "a call");
        check(sd_bus_call_async(bus, NULL, m, answered, waiting, SOAK_TIMEOUT * UINT64_C(1000000)),
              "a call");
        sd_bus_message_unref(m);
}

static void tick(uint64_t number) {
        check(sd_bus_emit_signal(bus, SOAK_PATH, SOAK_INTERFACE, "Tick", "t", number), "a tick");
}

static int take(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        uint64_t number = 0;
        int fd = -1;

        check(sd_bus_message_read(m, "t", &number), "a call");
        if (sd_bus_message_is_method_call(m, SOAK_INTERFACE, "TakeFd") > 0)
                check(sd_bus_message_read(m, "h", &fd), "a call with a descriptor");
        soak_take(sd_bus_message_get_sender(m), number, fd); /* the message closes fd */
        return sd_bus_reply_method_return(m, "t", number);
}

static int ticked(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        uint64_t number = 0;

        check(sd_bus_message_read(m, "t", &number), "a tick");
        soak_ticked(sd_bus_message_get_sender(m), number);
        return 1;
}

int main(int argc, char **argv) {
        static const struct soak_library library = {wait_for, process, call, tick};
        const char *unique = NULL;

        if (argc != 2)
                soak_fail("soak-sd-bus NAME");
        check(sd_bus_open_user(&bus), "the bus");
        check(sd_bus_add_object(bus, NULL, SOAK_PATH, take, NULL), "an object");
        check(sd_bus_add_match(bus, NULL, SOAK_RULE, ticked, NULL), "a rule");
        check(sd_bus_request_name(bus, argv[1], 0), argv[1]);
        check(sd_bus_get_unique_name(bus, &unique), "its name");
        soak_run(&library, unique);
}
