/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Answers of the bus that native clients have not read
 *
 * If the bus hosts the core, what a client has not read is in the memory of the bus. What others
 * send to the client is charged to the quotas of bus1, which are large. But answers cost their
 * caller nothing, so the bus limits them, as it does for legacy clients (quota.h): while the
 * clients of a user have NATIVE_ANSWERS_MAX bytes of answers unread, their calls that want a reply
 * are refused. With twice as much, they get no answer at all, which the library takes for NoReply.
 *
 * The bus does not hear of each message that a client reads. It only adds up what it sends, and
 * asks the core how much is left when the sum is at the limit.
 */

#include "bridge/native/native-private.h"

#define NATIVE_ANSWERS_MAX (UINT64_C(8) * 1024 * 1024) /* of one user */

/* In ns. A user who does not read shall not make the bus ask for each call. */
#define LOOK_INTERVAL INT64_C(10000000)

static void set(struct native_session *session, uint64_t n) {
        session->user->n_answers -= session->n_answers - n;
        session->n_answers = n;
}

void native_answers_add(struct native_session *session, uint64_t n) {
        if (session->peer_token)
                set(session, session->n_answers + n);
}

/* What is unread may be other messages, but no more answers are unread than this. */
static void look(struct native_session *session) {
        struct bus1_cmd_query query = {};

        if (session->n_answers == 0)
                return;
        if (bus1_domain_query(session->native->domain, session->peer_token, &query) < 0)
                query.n_bytes = 0;
        if (query.n_bytes < session->n_answers)
                set(session, query.n_bytes);
}

enum native_answers native_answers_check(struct native_session *session) {
        struct native_user *user = session->user;
        struct native_session *other;

        if (user->n_answers < NATIVE_ANSWERS_MAX)
                return NATIVE_ANSWERS_FIT;
        look(session);
        if (user->n_answers >= NATIVE_ANSWERS_MAX && loop_now() - user->looked > LOOK_INTERVAL) {
                user->looked = loop_now();
                DL_FOREACH(session->native->sessions, other) {
                        if (other->user == user)
                                look(other);
                }
        }
        if (user->n_answers < NATIVE_ANSWERS_MAX)
                return NATIVE_ANSWERS_FIT;
        return user->n_answers < 2 * NATIVE_ANSWERS_MAX ? NATIVE_ANSWERS_REFUSE
                                                        : NATIVE_ANSWERS_DROP;
}

void native_answers_end(struct native_session *session) {
        set(session, 0);
}
