/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Units: what the bus reads from the properties of a unit, and what follows from it; who asked for
 * a start; which services the template unit starts.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bridge/base/loop.h"
#include "bridge/bus/activation.h"
#include "bridge/bus/requester.h"
#include "bridge/bus/unit-state.h"
#include "bridge/bus/unit-watch.h"
#include "fixture.h"

#define NAME "com.example.A"

/* properties */

static void property(struct writer *w, const char *name, const char *signature) {
        writer_struct(w);
        writer_string(w, name);
        writer_variant(w, signature);
}

static void text(struct writer *w, const char *name, const char *value) {
        property(w, name, "s");
        writer_string(w, value);
}

static void number(struct writer *w, const char *name, const char *signature, uint32_t value) {
        property(w, name, signature);
        writer_u32(w, value);
}

static void begin(struct writer *w) {
        writer_init(w, MESSAGE_TYPE_METHOD_RETURN, 0, 1, "a{sv}");
        w->reply_serial = 1;
        writer_array_begin(w, 8);
}

static void end_and_read(struct writer *w, struct unit_state *state, struct unit_end *end) {
        struct message *m;
        struct reader reader;

        writer_array_end(w);
        ck_assert_int_eq(writer_finish(w, &m), 0);
        reader_init(&reader, m);
        unit_state_read(&reader, state, end);
        ck_assert_ptr_eq(reader.at, m->body + m->n_body);
        message_unref(m);
}

START_TEST(properties_of_other_types_are_passed_over) {
        struct unit_state state = {.active = "before"};
        struct unit_end end = {.code = 7};
        struct writer w;

        begin(&w);
        property(&w, "ActiveState", "as");
        writer_array_begin(&w, 4);
        writer_string(&w, "failed");
        writer_array_end(&w);
        property(&w, "Job", "(us)");
        writer_struct(&w);
        writer_u32(&w, 9);
        writer_string(&w, "x");
        number(&w, "ExecMainCode", "u", CLD_KILLED);
        number(&w, "Result", "u", 1);
        property(&w, "ConditionResult", "v");
        writer_variant(&w, "b");
        writer_bool(&w, false);
        text(&w, "LoadState", "loaded");
        end_and_read(&w, &state, &end);
        ck_assert_str_eq(state.active, "before");
        ck_assert_str_eq(state.load, "loaded");
        ck_assert(!state.has_job);
        ck_assert_int_eq(end.code, 7);
        ck_assert_str_eq(end.result, "");
        ck_assert(!end.condition_failed);
}
END_TEST

START_TEST(texts_are_kept_as_far_as_they_fit) {
        struct unit_state state = {};
        struct unit_end end = {};
        char many[1000];
        struct writer w;

        memset(many, 'x', sizeof(many) - 1);
        many[sizeof(many) - 1] = '\0';
        begin(&w);
        text(&w, "ActiveState", many);
        text(&w, "SubState", many);
        text(&w, "LoadState", many);
        text(&w, "Result", many);
        end_and_read(&w, &state, &end);
        ck_assert_uint_eq(strlen(state.active), sizeof(state.active) - 1);
        ck_assert_uint_eq(strlen(end.result), sizeof(end.result) - 1);
        ck_assert(!unit_state_is_over(&state));
}
END_TEST

START_TEST(a_condition_counts_if_it_was_tested) {
        for (unsigned i = 0; i < 4; i++) {
                struct unit_end end = {.assert_failed = true};
                bool tested = i & 1, holds = i & 2;
                struct writer w;

                begin(&w);
                property(&w, "ConditionResult", "b");
                writer_bool(&w, holds);
                property(&w, "ConditionTimestamp", "t");
                writer_u64(&w, tested ? UINT64_C(1) << 40 : 0);
                end_and_read(&w, NULL, &end);
                ck_assert_int_eq(end.condition_failed, tested && !holds);
                ck_assert(end.assert_failed); /* nothing about it was there */
        }
}
END_TEST

START_TEST(what_is_over) {
        static const struct {
                const char *active, *sub;
                bool is_over;
        } cases[] = {
                {"inactive", "dead", true},       {"failed", "failed", true},
                {"active", "exited", true},       {"active", "running", false},
                {"active", "listening", false},   {"activating", "auto-restart", false},
                {"activating", "start", false},   {"deactivating", "stop-sigterm", false},
                {"reloading", "reload", false},   {"maintenance", "cleaning", false},
                {"refreshing", "refresh", false}, {"", "", false},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                struct unit_state state = {};

                strcpy(state.active, cases[i].active);
                strcpy(state.sub, cases[i].sub);
                ck_assert_int_eq(unit_state_is_over(&state), cases[i].is_over);
                state.has_job = true;
                ck_assert(!unit_state_is_over(&state));
        }
}
END_TEST

