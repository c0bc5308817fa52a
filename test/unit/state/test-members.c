/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a bus without clients hands over: a document that is taken over and written again is the
 * same document.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bridge/base/loop.h"
#include "bridge/bus/account.h"
#include "bridge/bus/state-members.h"
#include "bridge/daemon.h"
#include "bridge/socket/listener.h"
#include "bridge/socket/server-setup.h"
#include "bridge/socket/state-listeners.h"
#include "test/unit/memory.h"
#include "test/unit/suite.h"

/* A bus with its server, as far as they are saved. */
struct side {
        struct loop loop;
        struct bus bus;
        struct server server;
};

static void side_init(struct side *side) {
        ck_assert_int_eq(loop_init(&side->loop), 0);
        ck_assert_int_eq(bus_init(&side->bus, NULL), 0);
        ck_assert_int_eq(server_init(&side->server, &side->bus, &side->loop), 0);
}

static void side_deinit(struct side *side) {
        server_deinit(&side->server);
        account_forget_idle(&side->bus);
        bus_deinit(&side->bus);
        loop_deinit(&side->loop);
}

static int side_save(struct side *side, char **ret_error) {
        struct state_save save;
        int fd = -1, r;

        state_save_init(&save, "test");
        members_save(&side->bus, &save);
        listeners_save(&side->server, &save);
        r = state_save_finish(&save, &fd);
        if (ret_error)
                *ret_error = save.error_text ? strdup(save.error_text) : NULL;
        state_save_deinit(&save);
        return r < 0 ? r : fd;
}

/* Returns the first error. */
static int side_load(struct side *side, struct state_load *load, int fd) {
        int r;

        r = state_load_init(load, fd);
        load->is_trusted = true;
        while (r >= 0 && (r = state_load_next(load)) > 0) {
                r = members_load(&side->bus, load);
                if (r == 1)
                        r = listeners_load(&side->server, load);
                if (r == 1)
                        r = state_unknown_kind(load);
        }
        if (r == 0)
                members_loaded(&side->bus, load);
        return r;
}

static size_t read_all(int fd, uint8_t *p, size_t n) {
        ssize_t k = pread(fd, p, n, 0);

        ck_assert_int_gt(k, 0);
        ck_assert_uint_lt((size_t)k, n);
        return (size_t)k;
}

static void set_variable(struct side *side, const char *name, const char *value) {
        ck_assert_int_eq(service_environment_set(&side->bus.environment, name, strlen(name), value,
                                                 strlen(value)),
                         0);
}

static void set_account(struct side *side, uint32_t uid, int64_t starts_due, int64_t logged) {
        struct account *account = account_get(&side->bus, uid);

        ck_assert_ptr_nonnull(account);
        account->starts_due = starts_due;
        account->logged = logged;
        for (unsigned i = 0; i < N_ACCOUNT_EVENTS; i++)
                account->n_events[i] = uid * 100 + i;
        account_put(&side->bus, account);
}

static void fill(struct side *side) {
        static const uint8_t nonce[LISTENER_NONCE_SIZE] = {1, 2, 3, 200};
        int64_t now = loop_now();
        struct listener *listener;
        int fd;

        side->bus.serial = 4711;
        side->bus.n_stats = 12;
        side->bus.names.peak_names = 5;
        side->bus.names.peak_names_per_client = 3;
        side->bus.matches.peak_rules = 6;
        side->bus.matches.peak_rules_per_client = 2;
        side->bus.address = strdup("unix:path=/x,guid=0123456789abcdef0123456789abcdef");
        ids_adopt(&side->bus.ids, memfd_create("unique-names", MFD_CLOEXEC), 17, 10000);

        set_variable(side, "COLOUR", "blue=green");
        set_variable(side, "EMPTY", "");
        set_variable(side, "BYTES", "\xff\xfe");
        side->bus.environment.variables->is_new = false;

        set_account(side, 1000, now + INT64_C(3600000000000), 0);
        set_account(side, 7, 0, now);
        set_account(side, 1001, now + INT64_C(7200000000000), now);

        for (unsigned i = 0; i < 2; i++) {
                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
                /* binding to no name makes the kernel choose an abstract one */
                ck_assert_int_eq(
                        bind(fd, &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(sa_family_t)), 0);
                ck_assert_int_eq(listen(fd, 5), 0);
                ck_assert_int_eq(listener_new(&side->server, fd, "0123456789abcdef0123456789abcdef",
                                              &listener),
                                 0);
                if (i == 0) {
                        listener->file.path = strdup("/nowhere/\xff");
                        listener->file.device = 1;
                        listener->file.inode = UINT64_MAX;
                } else {
                        listener->is_tcp = true;
                        listener->nonce_file = strdup("/nowhere/nonce");
                        memcpy(listener->nonce, nonce, sizeof(nonce));
                }
        }
}

