/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.bus1.Bridge1.Manager: the process of the bus (bus1ctl reexec) */

#include "bridge/driver/methods.h"

static int run_reexecute(struct driver_call *call) {
        struct bus *bus = call->bus;
        struct later *later;
        int r;

        if (!bus->hooks.reexecute)
                return driver_call_fail(call, DRIVER_ERROR("NotSupported"),
                                        "This bus cannot execute its program again");
        r = driver_call_later(call, LATER_REEXECUTE, &later);
        return r == 0 ? bus->hooks.reexecute(bus->hooks.process, later) : r;
}

static const struct driver_method methods[] = {
        {"Reexecute", "", "", run_reexecute,
         DRIVER_METHOD_CANONICAL_PATH | DRIVER_METHOD_PRIVILEGED},
        {},
};

const struct driver_interface driver_interface_manager = {
        .name = "org.bus1.Bridge1.Manager",
        .methods = methods,
        .canonical_path_only = true,
        .listed = true,
};
