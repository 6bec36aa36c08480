/*
 * auth_hba_file: PostgreSQL's pg_hba.conf format (documentation 21.1), with
 * auth_ident_file for maps.
 */

#ifndef CONFIG_HBA_H
#define CONFIG_HBA_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>

struct hba;

enum hba_method {
	HBA_REJECT,
	HBA_TRUST,
	HBA_PASSWORD,
	HBA_MD5,
	HBA_SCRAM,
	HBA_CERT,
	HBA_PEER,
	HBA_NO_MATCH, /* no line fits: refuse, and say so in the log */
};

/* NULL: error names file, line and what is wrong.  Empty ident: no maps. */
struct hba	*hba_read(const char *path, const char *ident_path,
		    char *error, size_t);
void		 hba_free(struct hba *);

/*
 * The method of the first line that fits; *line is its number (0: none).
 * database is NULL for physical replication, which only the word
 * "replication" fits, as that fits nothing else.
 */
enum hba_method	 hba_find(const struct hba *, const struct sockaddr *peer,
		    bool is_tls, const char *database, const char *user,
		    int *line);

/* Whether the map named in that line lets system_user log in as user. */
bool		 hba_map_allows(const struct hba *, int line,
		    const char *system_user, const char *user);

#endif
