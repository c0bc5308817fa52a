/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Own messages: see own.h. */

#include "test/hostile/own.h"

#include <stdio.h>
#include <unistd.h>

static void format_name(char name[static 64], unsigned member) {
        /* several attackers may do the same at once */
        snprintf(name, 64, "com.example.Attacker%u.Member%u", (unsigned)getuid(), member);
}

void own_name(struct text *t, const struct scene *scene, unsigned member) {
        char name[64];

        format_name(name, member);
        text_add_bus_call(t, RAW_NO_REPLY, "RequestName", name);
}

void own_add(struct text *t, unsigned member, uint8_t type, uint8_t flags, unsigned n_fds) {
        char name[64];

        format_name(name, member);
        text_add_message(t, &(struct raw_fields){
                                    .type = type,
                                    .flags = flags,
                                    .n_fds = n_fds,
                                    .path = "/",
                                    .interface = OWN_INTERFACE,
                                    .member = "Own",
                                    .destination = name,
                            });
}

void own_broadcast(struct text *t, const char *argument) {
        static const struct raw_fields signal = {
                .type = RAW_SIGNAL,
                .path = "/",
                .interface = OWN_INTERFACE,
                .member = "Broadcast",
        };

        if (argument)
                text_add_string(t, &signal, argument);
        else
                text_add_message(t, &signal);
}
