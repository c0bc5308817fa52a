/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Unit state: reading the properties of a unit, and from them to an error. */

#include "bridge/bus/unit-state.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "bridge/bus/voice.h"

#define SPAWN_ERROR(x) DRIVER_ERROR("Spawn." x)
#define SYSTEMD_ERROR(x) "org.freedesktop.systemd1." x

/* reading */

/* A property whose value has a type of one character. */
struct property {
        const char *name;
        char type;
        struct reader value;
};

static bool is(const struct property *property, char type, const char *name) {
        return property->type == type && strcmp(property->name, name) == 0;
}

static void read_text(struct property *property, char *text, size_t n_text) {
        snprintf(text, n_text, "%s", reader_string(&property->value).s);
}

static void read_end(struct property *property, struct unit_end *end) {
        if (is(property, 's', "Result"))
                read_text(property, end->result, sizeof(end->result));
        else if (is(property, 'i', "ExecMainCode"))
                end->code = (int32_t)reader_u32(&property->value);
        else if (is(property, 'i', "ExecMainStatus"))
                end->status = (int32_t)reader_u32(&property->value);
}

/* The result of conditions counts only if there is a time at which they were tested. */
struct tests {
        bool were_read, hold;
        uint64_t time;
};

static void read_state(struct property *property, struct unit_state *state) {
        if (is(property, 's', "LoadState"))
                read_text(property, state->load, sizeof(state->load));
        else if (is(property, 's', "ActiveState"))
                read_text(property, state->active, sizeof(state->active));
        else if (is(property, 's', "SubState"))
                read_text(property, state->sub, sizeof(state->sub));
}

static void read_tests(struct property *property, struct tests *condition,
                       struct tests *assertion) {
        if (is(property, 't', "ConditionTimestamp"))
                condition->time = reader_u64(&property->value);
        else if (is(property, 't', "AssertTimestamp"))
                assertion->time = reader_u64(&property->value);
        else if (is(property, 'b', "ConditionResult")) {
                condition->were_read = true;
                condition->hold = reader_u32(&property->value);
        } else if (is(property, 'b', "AssertResult")) {
                assertion->were_read = true;
                assertion->hold = reader_u32(&property->value);
        }
}

static void read_job(struct reader *value, struct unit_state *state) {
        reader_struct(value);
        state->has_job = reader_u32(value) != 0;
}

void unit_state_read(struct reader *reader, struct unit_state *state, struct unit_end *end) {
        struct tests condition = {}, assertion = {};
        const uint8_t *array_end;

        reader_array(reader, 8, &array_end);
        while (reader->at < array_end) {
                struct property property;
                struct wire_string signature;

                reader_struct(reader);
                property.name = reader_string(reader).s;
                property.value = *reader;
                signature = reader_signature(&property.value);
                property.type = signature.n == 1 ? signature.s[0] : '\0';
                if (state && strcmp(property.name, "Job") == 0 && strcmp(signature.s, "(uo)") == 0)
                        read_job(&property.value, state);
                if (state)
                        read_state(&property, state);
                read_tests(&property, &condition, &assertion);
                if (end)
                        read_end(&property, end);
                reader_skip(reader, "v");
        }
        if (end && condition.were_read)
                end->condition_failed = condition.time != 0 && !condition.hold;
        if (end && assertion.were_read)
                end->assert_failed = assertion.time != 0 && !assertion.hold;
}

/* deciding */

bool unit_state_is_over(const struct unit_state *state) {
        if (state->has_job)
                return false;
        if (strcmp(state->active, "active") == 0)
                return strcmp(state->sub, "exited") == 0;
        return strcmp(state->active, "inactive") == 0 || strcmp(state->active, "failed") == 0;
}

bool unit_end_is_failure(const struct unit_end *end) {
        return end->result[0] && strcmp(end->result, "success") != 0;
}

bool unit_end_is_exit(const struct unit_end *end) {
        return strcmp(end->result, "exit-code") == 0 && end->code == CLD_EXITED && end->status != 0;
}

/* Results with one text each. */
struct reason {
        const char *result, *error, *text;
};

/* Results of a job that tell more than the state of the unit. */
static const struct reason job_reasons[] = {
        {"dependency", SPAWN_ERROR("Failed"), "a unit that it needs could not be started"},
        {"canceled", SPAWN_ERROR("Failed"), "its start was cancelled"},
        {"timeout", DRIVER_ERROR("TimedOut"), "its job took too long"},
        {"assert", SPAWN_ERROR("Failed"), "an Assert...= of the unit does not hold"},
        {"skipped", SPAWN_ERROR("Failed"), "its ExecCondition= does not hold"},
        {"unsupported", SPAWN_ERROR("Failed"), "this system does not support such units"},
        {"collected", SPAWN_ERROR("Failed"), "systemd has dropped its job"},
        {"once", SPAWN_ERROR("Failed"), "it can be started only once"},
        {"frozen", SPAWN_ERROR("Failed"), "it is frozen"},
        {"concurrency", SPAWN_ERROR("Failed"), "its slice runs as many units as it may"},
        {"invalid", SPAWN_ERROR("Failed"), "such a unit cannot be started"},
};

