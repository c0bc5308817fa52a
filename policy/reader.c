/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reader - reads the files of a configuration and parses their XML
 *
 * The parser is expat. Its protection against entities that expand without end is on, and external
 * document types are never fetched. Elements nest at most ELEMENT_DEPTH_MAX deep, includes nest at
 * most INCLUDE_DEPTH_MAX deep, and at most FILES_MAX files are read.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "policy/array.h"
#include "policy/elements.h"
#include "policy/environment.h"
#include "policy/section.h"

#define INCLUDE_DEPTH_MAX 32
#define FILES_MAX 8192
#define TEXT_MAX 65536
#define CHUNK_SIZE 16384

/* expat */

static int include(struct document *document);

static void stop(struct document *document, int result) {
        if (result >= 0 || document->result < 0)
                return;
        document->result = result;
        XML_StopParser(document->parser, XML_FALSE);
}

static void on_start(void *userdata, const char *name, const char **attributes) {
        struct document *document = userdata;
        const struct element *element, *parent = NULL;
        int r = -EINVAL;

        if (document->result < 0)
                return;
        if (document->n_elements > 0)
                parent = document->elements[document->n_elements - 1];
        element = element_find(document, parent, name, &r);
        if (element) {
                /* the table of elements allows no nesting deeper than ELEMENT_DEPTH_MAX */
                document->elements[document->n_elements++] = element;
                document->n_text = 0;
                r = element_start(element, document, (const char *const *)attributes);
        }
        stop(document, r);
}

static int append_text(struct document *document, const char *text, size_t n) {
        char *grown;

        if (n > TEXT_MAX - document->n_text)
                return document_fail(document, "text is longer than %d bytes", TEXT_MAX);
        grown = realloc(document->text, document->n_text + n + 1);
        if (!grown)
                return -ENOMEM;
        document->text = grown;
        memcpy(grown + document->n_text, text, n);
        document->n_text += n;
        grown[document->n_text] = '\0';
        return 0;
}

static bool is_blank(const char *text, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (!strchr(" \t\r\n", text[i]) || !text[i])
                        return false;
        return true;
}

static void on_text(void *userdata, const char *text, int length) {
        struct document *document = userdata;
        const struct element *element;
        size_t n = (size_t)length;
        int r = 0;

        if (!document->n_elements || document->result < 0)
                return;
        element = document->elements[document->n_elements - 1];
        if (element->has_text)
                r = append_text(document, text, n);
        else if (!is_blank(text, n))
                r = document_fail(document, "no text is allowed inside <%s>", element->name);
        stop(document, r);
}

static void on_end(void *userdata, const char *name) {
        struct document *document = userdata;
        const char *text = document->n_text > 0 ? document->text : "";
        int r;

        /* after XML_StopParser() expat still reports the end of an empty element */
        if (document->result < 0)
                return;
        document->n_elements--;
        r = element_end(document->elements[document->n_elements], document, text);
        if (r >= 0 && document->include.path)
                r = include(document);
        stop(document, r);
        document->n_text = 0;
}

/* Called for an entity that only the external document type can declare, which is not read. */
static void on_skipped_entity(void *userdata, const char *name, int is_parameter_entity) {
        struct document *document = userdata;

        if (!is_parameter_entity)
                stop(document, document_fail(document, "undefined entity &%s;", name));
}

static int document_parse(struct document *document, int fd) {
        for (;;) {
                enum XML_Status status;
                ssize_t n;
                void *buffer;

                buffer = XML_GetBuffer(document->parser, CHUNK_SIZE);
                if (!buffer)
                        return -ENOMEM;
                n = TEMP_FAILURE_RETRY(read(fd, buffer, CHUNK_SIZE));
                if (n < 0)
                        return document_fail(document, "cannot read: %s", strerror(errno));
                status = XML_ParseBuffer(document->parser, (int)n, n == 0);
                if (document->result < 0)
                        return document->result;
                if (status != XML_STATUS_OK) {
                        enum XML_Error error = XML_GetErrorCode(document->parser);

                        if (error == XML_ERROR_NO_MEMORY)
                                return -ENOMEM;
                        return document_fail(document, "%s", XML_ErrorString(error));
                }
                if (n == 0)
                        return 0;
        }
}

/* documents */

