/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whether users and groups have got other numbers since a configuration was read. */

#include <string.h>

#include "policy/identity.h"
#include "support.h"

/* The names of the configuration: one that exists, and one that does not, of each kind. */
static const char body[] = "<policy user=\"root\"><allow own=\"a.b\"/></policy>"
                           "<policy group=\"root\"><allow own=\"a.b\"/></policy>"
                           "<policy user=\"nobody-has-it\"><allow own=\"a.b\"/></policy>"
                           "<policy user=\"root\"><allow own=\"a.c\"/></policy>"
                           "<policy user=\"4711\"><allow own=\"a.c\"/></policy>"
                           "<policy context=\"default\"><allow user=\"*\"/>"
                           "<deny group=\"nobody-has-it\"/><allow user=\"nobody-has-it\"/>"
                           "<deny user=\"0\"/></policy>";

static struct scratch scratch;

static void set_up(void) {
        scratch_open(&scratch);
}

static void tear_down(void) {
        scratch_close(&scratch);
}

static struct bus_config_identity *find(struct bus_config *config, const char *name,
                                        bool is_group) {
        for (size_t i = 0; i < config->inputs.n_identities; i++)
                if (strcmp(config->inputs.identities[i].name, name) == 0 &&
                    config->inputs.identities[i].is_group == is_group)
                        return &config->inputs.identities[i];
        return NULL;
}

START_TEST(each_name_is_remembered_once) {
        struct bus_config *config = scratch_load_body(&scratch, body);

        ck_assert_uint_eq(config->inputs.n_identities, 4);
        for (int is_group = 0; is_group < 2; is_group++) {
                ck_assert(find(config, "root", is_group)->is_known);
                ck_assert_uint_eq(find(config, "root", is_group)->id, 0);
                ck_assert(!find(config, "nobody-has-it", is_group)->is_known);
        }
        ck_assert(!bus_config_identities_changed(config));
        bus_config_free(config);
}
END_TEST

START_TEST(numbers_and_wildcards_are_no_names) {
        struct bus_config *config =
                scratch_load_body(&scratch, "<policy user=\"4711\"><allow own=\"a.b\"/></policy>"
                                            "<policy context=\"default\"><allow user=\"*\"/>"
                                            "<allow group=\"7\"/></policy>");

        ck_assert_uint_eq(config->inputs.n_identities, 0);
        ck_assert(!bus_config_identities_changed(config));
        bus_config_free(config);
}
END_TEST

/* Instead of the files, the test changes what the configuration remembers. */
START_TEST(each_change_is_noticed) {
        for (int is_group = 0; is_group < 2; is_group++) {
                struct bus_config *config = scratch_load_body(&scratch, body);
                struct bus_config_identity *root = find(config, "root", is_group);
                struct bus_config_identity *none = find(config, "nobody-has-it", is_group);

                root->id = 1;
                ck_assert(bus_config_identities_changed(config)); /* it has another number */
                root->id = 0;
                ck_assert(!bus_config_identities_changed(config));
                root->is_known = false;
                ck_assert(bus_config_identities_changed(config)); /* it was made */
                root->is_known = true;
                none->is_known = true;
                ck_assert(bus_config_identities_changed(config)); /* it was removed */
                bus_config_free(config);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("identity");
        TCase *tcase = tcase_create("all");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, each_name_is_remembered_once);
        tcase_add_test(tcase, numbers_and_wildcards_are_no_names);
        tcase_add_test(tcase, each_change_is_noticed);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
