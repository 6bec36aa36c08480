/*
 * See config/secret_file.h.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/config.h"
#include "config/options.h"
#include "config/secret_file.h"

#define SECRET_BYTES_MAX	4096

char *
secret_file_read(const char *path, char *error, size_t size)
{
	char	 room[SECRET_BYTES_MAX], *secret = NULL;
	FILE	*file = fopen(path, "re");
	size_t	 n;

	if (file == NULL) {
		snprintf(error, size, "cannot read \"%s\": %s", path,
		    strerror(errno));
		return NULL;
	}
	/* What the library reads ahead would stay in its memory. */
	setvbuf(file, NULL, _IONBF, 0);
	n = fread(room, 1, sizeof room - 1, file);
	room[n] = '\0';
	if (ferror(file) || n == sizeof room - 1)
		snprintf(error, size, "\"%s\" is not a file of less than %d "
		    "bytes", path, SECRET_BYTES_MAX);
	else {
		room[strcspn(room, "\r\n")] = '\0';
		if (room[0] == '\0')
			snprintf(error, size, "\"%s\" is empty", path);
		else
			secret = mem_string(room);
	}
	mem_wipe(room, sizeof room);
	fclose(file);
	return secret;
}

void
config_add_file(struct config *config, const char *path)
{
	for (size_t i = 0; i < config->file_count; i++)
		if (strcmp(config->files[i], path) == 0)
			return;
	config->files = mem_resize(config->files,
	    (config->file_count + 1) * sizeof config->files[0]);
	config->files[config->file_count++] = mem_string(path);
}

/* Every option that is called ..._file, and the databases' passwords. */
void
config_add_named_files(struct config *config)
{
	char	path[4096];
	size_t	n;

	for (size_t i = 0; i < option_count; i++) {
		n = strlen(options[i].name);
		if (options[i].kind != OPTION_TEXT || n < 5 ||
		    strcmp(options[i].name + n - 5, "_file") != 0)
			continue;
		option_print(&options[i], &config->option, path,
		    sizeof path);
		if (path[0] != '\0')
			config_add_file(config, path);
	}
	for (size_t i = 0; i < config->database_count; i++)
		if (config->databases[i]->password_file != NULL)
			config_add_file(config,
			    config->databases[i]->password_file);
}

void
config_free_files(struct config *config)
{
	for (size_t i = 0; i < config->file_count; i++)
		free(config->files[i]);
	free(config->files);
}
