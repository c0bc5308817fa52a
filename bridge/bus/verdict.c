/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Verdicts: asking the policy for both directions, then the security modules. */

#include "bridge/bus/verdict.h"

#include "base/cleanup.h"
#include "bridge/bus/bus.h"
#include "bridge/bus/denial.h"
#include "bridge/bus/docket.h"
#include "bridge/bus/mediate.h"
#include "bridge/bus/name.h"
#include "bridge/bus/permit.h"

/* The other side of a message, in the form that the policy needs. NULL: the bus. */
static struct policy_peer peer_of(struct client *client) {
        return (struct policy_peer){
                .is_driver = !client,
                .is_nameless = client && !client->ownerships,
                .owns = name_client_owns,
                .next_name = name_client_next,
                .userdata = client,
        };
}

static bool logs(const struct policy_rule *rule) {
        return rule && policy_rule_logs(rule);
}

/* Log an allowed message if its rule has log="true". */
static void log_allowed(struct bus *bus, const struct client *sender, const struct client *receiver,
                        const struct message *m, const struct verdict_context *context,
                        const char *direction, const struct policy_rule *rule) {
        CLEANUP_FREE char *text = NULL;

        if (!logs(rule))
                return;
        text = policy_rule_describe(rule);
        denial_log_message(bus, sender, receiver, m, context->requested_reply, true, direction,
                           &(struct denial_source){.policy = "policy", .rule = rule, .text = text});
}

static struct policy_message question_about(const struct message *m,
                                            const struct verdict_context *context,
                                            const struct policy_peer *peer) {
        return (struct policy_message){
                .type = m->type,
                .path = m->path.s,
                .interface = m->interface.s,
                .member = m->member.s,
                .error_name = m->error_name.s,
                .destination = m->destination.s,
                .n_fds = m->n_fds,
                .requested_reply = context->requested_reply,
                .broadcast = m->type == MESSAGE_TYPE_SIGNAL && !m->destination.s,
                .eavesdropping = context->eavesdropping,
                .peer = peer,
        };
}

/* Log a denial and return the text of the deciding rule, or of the default. */
static void deny(struct bus *bus, const struct client *sender, const struct client *receiver,
                 const struct message *m, const struct verdict_context *context,
                 const char *direction, const struct policy_rule *rule, char **ret_rule) {
        struct denial_source source = {.policy = "policy", .rule = rule};

        source.text = *ret_rule = policy_rule_describe(rule);
        denial_log_message(bus, sender, receiver, m, context->requested_reply, false, direction,
                           &source);
}

/* The form of a signal that may get a permit; SIGNAL_FORM_NONE for all other messages. */
static uint64_t form_of(struct bus *bus, struct client *sender, const struct client *receiver,
                        const struct message *m, const struct verdict_context *context) {
        if (!sender || !receiver || context->eavesdropping)
                return SIGNAL_FORM_NONE;
        if (!context->form)
                return signal_form_get(&bus->n_signal_forms, sender, m);
        if (!*context->form)
                *context->form = signal_form_get(&bus->n_signal_forms, sender, m);
        return *context->form;
}

static bool check_policy(struct bus *bus, struct client *sender, struct client *receiver,
                         struct message *m, const struct verdict_context *context,
                         char **ret_rule) {
        bool ask_send = sender && !sender->may_send_all &&
                        !verdict_is_settled(sender->settled_send, receiver, m, context);
        bool ask_receive = receiver && !receiver->may_receive_all &&
                           !verdict_is_settled(receiver->settled_receive, sender, m, context);
        bool may_keep = ask_send && receiver && !context->eavesdropping;
        const struct policy_rule *send_rule = NULL, *receive_rule = NULL;
        bool may_send = true, may_receive = true;
        struct policy_peer peer;
        struct policy_message asked;
        uint64_t form;

        if (may_keep && permit_find(receiver, sender->policy, m))
                ask_send = false;
        if (!ask_send && !ask_receive)
                return true;
        form = form_of(bus, sender, receiver, m, context);
        if (receiver && signal_permit_find(receiver, form))
                return true;

        asked = question_about(m, context, &peer);
        if (ask_send) {
                peer = peer_of(receiver);
                may_send = policy_check_send(sender->policy, &asked, &send_rule);
                if (may_send && !logs(send_rule) && may_keep)
                        permit_add(receiver, sender->policy, m);
        }
        if (may_send && ask_receive) {
                peer = peer_of(sender);
                may_receive = policy_check_receive(receiver->policy, &asked, &receive_rule);
        }

        /* A message that waits is logged when it is judged once more. */
        if (!(may_send && may_receive) && ret_rule && context->may_wait &&
            docket_hold(sender, m, 0, DOCKET_MESSAGE))
                return false;
        if (may_send)
                log_allowed(bus, sender, receiver, m, context, "send", send_rule);
        else if (ret_rule)
                deny(bus, sender, receiver, m, context, "send", send_rule, ret_rule);
        if (may_send && may_receive)
                log_allowed(bus, sender, receiver, m, context, "receive", receive_rule);
        else if (may_send && ret_rule)
                deny(bus, sender, receiver, m, context, "receive", receive_rule, ret_rule);
        if (may_send && may_receive && !logs(send_rule) && !logs(receive_rule))
                signal_permit_add(receiver, form);
        return may_send && may_receive;
}

bool verdict_ask(struct bus *bus, struct client *sender, struct client *receiver, struct message *m,
                 const struct verdict_context *context, char **ret_rule) {
        if (!check_policy(bus, sender, receiver, m, context, ret_rule))
                return false;
        if (!bus->mediators || !sender)
                return true;
        return mediate_message(bus,
                               &(struct mediation_message){
                                       .sender = sender,
                                       .receiver = receiver,
                                       .m = m,
                                       .requested_reply = context->requested_reply,
                                       .eavesdropping = context->eavesdropping,
                               },
                               ret_rule);
}

bool verdict_check_activation(struct client *sender, struct message *m, const char *apparmor_label,
                              char **ret_rule) {
        const struct verdict_context context = {};
        const struct policy_rule *rule = NULL;
        struct bus *bus = sender->bus;

        if (!sender->may_send_all) {
                struct policy_message asked = question_about(m, &context, NULL);

                if (!policy_check_send(sender->policy, &asked, &rule)) {
                        if (!docket_hold(sender, m, 0, DOCKET_MESSAGE))
                                deny(bus, sender, NULL, m, &context, "send", rule, ret_rule);
                        return false;
                }
                log_allowed(bus, sender, NULL, m, &context, "send", rule);
        }
        return !bus->mediators || mediate_message(bus,
                                                  &(struct mediation_message){
                                                          .sender = sender,
                                                          .m = m,
                                                          .activation = true,
                                                          .assumed_label = apparmor_label,
                                                  },
                                                  ret_rule);
}

bool verdict_check_connect(struct bus *bus, const struct client_credentials *credentials,
                           bool anonymous, struct docket_visit *visit) {
        const struct policy_rule *rule = NULL;
        CLEANUP_FREE char *text = NULL;

        if (!bus->policy ||
            policy_check_connect(bus->policy, anonymous ? POLICY_UID_ANONYMOUS : credentials->uid,
                                 credentials->gids, credentials->n_gids, bus->uid, &rule))
                return true;
        if (docket_visit(bus, visit))
                return false;

        text = policy_rule_describe(rule);
        denial_log_connect(bus, credentials,
                           &(struct denial_source){.policy = "policy", .rule = rule, .text = text});
        return false;
}
