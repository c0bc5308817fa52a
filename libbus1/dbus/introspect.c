/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/introspect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libbus1/dbus/access.h"
#include "libbus1/dbus/tree.h"

/* clang-format off */
static const char peer_xml[] =
        " <interface name=\"org.freedesktop.DBus.Peer\">\n"
        "  <method name=\"Ping\">\n"
        "  </method>\n"
        "  <method name=\"GetMachineId\">\n"
        "   <arg type=\"s\" name=\"machine_uuid\" direction=\"out\"/>\n"
        "  </method>\n"
        " </interface>\n";
static const char introspectable_xml[] =
        " <interface name=\"org.freedesktop.DBus.Introspectable\">\n"
        "  <method name=\"Introspect\">\n"
        "   <arg type=\"s\" name=\"xml_data\" direction=\"out\"/>\n"
        "  </method>\n"
        " </interface>\n";
static const char properties_xml[] =
        " <interface name=\"org.freedesktop.DBus.Properties\">\n"
        "  <method name=\"Get\">\n"
        "   <arg type=\"s\" name=\"interface_name\" direction=\"in\"/>\n"
        "   <arg type=\"s\" name=\"property_name\" direction=\"in\"/>\n"
        "   <arg type=\"v\" name=\"value\" direction=\"out\"/>\n"
        "  </method>\n"
        "  <method name=\"GetAll\">\n"
        "   <arg type=\"s\" name=\"interface_name\" direction=\"in\"/>\n"
        "   <arg type=\"a{sv}\" name=\"props\" direction=\"out\"/>\n"
        "  </method>\n"
        "  <method name=\"Set\">\n"
        "   <arg type=\"s\" name=\"interface_name\" direction=\"in\"/>\n"
        "   <arg type=\"s\" name=\"property_name\" direction=\"in\"/>\n"
        "   <arg type=\"v\" name=\"value\" direction=\"in\"/>\n"
        "  </method>\n"
        "  <signal name=\"PropertiesChanged\">\n"
        "   <arg type=\"s\" name=\"interface_name\"/>\n"
        "   <arg type=\"a{sv}\" name=\"changed_properties\"/>\n"
        "   <arg type=\"as\" name=\"invalidated_properties\"/>\n"
        "  </signal>\n"
        " </interface>\n";
static const char manager_xml[] =
        " <interface name=\"org.freedesktop.DBus.ObjectManager\">\n"
        "  <method name=\"GetManagedObjects\">\n"
        "   <arg type=\"a{oa{sa{sv}}}\" name=\"object_paths_interfaces_and_properties\""
        " direction=\"out\"/>\n"
        "  </method>\n"
        "  <signal name=\"InterfacesAdded\">\n"
        "   <arg type=\"o\" name=\"object_path\"/>\n"
        "   <arg type=\"a{sa{sv}}\" name=\"interfaces_and_properties\"/>\n"
        "  </signal>\n"
        "  <signal name=\"InterfacesRemoved\">\n"
        "   <arg type=\"o\" name=\"object_path\"/>\n"
        "   <arg type=\"as\" name=\"interfaces\"/>\n"
        "  </signal>\n"
        " </interface>\n";
/* clang-format on */

static void write_text(FILE *f, const char *text, size_t n) {
        for (; n > 0; text++, n--) {
                switch (*text) {
                case '&':
                        fputs("&amp;", f);
                        break;
                case '<':
                        fputs("&lt;", f);
                        break;
                case '>':
                        fputs("&gt;", f);
                        break;
                case '"':
                        fputs("&quot;", f);
                        break;
                case '\t':
                case '\n':
                case '\r':
                        fprintf(f, "&#%d;", *text);
                        break;
                default:
                        /* XML has no other control characters */
                        fputc((unsigned char)*text < ' ' ? '?' : *text, f);
                }
        }
}

/* indent: the number of blanks in front */
static void write_annotation(FILE *f, int indent, const char *name, const char *value) {
        fprintf(f, "%*s<annotation name=\"%s\" value=\"", indent, "", name);
        write_text(f, value, strlen(value));
        fputs("\"/>\n", f);
}

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
                size_t n;

                if (*names)
                        *names += strspn(*names, " ");
                n = *names ? strcspn(*names, " ") : 0;
                fprintf(f, "   <arg type=\"%s\"", type ? type : "");
                if (n > 0) {
                        fputs(" name=\"", f);
                        write_text(f, *names, n);
                        fputc('"', f);
                        *names += n;
                }
                if (direction)
                        fprintf(f, " direction=\"%s\"", direction);
                fputs("/>\n", f);
                dbus_free(type);
        } while (dbus_signature_iter_next(&i));
}

/* What the flags of an element say, but not how a property announces itself. */
static void write_flags(FILE *f, int indent, uint64_t flags, const char *doc) {
        if (flags & BUS1_DBUS_VTABLE_DEPRECATED)
                write_annotation(f, indent, "org.freedesktop.DBus.Deprecated", "true");
        if (flags & BUS1_DBUS_VTABLE_METHOD_NO_REPLY)
                write_annotation(f, indent, "org.freedesktop.DBus.Method.NoReply", "true");
        if (flags & BUS1_DBUS_VTABLE_PROPERTY_EXPLICIT)
                write_annotation(f, indent, "org.freedesktop.systemd1.Explicit", "true");
        if (doc)
                write_annotation(f, indent, "org.gtk.GDBus.DocString", doc);
}

