/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FLAGS_CAPABILITY BUS1_DBUS_VTABLE_CAPABILITY(UINT64_C(0xfffe))
#define FLAGS_EMITS                                                                 \
        (BUS1_DBUS_VTABLE_PROPERTY_CONST | BUS1_DBUS_VTABLE_PROPERTY_EMITS_CHANGE | \
         BUS1_DBUS_VTABLE_PROPERTY_EMITS_INVALIDATION)
#define FLAGS_START (BUS1_DBUS_VTABLE_DEPRECATED | BUS1_DBUS_VTABLE_HIDDEN | FLAGS_CAPABILITY)
#define FLAGS_SIGNAL (BUS1_DBUS_VTABLE_DEPRECATED | BUS1_DBUS_VTABLE_HIDDEN)
#define FLAGS_METHOD                                                                      \
        (FLAGS_START | BUS1_DBUS_VTABLE_UNPRIVILEGED | BUS1_DBUS_VTABLE_METHOD_NO_REPLY | \
         BUS1_DBUS_VTABLE_ABSOLUTE_OFFSET)
#define FLAGS_PROPERTY                                                    \
        (FLAGS_START | FLAGS_EMITS | BUS1_DBUS_VTABLE_PROPERTY_EXPLICIT | \
         BUS1_DBUS_VTABLE_ABSOLUTE_OFFSET)

static bool signature_is_valid(const char *signature) {
        return signature && dbus_signature_validate(signature, NULL);
}

static bool text_is_fine(const char *text) {
        return !text || dbus_validate_utf8(text, NULL);
}

static bool method_is_valid(const struct bus1_dbus_vtable *v) {
        return signature_is_valid(v->signature) && signature_is_valid(v->result) &&
               (v->handler || (!*v->signature && !*v->result)) && !(v->flags & ~FLAGS_METHOD);
}

static bool signal_is_valid(const struct bus1_dbus_vtable *v) {
        return signature_is_valid(v->signature) && !(v->flags & ~FLAGS_SIGNAL);
}

static bool property_is_valid(const struct bus1_dbus_vtable *v) {
        uint64_t emits = v->flags & FLAGS_EMITS, allowed = FLAGS_PROPERTY;
        bool writable = v->type == BUS1_DBUS_VTABLE_TYPE_WRITABLE_PROPERTY_, basic;

        if (!v->signature || !dbus_signature_validate_single(v->signature, NULL))
                return false;
        basic = dbus_type_is_basic(v->signature[0]);
        if (!v->get && !basic && strcmp(v->signature, "as") != 0)
                return false;
        if (writable) {
                allowed |= BUS1_DBUS_VTABLE_UNPRIVILEGED;
                allowed &= ~BUS1_DBUS_VTABLE_PROPERTY_CONST;
                if (!v->set && (!basic || v->signature[0] == DBUS_TYPE_UNIX_FD))
                        return false;
        }
        if (emits & BUS1_DBUS_VTABLE_PROPERTY_EMITS_CHANGE)
                allowed &= ~BUS1_DBUS_VTABLE_PROPERTY_EXPLICIT;
        return !(v->flags & ~allowed) && !(emits & (emits - 1)); /* one of FLAGS_EMITS, or none */
}

/* Returns false also for a type that this version of the library does not know. */
static bool entry_is_valid(const struct bus1_dbus_vtable *v) {
        if (v->type == BUS1_DBUS_VTABLE_TYPE_DOC_)
                return text_is_fine(v->doc);
        if (!v->member || !dbus_validate_member(v->member, NULL) || !text_is_fine(v->names))
                return false;
        switch (v->type) {
        case BUS1_DBUS_VTABLE_TYPE_METHOD_:
                return method_is_valid(v);
        case BUS1_DBUS_VTABLE_TYPE_SIGNAL_:
                return signal_is_valid(v);
        case BUS1_DBUS_VTABLE_TYPE_PROPERTY_:
        case BUS1_DBUS_VTABLE_TYPE_WRITABLE_PROPERTY_:
                return property_is_valid(v);
        default:
                return false;
        }
}

static enum member_kind kind_of(int type) {
        return type == BUS1_DBUS_VTABLE_TYPE_METHOD_   ? MEMBER_METHOD
               : type == BUS1_DBUS_VTABLE_TYPE_SIGNAL_ ? MEMBER_SIGNAL
                                                       : MEMBER_PROPERTY;
}

static int member_compare(const struct member *a, const struct member *b) {
        int r = strcmp(a->name, b->name);

        return r != 0 ? r : (int)a->kind - (int)b->kind;
}

static int member_compare_pointers(const void *a, const void *b) {
        const struct member *const *x = a, *const *y = b;
        int r = member_compare(*x, *y);

        /* of members with the same name, the first one of the source comes first */
        return r != 0 ? r : (*x > *y) - (*x < *y);
}

static struct table *table_new(const void *source, size_t n_members) {
        struct table *table;

        table = calloc(1, sizeof(*table) + n_members * sizeof(*table->members));
        if (!table)
                return NULL;
        table->sorted = calloc(n_members + 1, sizeof(*table->sorted));
        if (!table->sorted) {
                free(table);
                return NULL;
        }
        table->source = source;
        table->n_refs = 1;
        return table;
}

static void table_free(struct table *table) {
        free(table->sorted);
        free(table);
}

