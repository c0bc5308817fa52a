// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of pools: a file in shared memory
 *
 * The user maps the pool through the device, and never for writing. A mapping refers to this file
 * and not to the device, so the mapping does not keep the peer open. The mapping survives a fork
 * and the peer. Its memory can be swapped out, and is charged to the memory cgroup of the receiver.
 * The file never becomes smaller.
 *
 * The peer is charged for the pages that were written and not freed again, see pool.h. No other
 * page may come into being, so a mapping never adds one: reading where there is none causes SIGBUS.
 * If the administrator lets shared memory use huge pages, a write that gets a huge page keeps only
 * the one page that the write needs, and frees the rest.
 */

#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include "compat.h"
#include "module.h"

/* shmem reports ENOSPC when memory runs out. Callers expect ENOMEM. */
static int bus1_pool_error(const void *ptr)
{
	int r = PTR_ERR(ptr);

	return r == -ENOSPC ? -ENOMEM : r;
}

/*
 * The operations of the file of a pool: none. remap_file_pages() maps the file of a mapping again,
 * past bus1_pool_mmap(); without an mmap operation it fails. The file keeps the module loaded,
 * because a mapping, which has bus1_pool_vm_ops, keeps the file.
 */
static const struct file_operations bus1_pool_fops = {
	.owner = THIS_MODULE,
};

/* Make the memory of the pool unless it exists. The caller holds the lock of the device. */
int bus1_pool_open(struct bus1_file *bus1_file)
{
	struct file *pool;

	lockdep_assert_held(&bus1_file->lock);

	if (bus1_file->pool)
		return 0;
	pool = bus1_compat_shmem_file("bus1-pool");
	if (IS_ERR(pool))
		return bus1_pool_error(pool);
	__module_get(bus1_pool_fops.owner);
	pool->f_op = &bus1_pool_fops;
	WRITE_ONCE(bus1_file->pool, pool);
	return 0;
}

/*
 * Make the file larger if necessary. Nothing else changes its size: the file has no descriptor, and
 * only one receiver writes at a time.
 */
static void bus1_pool_grow(struct inode *inode, u64 size)
{
	size = PAGE_ALIGN(size);
	if (i_size_read(inode) < size)
		i_size_write(inode, size);
}

/* The lock keeps bus1_pool_fault() from making a page again that it has just seen. */
static void bus1_pool_discard_range(struct file *pool, loff_t begin, loff_t end)
{
	if (begin >= end)
		return;
	filemap_invalidate_lock(pool->f_mapping);
	shmem_truncate_range(file_inode(pool), begin, end - 1);
	filemap_invalidate_unlock(pool->f_mapping);
}

/*
 * Free a huge page except page @index, for which the huge page was just made. Drops the reference
 * to it. A huge page is made only where the pool had no memory at all.
 */
static void bus1_pool_split(struct file *pool, pgoff_t index, struct folio *folio)
{
	loff_t begin = folio_pos(folio), end = begin + folio_size(folio);
	loff_t offset = (loff_t)index << PAGE_SHIFT;

	/* With this reference, the huge page could not be split. */
	folio_put(folio);
	bus1_pool_discard_range(pool, begin, offset);
	bus1_pool_discard_range(pool, offset + PAGE_SIZE, end);
}

/* Find or make a page of the pool. Returns it with a reference, or an ERR_PTR(). */
static struct page *bus1_pool_page(struct file *pool, pgoff_t index)
{
	struct folio *folio;
	struct page *page;
	loff_t begin, end;

	page = shmem_read_mapping_page(pool->f_mapping, index);
	if (IS_ERR(page) || likely(!folio_test_large(page_folio(page))))
		return page;
	bus1_pool_split(pool, index, page_folio(page));

	page = shmem_read_mapping_page(pool->f_mapping, index);
	if (IS_ERR(page) || !folio_test_large(page_folio(page)))
		return page;
	/*
	 * Something else still refers to the huge page. Nobody is charged for all of it: free it.
	 */
	folio = page_folio(page);
	begin = folio_pos(folio);
	end = begin + folio_size(folio);
	folio_put(folio);
	bus1_pool_discard_range(pool, begin, end);
	return ERR_PTR(-ENOMEM);
}

