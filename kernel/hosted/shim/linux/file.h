/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

struct file;

void fput(struct file *file);