/* All members are there. Takes over the table, even on failure. */
static int table_finish(struct bus1_dbus *bus, struct table *table, struct table **ret_table) {
        for (size_t i = 0; i < table->n_members; i++)
                table->sorted[i] = &table->members[i];
        qsort(table->sorted, table->n_members, sizeof(*table->sorted), member_compare_pointers);
        for (size_t i = 1; i < table->n_members && table->is_vtable; i++) {
                if (member_compare(table->sorted[i - 1], table->sorted[i]) == 0) {
                        table_free(table);
                        return -EINVAL;
                }
        }
        HASH_ADD_PTR(bus->tables, source, table);
        if (!table->hh.tbl) {
                table_free(table);
                return -ENOMEM;
        }
        *ret_table = table;
        return 0;
}

static struct table *table_share(struct bus1_dbus *bus, const void *source) {
        struct table *table;

        HASH_FIND_PTR(bus->tables, &source, table);
        if (table)
                table->n_refs++;
        return table;
}

/* Fill in what comes from a vtable, whose entries are valid. */
static void table_fill(struct table *table, const struct bus1_dbus_vtable *vtable) {
        const struct bus1_dbus_vtable *v;

        table->is_vtable = true;
        table->flags = vtable->flags;
        for (v = vtable + 1; v->type != BUS1_DBUS_VTABLE_TYPE_END_; v++) {
                if (v->type == BUS1_DBUS_VTABLE_TYPE_DOC_) {
                        if (table->n_members > 0)
                                table->members[table->n_members - 1].doc = v->doc;
                        else
                                table->doc = v->doc;
                        continue;
                }
                table->members[table->n_members++] = (struct member){
                        .kind = kind_of(v->type),
                        .writable = v->type == BUS1_DBUS_VTABLE_TYPE_WRITABLE_PROPERTY_,
                        .flags = v->flags,
                        .name = v->member,
                        .signature = v->signature,
                        .result = v->result,
                        .names = v->names,
                        .offset = v->offset,
                        .handler = v->handler,
                        .get = v->get,
                        .set = v->set,
                };
        }
}

int table_from_vtable(struct bus1_dbus *bus, const struct bus1_dbus_vtable *vtable,
                      struct table **ret_table) {
        const struct bus1_dbus_vtable *v;
        struct table *table;
        size_t n = 0;

        if (vtable->type != BUS1_DBUS_VTABLE_TYPE_START_ || vtable->offset != sizeof(*vtable) ||
            vtable->flags & ~FLAGS_START)
                return -EINVAL;
        *ret_table = table_share(bus, vtable);
        if (*ret_table)
                return 0;
        for (v = vtable + 1; v->type != BUS1_DBUS_VTABLE_TYPE_END_; v++, n++)
                if (!entry_is_valid(v))
                        return -EINVAL;
        table = table_new(vtable, n);
        if (!table)
                return -ENOMEM;
        table_fill(table, vtable);
        return table_finish(bus, table, ret_table);
}

int table_from_row(struct bus1_dbus *bus, const struct bus1_dbus_interface *row,
                   struct table **ret_table) {
        struct table *table;
        size_t n = 0;

        *ret_table = table_share(bus, row);
        if (*ret_table)
                return 0;
        for (const struct bus1_dbus_method *m = row->methods; m && m->name; m++)
                n++;
        for (const struct bus1_dbus_signal *s = row->signals; s && s->name; s++)
                n++;
        for (const struct bus1_dbus_property *p = row->properties; p && p->name; p++)
                n++;
        table = table_new(row, n);
        if (!table)
                return -ENOMEM;
        for (const struct bus1_dbus_method *m = row->methods; m && m->name; m++)
                table->members[table->n_members++] = (struct member){
                        .kind = MEMBER_METHOD,
                        .flags = BUS1_DBUS_VTABLE_UNPRIVILEGED,
                        .name = m->name,
                        .signature = m->in,
                        .result = m->out,
                        .names = m->arg_names,
                        .handler = m->handler,
                };
        for (const struct bus1_dbus_signal *s = row->signals; s && s->name; s++)
                table->members[table->n_members++] = (struct member){
                        .kind = MEMBER_SIGNAL,
                        .name = s->name,
                        .signature = s->signature,
                        .names = s->arg_names,
                };
        for (const struct bus1_dbus_property *p = row->properties; p && p->name; p++)
                table->members[table->n_members++] = (struct member){
                        .kind = MEMBER_PROPERTY,
                        .writable = p->set,
                        .flags = BUS1_DBUS_VTABLE_UNPRIVILEGED |
                                 BUS1_DBUS_VTABLE_PROPERTY_EMITS_CHANGE,
                        .name = p->name,
                        .signature = p->signature,
                        .property = p,
                };
        return table_finish(bus, table, ret_table);
}

void table_unref(struct bus1_dbus *bus, struct table *table) {
        if (!table || --table->n_refs > 0)
                return;
        HASH_DELETE(hh, bus->tables, table);
        table_free(table);
}

const struct member *table_find(const struct table *table, enum member_kind kind,
                                const char *name) {
        struct member key = {.kind = kind, .name = name};
        size_t low = 0, high = table->n_members;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (member_compare(table->sorted[middle], &key) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == table->n_members || member_compare(table->sorted[low], &key) != 0)
                return NULL;
        return table->sorted[low];
}
