/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Without memory: each allocation fails once. A document is then not written, or not read, as a
 * whole; nothing is leaked (which the sanitizers check), and the bus could go on.
 */

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "sample.h"
#include "test/unit/memory.h"
#include "test/unit/suite.h"

static struct sample sample;
static int document = -1;

static int save(void) {
        int fd = -1, r = sample_save(&sample, &fd);

        if ((r < 0) != (fd < 0))
                r = -EPROTO;
        if (fd >= 0)
                close(fd);
        return r;
}

START_TEST(document_is_written_as_a_whole) {
        memory_check(save, 10);
}
END_TEST

static int load(void) {
        struct state_load load;
        int r;

        r = state_load_init(&load, document);
        if (r == 0)
                r = sample_load(&sample, &load);
        load.is_dry = true; /* the sample owns the descriptors */
        state_load_deinit(&load);
        return r;
}

START_TEST(document_is_read_as_a_whole) {
        ck_assert_int_eq(sample_save(&sample, &document), 0);
        memory_check(load, 5);
        close(document);
}
END_TEST

int main(void) {
        TCase *t = tcase_create("memory");
        int r;

        if (sample_init(&sample) < 0)
                return EXIT_FAILURE;
        tcase_set_timeout(t, 60);
        tcase_add_test(t, document_is_written_as_a_whole);
        tcase_add_test(t, document_is_read_as_a_whole);
        r = suite_run("state-memory", t);
        sample_deinit(&sample);
        return r;
}