/* reasons */

static void expect(const struct unit_end *end, const char *active, const char *job,
                   const char *error, const char *part) {
        struct unit_state state = {.load = "loaded"};
        struct launch_failure failure;

        strcpy(state.active, active);
        unit_state_explain(&state, end, job, "a.service", &failure);
        ck_assert_str_eq(failure.name, error);
        ck_assert_msg(strstr(failure.text, part), "no '%s' in '%s'", part, failure.text);
}

#define SPAWN(x) DRIVER_ERROR("Spawn." x)

START_TEST(which_reason_counts) {
        const struct unit_end exit = {.result = "exit-code", .code = CLD_EXITED, .status = 3};
        struct unit_end end = exit;

        expect(&end, "failed", "", SPAWN("ChildExited"), "status 3");
        expect(&end, "failed", "failed", SPAWN("ChildExited"), "status 3");
        expect(&end, "inactive", "dependency", SPAWN("Failed"), "needs");
        expect(&end, "active", "dependency", SPAWN("Failed"), "done its work");
        end.condition_failed = true;
        expect(&end, "inactive", "", SPAWN("Failed"), "Condition...=");
        expect(&end, "inactive", "canceled", SPAWN("Failed"), "cancelled");
        end = exit;
        end.assert_failed = true;
        expect(&end, "inactive", "failed", SPAWN("Failed"), "Assert...=");
        end = (struct unit_end){.result = "exec-condition", .condition_failed = true};
        expect(&end, "inactive", "done", SPAWN("Failed"), "ExecCondition=");
        end = (struct unit_end){.result = "success"};
        expect(&end, "failed", "", SPAWN("Failed"), "Unit a.service failed");
        expect(&end, "inactive", "", SPAWN("Failed"), "has not taken the name");
}
END_TEST

/* Whatever systemd sends, the text of an error is valid and not empty. */
START_TEST(texts_of_errors_are_valid) {
        const struct unit_end end = {.result = "\xc3\xa4\n%s"};
        struct launch_failure failure;
        struct unit_state state = {};
        char unit[3000];

        memset(unit, 'u', sizeof(unit) - 1);
        unit[sizeof(unit) - 1] = '\0';
        strcpy(state.active, "failed");
        unit_state_explain(&state, &end, "%n", "\xff.service", &failure);
        ck_assert_str_eq(failure.text, "Unit ?.service failed");
        unit_state_explain(&state, &end, "", unit, &failure);
        ck_assert_uint_eq(strlen(failure.text), sizeof(failure.text) - 1);
}
END_TEST

/* requesters */

START_TEST(a_requester_is_described) {
        struct client_credentials credentials;
        char text_of[REQUESTER_MAX], comm[16], expected[REQUESTER_MAX];

        client_credentials_init(&credentials);
        credentials.uid = 5;
        ck_assert_str_eq(requester_describe(&credentials, text_of), "uid=5 pid=0");
        ck_assert(!requester_read_comm(0, comm));
        ck_assert(!requester_read_comm(UINT32_MAX, comm));

        credentials.pid = (uint32_t)getpid();
        credentials.label = (char *)"a \"label\"\n\xff";
        ck_assert_int_eq(prctl(PR_SET_NAME, "fifteen \\ bytes"), 0);
        ck_assert(requester_read_comm(credentials.pid, comm));
        ck_assert_str_eq(comm, "fifteen \\ bytes");
        requester_describe(&credentials, text_of);
        snprintf(expected, sizeof(expected), "uid=5 pid=%d comm=\"fifteen \\x5c bytes\"",
                 (int)getpid());
        ck_assert_msg(strncmp(text_of, expected, strlen(expected)) == 0, "%s", text_of);
        ck_assert_ptr_nonnull(strstr(text_of, " label=\"a \\x22label\\x22\\x0a\\xff\""));
        ck_assert_ptr_null(strchr(text_of, '\n'));
}
END_TEST

START_TEST(a_long_label_is_cut) {
        struct client_credentials credentials;
        char label[5000], text_of[REQUESTER_MAX];

        memset(label, '\x01', sizeof(label) - 1);
        label[sizeof(label) - 1] = '\0';
        client_credentials_init(&credentials);
        credentials.label = label;
        requester_describe(&credentials, text_of);
        ck_assert_uint_lt(strlen(text_of), REQUESTER_MAX);
        ck_assert_uint_gt(strlen(text_of), 4 * 100);
}
END_TEST

