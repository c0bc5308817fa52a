/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.freedesktop.DBus.Introspectable: the tables as XML. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/driver/methods.h"

/* The length of the first complete type of a valid signature. */
static size_t complete_type(const char *signature) {
        const char *p = signature;
        unsigned depth = 0;

        for (;; p++) {
                if (*p == '(' || *p == '{')
                        depth++;
                else if (*p == ')' || *p == '}')
                        depth--;
                else if (*p == 'a')
                        continue;
                if (depth == 0)
                        return p + 1 - signature;
        }
}

static void print_arguments(FILE *f, const char *signature, const char *direction) {
        while (*signature) {
                size_t n = complete_type(signature);

                fprintf(f, "      <arg ");
                if (direction)
                        fprintf(f, "direction=\"%s\" ", direction);
                fprintf(f, "type=\"%.*s\"/>\n", (int)n, signature);
                signature += n;
        }
}

static void print_interface(FILE *f, const struct driver_interface *interface) {
        fprintf(f, "  <interface name=\"%s\">\n", interface->name);
        for (const struct driver_method *method = interface->methods; method && method->name;
             method++) {
                fprintf(f, "    <method name=\"%s\">\n", method->name);
                print_arguments(f, method->in, "in");
                print_arguments(f, method->out, "out");
                fprintf(f, "    </method>\n");
        }
        for (const struct driver_property *p = interface->properties; p && p->name; p++)
                fprintf(f,
                        "    <property name=\"%s\" type=\"%s\" access=\"read\">\n"
                        "      <annotation "
                        "name=\"org.freedesktop.DBus.Property.EmitsChangedSignal\" "
                        "value=\"const\"/>\n"
                        "    </property>\n",
                        p->name, p->signature);
        for (const struct driver_signal *signal = interface->signals; signal && signal->name;
             signal++) {
                fprintf(f, "    <signal name=\"%s\">\n", signal->name);
                print_arguments(f, signal->signature, NULL);
                fprintf(f, "    </signal>\n");
        }
        fprintf(f, "  </interface>\n");
}

/* If the driver's path lies below path, the rest of the driver's path is a child; else NULL. */
static const char *child_of(const char *path) {
        static const char driver_path[] = BUS_DRIVER_PATH;
        size_t n = strlen(path);

        if (n == 1)
                return driver_path + 1;
        return !strncmp(driver_path, path, n) && driver_path[n] == '/' ? driver_path + n + 1 : NULL;
}

/* The XML of the interfaces, without its end. It is made once, and belongs to the bus. */
static const char *print_interfaces(struct bus *bus, bool canonical) {
        char **cached = &bus->introspection[canonical];
        size_t n_text;
        char *text;
        FILE *f;

        if (*cached)
                return *cached;
        f = open_memstream(&text, &n_text);
        if (!f)
                return NULL;
        fprintf(f,
                "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n"
                "\"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n<node>\n");
        for (size_t i = 0; i < bus->n_interfaces; i++)
                if (canonical || !bus->interfaces[i]->canonical_path_only)
                        print_interface(f, bus->interfaces[i]);
        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        *cached = text;
        return text;
}

char *driver_introspect(struct bus *bus, const char *path) {
        bool canonical = !path || driver_path_is_canonical(path);
        const char *interfaces = print_interfaces(bus, canonical);
        const char *child = canonical ? NULL : child_of(path);
        char *text;

        if (!interfaces ||
            asprintf(&text, "%s%s%s%s</node>\n", interfaces, child ? "  <node name=\"" : "",
                     child ? child : "", child ? "\"/>\n" : "") < 0)
                return NULL;
        return text;
}

static int introspect(struct driver_call *call) {
        char *text;

        text = driver_introspect(call->bus, call->message->path.s);
        if (!text)
                return -ENOMEM;
        writer_string(&call->writer, text);
        free(text);
        return 0;
}

static const struct driver_method methods[] = {
        {"Introspect", "", "s", introspect},
        {},
};

const struct driver_interface driver_interface_introspectable = {
        .name = "org.freedesktop.DBus.Introspectable",
        .methods = methods,
};