/* Results of a service, socket, and so on. */
static const struct reason unit_reasons[] = {
        {"timeout", DRIVER_ERROR("TimedOut"), "it took too long to start or to stop"},
        {"watchdog", DRIVER_ERROR("TimedOut"), "it did not report to its watchdog in time"},
        {"start-limit-hit", SPAWN_ERROR("Failed"), "it was started too often in a short time"},
        {"resources", SPAWN_ERROR("FailedToSetup"), "systemd could not set it up"},
        {"protocol", SPAWN_ERROR("Failed"), "it ended before it had started as its Type= says"},
        {"oom-kill", SPAWN_ERROR("ChildSignaled"), "it was killed because memory ran out"},
};

/* Errors with which systemd refuses a start at once, if the unit file is the reason. */
static const struct reason load_reasons[] = {
        {"not-found", SYSTEMD_ERROR("NoSuchUnit"), "there is no such unit"},
        {"masked", SYSTEMD_ERROR("UnitMasked"), "it is masked"},
        {"bad-setting", SYSTEMD_ERROR("BadUnitSetting"), "its unit file has a bad setting"},
        {"error", SYSTEMD_ERROR("LoadFailed"), "its unit file could not be read"},
};

#define FIND(list, result) find_reason(list, sizeof(list) / sizeof(*(list)), result)

static const struct reason *find_reason(const struct reason *list, size_t n, const char *result) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(list[i].result, result) == 0)
                        return &list[i];
        return NULL;
}

__attribute__((format(printf, 3, 4))) static void
explain(struct launch_failure *failure, const char *name, const char *format, ...) {
        va_list args;

        failure->name = name;
        va_start(args, format);
        voice_format(failure->text, sizeof(failure->text), format, args);
        va_end(args);
}

static void explain_reason(struct launch_failure *failure, const char *unit,
                           const struct reason *reason) {
        explain(failure, reason->error, "Unit %s failed: %s", unit, reason->text);
}

static void explain_exit(struct launch_failure *failure, const char *unit,
                         const struct unit_end *end) {
        if (unit_end_is_exit(end))
                explain(failure, SPAWN_ERROR("ChildExited"),
                        "Unit %s failed: its process exited with status %d", unit,
                        (int)end->status);
        else
                explain(failure, SPAWN_ERROR("ChildExited"),
                        "Unit %s failed: one of its processes exited with an error", unit);
}

static void explain_signal(struct launch_failure *failure, const char *unit,
                           const struct unit_end *end) {
        const char *dumped = strcmp(end->result, "core-dump") == 0 ? ", and it dumped core" : "";

        if (end->code == CLD_KILLED || end->code == CLD_DUMPED)
                explain(failure, SPAWN_ERROR("ChildSignaled"),
                        "Unit %s failed: its process received signal %d%s", unit, (int)end->status,
                        dumped);
        else
                explain(failure, SPAWN_ERROR("ChildSignaled"),
                        "Unit %s failed: one of its processes received a signal%s", unit, dumped);
}

/* An unknown text of systemd is quoted only if it is a word. */
static bool is_word(const char *text) {
        size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");

        return n > 0 && text[n] == '\0';
}

static void explain_end(struct launch_failure *failure, const char *unit,
                        const struct unit_end *end) {
        const struct reason *reason = FIND(unit_reasons, end->result);

        if (reason)
                explain_reason(failure, unit, reason);
        else if (strcmp(end->result, "exit-code") == 0)
                explain_exit(failure, unit, end);
        else if (strcmp(end->result, "signal") == 0 || strcmp(end->result, "core-dump") == 0)
                explain_signal(failure, unit, end);
        else
                explain(failure, SPAWN_ERROR("Failed"), "Unit %s failed%s%s", unit,
                        is_word(end->result) ? ": " : "", is_word(end->result) ? end->result : "");
}

/*
 * The result of a job, and those of conditions, are about the last start. That of a service may be
 * about an earlier one, but only if one of the others says why the last start did not get so far.
 * (An ExecCondition= counts as a condition, too, and is an end of the service that says more.)
 */
void unit_state_explain(const struct unit_state *state, const struct unit_end *end,
                        const char *job_result, const char *unit,
                        struct launch_failure *ret_failure) {
        bool skipped = strcmp(end->result, "exec-condition") == 0;
        const struct reason *job = FIND(job_reasons, skipped ? "skipped" : job_result);
        const struct reason *load = FIND(load_reasons, state->load);

        if (strcmp(state->active, "active") == 0)
                explain(ret_failure, SPAWN_ERROR("Failed"),
                        "Unit %s has done its work and has not taken the name", unit);
        else if (job)
                explain_reason(ret_failure, unit, job);
        else if (end->condition_failed)
                explain(ret_failure, SPAWN_ERROR("Failed"),
                        "Unit %s was not started: a Condition...= of the unit does not hold", unit);
        else if (end->assert_failed)
                explain(ret_failure, SPAWN_ERROR("Failed"),
                        "Unit %s was not started: an Assert...= of the unit does not hold", unit);
        else if (unit_end_is_failure(end))
                explain_end(ret_failure, unit, end);
        else if (load)
                explain_reason(ret_failure, unit, load);
        else if (strcmp(state->active, "failed") == 0)
                explain(ret_failure, SPAWN_ERROR("Failed"), "Unit %s failed", unit);
        else
                explain(ret_failure, SPAWN_ERROR("Failed"),
                        "Unit %s ended and has not taken the name", unit);
}
