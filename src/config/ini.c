/*
 * See config/ini.h.
 */

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "config/ini.h"

enum { INI_DEPTH_MAX = 10 };
#define INI_FILE_BYTES_MAX	(16 * 1024 * 1024)

struct kept_line {
	const char	*file;		/* owned by files */
	int		 number;
	char		*text;		/* owned; NULL for a section */
};

struct ini {
	struct kept_line *lines;
	size_t		  count;
	char		**files;
	size_t		  file_count;
	size_t		  next;		/* the line inih asks for */
	bool		  has_faults;
	void		  (*each)(void *, const struct ini_line *);
	void		  (*fault)(void *, const char *);
	void		  *arg;
};

static void	ini_load(struct ini *, const char *path, const char *from,
		    int depth);

static void __attribute__((format(printf, 2, 3)))
ini_fault(struct ini *ini, const char *format, ...)
{
	char	sentence[1024];
	va_list	args;

	va_start(args, format);
	vsnprintf(sentence, sizeof sentence, format, args);
	va_end(args);
	ini->has_faults = true;
	ini->fault(ini->arg, sentence);
}

static char *
ini_trim(char *text)
{
	char	*end = text + strlen(text);

	while (end > text && strchr(" \t\r\n", end[-1]) != NULL)
		*--end = '\0';
	return text + strspn(text, " \t");
}

static void
ini_keep(struct ini *ini, const char *file, int number, const char *text)
{
	ini->lines = mem_resize(ini->lines,
	    (ini->count + 1) * sizeof ini->lines[0]);
	ini->lines[ini->count].file = file;
	ini->lines[ini->count].number = number;
	ini->lines[ini->count].text = mem_string(text);
	ini->count++;
}

static const char *
ini_keep_file(struct ini *ini, const char *path)
{
	ini->files = mem_resize(ini->files,
	    (ini->file_count + 1) * sizeof ini->files[0]);
	ini->files[ini->file_count] = mem_string(path);
	return ini->files[ini->file_count++];
}

/* A path in %include is relative to the file that includes it. */
static void
ini_include(struct ini *ini, const char *file, int number, const char *path,
    int depth)
{
	const char	*slash = strrchr(file, '/');
	char		*full, from[600];

	snprintf(from, sizeof from, "%s:%d: ", file, number);
	if (depth == INI_DEPTH_MAX) {
		ini_fault(ini, "%s%%include is nested more than %d deep",
		    from, INI_DEPTH_MAX);
		return;
	}
	full = path[0] == '/' || slash == NULL ? mem_string(path) :
	    mem_printf("%.*s/%s", (int)(slash - file), file, path);
	ini_load(ini, full, from, depth + 1);
	free(full);
}

static void
ini_load_line(struct ini *ini, const char *file, int number, char *line,
    int depth)
{
	line = ini_trim(line);
	if (line[0] == '\0' || line[0] == ';' || line[0] == '#')
		return;
	if (strncmp(line, "%include", 8) == 0 &&
	    strchr(" \t", line[8]) != NULL)
		ini_include(ini, file, number, ini_trim(line + 8), depth);
	else
		ini_keep(ini, file, number, line);
}

static bool
ini_slurp(struct ini *ini, const char *path, const char *from,
    struct buf *whole)
{
	FILE	*file = fopen(path, "re");
	size_t	 n;

	if (file == NULL) {
		ini_fault(ini, "%scannot read \"%s\": %s", from, path,
		    strerror(errno));
		return false;
	}
	while ((n = fread(buf_reserve(whole, 65536), 1, 65536, file)) > 0) {
		buf_commit(whole, n);
		if (buf_length(whole) > INI_FILE_BYTES_MAX)
			break;
	}
	if (ferror(file) || buf_length(whole) > INI_FILE_BYTES_MAX ||
	    memchr(buf_bytes(whole), '\0', buf_length(whole)) != NULL) {
		ini_fault(ini, "%s\"%s\" is not a text file of less than "
		    "16 MB", from, path);
		fclose(file);
		return false;
	}
	fclose(file);
	buf_add(whole, "", 1);
	return true;
}

static void
ini_load(struct ini *ini, const char *path, const char *from, int depth)
{
	const char	*file = ini_keep_file(ini, path);
	struct buf	 whole;
	char		*at, *line;
	int		 number = 1;

	buf_init(&whole);
	if (ini_slurp(ini, path, from, &whole)) {
		at = (char *)buf_bytes(&whole);
		if (strncmp(at, "\xef\xbb\xbf", 3) == 0)
			at += 3;
		while ((line = strsep(&at, "\n")) != NULL)
			ini_load_line(ini, file, number++, line, depth);
	}
	buf_done(&whole);
}

/*
 * inih's side.
 */

/* What inih reads: the section's line, or a stand-in with our number. */
static char *
ini_on_read(char *line, int size, void *stream)
{
	struct ini	*ini = stream;
	const char	*text;

	if (ini->next == ini->count)
		return NULL;
	text = ini->lines[ini->next].text;
	if (text[0] == '[' && strlen(text) < 40)
		snprintf(line, (size_t)size, "%s\n", text);
	else
		snprintf(line, (size_t)size, "%zu = .\n", ini->next);
	ini->next++;
	return line;
}

static int
ini_on_value(void *user, const char *section, const char *name,
    const char *value)
{
	struct ini		*ini = user;
	struct kept_line	*kept = &ini->lines[strtoul(name, NULL, 10)];
	struct ini_line		 line = { kept->file, kept->number, section,
				    NULL, NULL };
	char			*equals;

	(void)value;
	if (kept->text[0] == '[')
		ini_fault(ini, "%s:%d: section name is too long", kept->file,
		    kept->number);
	else if ((equals = strchr(kept->text, '=')) == NULL)
		ini_fault(ini, "%s:%d: \"%s\" is not key = value",
		    kept->file, kept->number, kept->text);
	else if (section[0] == '\0')
		ini_fault(ini, "%s:%d: there is no [section] above",
		    kept->file, kept->number);
	else {
		*equals = '\0';
		line.key = ini_trim(kept->text);
		line.value = ini_trim(equals + 1);
		ini->each(ini->arg, &line);
	}
	return 1;
}

bool
ini_read(const char *path, void (*each)(void *, const struct ini_line *),
    void (*fault)(void *, const char *), void *arg)
{
	struct ini	ini = { .each = each, .fault = fault, .arg = arg };
	int		bad;

	ini_load(&ini, path, "", 0);
	bad = ini_parse_stream(ini_on_read, &ini, ini_on_value, &ini);
	if (bad > 0 && (size_t)bad <= ini.count)
		ini_fault(&ini, "%s:%d: this is not [section]",
		    ini.lines[bad - 1].file, ini.lines[bad - 1].number);
	for (size_t i = 0; i < ini.count; i++)
		free(ini.lines[i].text);
	for (size_t i = 0; i < ini.file_count; i++)
		free(ini.files[i]);
	free(ini.lines);
	free(ini.files);
	return !ini.has_faults;
}
