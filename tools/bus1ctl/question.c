/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Questions - see the header
 *
 * Who is addressed by a well-known name has that name. A reply is a requested one, and a message
 * has its proper recipient, unless told otherwise.
 */

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/array.h"
#include "policy/ids.h"
#include "tools/bus1ctl/bus1ctl.h"
#include "tools/bus1ctl/question.h"

static bool peer_owns(void *userdata, const char *name, bool prefix) {
        const struct question *q = userdata;

        for (size_t i = 0; i < q->n_names; i++)
                if (prefix ? policy_name_is_below(q->names[i], name) : !strcmp(q->names[i], name))
                        return true;
        return false;
}

static int add_name(struct question *q, const char *name) {
        if (!strcmp(name, POLICY_DRIVER_NAME))
                q->peer.is_driver = true;
        return POLICY_ARRAY_APPEND(q->names, q->n_names, name) < 0 ? complain("out of memory") : 0;
}

static int parse_type(struct policy_message *m, const char *value) {
        static const char *const types[] = {
                [POLICY_TYPE_METHOD_CALL] = "method_call",
                [POLICY_TYPE_METHOD_RETURN] = "method_return",
                [POLICY_TYPE_ERROR] = "error",
                [POLICY_TYPE_SIGNAL] = "signal",
        };

        for (uint8_t i = POLICY_TYPE_METHOD_CALL; i <= POLICY_TYPE_SIGNAL; i++)
                if (!strcmp(value, types[i])) {
                        m->type = i;
                        return 0;
                }
        return complain("type must be method_call, method_return, error or signal, not %s", value);
}

static int parse_bool(const char *key, const char *value, bool *ret_value) {
        *ret_value = !strcmp(value, "true");
        return *ret_value || !strcmp(value, "false")
                       ? 0
                       : complain("%s must be true or false, not %s", key, value);
}

static int parse_fds(const char *value, uint32_t *ret_fds) {
        int64_t n;

        if (policy_parse_integer(value, &n) != 0 || n < 0 || n > POLICY_FDS_MAX)
                return complain("fds must be a number, not %s", value);
        *ret_fds = (uint32_t)n;
        return 0;
}

static int parse_pair(struct question *q, const char *key, const char *value) {
        struct policy_message *m = &q->question.message;
        bool sends = q->question.family == POLICY_FAMILY_SEND;
        const struct {
                const char *key;
                const char **text;
        } texts[] = {
                {"path", &m->path},
                {"interface", &m->interface},
                {"member", &m->member},
                {"error", &m->error_name},
        };

        for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
                if (!strcmp(key, texts[i].key)) {
                        *texts[i].text = value;
                        return 0;
                }
        if (!strcmp(key, "type"))
                return parse_type(m, value);
        if (!strcmp(key, "fds"))
                return parse_fds(value, &m->n_fds);
        if (!strcmp(key, "requested_reply"))
                return parse_bool(key, value, &m->requested_reply);
        if (!strcmp(key, "eavesdrop"))
                return parse_bool(key, value, &m->eavesdropping);
        if (!strcmp(key, "destination")) {
                m->destination = value;
                return sends && value[0] != ':' ? add_name(q, value) : 0;
        }
        if (!strcmp(key, sends ? "owns" : "sender"))
                return value[0] != ':' ? add_name(q, value) : 0;
        return complain("%s is no key of %s", key, sends ? "send" : "receive");
}

static int parse_message(struct question *q, int argc, char *argv[]) {
        struct policy_message *m = &q->question.message;

        m->requested_reply = true;
        m->peer = &q->peer;
        q->peer.owns = peer_owns;
        q->peer.userdata = q;
        for (int i = 0; i < argc; i++) {
                char *value = strchr(argv[i], '=');
                int status;

                if (!value)
                        return complain("%s is not of the form KEY=VALUE", argv[i]);
                *value++ = '\0';
                status = parse_pair(q, argv[i], value);
                if (status)
                        return status;
        }
        if (!m->type)
                m->type = m->error_name ? POLICY_TYPE_ERROR : POLICY_TYPE_METHOD_CALL;
        m->broadcast = m->type == POLICY_TYPE_SIGNAL && !m->destination;
        if (m->type != POLICY_TYPE_METHOD_RETURN && m->type != POLICY_TYPE_ERROR)
                m->requested_reply = false;
        if (q->question.family == POLICY_FAMILY_SEND && !m->destination && !m->broadcast &&
            !q->n_names)
                return complain("only signals have no destination");
        return 0;
}

int question_parse(struct question *q, int argc, char *argv[]) {
        *q = (struct question){};
        if (argc == 1 && !strcmp(argv[0], "connect")) {
                q->question.family = POLICY_FAMILY_CONNECT;
                return 0;
        }
        if (argc == 2 && !strcmp(argv[0], "own")) {
                q->question.family = POLICY_FAMILY_OWN;
                q->question.name = argv[1];
                return 0;
        }
        if (argc >= 1 && (!strcmp(argv[0], "send") || !strcmp(argv[0], "receive"))) {
                q->question.family =
                        !strcmp(argv[0], "send") ? POLICY_FAMILY_SEND : POLICY_FAMILY_RECEIVE;
                return parse_message(q, argc - 1, argv + 1);
        }
        return complain("the question must be connect, own NAME, send ... or receive ...");
}

static int groups_of_user(struct question *q) {
        struct passwd *user = getpwuid(q->question.uid);
        int n = 64, room;

        /* a number without an entry has no groups */
        if (!user)
                return 0;
        for (;;) {
                gid_t *gids = realloc(q->gids, n * sizeof(*gids));

                if (!gids)
                        return complain("out of memory");
                q->gids = gids;
                room = n;
                if (getgrouplist(user->pw_name, user->pw_gid, gids, &n) >= 0)
                        break;
                n = n > room ? n : 2 * room;
        }
        q->question.n_gids = n;
        return 0;
}

int question_set_user(struct question *q, const char *user, char *const *groups, size_t n_groups) {
        int r;

        r = policy_resolve_user(user, &q->question.uid);
        if (r)
                return complain("user %s: %s", user, r > 0 ? "unknown" : strerror(-r));
        q->question.bus_uid = geteuid();
        if (n_groups == 0)
                r = groups_of_user(q);
        else {
                q->gids = calloc(n_groups, sizeof(*q->gids));
                if (!q->gids)
                        return complain("out of memory");
                for (size_t i = 0; i < n_groups; i++) {
                        r = policy_resolve_group(groups[i], &q->gids[i]);
                        if (r)
                                return complain("group %s: %s", groups[i],
                                                r > 0 ? "unknown" : strerror(-r));
                }
                q->question.n_gids = n_groups;
        }
        q->question.gids = q->gids;
        return r;
}

void question_clear(struct question *q) {
        free(q->names);
        free(q->gids);
        *q = (struct question){};
}
