/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The state of the native front end: only one without programs can be saved so far. Without them
 * nobody has a handle to the bus, and the next bus makes its peer, and a core if it needs one,
 * anew.
 */

#include "bridge/native/native-private.h"
#include "bridge/state/save.h"

void native_save(const struct native *native, struct state_save *save) {
        if (native && (native->sessions || native->ending))
                state_refuse(save, "a native program is connected");
        else if (native && (native->nodes || native->handles))
                state_refuse(save, "the bus has nodes or handles of bus1");
}
