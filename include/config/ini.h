/*
 * The ini reader in front of inih.
 *
 * inih as Debian ships it cuts lines at 199 bytes, values at " ;", and takes
 * indented lines for continuations.  So inih is given short stand-ins, and
 * the lines themselves are kept here: it sees "[section]" and "7 = .", and
 * line 7 is then "key = value" as it stands in the file.  %include is
 * followed by the reader too.
 */

#ifndef CONFIG_INI_H
#define CONFIG_INI_H

#include <stdbool.h>
#include <stddef.h>

struct ini_line {
	const char	*file;
	int		 number;
	const char	*section;
	const char	*key;
	const char	*value;
};

/*
 * Read a file and what it includes; each() is called for every key in order.
 * Faults of the file itself (not readable, no section, no =) go to fault(),
 * and reading goes on.  False: there were any.
 */
bool	ini_read(const char *path,
	    void (*each)(void *arg, const struct ini_line *),
	    void (*fault)(void *arg, const char *sentence), void *arg);

#endif
