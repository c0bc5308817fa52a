/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* BPF as a security module, see refuse.h */

#include "refuse.h"
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

int refuse(const char *hook) {
        const struct bpf_insn program[] = {
                {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -EPERM},
                {.code = BPF_JMP | BPF_EXIT},
        };
        union bpf_attr attr = {
                .prog_type = BPF_PROG_TYPE_LSM,
                .expected_attach_type = BPF_LSM_MAC,
                .insns = (uintptr_t)program,
                .insn_cnt = sizeof(program) / sizeof(*program),
                .license = (uintptr_t) "GPL",
        };
        int fd, link;

        if (!btf)
                read_btf();
        attr.attach_btf_id = find_function(hook);
        fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
        EXPECT(fd >= 0);
        memset(&attr, 0, sizeof(attr));
        attr.raw_tracepoint.prog_fd = fd;
        link = (int)syscall(SYS_bpf, BPF_RAW_TRACEPOINT_OPEN, &attr, sizeof(attr));
        EXPECT(link >= 0);
        close(fd);
        return link;
}