/* the template */

static struct loop loop;
static struct bus_config config;

static void setup(const char *type, char *helper) {
        struct rlimit limit;

        config = (struct bus_config){.type = (char *)type, .servicehelper = helper};
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
        ck_assert_int_eq(loop_init(&loop), 0);
        ck_assert_int_eq(activation_new(&bus, &loop, &limit, &bus.activation), 0);
        bus.config = &config;
        bus.type = strdup(type);
        bus.system_configuration = strcmp(type, "system") == 0;
        bus.systemd_activation = true;
        bus.activation->has_template = true;
}

static void teardown(void) {
        bus.config = NULL;
        bus.activation = activation_free(bus.activation);
        loop_deinit(&loop);
        free(bus.type);
        bus.type = NULL;
}

/* Which unit would start the service? "": none, and launch() fails. */
static void expect_unit(const struct service *service, const char *unit) {
        struct launch_failure failure;
        struct start *start = calloc(1, sizeof(*start) + strlen(service->name) + 1);

        start->activation = bus.activation;
        strcpy(start->name, service->name);
        ck_assert_int_eq(launch(start, service, NULL, &failure), *unit ? 0 : 1);
        ck_assert_str_eq(start->unit ? start->unit : "", unit);
        ck_assert_int_eq(start->by_template, strncmp(unit, "bus1-service@", 13) == 0);
        free(start->unit);
        free(start);
}

START_TEST(the_template_on_the_system_bus) {
        char helper[] = "/nonexistent/helper";
        struct service service = {
                .name = (char *)NAME,
                .exec = (char *)"/bin/true",
                .user = (char *)"nobody",
                .path = (char *)"/x",
        };

        setup("system", helper);
        expect_unit(&service, "bus1-service@" NAME ".service");
        service.systemd_unit = (char *)"a.service";
        expect_unit(&service, "a.service");
        service.systemd_unit = NULL;
        service.user = NULL;
        expect_unit(&service, ""); /* User= is needed, with the helper and without it */
        teardown();
}
END_TEST

START_TEST(the_template_needs_the_bus_of_its_systemd) {
        char helper[] = "/nonexistent/helper";
        struct service service = {
                .name = (char *)NAME,
                .exec = (char *)"\"", /* executing it fails at once */
                .path = (char *)"/x",
        };

        setup("session", NULL);
        expect_unit(&service, "bus1-service@" NAME ".service");
        bus.systemd_activation = false;
        expect_unit(&service, "");
        teardown();
        setup("session", helper); /* the helper changes users, bus1-launch --session does not */
        expect_unit(&service, "");
        teardown();
        setup("system", NULL); /* the bus executes programs as itself */
        expect_unit(&service, "");
        teardown();
        setup("session", NULL); /* root's systemd would run it, as another user or not at all */
        bus.system_configuration = true;
        expect_unit(&service, "");
        teardown();
}
END_TEST

START_TEST(names_that_do_not_fit_into_the_name_of_a_unit) {
        struct service service = {.exec = (char *)"\"", .path = (char *)"/x"};
        char name[256], unit[300];

        setup("session", NULL);
        for (size_t n = 233; n < 238; n++) {
                memset(name, 'x', n);
                name[1] = '.';
                name[n] = '\0';
                service.name = name;
                snprintf(unit, sizeof(unit), "bus1-service@%s.service", name);
                expect_unit(&service, strlen(unit) <= 255 ? unit : "");
        }
        teardown();
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("units");

        tcase_add_test(tcase, properties_of_other_types_are_passed_over);
        tcase_add_test(tcase, texts_are_kept_as_far_as_they_fit);
        tcase_add_test(tcase, a_condition_counts_if_it_was_tested);
        tcase_add_test(tcase, what_is_over);
        tcase_add_test(tcase, which_reason_counts);
        tcase_add_test(tcase, texts_of_errors_are_valid);
        tcase_add_test(tcase, a_requester_is_described);
        tcase_add_test(tcase, a_long_label_is_cut);
        tcase_add_test(tcase, the_template_on_the_system_bus);
        tcase_add_test(tcase, the_template_needs_the_bus_of_its_systemd);
        tcase_add_test(tcase, names_that_do_not_fit_into_the_name_of_a_unit);
        return suite_main("units", tcase);
}