static int bus1_pool_write(void *data, u64 offset, const void *from, size_t n)
{
	struct bus1_file *bus1_file = data;
	struct file *pool = bus1_file->pool;

	bus1_pool_grow(file_inode(pool), offset + n);
	while (n > 0) {
		size_t l = min_t(size_t, n, PAGE_SIZE - offset_in_page(offset));
		struct page *page;

		/* A killed task stops here. */
		if (fatal_signal_pending(current))
			return -EINTR;
		page = bus1_pool_page(pool, offset >> PAGE_SHIFT);
		if (IS_ERR(page))
			return bus1_pool_error(page);
		memcpy_to_page(page, offset_in_page(offset), from, l);
		set_page_dirty(page);
		put_page(page);
		offset += l;
		from += l;
		n -= l;
		cond_resched();
	}
	return 0;
}

static void bus1_pool_discard(void *data, u64 offset, u64 n)
{
	struct bus1_file *bus1_file = data;

	bus1_pool_discard_range(bus1_file->pool, offset, offset + n);
}

const struct bus1_pool_memory bus1_pool_memory = {
	.write = bus1_pool_write,
	.discard = bus1_pool_discard,
};

/**
 * bus1_pool_enable() - let a peer of 2026 receive into its pool
 * @bus1_file:	open device
 *
 * Return: 0; -ENOMEM; -ENFILE; -ESHUTDOWN when the peer has been disconnected.
 */
int bus1_pool_enable(struct bus1_file *bus1_file)
{
	int r;

	mutex_lock(&bus1_file->lock);
	r = bus1_pool_open(bus1_file);
	if (r == 0)
		r = bus1_peer_enable_pool(bus1_file->peer, &bus1_pool_memory, bus1_file);
	mutex_unlock(&bus1_file->lock);
	return r;
}

/*
 * Find a page that exists. It may have to be read from swap. The page is returned locked, so it is
 * not freed before it is mapped; a page that is mapped is unmapped when it is freed.
 */
static vm_fault_t bus1_pool_fault_locked(struct vm_fault *vmf)
{
	struct address_space *mapping = vmf->vma->vm_file->f_mapping;
	struct page *page;

	if (!xa_load(&mapping->i_pages, vmf->pgoff))
		return VM_FAULT_SIGBUS;
	page = shmem_read_mapping_page(mapping, vmf->pgoff);
	if (IS_ERR(page))
		return vmf_error(bus1_pool_error(page));
	lock_page(page);
	if (compound_head(page)->mapping != mapping) {
		/* The page was swapped out or moved in the meantime. Try again. */
		unlock_page(page);
		put_page(page);
		return VM_FAULT_NOPAGE;
	}
	vmf->page = page;
	return VM_FAULT_LOCKED;
}

static vm_fault_t bus1_pool_fault(struct vm_fault *vmf)
{
	struct address_space *mapping = vmf->vma->vm_file->f_mapping;
	vm_fault_t r;

	filemap_invalidate_lock_shared(mapping);
	r = bus1_pool_fault_locked(vmf);
	filemap_invalidate_unlock_shared(mapping);
	return r;
}

static const struct vm_operations_struct bus1_pool_vm_ops = {
	.fault = bus1_pool_fault,
	.map_pages = filemap_map_pages,
};

/*
 * Map the pool. Returns 0; -EPERM for a writable mapping; -ESHUTDOWN when the peer has been
 * disconnected; -ENOMEM; -ENFILE.
 */
int bus1_pool_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct bus1_file *bus1_file = file->private_data;
	int r;

	if (vma->vm_flags & VM_WRITE)
		return -EPERM;
	if (bus1_peer_poll(bus1_file->peer) & BUS1_POLL_HANGUP)
		return -ESHUTDOWN;

	mutex_lock(&bus1_file->lock);
	r = bus1_pool_open(bus1_file);
	mutex_unlock(&bus1_file->lock);
	if (r < 0)
		return r;

	/*
	 * The mapping can never be made writable. VM_MIXEDMAP keeps the kernel from collapsing it
	 * into huge pages, which have memory where the pool has none.
	 */
	bus1_compat_change_flags(vma, VM_MIXEDMAP, VM_MAYWRITE);
	vma_set_file(vma, bus1_file->pool);
	vma->vm_ops = &bus1_pool_vm_ops;
	return 0;
}