/* Forget what was taken over; the descriptors are those of another one. */
static void side_drop(struct side *side) {
        struct account *account, *next;

        side->bus.ids.fd = -1;
        for (struct listener *listener = side->server.listeners; listener;
             listener = listener->next) {
                listener->source.fd = -1;
                free(listener->nonce_file); /* there is no file to remove */
                listener->nonce_file = NULL;
        }
        HASH_ITER(hh, side->bus.accounts, account, next) {
                if (account->n_refs > 0)
                        account_put(&side->bus, account);
        }
        side_deinit(side);
}

START_TEST(what_was_taken_over_is_the_same_document) {
        static uint8_t before[65536], after[65536];
        static struct side a, b;
        struct state_load load;
        size_t n;
        int fd;

        side_init(&a);
        fill(&a);
        fd = side_save(&a, NULL);
        ck_assert_int_ge(fd, 0);
        n = read_all(fd, before, sizeof(before));

        side_init(&b);
        ck_assert_int_eq(side_load(&b, &load, fd), 0);
        state_load_deinit(&load);
        close(fd);
        ck_assert_str_eq(b.bus.id, a.bus.id);
        ck_assert_str_eq(b.bus.address, a.bus.address);
        ck_assert_uint_eq(b.bus.serial, 4711);
        ck_assert_uint_eq(ids_next(&b.bus.ids), 17);
        ck_assert_uint_eq(b.bus.n_idle_accounts, 3);
        ck_assert_uint_eq(account_find(&b.bus, 7)->n_events[ACCOUNT_PACED], 700 + ACCOUNT_PACED);
        ck_assert_str_eq(b.server.listeners->file.path, "/nowhere/\xff");
        ck_assert(b.server.listeners->next->is_tcp);

        fd = side_save(&b, NULL);
        ck_assert_int_ge(fd, 0);
        ck_assert_uint_eq(read_all(fd, after, sizeof(after)), n);
        ck_assert_int_eq(memcmp(before, after, n), 0);
        close(fd);

        side_drop(&b);
        side_deinit(&a);
}
END_TEST

static bool all_open(const struct state_fds *fds) {
        for (int fd = -1; (fd = state_fds_next(fds, fd + 1)) >= 0;)
                if (fcntl(fd, F_GETFD) < 0)
                        return false;
        return true;
}

START_TEST(without_memory_nothing_is_taken_over_and_no_descriptor_is_closed) {
        static struct side a, b;
        struct state_load load;
        bool failed;
        int fd, r;
        long n = 0;

        side_init(&a);
        fill(&a);
        fd = side_save(&a, NULL);
        ck_assert_int_ge(fd, 0);
        do {
                side_init(&b);
                memory_left = n++;
                r = side_load(&b, &load, fd);
                failed = memory_left < 0;
                memory_left = -1;
                ck_assert_int_eq(r, failed ? -ENOMEM : 0);
                ck_assert_int_eq(load.error, r);
                ck_assert(all_open(&load.named));
                state_load_deinit(&load);
                side_drop(&b);
        } while (failed);
        ck_assert_int_gt(n, 15);
        close(fd);
        side_deinit(&a);
}
END_TEST

/* One record, written by hand. */
static int one_record(const char *kind, void (*put)(struct state_save *save)) {
        struct state_save save;
        int fd;

        state_save_init(&save, "test");
        state_record_begin(&save, kind);
        put(&save);
        state_record_end(&save);
        ck_assert_int_eq(state_save_finish(&save, &fd), 0);
        state_save_deinit(&save);
        return fd;
}

static void expect_error(const char *kind, void (*put)(struct state_save *save), const char *part) {
        static struct side side;
        struct state_load load;
        int fd;

        side_init(&side);
        fd = one_record(kind, put);
        ck_assert_int_eq(side_load(&side, &load, fd), -EBADMSG);
        ck_assert_msg(strstr(load.error_text, part) != NULL, "%s", load.error_text);
        state_load_deinit(&load);
        close(fd);
        side_drop(&side);
}

static void put_nothing(struct state_save *save) {
}

static void put_variable(struct state_save *save) {
        state_put_string(save, "text", "NO_VALUE");
        state_put_bool(save, "is_new", true);
}

