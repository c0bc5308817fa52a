/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bus1ctl policy check - finds errors and probable mistakes in configuration files
 *
 * A file can be the main file of a bus, which is checked with all files that it includes, or a file
 * for inclusion. With --live, the main file of a running bus is checked, and the files that have
 * changed since the bus read them are listed.
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/lint.h"
#include "tools/bus1ctl/live.h"
#include "tools/bus1ctl/output.h"

struct checked {
        const char *path;
        const struct live_sources *sources; /* of the bus whose main file it is; NULL: no bus */
        char *error;                        /* NULL: the file is valid */
        struct bus_config *config;
        struct policy_finding *findings;
        size_t n_findings;
};

static int check_file(struct checked *checked, const char *path,
                      const struct live_sources *sources) {
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

static const char changed_text[] = "it has changed since the bus read it";

static void print_text(const struct checked *checked) {
        if (checked->error)
                output_print("%s\n", checked->error);
        for (size_t i = 0; checked->sources && i < checked->sources->n_changed; i++)
                output_print("%s: changed: %s\n", checked->sources->changed[i], changed_text);
        for (size_t i = 0; i < checked->n_findings; i++) {
                const struct policy_finding *finding = &checked->findings[i];

                if (finding->file)
                        output_print("%s:%u: ", finding->file, finding->line);
                output_print("%s: %s\n", policy_finding_kind_name(finding->kind), finding->text);
        }
}

/*
 * Append a finding. If file is NULL, no file is known; if line is 0, it is about a whole file.
 */
static void append_finding(struct json_object *findings, const char *kind, const char *file,
                           unsigned line, const char *text) {
        struct json_object *finding = json_make_object();

        json_add_string(finding, "kind", kind);
        json_add_string(finding, "file", file);
        if (file && line)
                json_add_number(finding, "line", line);
        else
                json_add(finding, "line", NULL);
        json_add_string(finding, "text", text);
        json_append(findings, finding);
}

static struct json_object *to_json(const struct checked *checked) {
        struct json_object *object = json_make_object(), *findings = json_make_array();

        json_add_string(object, "file", checked->path);
        json_add_bool(object, "valid", !checked->error);
        json_add_string(object, "error", checked->error);
        for (size_t i = 0; i < checked->n_findings; i++) {
                const struct policy_finding *f = &checked->findings[i];

                append_finding(findings, policy_finding_kind_name(f->kind), f->file, f->line,
                               f->text);
        }
        for (size_t i = 0; checked->sources && i < checked->sources->n_changed; i++)
                append_finding(findings, "changed", checked->sources->changed[i], 0, changed_text);
        json_add(object, "findings", findings);
        return object;
}

/*
 * Check one file, and append the result to results, or print it if results is NULL. Returns the
 * worse of status and the file's own status.
 */
static int check_and_print(const char *path, const struct live_sources *sources,
                           struct json_object *results, int status) {
        struct checked checked;
        int r;

        r = check_file(&checked, path, sources);
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
        CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        CLEANUP(live_sources_clear) struct live_sources sources = {};
        int status;

        status = live_open(which, &bus);
        if (!status)
                status = live_get_sources(bus, &sources);
        if (!status)
                status = check_and_print(sources.main, &sources, results, status);
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
                return report_failure("policy check needs either files or --live");

        if (bus.is_live)
                status = check_live(&bus, results);
        for (int i = optind; i < argc; i++)
                status = check_and_print(argv[i], NULL, results, status);
        if (results)
                return json_finish(results) ?: status;
        return output_flush() ?: status;
}
