/*
 * Memory that is there, or the process ends.
 *
 * Allocation failure of a small thing means that the machine is out of
 * memory altogether; the message is written with write(2) because stdio might
 * want to allocate.  Any thread.
 */

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static void	mem_die(void) __attribute__((noreturn));

static void
mem_die(void)
{
	static const char	text[] = "pgweir: out of memory\n";

	if (write(STDERR_FILENO, text, sizeof text - 1) == -1)
		abort();
	abort();
}

void *
mem_new(size_t n)
{
	void	*memory;

	if ((memory = calloc(1, n != 0 ? n : 1)) == NULL)
		mem_die();
	return memory;
}

void *
mem_resize(void *old, size_t n)
{
	void	*memory;

	if ((memory = mem_try_resize(old, n)) == NULL)
		mem_die();
	return memory;
}

/* realloc(p, 0) may free p and return NULL, which would look like failure. */
void *
mem_try_resize(void *old, size_t n)
{
	return realloc(old, n != 0 ? n : 1);
}

void *
mem_copy(const void *bytes, size_t n)
{
	void	*copy = mem_resize(NULL, n);

	if (n != 0)
		memcpy(copy, bytes, n);
	return copy;
}

char *
mem_string(const char *text)
{
	return text != NULL ? mem_copy(text, strlen(text) + 1) : NULL;
}

char *
mem_string_n(const char *text, size_t n)
{
	char	*copy;

	if (n == SIZE_MAX)
		mem_die();
	copy = mem_resize(NULL, n + 1);
	if (n != 0)
		memcpy(copy, text, n);
	copy[n] = '\0';
	return copy;
}

char *
mem_printf(const char *format, ...)
{
	va_list	 args;
	char	*text;
	int	 n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		mem_die();
	text = mem_resize(NULL, (size_t)n + 1);
	va_start(args, format);
	vsnprintf(text, (size_t)n + 1, format, args);
	va_end(args);
	return text;
}

void
mem_wipe(void *memory, size_t n)
{
	if (n != 0)
		explicit_bzero(memory, n);
}

void
mem_free_secret(char *secret)
{
	if (secret == NULL)
		return;
	mem_wipe(secret, strlen(secret));
	free(secret);
}

/* volatile keeps the compiler from leaving the loop at the first difference */
bool
mem_equal_secret(const void *a, const void *b, size_t n)
{
	const volatile unsigned char	*x = a, *y = b;
	unsigned char			 difference = 0;

	for (size_t i = 0; i < n; i++)
		difference |= x[i] ^ y[i];
	return difference == 0;
}
