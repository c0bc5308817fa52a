/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Accounts: division, shares, descriptors, newcomers, and lines in the log. */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/container-of.h"
#include "bridge/base/log.h"
#include "bridge/bus/descriptors.h"
#include "bridge/bus/newcomer.h"
#include "bridge/bus/pace.h"
#include "queues.h"

enum { A = 1001, B, C };

static unsigned seed;

static uint64_t random_below(uint64_t n) {
        return (uint64_t)rand_r(&seed) % n;
}

/* division */

START_TEST(account_divides_by_n_and_its_logarithm) {
        ck_assert_uint_eq(account_divide(1000, 0), 1000);
        ck_assert_uint_eq(account_divide(1000, 1), 1000);
        ck_assert_uint_eq(account_divide(1000, 2), 250);
        ck_assert_uint_eq(account_divide(1000, 3), 166);
        ck_assert_uint_eq(account_divide(1000, 4), 83);
        ck_assert_uint_eq(account_divide(0, 7), 0);
        ck_assert_uint_eq(account_divide(UINT64_MAX, 1 << 30), UINT64_MAX / (31ULL << 30));
}
END_TEST

START_TEST(account_paces_starts_after_a_burst) {
        const int64_t begin = 1000 * PACE_INTERVAL;
        int64_t due = 0;

        for (int i = 0; i < PACE_BURST; i++)
                ck_assert_int_eq(pace_start(&due, begin + i), begin + i);
        for (int i = 0; i < 10; i++)
                ck_assert_int_eq(pace_start(&due, begin + PACE_BURST),
                                 begin + (i + 1) * PACE_INTERVAL);
        /* the starts that waited have begun, and after two intervals two more may */
        ck_assert_int_eq(pace_start(&due, begin + 12 * PACE_INTERVAL), begin + 12 * PACE_INTERVAL);
        ck_assert_int_eq(pace_start(&due, begin + 12 * PACE_INTERVAL), begin + 12 * PACE_INTERVAL);
        ck_assert_int_eq(pace_start(&due, begin + 12 * PACE_INTERVAL), begin + 13 * PACE_INTERVAL);
        /* what does not begin can be begun later */
        pace_give_back(&due);
        ck_assert_int_eq(pace_start(&due, begin + 12 * PACE_INTERVAL), begin + 13 * PACE_INTERVAL);
        /* after a long time, the whole burst */
        for (int i = 0; i < PACE_BURST; i++)
                ck_assert_int_eq(pace_start(&due, 2 * begin), 2 * begin);
        ck_assert_int_gt(pace_start(&due, 2 * begin), 2 * begin);
}
END_TEST

START_TEST(account_does_not_forget_what_a_user_has_used_up) {
        struct account *a = account_get(&bus, A), *b = account_get(&bus, B);

        ck_assert_int_gt(pace_start(&a->starts_due, loop_now()), 0);
        account_put(&bus, a);
        account_put(&bus, b);
        ck_assert_ptr_eq(account_find(&bus, A), a);
        ck_assert_ptr_null(account_find(&bus, B));
        ck_assert_ptr_eq(account_get(&bus, A), a);
        ck_assert_uint_eq(bus.n_idle_accounts, 0);
        account_put(&bus, a);
        ck_assert_uint_eq(bus.n_idle_accounts, 1);
        /* not for ever, and not many */
        for (uint32_t uid = 5000; uid < 6000; uid++) {
                a = account_get(&bus, uid);
                pace_start(&a->starts_due, loop_now());
                account_put(&bus, a);
        }
        ck_assert_uint_le(bus.n_idle_accounts, 256);
        ck_assert_ptr_null(account_find(&bus, A));
}
END_TEST

/*
 * Users take one after the other as much as the rule lets them, in random order and steps. Their
 * sum stays below the limit, and whoever comes late still gets a part.
 */
