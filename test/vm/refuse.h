/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * BPF as a security module
 *
 * Attach a BPF program of two instructions to a hook of the kernel, such as
 * "bpf_lsm_binder_transaction". The program refuses everything for which the kernel calls the hook,
 * until the returned descriptor is closed. Needs root.
 */
int refuse(const char *hook);