static void document_clear(struct document *document) {
        if (document->parser)
                XML_ParserFree(document->parser);
        bus_fragment_clear(&document->fragment);
        policy_block_free(document->block);
        free(document->include.path);
        free(document->directory);
        free(document->text);
}

static bool is_being_read(const struct document *document) {
        for (const struct document *d = document->parent; d; d = d->parent)
                if (d->identity.st_dev == document->identity.st_dev &&
                    d->identity.st_ino == document->identity.st_ino)
                        return true;
        return false;
}

static int document_prepare(struct document *document) {
        const char *slash = strrchr(document->file, '/');

        document->directory = strndup(document->file, slash ? (size_t)(slash - document->file) : 0);
        document->parser = XML_ParserCreate(NULL);
        if (!document->directory || !document->parser)
                return -ENOMEM;
        XML_SetUserData(document->parser, document);
        XML_SetElementHandler(document->parser, on_start, on_end);
        XML_SetCharacterDataHandler(document->parser, on_text);
        XML_SetSkippedEntityHandler(document->parser, on_skipped_entity);
        return 0;
}

static int add_source(struct bus_config_inputs *inputs, const char *path, const struct stat *st) {
        const struct bus_config_source source = {
                .path = path,
                .stamp = st ? bus_config_stamp(st) : 0,
                .is_directory = !st || S_ISDIR(st->st_mode),
        };

        return POLICY_ARRAY_APPEND(inputs->sources, inputs->n_sources, source);
}

/*
 * Remember a file that cannot be opened, so that the bus notices when the file is written or
 * replaced. It does not notice when only the mode of the file changes. Returns 1 if the file does
 * not exist, else a negative errno.
 */
static int cannot_open(struct document *document, int error) {
        struct bus_config_inputs *inputs = &document->reader->whole.config.inputs;
        int r;

        if (error == ENOENT)
                r = policy_append_copy(&inputs->missing, &inputs->n_missing, document->file);
        else
                r = policy_append_copy(&inputs->files, &inputs->n_files, document->file);
        if (r < 0)
                return r;
        r = document_fail(document, "cannot open: %s", strerror(error));
        return r == -EINVAL && error == ENOENT ? 1 : r;
}

/*
 * Read a file into the fragment of a document, whose members reader, parent, depth and file are
 * set. Returns 0, 1 if the file does not exist, or a negative errno.
 */