START_TEST(account_division_leaves_room_for_all) {
        const uint64_t max = 1000000;

        seed = 1 + (unsigned)_i;
        for (unsigned round = 0; round < 10; round++) {
                uint64_t used[64] = {}, sum = 0;
                uint32_t n_users = 0, n_max = 1 + (uint32_t)random_below(64);

                for (unsigned i = 0; i < 5000; i++) {
                        size_t user = random_below(n_max);
                        uint64_t left = max - sum, n = 1 + random_below(50);
                        uint32_t n_with = n_users + (used[user] == 0);

                        if (random_below(8) == 0) {
                                n_users -= used[user] > 0;
                                sum -= used[user];
                                used[user] = 0;
                                continue;
                        }
                        if (n > left || used[user] >= account_divide(left, n_with))
                                continue;
                        n_users = n_with;
                        used[user] += n;
                        sum += n;
                        ck_assert_uint_le(sum, max);
                        /* One that has nothing yet gets something. */
                        ck_assert_uint_gt(account_divide(max - sum, n_users + 1), 0);
                }
        }
}
END_TEST

/* shares */

START_TEST(account_keeps_few_idle_shares) {
        struct member *a = member_new(A);
        struct account *account = a->client.account;
        size_t n = 0;
        struct share *share;

        for (uint32_t uid = 1; uid <= 100; uid++)
                ck_assert(put(a, message_of(uid, 100)));
        ck_assert_uint_eq(account->n_shares, 100);
        take_all(a);
        ck_assert_uint_eq(account->n_shares, 0);
        DL_FOREACH(account->shares, share) {
                ck_assert_uint_eq(share->bytes, 0);
                n++;
        }
        ck_assert_uint_eq(n, 8);
        ck_assert_uint_eq(account->n_idle_shares, 8);
        for (uint32_t uid = 1; uid <= 100; uid++) {
                ck_assert(put(a, message_of(uid, 100)));
                take(a);
                ck_assert_uint_le(account->n_idle_shares, 8);
        }
        member_free(a);
}
END_TEST

START_TEST(account_has_no_share_for_its_own_user_and_the_bus) {
        struct member *a = member_new(A);

        ck_assert(put(a, message_of(A, 100)));
        ck_assert(put(a, message_of(ACCOUNT_NOBODY, 100)));
        ck_assert(put(a, answer_to(a, 100)));
        ck_assert(put(a, notice_to(a)));
        ck_assert_ptr_null(a->client.account->shares);
        ck_assert_uint_eq(account_current(&bus), ACCOUNT_NOBODY);
        schedule_switch(&bus.schedule, &a->client.account->schedule);
        ck_assert_uint_eq(account_current(&bus), A);
        schedule_switch(&bus.schedule, &bus.schedule.own);
        ck_assert_uint_eq(account_current(&bus), ACCOUNT_NOBODY);
        schedule_switch(&bus.schedule, NULL);
        member_free(a);
}
END_TEST

START_TEST(account_goes_with_its_last_reference) {
        struct account *account = account_get(&bus, A);

        ck_assert_ptr_eq(account_get(&bus, A), account);
        ck_assert_ptr_eq(account_find(&bus, A), account);
        ck_assert_ptr_null(account_find(&bus, B));
        fds_take(&bus, account, FDS_SENT, 3);
        fds_take(&bus, account, FDS_HELD, 1);
        account_put(&bus, account);
        account_put(&bus, account);
        ck_assert_ptr_eq(account_find(&bus, A), account);
        fds_drop(&bus, account, FDS_SENT, 0);
        fds_drop(&bus, account, FDS_HELD, 1);
        fds_drop(&bus, account, FDS_SENT, 2);
        ck_assert_ptr_eq(account_find(&bus, A), account);
        fds_drop(&bus, account, FDS_SENT, 1);
        ck_assert_ptr_null(account_find(&bus, A));
        account_put(&bus, NULL);
}
END_TEST

/* descriptors */

#define N_USERS 16

