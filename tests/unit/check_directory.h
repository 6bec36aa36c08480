/*
 * A directory of a test's own.
 */

#ifndef CHECK_DIRECTORY_H
#define CHECK_DIRECTORY_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"

static inline void
directory_make(char *path, size_t size)
{
	int	n = snprintf(path, size, "/tmp/pgweir-check-000000");

	ck_assert_int_lt(n, (int)size);
	memset(path + n - 6, 'X', 6);
	ck_assert_ptr_nonnull(mkdtemp(path));
}

#endif