/* NULL: with the new value, which needs no annotation */
static const char *how_announced(const struct member *property) {
        if (property->flags & BUS1_DBUS_VTABLE_PROPERTY_EMITS_CHANGE)
                return NULL;
        if (property->flags & BUS1_DBUS_VTABLE_PROPERTY_CONST)
                return "const";
        return property->flags & BUS1_DBUS_VTABLE_PROPERTY_EMITS_INVALIDATION ? "invalidates"
                                                                              : "false";
}

static void write_annotations(FILE *f, const struct bus1_dbus *bus, const struct member *member) {
        const char *announced = member->kind == MEMBER_PROPERTY ? how_announced(member) : NULL;

        if (announced)
                write_annotation(f, 3, "org.freedesktop.DBus.Property.EmitsChangedSignal",
                                 announced);
        if (access_is_privileged(bus, member))
                write_annotation(f, 3, "org.freedesktop.systemd1.Privileged", "true");
        write_flags(f, 3, member->flags, member->doc);
}

static void write_member(FILE *f, const struct bus1_dbus *bus, const struct member *member) {
        static const char *const elements[] = {"method", "signal", "property"};
        const char *element = elements[member->kind], *names = member->names;

        fprintf(f, "  <%s name=\"%s\"", element, member->name);
        if (member->kind == MEMBER_PROPERTY)
                fprintf(f, " type=\"%s\" access=\"%s\"", member->signature,
                        member->writable ? "readwrite" : "read");
        fputs(">\n", f);
        if (member->kind == MEMBER_METHOD) {
                write_args(f, member->signature, "in", &names);
                write_args(f, member->result, "out", &names);
        } else if (member->kind == MEMBER_SIGNAL) {
                write_args(f, member->signature, NULL, &names);
        }
        write_annotations(f, bus, member);
        fprintf(f, "  </%s>\n", element);
}

/* Write all interfaces with the same name as one. */
static int write_interface(FILE *f, const struct target *target, const char *name,
                           DBusError *error) {
        struct walk walk;
        int r;

        fprintf(f, " <interface name=\"%s\">\n", name);
        walk_begin(&walk, target, name);
        while ((r = walk_next(&walk, MEMBER_METHOD, NULL, error)) > 0) {
                const struct table *table = walk.interface->table;

                if (table->flags & BUS1_DBUS_VTABLE_HIDDEN)
                        continue;
                write_flags(f, 2, table->flags, table->doc);
                for (size_t i = 0; i < table->n_members; i++)
                        if (!member_is_hidden(table, &table->members[i]))
                                write_member(f, target->bus, &table->members[i]);
        }
        fputs(" </interface>\n", f);
        return r;
}

static int write_interfaces(FILE *f, const struct target *target, DBusError *error) {
        struct walk walk;
        int r;

        walk_begin(&walk, target, NULL);
        while ((r = walk_next(&walk, MEMBER_METHOD, NULL, error)) > 0) {
                r = walk_is_first(&walk, error);
                if (r > 0)
                        r = write_interface(f, target, walk.interface->name, error);
                if (r < 0)
                        return r;
        }
        return r;
}

/* Get the names of what is directly below a path. */
static int find_children(struct paths *children, const struct target *target,
                         const struct branch *branch, DBusError *error) {
        struct paths paths = {};
        const char *rest;
        int r = 0;

        for (struct branch *b = branch ? branch->children : NULL; b && r >= 0; b = b->next) {
                rest = path_below(branch->path, b->path);
                r = paths_add(children, rest, strlen(rest));
        }
        if (r >= 0)
                r = paths_enumerate(&paths, target->bus, target->path, true, error);
        for (size_t i = 0; i < paths.n && r >= 0; i++) {
                rest = path_below(target->path, paths.items[i]);
                r = paths_add(children, rest, strcspn(rest, "/"));
        }
        if (paths.n > 0)
                paths_sort(children);
        paths_free(&paths);
        return r;
}

static int write_node(FILE *f, const struct target *target, const struct branch *branch,
                      const struct paths *children, bool exists, DBusError *error) {
        int r;

        fputs(DBUS_INTROSPECT_1_0_XML_DOCTYPE_DECL_NODE "<node>\n", f);
        fputs(peer_xml, f);
        fputs(introspectable_xml, f);
        if (exists)
                fputs(properties_xml, f);
        if (branch && branch->is_manager)
                fputs(manager_xml, f);
        r = write_interfaces(f, target, error);
        for (size_t i = 0; i < children->n; i++)
                fprintf(f, " <node name=\"%s\"/>\n", children->items[i]);
        fputs("</node>\n", f);
        return r;
}

static int write_all(const struct target *target, const struct branch *branch,
                     const struct paths *children, bool exists, char **ret_xml, DBusError *error) {
        CLEANUP_FREE char *xml = NULL;
        bool failed;
        size_t n;
        FILE *f;
        int r;

        f = open_memstream(&xml, &n);
        if (!f)
                return -ENOMEM;
        r = write_node(f, target, branch, children, exists, error);
        failed = ferror(f);
        if (fclose(f) != 0 || failed)
                return -ENOMEM;
        if (r >= 0)
                *ret_xml = steal_ptr(&xml);
        return r < 0 ? r : 1;
}

int introspect_target(const struct target *target, char **ret_xml, DBusError *error) {
        const struct branch *branch = NULL;
        struct paths children = {};
        int r, exists;

        exists = target_exists(target, error);
        if (exists < 0)
                return exists;
        /* An object without a path has no objects below it. */
        if (!target->object || target->object->path) {
                branch = tree_find(target->bus, target->path);
                r = find_children(&children, target, branch, error);
                if (r < 0 || (!exists && !branch && children.n == 0)) {
                        paths_free(&children);
                        return r < 0 ? r : 0;
                }
        }
        r = write_all(target, branch, &children, exists, ret_xml, error);
        paths_free(&children);
        return r;
}