START_TEST(descriptors_are_divided_in_whatever_order) {
        struct account *accounts[N_USERS];
        uint64_t used[N_USERS][N_FDS] = {}, sum[N_FDS] = {}, most = 0;

        seed = 17 + (unsigned)_i;
        bus.fds[FDS_HELD].max = bus.fds[FDS_SENT].max = 1000;
        for (size_t i = 0; i < N_USERS; i++)
                accounts[i] = account_get(&bus, (uint32_t)i);
        for (unsigned step = 0; step < 10000; step++) {
                size_t i = random_below(N_USERS), n = random_below(17);
                enum fds_kind kind = random_below(2) ? FDS_HELD : FDS_SENT;
                uint32_t n_users = 0;

                if (random_below(5) == 0) {
                        n = random_below(used[i][kind] + 1);
                        fds_drop(&bus, accounts[i], kind, n);
                        used[i][kind] -= n;
                        sum[kind] -= n;
                } else if (fds_may_take(&bus, accounts[i], kind, n)) {
                        fds_take(&bus, accounts[i], kind, n);
                        used[i][kind] += n;
                        sum[kind] += n;
                        ck_assert_uint_le(sum[kind], 1000);
                }
                for (size_t k = 0; k < N_USERS; k++) {
                        ck_assert_uint_eq(accounts[k]->fds[kind], used[k][kind]);
                        n_users += used[k][kind] > 0;
                }
                ck_assert_uint_eq(bus.fds[kind].used, sum[kind]);
                ck_assert_uint_eq(bus.fds[kind].n_users, n_users);
                most = sum[kind] > most ? sum[kind] : most;
        }
        ck_assert_uint_gt(most, 200);
        for (size_t i = 0; i < N_USERS; i++) {
                account_put(&bus, accounts[i]);
                for (size_t kind = 0; kind < N_FDS; kind++)
                        if (used[i][kind] > 0)
                                fds_drop(&bus, accounts[i], (enum fds_kind)kind, used[i][kind]);
        }
        ck_assert_ptr_null(bus.accounts);
}
END_TEST

START_TEST(descriptors_of_one_user_leave_some_for_others) {
        struct account *a = account_get(&bus, A), *b = account_get(&bus, B);
        size_t n = 0;

        bus.fds[FDS_HELD].max = 1000;
        for (; fds_may_take(&bus, a, FDS_HELD, 16); n += 16)
                fds_take(&bus, a, FDS_HELD, 16);
        ck_assert_uint_le(n, 516);
        ck_assert(fds_may_take(&bus, b, FDS_HELD, 16));
        ck_assert(!fds_may_take(&bus, b, FDS_HELD, 1001 - n));
        fds_drop(&bus, a, FDS_HELD, n);
        account_put(&bus, a);
        account_put(&bus, b);
}
END_TEST

/* newcomers */

struct visitor {
        struct newcomer newcomer;
        bool is_admitted, is_evicted;
};

static void admit(struct newcomer *newcomer) {
        struct visitor *visitor = container_of(newcomer, struct visitor, newcomer);

        ck_assert(!visitor->is_admitted && !newcomer->is_parked);
        visitor->is_admitted = true;
}

static void evict(struct newcomer *newcomer) {
        struct visitor *visitor = container_of(newcomer, struct visitor, newcomer);

        ck_assert_ptr_null(newcomer->account);
        visitor->is_evicted = true;
}

/* Like a connection: it is counted before it becomes a newcomer. */
static void come(struct account *account, struct visitor *visitor) {
        *visitor = (struct visitor){.newcomer = {.admit = admit, .evict = evict}};
        account->n_connections++;
        newcomer_add(&bus, account, &visitor->newcomer);
}

static void leave(struct account *account, struct visitor *visitor) {
        newcomer_remove(&bus, &visitor->newcomer);
        account->n_connections--;
}

START_TEST(newcomers_have_places_by_user) {
        struct account *a = account_get(&bus, A), *b = account_get(&bus, B);
        struct visitor v[4], w;

        bus.limits.max_incomplete_connections = 2;
        for (size_t i = 0; i < 4; i++)
                come(a, &v[i]);
        come(b, &w);
        ck_assert(v[0].is_admitted && v[1].is_admitted && w.is_admitted);
        ck_assert(!v[2].is_admitted && !v[3].is_admitted);
        ck_assert_uint_eq(bus.n_incomplete, 5);

        /* Hello, or the end of one, lets the next one in; the end of a parked one does not. */
        newcomer_remove(&bus, &v[0].newcomer);
        ck_assert(v[2].is_admitted && !v[3].is_admitted);
        newcomer_remove(&bus, &v[0].newcomer);
        ck_assert(!v[3].is_admitted);
        ck_assert_uint_eq(bus.n_incomplete, 4);
        leave(a, &v[3]);
        leave(a, &v[1]);
        ck_assert(!v[3].is_admitted);
        leave(a, &v[2]);
        leave(b, &w);
        ck_assert_uint_eq(bus.n_incomplete, 0);
        ck_assert_uint_eq(a->n_newcomers, 0);
        ck_assert(!v[0].is_evicted && !v[1].is_evicted && !v[2].is_evicted);
        account_put(&bus, a);
        account_put(&bus, b);
}
END_TEST

