/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Tell - the errors, answers and signals that the bus itself sends
 *
 * These are errors about messages and calls, short answers, NoReply for calls that will have no
 * answer, and the signals of org.freedesktop.DBus. The registries (name.h, reply.h) only report
 * what happened; the functions here turn it into messages.
 *
 * caller_cookie is as in client_receive(): each function that has it ends it, whether an answer is
 * sent or not. All functions return 0, or a negative errno that is fatal to the bus.
 */

#include "bridge/bus/reply.h"
#include "bridge/bus/voice.h"

/* errors and results for a message m of client */

/* Send an error if m is a call that wants an answer. */
int tell_error(struct client *client, struct message *m, uint64_t caller_cookie, const char *name,
               const char *format, ...) __attribute__((format(printf, 5, 6)));
/*
 * Send an error because m was refused. Like the reference this also answers signals and replies;
 * only a call with NO_REPLY_EXPECTED is refused silently.
 */
int tell_failure(struct client *client, struct message *m, uint64_t caller_cookie, const char *name,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));
/*
 * Send an error about the client's message with this serial. is_private: the message was for the
 * connection, not for the bus (route_in_private()).
 */
int tell_error_text(struct client *client, uint32_t serial, uint64_t caller_cookie, bool is_private,
                    const char *name, const char *text);
/*
 * Answer the client's call with this serial: with *number (of the D-Bus type u), or, if number is
 * NULL, without results.
 */
int tell_return(struct client *client, uint32_t serial, uint64_t caller_cookie,
                const uint32_t *number);

/* pending replies */

/* Send NoReply to the caller, and end the pending reply. */
int tell_no_reply(struct reply *reply, const char *text);
/*
 * The node behind the callee_cookie has ended, without an answer (NoReply), or with one that the
 * bus refuses (the error name with this text; name is NULL otherwise).
 */
int tell_reply_dropped(struct reply *reply, const char *name, const char *text);
/*
 * The front end of client has queued m, but then could not send it. If m is a call with a pending
 * reply, its caller gets NoReply with this reason. If m is an answer, client itself gets NoReply.
 * Nothing is sent for a signal, or for a copy for a monitor or an eavesdropper.
 */
int tell_reply_lost(struct client *client, const struct message *m, const char *reason);
/*
 * The client leaves or becomes a monitor: end one of its pending replies. First, those that it
 * waits for end silently; then one client after the other that waits for an answer from it gets
 * NoReply.
 */
int tell_reply_gone(struct client *client);
/*
 * End the pending replies whose deadline is not after now (loop_now()) with NoReply, from the
 * oldest on, up to the first one whose deadline is later. *ret_next is the deadline of this one,
 * INT64_MAX if there is none.
 */
int tell_replies_expired(struct bus *bus, int64_t now, int64_t *ret_next);

/* signals of org.freedesktop.DBus */

/* Send NameAcquired or NameLost (member) to the client. */
int tell_name_signal(struct client *client, const char *member, const char *name);
/* Send NameOwnerChanged to every client with a match rule for it; "" stands for no owner. */
int tell_owner_changed(struct bus *bus, const char *name, const char *old_owner,
                       const char *new_owner);
/* Send ActivatableServicesChanged to every client with a match rule for it. */
int tell_activatable_changed(struct bus *bus);
