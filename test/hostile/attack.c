/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Parts of the texts of attacks. */

#include "test/hostile/attack.h"

#include <stdio.h>
#include <unistd.h>

const char *attack_name(unsigned member) {
        static char name[64];

        snprintf(name, sizeof(name), "com.example.Attack.u%u.n%u", (unsigned)getuid(), member);
        return name;
}

void attack_add_call(struct text *t, const char *destination, const char *argument) {
        const struct raw_fields f = {
                .type = RAW_CALL,
                .flags = RAW_NO_REPLY,
                .path = "/com/example",
                .interface = ATTACK_INTERFACE,
                .member = "Call",
                .destination = destination,
        };

        text_add_string(t, &f, argument);
}

void attack_add_signal(struct text *t, const char *argument) {
        const struct raw_fields f = {
                .type = RAW_SIGNAL,
                .path = "/com/example",
                .interface = ATTACK_INTERFACE,
                .member = "Signal",
        };

        text_add_string(t, &f, argument);
}