START_TEST(newcomers_get_places_when_the_limit_grows) {
        struct account *a = account_get(&bus, A);
        struct visitor v[4];

        bus.limits.max_incomplete_connections = 1;
        for (size_t i = 0; i < 4; i++)
                come(a, &v[i]);
        newcomer_recheck(&bus);
        ck_assert(v[0].is_admitted && !v[1].is_admitted);
        bus.limits.max_incomplete_connections = 3;
        newcomer_recheck(&bus);
        ck_assert(v[1].is_admitted && v[2].is_admitted && !v[3].is_admitted);
        /* A lower limit ends nobody. */
        bus.limits.max_incomplete_connections = 1;
        newcomer_recheck(&bus);
        leave(a, &v[0]);
        leave(a, &v[1]);
        ck_assert(!v[3].is_admitted);
        leave(a, &v[2]);
        ck_assert(v[3].is_admitted);
        leave(a, &v[3]);
        account_put(&bus, a);
}
END_TEST

START_TEST(newcomers_give_way_from_the_oldest_on) {
        struct account *a = account_get(&bus, A), *b = account_get(&bus, B);
        struct visitor v[9], w;

        bus.limits.max_incomplete_connections = 2;
        bus.limits.max_connections_per_user = 3;
        for (size_t i = 0; i < 6; i++)
                come(a, &v[i]);
        ck_assert(!v[0].is_evicted);
        come(a, &v[6]);
        ck_assert(v[0].is_evicted && !v[1].is_evicted);
        ck_assert(v[2].is_admitted);
        leave(a, &v[0]);
        come(b, &w);
        ck_assert(w.is_admitted && !v[1].is_evicted);
        come(a, &v[7]);
        ck_assert(v[1].is_evicted && !v[2].is_evicted);
        ck_assert_uint_eq(a->n_events[ACCOUNT_EVICTED], 2);

        /* Those that have said Hello stay. The newest one is refused if there are no others. */
        for (size_t i = 2; i < 8; i++)
                newcomer_remove(&bus, &v[i].newcomer);
        come(a, &v[8]);
        ck_assert(v[8].is_admitted && !v[8].is_evicted);
        ck_assert(newcomer_evict(&bus, a));
        ck_assert(v[8].is_evicted);
        ck_assert(!newcomer_evict(&bus, a));
        leave(b, &w);
        account_put(&bus, a);
        account_put(&bus, b);
}
END_TEST

#define N_VISITORS 40

START_TEST(newcomers_at_random) {
        static struct visitor visitors[N_VISITORS];
        bool is_here[N_VISITORS] = {};
        struct account *a = account_get(&bus, A);

        seed = 23 + (unsigned)_i;
        bus.limits.max_connections_per_user = 20;
        for (unsigned step = 0; step < 5000; step++) {
                size_t i = random_below(N_VISITORS), n_waiting = 0, n_in = 0;

                if (random_below(100) == 0) {
                        bus.limits.max_incomplete_connections = 1 + (int64_t)random_below(6);
                        newcomer_recheck(&bus);
                }
                if (!is_here[i])
                        come(a, &visitors[i]);
                else if (visitors[i].is_admitted && random_below(2)) {
                        newcomer_remove(&bus, &visitors[i].newcomer); /* Hello */
                        continue;
                } else
                        leave(a, &visitors[i]);
                is_here[i] = !is_here[i];
                for (i = 0; i < N_VISITORS; i++) {
                        if (!is_here[i] || !visitors[i].newcomer.account)
                                continue;
                        n_waiting += visitors[i].newcomer.is_parked;
                        n_in += !visitors[i].newcomer.is_parked;
                        ck_assert(visitors[i].is_admitted != visitors[i].newcomer.is_parked);
                }
                ck_assert_uint_eq(a->n_newcomers, n_in);
                ck_assert_uint_eq(bus.n_incomplete, n_in + n_waiting);
                /* Nobody is parked while there is a place. */
                ck_assert(n_waiting == 0 || (int64_t)n_in >= bus.limits.max_incomplete_connections);
        }
        for (size_t i = 0; i < N_VISITORS; i++)
                if (is_here[i])
                        leave(a, &visitors[i]);
        ck_assert_uint_eq(bus.n_incomplete, 0);
        ck_assert_ptr_null(a->newcomers);
        ck_assert_ptr_null(a->parked);
        account_put(&bus, a);
}
END_TEST

