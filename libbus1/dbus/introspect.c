/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/introspect.h"

#include <errno.h>
#include <stdarg.h>
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

/* The text so far. (open_memstream() does not always tell that memory has run out.) */
struct text {
        char *data;
        size_t n, n_allocated;
        bool failed;
};

/* Make room for n more bytes and a zero. */
static bool text_grow(struct text *f, size_t n) {
        size_t wanted = f->n + n + 1;
        char *data;

        if (f->failed || wanted <= f->n_allocated)
                return !f->failed;
        if (wanted < 2 * f->n_allocated)
                wanted = 2 * f->n_allocated;
        data = realloc(f->data, wanted);
        if (!data) {
                f->failed = true;
                return false;
        }
        f->data = data;
        f->n_allocated = wanted;
        return true;
}

static void text_add(struct text *f, const char *text, size_t n) {
        if (!text_grow(f, n))
                return;
        memcpy(f->data + f->n, text, n);
        f->n += n;
        f->data[f->n] = 0;
}

static void text_puts(struct text *f, const char *text) {
        text_add(f, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static void text_printf(struct text *f, const char *format,
                                                              ...) {
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(NULL, 0, format, args);
        va_end(args);
        if (n < 0 || !text_grow(f, (size_t)n))
                return;
        va_start(args, format);
        vsnprintf(f->data + f->n, (size_t)n + 1, format, args);
        va_end(args);
        f->n += (size_t)n;
}

static void write_text(struct text *f, const char *text, size_t n) {
        for (; n > 0; text++, n--) {
                switch (*text) {
                case '&':
                        text_puts(f, "&amp;");
                        break;
                case '<':
                        text_puts(f, "&lt;");
                        break;
                case '>':
                        text_puts(f, "&gt;");
                        break;
                case '"':
                        text_puts(f, "&quot;");
                        break;
                case '\t':
                case '\n':
                case '\r':
                        text_printf(f, "&#%d;", *text);
                        break;
                default:
                        /* XML has no other control characters */
                        text_add(f, (unsigned char)*text < ' ' ? "?" : text, 1);
                }
        }
}

/* indent: the number of blanks in front */
static void write_annotation(struct text *f, int indent, const char *name, const char *value) {
        text_printf(f, "%*s<annotation name=\"%s\" value=\"", indent, "", name);
        write_text(f, value, strlen(value));
        text_puts(f, "\"/>\n");
}

/*
 * Write one argument for each complete type of the signature. *names is NULL, or has the names of
 * the arguments, separated by blanks; the names that are written are removed from its front.
 */
static void write_args(struct text *f, const char *signature, const char *direction,
                       const char **names) {
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
                f->failed |= !type;
                text_printf(f, "   <arg type=\"%s\"", type ?: "");
                if (n > 0) {
                        text_puts(f, " name=\"");
                        write_text(f, *names, n);
                        text_puts(f, "\"");
                        *names += n;
                }
                if (direction)
                        text_printf(f, " direction=\"%s\"", direction);
                text_puts(f, "/>\n");
                dbus_free(type);
        } while (dbus_signature_iter_next(&i));
}

/* What the flags say about any element. */
static void write_flags(struct text *f, int indent, uint64_t flags) {
        if (flags & BUS1_DBUS_VTABLE_DEPRECATED)
                write_annotation(f, indent, "org.freedesktop.DBus.Deprecated", "true");
        if (flags & BUS1_DBUS_VTABLE_METHOD_NO_REPLY)
                write_annotation(f, indent, "org.freedesktop.DBus.Method.NoReply", "true");
        if (flags & BUS1_DBUS_VTABLE_PROPERTY_EXPLICIT)
                write_annotation(f, indent, "org.freedesktop.systemd1.Explicit", "true");
}

static void write_doc(struct text *f, int indent, const char *doc) {
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

static void write_annotations(struct text *f, const struct bus1_dbus *bus,
                              const struct member *member) {
        const char *announced = member->kind == MEMBER_PROPERTY ? how_announced(member) : NULL;

        write_flags(f, 3, member->flags);
        if (announced)
                write_annotation(f, 3, "org.freedesktop.DBus.Property.EmitsChangedSignal",
                                 announced);
        if (access_is_privileged(bus, member))
                write_annotation(f, 3, "org.freedesktop.systemd1.Privileged", "true");
        write_doc(f, 3, member->doc);
}

static void write_member(struct text *f, const struct bus1_dbus *bus, const struct member *member) {
        static const char *const elements[] = {"method", "signal", "property"};
        const char *element = elements[member->kind], *names = member->names;

        text_printf(f, "  <%s name=\"%s\"", element, member->name);
        if (member->kind == MEMBER_PROPERTY)
                text_printf(f, " type=\"%s\" access=\"%s\"", member->signature,
                            member->writable ? "readwrite" : "read");
        text_puts(f, ">\n");
        if (member->kind == MEMBER_METHOD) {
                write_args(f, member->signature, "in", &names);
                write_args(f, member->result, "out", &names);
        } else if (member->kind == MEMBER_SIGNAL) {
                write_args(f, member->signature, NULL, &names);
        }
        write_annotations(f, bus, member);
        text_printf(f, "  </%s>\n", element);
}

/* Write all interfaces with the same name as one. */
static int write_interface(struct text *f, const struct target *target, const char *name,
                           DBusError *error) {
        struct walk walk;
        int r;

        text_printf(f, " <interface name=\"%s\">\n", name);
        walk_begin(&walk, target, name);
        while ((r = walk_next(&walk, MEMBER_METHOD, NULL, error)) > 0) {
                const struct table *table = walk.interface->table;

                if (table->flags & BUS1_DBUS_VTABLE_HIDDEN)
                        continue;
                write_flags(f, 2, table->flags);
                write_doc(f, 2, table->doc);
                for (size_t i = 0; i < table->n_members; i++)
                        if (!member_is_hidden(table, &table->members[i]))
                                write_member(f, target->bus, &table->members[i]);
        }
        text_puts(f, " </interface>\n");
        return r;
}

static int write_interfaces(struct text *f, const struct target *target, DBusError *error) {
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

static int write_node(struct text *f, const struct target *target, const struct branch *branch,
                      const struct paths *children, bool exists, DBusError *error) {
        int r;

        text_puts(f, DBUS_INTROSPECT_1_0_XML_DOCTYPE_DECL_NODE "<node>\n");
        text_puts(f, peer_xml);
        text_puts(f, introspectable_xml);
        if (exists)
                text_puts(f, properties_xml);
        if (branch && branch->is_manager)
                text_puts(f, manager_xml);
        r = write_interfaces(f, target, error);
        for (size_t i = 0; i < children->n; i++)
                text_printf(f, " <node name=\"%s\"/>\n", children->items[i]);
        text_puts(f, "</node>\n");
        return r;
}

static int write_all(const struct target *target, const struct branch *branch,
                     const struct paths *children, bool exists, char **ret_xml, DBusError *error) {
        struct text f = {};
        int r;

        r = write_node(&f, target, branch, children, exists, error);
        if (r >= 0 && f.failed)
                r = -ENOMEM;
        if (r < 0) {
                free(f.data);
                return r;
        }
        *ret_xml = f.data;
        return 1;
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
