/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bus1ctl policy check - are these files valid, and do they say what one thinks they say?
 *
 * A file may be the main file of a bus, which is checked with all files that it includes, or a file
 * that is meant to be included. With --live the main file of a running bus is checked, and changes
 * that the bus has not read yet are listed.
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/lint.h"
#include "tools/bus1ctl/commands.h"
#include "tools/bus1ctl/json.h"
#include "tools/bus1ctl/live.h"
#include "tools/bus1ctl/report.h"

struct checked {
        const char *path;
        const struct live_sources *sources; /* of the bus that the file is of, or NULL */
        char *error;                        /* NULL: the file is valid */
        struct bus_config *config;
        struct policy_finding *findings;
        size_t n_findings;
};

static int check(struct checked *checked, const char *path, const struct live_sources *sources) {
        int r;

        *checked = (struct checked){.path = path, .sources = sources};
        r = bus_config_load_part(path, NULL, &checked->config, &checked->error);
        if (r == -EINVAL || r == -ENOENT) {
                if (!checked->error && asprintf(&checked->error, "%s: %s", path, strerror(-r)) < 0)
                        return -ENOMEM;
                return 0;
        }
        if (r < 0)
                return r;
        return policy_lint(checked->config, &checked->findings, &checked->n_findings);
}

static void checked_clear(struct checked *checked) {
        policy_findings_free(checked->findings, checked->n_findings);
        bus_config_free(checked->config);
        free(checked->error);
}

static const char changed_text[] = "it is not what the bus has read";

static void print_text(const struct checked *checked) {
        if (checked->error)
                printf("%s\n", checked->error);
        for (size_t i = 0; checked->sources && i < checked->sources->n_changed; i++)
                printf("%s: changed: %s\n", checked->sources->changed[i], changed_text);
        for (size_t i = 0; i < checked->n_findings; i++) {
                const struct policy_finding *finding = &checked->findings[i];

                if (finding->file)
                        printf("%s:%u: ", finding->file, finding->line);
                printf("%s: %s\n", policy_finding_kind_name(finding->kind), finding->text);
        }
}

static struct json_object *to_json(const struct checked *checked) {
        struct json_object *object = json_make_object(), *findings = json_make_array();

        json_add_string(object, "file", checked->path);
        json_add_bool(object, "valid", !checked->error);
        json_add_string(object, "error", checked->error);
        for (size_t i = 0; i < checked->n_findings; i++) {
                const struct policy_finding *finding = &checked->findings[i];
                struct json_object *one = json_make_object();

                json_add_string(one, "kind", policy_finding_kind_name(finding->kind));
                json_add_string(one, "file", finding->file);
                if (finding->file)
                        json_add_number(one, "line", finding->line);
                else
                        json_add(one, "line", NULL);
                json_add_string(one, "text", finding->text);
                json_append(findings, one);
        }
        for (size_t i = 0; checked->sources && i < checked->sources->n_changed; i++) {
                struct json_object *one = json_make_object();

                json_add_string(one, "kind", "changed");
                json_add_string(one, "file", checked->sources->changed[i]);
                json_add(one, "line", NULL);
                json_add_string(one, "text", changed_text);
                json_append(findings, one);
        }
        json_add(object, "findings", findings);
        return object;
}

/* Check one file and say what was found. Returns the worse of status and its own. */
static int check_and_print(const char *path, const struct live_sources *sources,
                           struct json_object *results, int status) {
        struct checked checked;
        int r;

        r = check(&checked, path, sources);
        if (r < 0)
                status = report_failure("%s: %s", path, strerror(-r));
        else if (checked.error)
                status = STATUS_FAILED;
        else if ((checked.n_findings > 0 || (sources && sources->n_changed > 0)) &&
                 status == STATUS_OK)
                status = STATUS_NO;
        if (r >= 0 && results)
                json_append(results, to_json(&checked));
        else if (r >= 0)
                print_text(&checked);
        checked_clear(&checked);
        return status;
}

static int check_live(const struct live_bus *which, struct json_object *results) {
        struct live_sources sources = {};
        sd_bus *bus = NULL;
        int status;

        status = live_open(which, &bus);
        if (!status)
                status = live_get_sources(bus, &sources);
        if (!status)
                status = check_and_print(sources.main, &sources, results, status);
        sd_bus_flush_close_unref(bus);
        live_sources_clear(&sources);
        return status;
}

int policy_check_main(int argc, char *argv[]) {
        static const struct option options[] = {
                {"json", no_argument, NULL, 'j'},          {"live", no_argument, NULL, 'l'},
                {"system", no_argument, NULL, 'Y'},        {"session", no_argument, NULL, 'S'},
                {"address", required_argument, NULL, 'a'}, {}};
        struct json_object *results = NULL;
        struct live_bus bus = {};
        bool has_bus = false;
        int c, status = STATUS_OK;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                has_bus = has_bus || c == 'Y' || c == 'S' || c == 'a';
                if (c == 'j' && !results)
                        results = json_make_array();
                else if (c == 'l')
                        bus.is_live = true;
                else if (c == 'Y' || c == 'S')
                        bus.is_session = c == 'S';
                else if (c == 'a')
                        bus.address = optarg;
                else if (c != 'j')
                        return STATUS_FAILED;
        }
        if (has_bus && !bus.is_live)
                return report_failure("--system, --session and --address need --live");
        if (bus.is_live != (optind == argc))
                return report_failure("policy check needs files, or --live");

        if (bus.is_live)
                status = check_live(&bus, results);
        for (int i = optind; i < argc; i++)
                status = check_and_print(argv[i], NULL, results, status);
        if (results)
                return json_finish(results) ?: status;
        return fflush(stdout) ? report_failure("cannot write: %m") : status;
}