/* the log */

START_TEST(account_logs_a_line_a_minute) {
        struct account *a = account_get(&bus, A), *b = account_get(&bus, B);
        char text[4096];
        struct log log;
        int pipes[2], saved, n_lines = 0;
        ssize_t n;

        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
        saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
        ck_assert_int_eq(dup2(pipes[1], STDERR_FILENO), STDERR_FILENO);
        log_init(&log, "test");
        bus.log = bus.complaints.log = &log;
        for (unsigned i = 0; i < 1000; i++) {
                account_note(&bus, a, ACCOUNT_SHARE_FULL);
                account_note(&bus, a, (enum account_event)(i % N_ACCOUNT_EVENTS));
        }
        account_note(&bus, b, ACCOUNT_QUEUE_FULL);
        a->logged -= 61 * INT64_C(1000000000);
        account_note(&bus, a, ACCOUNT_PAUSED);
        bus.log = bus.complaints.log = NULL;
        log_deinit(&log);
        ck_assert_int_eq(dup2(saved, STDERR_FILENO), STDERR_FILENO);
        n = read(pipes[0], text, sizeof(text) - 1);
        ck_assert_int_gt(n, 0);
        text[n] = '\0';
        close(pipes[0]);
        close(pipes[1]);
        close(saved);

        for (const char *p = text; (p = strchr(p, '\n')); p++)
                n_lines++;
        ck_assert_int_eq(n_lines, 3);
        ck_assert_ptr_nonnull(strstr(text, "User 1001 reached a limit: it fills the queues"));
        ck_assert_ptr_nonnull(strstr(text, "User 1002 reached a limit: its clients do not read"));
        ck_assert_ptr_nonnull(strstr(text, "User 1001 reached a limit: it sends more"));
        ck_assert_uint_eq(a->n_events[ACCOUNT_SHARE_FULL],
                          1000 + (1000 + N_ACCOUNT_EVENTS - 1 - ACCOUNT_SHARE_FULL) /
                                          N_ACCOUNT_EVENTS);
        account_put(&bus, a);
        account_put(&bus, b);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("account");

        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, account_divides_by_n_and_its_logarithm);
        tcase_add_test(tcase, account_paces_starts_after_a_burst);
        tcase_add_test(tcase, account_does_not_forget_what_a_user_has_used_up);
        tcase_add_loop_test(tcase, account_division_leaves_room_for_all, 0, 3);
        tcase_add_test(tcase, account_keeps_few_idle_shares);
        tcase_add_test(tcase, account_has_no_share_for_its_own_user_and_the_bus);
        tcase_add_test(tcase, account_goes_with_its_last_reference);
        tcase_add_loop_test(tcase, descriptors_are_divided_in_whatever_order, 0, 3);
        tcase_add_test(tcase, descriptors_of_one_user_leave_some_for_others);
        tcase_add_test(tcase, newcomers_have_places_by_user);
        tcase_add_test(tcase, newcomers_get_places_when_the_limit_grows);
        tcase_add_test(tcase, newcomers_give_way_from_the_oldest_on);
        tcase_add_loop_test(tcase, newcomers_at_random, 0, 3);
        tcase_add_test(tcase, account_logs_a_line_a_minute);
        return run_tests(tcase);
}
