/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "bridge/lsm/library.h"

int lsm_library_load(const char *soname, const struct lsm_symbol *symbols, size_t n, void *table,
                     const char **ret_error) {
        void *library;

        library = dlopen(soname, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        for (size_t i = 0; library && i < n; i++) {
                void *address = dlsym(library, symbols[i].name);

                if (!address) {
                        library = NULL;
                        break;
                }
                /* POSIX: a pointer from dlsym() can be stored as a function pointer */
                memcpy((char *)table + symbols[i].at, &address, sizeof(address));
        }
        if (library)
                return 0;
        *ret_error = dlerror() ?: soname;
        return -ENOENT;
}
