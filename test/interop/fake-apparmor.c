/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Preloaded into a bus: the kernel seems to have AppArmor. The file has the SONAME of the library
 * that the bus then loads. No program has a profile, so the bus asks nothing and refuses nothing.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* The build hides symbols by default; these must replace those of the C library. */
#define PUBLIC __attribute__((visibility("default")))

PUBLIC int access(const char *path, int mode) {
        if (strcmp(path, "/sys/kernel/security/apparmor/features/dbus/mask") == 0)
                return 0;
        return faccessat(AT_FDCWD, path, mode, 0);
}

PUBLIC int aa_query_label(uint32_t mask, char *query, size_t size, int *allowed, int *audited);

PUBLIC int aa_query_label(uint32_t mask, char *query, size_t size, int *allowed, int *audited) {
        errno = EINVAL;
        return -1;
}
