/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Introspection data, from the tables of an object (D-Bus spec, "Introspection Data Format") */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libbus1/dbus/object.h"

/*
 * Write one argument for each complete type of the signature. *names is NULL, or has the names of
 * the arguments, separated by blanks; the names that are written are removed from its front.
 */
static void write_args(FILE *f, const char *signature, const char *direction, const char **names) {
        DBusSignatureIter i;

        if (!signature || !*signature)
                return;
        dbus_signature_iter_init(&i, signature);
        do {
                char *type = dbus_signature_iter_get_signature(&i);
                size_t n = *names ? strcspn(*names, " ") : 0;

                fprintf(f, "   <arg type=\"%s\"", type ? type : "");
                if (n > 0)
                        fprintf(f, " name=\"%.*s\"", (int)n, *names);
                if (direction)
                        fprintf(f, " direction=\"%s\"", direction);
                fputs("/>\n", f);
                dbus_free(type);
                if (*names)
                        *names += n + strspn(*names + n, " ");
        } while (dbus_signature_iter_next(&i));
}

static void write_interface(FILE *f, const struct bus1_dbus_interface *interface) {
        const char *names;

        fprintf(f, " <interface name=\"%s\">\n", interface->name);
        for (const struct bus1_dbus_method *m = interface->methods; m && m->name; m++) {
                names = m->arg_names;
                fprintf(f, "  <method name=\"%s\">\n", m->name);
                write_args(f, m->in, "in", &names);
                write_args(f, m->out, "out", &names);
                fputs("  </method>\n", f);
        }
        for (const struct bus1_dbus_signal *s = interface->signals; s && s->name; s++) {
                names = s->arg_names;
                fprintf(f, "  <signal name=\"%s\">\n", s->name);
                write_args(f, s->signature, NULL, &names);
                fputs("  </signal>\n", f);
        }
        for (const struct bus1_dbus_property *p = interface->properties; p && p->name; p++)
                fprintf(f, "  <property name=\"%s\" type=\"%s\" access=\"%s\"/>\n", p->name,
                        p->signature, p->set ? "readwrite" : "read");
        fputs(" </interface>\n", f);
}

/*
 * Get the part of candidate that follows path and a slash. Returns NULL when candidate is not below
 * path.
 */
static const char *path_below(const char *path, const char *candidate) {
        size_t n = strcmp(path, "/") == 0 ? 0 : strlen(path);

        if (strncmp(candidate, path, n) != 0 || candidate[n] != '/' || candidate[n + 1] == 0)
                return NULL;
        return candidate + n + 1;
}

bool path_has_objects(struct bus1_dbus *bus, const char *path) {
        for (struct bus1_dbus_object *o = bus->objects_by_path; o; o = o->hh.next)
                if (strcmp(o->path, path) == 0 || path_below(path, o->path))
                        return true;
        return false;
}

/*
 * Was this child of path written before, for one of the objects in front of "until"? Looking at all
 * of these objects is fast enough, because objects are few and introspection is rare.
 */
static bool child_was_written(struct bus1_dbus *bus, const char *path,
                              const struct bus1_dbus_object *until, const char *child,
                              size_t n_child) {
        for (struct bus1_dbus_object *o = bus->objects_by_path; o != until; o = o->hh.next) {
                const char *rest = path_below(path, o->path);

                if (rest && strcspn(rest, "/") == n_child && memcmp(rest, child, n_child) == 0)
                        return true;
        }
        return false;
}

static void write_children(FILE *f, struct bus1_dbus *bus, const char *path) {
        for (struct bus1_dbus_object *o = bus->objects_by_path; o; o = o->hh.next) {
                const char *child = path_below(path, o->path);
                size_t n = child ? strcspn(child, "/") : 0;

                if (child && !child_was_written(bus, path, o, child, n))
                        fprintf(f, " <node name=\"%.*s\"/>\n", (int)n, child);
        }
}

char *introspect_object(struct bus1_dbus *bus, struct bus1_dbus_object *object, const char *path,
                        const struct bus1_dbus_interface *standard) {
        char *xml = NULL;
        size_t n_xml;
        bool failed;
        FILE *f;

        f = open_memstream(&xml, &n_xml);
        if (!f)
                return NULL;
        fputs(DBUS_INTROSPECT_1_0_XML_DOCTYPE_DECL_NODE "<node>\n", f);
        for (const struct bus1_dbus_interface *i = standard; i->name; i++)
                write_interface(f, i);
        for (const struct bus1_dbus_interface *i = object ? object->interfaces : NULL; i && i->name;
             i++)
                write_interface(f, i);
        /* An object without a path has no objects below it. */
        if (!object || object->path)
                write_children(f, bus, object ? object->path : path);
        fputs("</node>\n", f);
        failed = ferror(f);
        if (fclose(f) != 0 || failed) {
                free(xml);
                return NULL;
        }
        return xml;
}
