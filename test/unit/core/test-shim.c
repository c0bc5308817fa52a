/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The kernel interfaces of the shim, compared with simple models of their contracts
 */

#include "core-test.h"
#include <linux/err.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <stdlib.h>
#include <string.h>

static u64 draw(void) {
        static u64 r = 88172645463325252ULL;

        r ^= r << 13;
        r ^= r >> 7;
        r ^= r << 17;
        return r >> 11;
}

/* red-black tree */

struct item {
        struct rb_node rb;
        unsigned key;
        bool is_in;
};

static struct item *item_of(struct rb_node *rb) {
        return rb_entry(rb, struct item, rb);
}

static bool is_red(const struct rb_node *rb) {
        return rb->shim.rbe_color == 1; /* RB_RED of <bsd/sys/tree.h> */
}

/* Check the invariants of a subtree. Returns the number of black nodes on every way down. */
static unsigned check_tree(struct rb_node *rb, struct rb_node *parent) {
        unsigned left, right;

        if (!rb)
                return 1;
        ck_assert_ptr_eq(rb->shim.rbe_parent, parent);
        if (is_red(rb)) {
                ck_assert(!rb->rb_left || !is_red(rb->rb_left));
                ck_assert(!rb->rb_right || !is_red(rb->rb_right));
        }
        left = check_tree(rb->rb_left, rb);
        right = check_tree(rb->rb_right, rb);
        ck_assert_uint_eq(left, right);
        return left + !is_red(rb);
}

static void insert(struct rb_root_cached *root, struct item *item) {
        struct rb_node **link = &root->rb_root.rb_node, *parent = NULL;
        bool leftmost = true;

        while (*link) {
                parent = *link;
                if (item->key < item_of(parent)->key) {
                        link = &parent->rb_left;
                } else {
                        link = &parent->rb_right;
                        leftmost = false;
                }
        }
        rb_link_node(&item->rb, parent, link);
        rb_insert_color_cached(&item->rb, root, leftmost);
}

START_TEST(rbtree_stays_sorted_and_balanced) {
        static struct item items[300];
        struct rb_root_cached root = RB_ROOT_CACHED;
        size_t n_in = 0;

        for (unsigned i = 0; i < 300; i++)
                RB_CLEAR_NODE(&items[i].rb);
        for (unsigned round = 0; round < 20000; round++) {
                struct item *item = &items[draw() % 300];

                if (item->is_in) {
                        rb_erase_cached(&item->rb, &root);
                        RB_CLEAR_NODE(&item->rb);
                        --n_in;
                } else {
                        ck_assert(RB_EMPTY_NODE(&item->rb));
                        item->key = draw() % 100;
                        insert(&root, item);
                        ++n_in;
                }
                item->is_in = !item->is_in;

                if (round % 16 == 0) {
                        unsigned last = 0;
                        size_t n = 0;

                        check_tree(root.rb_root.rb_node, NULL);
                        ck_assert_ptr_eq(rb_first(&root.rb_root), rb_first_cached(&root));
                        for (struct rb_node *rb = rb_first_cached(&root); rb; rb = rb_next(rb)) {
                                ck_assert_uint_ge(item_of(rb)->key, last);
                                last = item_of(rb)->key;
                                ++n;
                        }
                        ck_assert_uint_eq(n, n_in);
                }
        }
}
END_TEST

START_TEST(list_keeps_order) {
        struct entry {
                struct list_head link;
                int value;
        } entries[3] = {{.value = 0}, {.value = 1}, {.value = 2}}, *entry, *next;
        LIST_HEAD(list);
        int expected = 0;

        ck_assert(list_empty(&list));
        list_add_tail(&entries[1].link, &list);
        ck_assert(list_is_singular(&list));
        list_add_tail(&entries[2].link, &list);
        list_add(&entries[0].link, &list);
        ck_assert(!list_is_singular(&list));
        list_for_each_entry(entry, &list, link) {
                ck_assert_int_eq(entry->value, expected++);
        }
        list_for_each_entry_safe(entry, next, &list, link) {
                list_del_init(&entry->link);
        }
        ck_assert(list_empty(&list));
        ck_assert_ptr_null(list_first_entry_or_null(&list, struct entry, link));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("shim");
        TCase *tcase = tcase_create("shim");

        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, rbtree_stays_sorted_and_balanced);
        tcase_add_test(tcase, list_keeps_order);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
