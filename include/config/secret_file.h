/*
 * A file with one secret in it, as a mounted Secret of Kubernetes is, and the
 * list of all files that a configuration was read from.
 */

#ifndef CONFIG_SECRET_FILE_H
#define CONFIG_SECRET_FILE_H

#include <stddef.h>

struct config;

/*
 * The first line, to be freed with mem_free_secret().  NULL: error names the
 * file, and never says what is in it.
 */
char	*secret_file_read(const char *path, char *error, size_t);

/* config->files: everything that was read besides the first file. */
void	config_add_file(struct config *, const char *path);
void	config_add_named_files(struct config *);
void	config_free_files(struct config *);

#endif
