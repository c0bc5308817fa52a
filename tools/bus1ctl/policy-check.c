/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bus1ctl policy check - are these files valid, and do they say what one thinks they say?
 *
 * A file may be a bus's main file, which is checked with all that it includes, or one that is meant
 * to be included.
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/lint.h"
#include "tools/bus1ctl/bus1ctl.h"

struct checked {
        const char *path;
        char *error; /* NULL: the file is valid */
        struct bus_config *config;
        struct policy_finding *findings;
        size_t n_findings;
};

static int check(struct checked *checked, const char *path) {
        int r;

        *checked = (struct checked){.path = path};
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

static void print_text(const struct checked *checked) {
        if (checked->error)
                printf("%s\n", checked->error);
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
        json_add(object, "findings", findings);
        return object;
}

int policy_check_main(int argc, char *argv[]) {
        static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {}};
        struct json_object *results = NULL;
        int c, status = STATUS_OK;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (c != 'j')
                        return STATUS_FAILED;
                if (!results)
                        results = json_make_array();
        }
        if (optind == argc)
                return complain("policy check needs files");

        for (int i = optind; i < argc; i++) {
                struct checked checked;
                int r;

                r = check(&checked, argv[i]);
                if (r < 0)
                        status = complain("%s: %s", argv[i], strerror(-r));
                else if (checked.error)
                        status = STATUS_FAILED;
                else if (checked.n_findings > 0 && status == STATUS_OK)
                        status = STATUS_NO;
                if (r >= 0 && results)
                        json_append(results, to_json(&checked));
                else if (r >= 0)
                        print_text(&checked);
                checked_clear(&checked);
        }
        if (results)
                return json_finish(results) ?: status;
        return fflush(stdout) ? complain("cannot write: %m") : status;
}