static int document_read(struct document *document) {
        struct bus_config_inputs *inputs = &document->reader->whole.config.inputs;
        CLEANUP_CLOSE int fd = -1;
        int r;

        /* without O_NONBLOCK, opening a FIFO would wait for a writer */
        fd = open(document->file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
                return cannot_open(document, errno);
        if (fstat(fd, &document->identity) < 0)
                r = document_fail(document, "cannot open: %s", strerror(errno));
        else
                r = policy_append_copy(&inputs->files, &inputs->n_files, document->file);
        if (r >= 0)
                r = add_source(inputs, inputs->files[inputs->n_files - 1], &document->identity);
        if (r < 0)
                return r;
        if (!S_ISREG(document->identity.st_mode))
                r = document_fail(document, "not a regular file");
        else if (is_being_read(document))
                r = document_fail(document, "circular include");
        else if (document->depth > INCLUDE_DEPTH_MAX)
                r = document_fail(document, "includes nest more than %d deep", INCLUDE_DEPTH_MAX);
        else if (inputs->n_files > FILES_MAX)
                r = document_fail(document, "more than %d files", FILES_MAX);
        else
                r = document_prepare(document);
        return r < 0 ? r : document_parse(document, fd);
}

/*
 * Read a file and merge it into the parent. Returns 0, 1 if the file does not exist, or a negative
 * errno.
 */
static int include_file(struct document *parent, const char *path) {
        struct document document = {
                .reader = parent->reader,
                .parent = parent,
                .depth = parent->depth + 1,
                .file = policy_intern(parent->reader->whole.config.policy, path),
        };
        int r;

        r = document.file ? document_read(&document) : -ENOMEM;
        if (r == 0)
                r = bus_fragment_merge(&parent->fragment, &document.fragment);
        document_clear(&document);
        return r;
}

static int include_single(struct document *document, const char *path, bool ignore_missing) {
        struct bus_config_place place = document_place(document);
        struct reader *reader = document->reader;
        char *error;
        int r;

        r = include_file(document, path);
        if (r == 1 && ignore_missing)
                return 0;
        if (r == 0 || r == -ENOMEM)
                return r;
        if (asprintf(&error, "%s (included at %s:%u)", reader->error, place.file, place.line) < 0)
                return -ENOMEM;
        free(reader->error);
        reader->error = error;
        return -EINVAL;
}

static int is_configuration(const struct dirent *entry) {
        size_t n = strlen(entry->d_name);

        return n > strlen(".conf") && strcmp(entry->d_name + n - strlen(".conf"), ".conf") == 0;
}

/* Compare bytes, so that the order is the same in every locale. */
static int compare_names(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

/* Include one file of a directory. If it is invalid or missing, skip it with a warning. */
static int include_drop_in(struct document *document, const char *directory, const char *name) {
        struct reader *reader = document->reader;
        CLEANUP_FREE char *path = NULL;
        char *warning;
        struct stat st;
        int r;

        if (asprintf(&path, "%s/%s", directory, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        /* Do not open a file that is not regular: opening a device can have effects. */
        if (stat(path, &st) >= 0 && !S_ISREG(st.st_mode)) {
                r = asprintf(&warning, "%s: not a regular file, skipped", path);
        } else {
                r = include_file(document, path);
                if (r == 0 || r == -ENOMEM)
                        return r;
                r = asprintf(&warning, "%s, file skipped", reader->error);
        }
        return reader_add_warning(reader, r < 0 ? NULL : warning);
}

static int include_directory(struct document *document, const char *path) {
        struct bus_config_inputs *inputs = &document->reader->whole.config.inputs;
        struct dirent **entries;
        struct stat st;
        int n, r;

        r = policy_append_copy(&inputs->includedirs, &inputs->n_includedirs, path);
        if (r >= 0)
                r = add_source(inputs, inputs->includedirs[inputs->n_includedirs - 1],
                               stat(path, &st) < 0 ? NULL : &st);
        if (r < 0)
                return r;
        n = scandir(path, &entries, is_configuration, compare_names);
        if (n < 0 && errno == ENOENT)
                return 0;
        if (n < 0 && errno == ENOMEM)
                return -ENOMEM;
        if (n < 0)
                return document_fail(document, "cannot read directory %s: %s", path,
                                     strerror(errno));
        for (int i = 0; i < n; i++) {
                if (r >= 0)
                        r = include_drop_in(document, path, entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
        return r;
}

/* Read the files that an <include> or <includedir> asked for. */
static int include(struct document *document) {
        struct include_request request = document->include;
        CLEANUP_FREE char *path = request.path;

        document->include = (struct include_request){};
        return request.is_directory ? include_directory(document, path)
                                    : include_single(document, path, request.ignore_missing);
}

/* load */

/* Add a warning about a rule that dbus-daemon understands differently. */
static int warn_about_difference(struct reader *reader, const struct policy_rule *rule,
                                 const char *difference) {
        CLEANUP_FREE char *description = policy_rule_describe(rule);
        char *warning;
        int r;

        if (!description || asprintf(&warning, "%s %s", description, difference) < 0)
                warning = NULL;
        r = reader_add_warning(reader, warning);
        if (r >= 0)
                reader->whole.config.n_differences++;
        return r;
}

static int warn_about_block(struct reader *reader, const struct policy_block *block,
                            bool seen[POLICY_FAMILY_N]) {
        int r = 0;

        for (size_t i = 0; i < block->n_rules && r >= 0; i++) {
                const struct policy_rule *rule = block->rules[i];
                bool is_first = !seen[rule->family];

                seen[rule->family] = true;
                if (!is_first && policy_rule_is_wildcard(rule))
                        r = warn_about_difference(
                                reader, rule,
                                "overrides the rules before it only for messages that it matches; "
                                "in dbus-daemon, for all messages");
                if (r >= 0 && policy_rule_is_for_errors(rule))
                        r = warn_about_difference(
                                reader, rule,
                                "matches only errors with this name; in dbus-daemon, also all "
                                "messages without the name of an error");
        }
        return r;
}

/*
 * dbus-daemon 1.14 understands some rules differently than its manual says: it mistakes them for
 * final ones (policy_rule_is_wildcard()), or ignores a part of them (policy_rule_is_for_errors()).
 * The bridge follows the manual, so warn administrators who may rely on the mistake. The contexts
 * are in the order in which their rules apply.
 */
static int warn_about_differences(struct reader *reader) {
        const struct policy *policy = reader->whole.config.policy;
        bool seen[POLICY_FAMILY_N] = {};
        int r = 0;

        for (unsigned context = 0; context < POLICY_CONTEXT_N; context++)
                for (size_t b = 0; b < policy->n_blocks && r >= 0; b++)
                        if (policy->blocks[b]->context == context)
                                r = warn_about_block(reader, policy->blocks[b], seen);
        return r;
}

/* Merge the main document into the whole, and make the configuration from it. */
static int finish(struct reader *reader, struct document *document,
                  struct bus_config **ret_config) {
        struct bus_fragment *whole = &reader->whole;
        struct bus_config *config;
        int r;

        if (!document->fragment.config.n_listen && !reader->is_part) {
                XML_ParserFree(document->parser);
                document->parser = NULL;
                return document_fail(document, "there is no <listen> element");
        }
        r = bus_fragment_merge(whole, &document->fragment);
        if (r < 0)
                return r;
        whole->config.policy->blocks = steal_ptr(&whole->blocks);
        whole->config.policy->n_blocks = whole->n_blocks;
        whole->n_blocks = 0;
        r = warn_about_differences(reader);
        if (r >= 0)
                r = policy_make_sections(whole->config.policy);
        if (r < 0)
                return r;

        if (reader->environment->subuid) {
                r = bus_subuids_read(reader->environment->subuid, &whole->config.subuids);
                if (r < 0)
                        return r;
        }
        config = malloc(sizeof(*config));
        if (!config)
                return -ENOMEM;
        *config = whole->config;
        config->selinux_enabled = reader->environment->selinux_enabled;
        *whole = (struct bus_fragment){};
        *ret_config = config;
        return 0;
}

/* Make a path absolute now, because the bus may change its working directory later. */
static char *absolute_path(const char *path) {
        CLEANUP_FREE char *directory = NULL;
        char *absolute;

        if (path[0] == '/')
                return strdup(path);
        directory = get_current_dir_name();
        if (!directory || asprintf(&absolute, "%s/%s", directory, path) < 0)
                return NULL;
        return absolute;
}

enum load {
        LOAD_WHOLE,
        LOAD_PART,
        LOAD_AGAIN, /* on failure, still return the inputs, to be watched */
};

static int load(const char *path, const struct bus_config_environment *environment, enum load how,
                struct bus_config **ret_config, char **ret_error) {
        struct bus_config_environment_own own = {};
        struct reader reader = {.environment = environment, .is_part = how == LOAD_PART};
        struct bus_config *whole = &reader.whole.config;
        struct document document = {.reader = &reader};
        CLEANUP_FREE char *absolute = absolute_path(path);
        int r = 0;

        bus_limits_default(&whole->limits);
        whole->policy = policy_new();
        if (!environment) {
                r = bus_config_environment_read(&own);
                reader.environment = &own.environment;
        }
        if (r >= 0 && absolute && whole->policy)
                document.file = policy_intern(whole->policy, absolute);
        r = document.file ? document_read(&document) : -ENOMEM;
        if (r == 0)
                r = finish(&reader, &document, ret_config);
        else if (r == 1)
                r = -ENOENT;
        if (r < 0 && ret_error)
                *ret_error = r == -ENOMEM ? NULL : steal_ptr(&reader.error);
        if (r < 0 && how == LOAD_AGAIN) {
                *ret_config = calloc(1, sizeof(**ret_config));
                if (*ret_config) {
                        (*ret_config)->inputs = whole->inputs;
                        whole->inputs = (struct bus_config_inputs){};
                }
        }
        document_clear(&document);
        bus_fragment_clear(&reader.whole);
        /* may be left from a skipped file, for example with ignore_missing="yes" */
        free(reader.error);
        bus_config_environment_clear(&own);
        return r;
}

int bus_config_load(const char *path, const struct bus_config_environment *environment,
                    struct bus_config **ret_config, char **ret_error) {
        return load(path, environment, LOAD_WHOLE, ret_config, ret_error);
}

int bus_config_reload(const char *path, const struct bus_config_environment *environment,
                      struct bus_config **ret_config, char **ret_error) {
        return load(path, environment, LOAD_AGAIN, ret_config, ret_error);
}

int bus_config_load_part(const char *path, const struct bus_config_environment *environment,
                         struct bus_config **ret_config, char **ret_error) {
        return load(path, environment, LOAD_PART, ret_config, ret_error);
}
