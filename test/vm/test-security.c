/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Security modules can refuse a message, a handle and a file
 *
 * BPF is the security module. The test attaches a BPF program of two instructions to a hook of the
 * kernel. The program refuses everything for which the kernel calls the hook.
 */

#include "device.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char *btf;
static size_t n_btf;

static void read_btf(void) {
        int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
        struct stat st;
        ssize_t l;

        EXPECT(fd >= 0 && fstat(fd, &st) == 0);
        btf = malloc(st.st_size);
        EXPECT(btf);
        while (n_btf < (size_t)st.st_size && (l = read(fd, btf + n_btf, st.st_size - n_btf)) > 0)
                n_btf += l;
        close(fd);
}

/* The number of bytes that follow a type in the BTF data. */
static size_t type_extra(const struct btf_type *type) {
        size_t n = BTF_INFO_VLEN(type->info);

        switch (BTF_INFO_KIND(type->info)) {
        case BTF_KIND_INT:
        case BTF_KIND_VAR:
        case BTF_KIND_DECL_TAG:
                return 4;
        case BTF_KIND_ARRAY:
                return sizeof(struct btf_array);
        case BTF_KIND_STRUCT:
        case BTF_KIND_UNION:
                return n * sizeof(struct btf_member);
        case BTF_KIND_ENUM:
                return n * sizeof(struct btf_enum);
        case BTF_KIND_ENUM64:
        case BTF_KIND_DATASEC:
                return n * 12;
        case BTF_KIND_FUNC_PROTO:
                return n * sizeof(struct btf_param);
        default:
                return 0;
        }
}

/* The BTF ID of a function of the kernel. */
static uint32_t find_function(const char *name) {
        const struct btf_header *head = (const struct btf_header *)btf;
        const char *types = btf + head->hdr_len + head->type_off;
        const char *strings = btf + head->hdr_len + head->str_off;
        uint32_t id = 1;

        EXPECT(n_btf > sizeof(*head) && head->magic == BTF_MAGIC);
        for (size_t at = 0; at < head->type_len; id++) {
                const struct btf_type *type = (const struct btf_type *)(types + at);

                if (BTF_INFO_KIND(type->info) == BTF_KIND_FUNC &&
                    strcmp(strings + type->name_off, name) == 0)
                        return id;
                at += sizeof(*type) + type_extra(type);
        }
        fprintf(stderr, "the kernel has no %s\n", name);
        exit(1);
}

/* Let a hook refuse everything, until the descriptor is closed. */
static int refuse(const char *hook) {
        const struct bpf_insn program[] = {
                {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -EPERM},
                {.code = BPF_JMP | BPF_EXIT},
        };
        union bpf_attr attr = {
                .prog_type = BPF_PROG_TYPE_LSM,
                .expected_attach_type = BPF_LSM_MAC,
                .attach_btf_id = find_function(hook),
                .insns = (uintptr_t)program,
                .insn_cnt = sizeof(program) / sizeof(*program),
                .license = (uintptr_t) "GPL",
        };
        int fd, link;

        fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
        EXPECT(fd >= 0);
        memset(&attr, 0, sizeof(attr));
        attr.raw_tracepoint.prog_fd = fd;
        link = (int)syscall(SYS_bpf, BPF_RAW_TRACEPOINT_OPEN, &attr, sizeof(attr));
        EXPECT(link >= 0);
        close(fd);
        return link;
}

static int send_handle(int fd, uint64_t destination, uint64_t handle) {
        struct bus1_transfer transfer = {.id = handle};
        struct bus1_message message = {.n_transfers = 1, .ptr_transfers = ptr(&transfer)};

        return send_message(fd, destination, &message);
}

static int recv_fd(int fd) {
        struct bus1_metadata_credentials metadata;
        int passed = -1;
        struct bus1_message_fds message = {
                .message.type = BUS1_INVALID,
                .message.flags = BUS1_MESSAGE_FLAG_FDS,
                .n_fds = 1,
                .ptr_fds = ptr(&passed),
        };
        int r = recv_message(fd, &message.message, BUS1_RECV_FLAG_CREDENTIALS, &metadata);

        return r < 0 ? r : passed;
}

static void test_messages(int a, int b, uint64_t node, uint64_t handle) {
        struct bus1_metadata_credentials metadata;
        int link = refuse("bpf_lsm_binder_transaction");

        EXPECT(send_bytes(b, handle, "x", 1) == -EACCES);
        EXPECT(recv_any(a, &metadata) == -EAGAIN);
        close(link);
        EXPECT(send_bytes(b, handle, "x", 1) == 0);
        EXPECT(recv_any(a, &metadata) == BUS1_MESSAGE_TYPE_USER && metadata.metadata.id == node);
}

static void test_handles(int a, int b, uint64_t handle) {
        struct bus1_transfer src = {.id = handle}, dst;
        struct bus1_metadata_credentials metadata;
        int link = refuse("bpf_lsm_binder_transfer_binder");

        EXPECT(send_handle(b, handle, handle) == -EACCES);
        EXPECT(transfer(b, a, &src, &dst) == -EACCES);
        EXPECT(send_bytes(b, handle, "x", 1) == 0);
        EXPECT(transfer(b, UINT64_MAX, &src, &dst) == 0);
        close(link);
        EXPECT(send_handle(b, handle, handle) == 0);
        EXPECT(transfer(b, a, &src, &dst) == 0);
        EXPECT(recv_any(a, &metadata) == BUS1_MESSAGE_TYPE_USER);
        EXPECT(recv_any(a, &metadata) == BUS1_MESSAGE_TYPE_USER);
}

static void test_files(int a, int b, uint64_t handle) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC), n = count_fds(), link, fd;

        EXPECT(null >= 0 && send_fd(b, handle, null) == 0);
        link = refuse("bpf_lsm_file_receive");
        fd = recv_fd(a);
        close(link);
        EXPECT(fd == -EPERM && count_fds() == n);
        /* the message is still queued */
        fd = recv_fd(a);
        EXPECT(fd >= 0);
        close(fd);
        close(null);
}

int main(void) {
        int a = peer_open(), b = peer_open();
        uint64_t node, handle;

        read_btf();
        node_create(a, b, &node, &handle);
        test_messages(a, b, node, handle);
        test_handles(a, b, handle);
        test_files(a, b, handle);
        close(a);
        close(b);
        free(btf);
        printf("messages, handles and files were refused\n");
        return 0;
}