static void put_nameless(struct state_save *save) {
        state_put_string(save, "text", "=value");
        state_put_bool(save, "is_new", true);
}

static void put_bus(struct state_save *save, const char *id, uint64_t end) {
        static const char *const numbers[] = {"serial",     "n_stats",
                                              "peak_names", "peak_names_per_client",
                                              "peak_rules", "peak_rules_per_client"};

        state_put_string(save, "id", id);
        for (unsigned i = 0; i < 6; i++)
                state_put_u32(save, numbers[i], 1);
        state_put_u64(save, "next_unique_name", 5);
        state_put_u64(save, "end_unique_names", end);
}

static void put_bus_id(struct state_save *save) {
        put_bus(save, "0123456789ABCDEF0123456789abcdef", 6);
}

static void put_bus_end(struct state_save *save) {
        put_bus(save, "0123456789abcdef0123456789abcdef", 4);
}

static int not_listening;

static void put_listener(struct state_save *save) {
        state_put_u32(save, "id", 1);
        state_put_fd(save, "fd", not_listening);
        state_put_string(save, "guid", "0123456789abcdef0123456789abcdef");
        state_put_bool(save, "is_tcp", false);
}

static void put_guid(struct state_save *save) {
        state_put_u32(save, "id", 1);
        state_put_fd(save, "fd", not_listening);
        state_put_string(save, "guid", "0123");
        state_put_bool(save, "is_tcp", false);
}

START_TEST(wrong_values_are_refused) {
        not_listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        expect_error("Bus", put_nothing, "record 2 (Bus), field id: the record does not have it");
        expect_error("Bus", put_bus_id, "this is no ID of a bus");
        expect_error("Bus", put_bus_end, "it is after the end");
        expect_error("Variable", put_variable, "this is no variable");
        expect_error("Variable", put_nameless, "Invalid argument");
        expect_error("Account", put_nothing, "field uid");
        expect_error("Listener", put_listener, "is no listening socket");
        ck_assert_int_eq(listen(not_listening, 1), -1);
        ck_assert_int_eq(
                bind(not_listening, &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(sa_family_t)),
                0);
        ck_assert_int_eq(listen(not_listening, 1), 0);
        expect_error("Listener", put_guid, "this is no GUID");
        expect_error("Unheard", put_nothing, "does not know records of this kind");
        close(not_listening);
}
END_TEST

static uint64_t permitted(void) {
        char line[256];
        unsigned long long value = 0;
        FILE *f = fopen("/proc/self/status", "r");

        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "CapPrm: %llx", &value) == 1)
                        break;
        if (f)
                fclose(f);
        return value;
}

/* What a bus with <user> and audit does: change the user, keep a capability, execute itself. */
static int pass_capabilities(void) {
        struct daemon_capabilities before, passed, after;

        if (daemon_drop_privileges("65534", true) < 0)
                return 2;
        if (permitted() != UINT64_C(1) << 29)
                return 3;
        daemon_get_capabilities(&before);
        if (before.inheritable || before.ambient)
                return 4;
        if (daemon_pass_capabilities() < 0)
                return 5;
        daemon_get_capabilities(&passed);
        if (passed.ambient != UINT64_C(1) << 29 || passed.inheritable != passed.ambient)
                return 6;
        if (daemon_set_capabilities(&before) < 0)
                return 7;
        daemon_get_capabilities(&after);
        if (after.ambient || after.inheritable || permitted() != UINT64_C(1) << 29)
                return 8;
        /* and the executed program has them */
        if (daemon_pass_capabilities() < 0)
                return 9;
        execl("/bin/sh", "sh", "-c", "grep -q '^CapPrm:.*20000000$' /proc/self/status", NULL);
        return 10;
}

START_TEST(capabilities_go_over_and_do_not_stay_ambient) {
        int status;
        pid_t pid;

        if (geteuid() != 0 || !(permitted() & UINT64_C(1) << 29))
                return; /* only root has them */
        pid = fork();
        if (pid == 0)
                _exit(pass_capabilities());
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

int main(void) {
        TCase *t = tcase_create("members");

        tcase_set_timeout(t, 60);
        tcase_add_test(t, what_was_taken_over_is_the_same_document);
        tcase_add_test(t, without_memory_nothing_is_taken_over_and_no_descriptor_is_closed);
        tcase_add_test(t, wrong_values_are_refused);
        tcase_add_test(t, capabilities_go_over_and_do_not_stay_ambient);
        return suite_run("state-members", t);
}
