/*
 * auth_hba_file and auth_ident_file; see config/hba.h.
 *
 * Lines are split into tokens as PostgreSQL does (documentation 21.1): blanks
 * and commas separate, quotes take away the meaning of all, "all" and
 * "sameuser" in quotes are plain names.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/hba.h"

enum { HBA_TOKENS_MAX = 64 };

enum hba_type {
	HBA_LOCAL = 1 << 0,
	HBA_PLAIN = 1 << 1,
	HBA_TLS = 1 << 2,
};

struct hba_token {
	char	*text;
	bool	 is_quoted;
	bool	 ends_field;	/* no comma behind it */
};

struct hba_names {
	struct hba_token	*list;
	size_t			 count;
};

struct hba_line {
	int			 number;
	int			 types;		/* enum hba_type bits */
	struct hba_names	 databases, users;
	bool			 is_any_host;
	int			 family;
	uint8_t			 address[16], mask[16];
	enum hba_method		 method;
	char			*map;		/* NULL: names must be equal */
};

struct hba_map {
	char	*name, *system_user, *user;
};

struct hba {
	struct hba_line	*lines;
	size_t		 count;
	struct hba_map	*maps;
	size_t		 map_count;
};

/*
 * Tokens.
 */

static bool
hba_token(char **at, struct hba_token *token)
{
	char	buffer[1024];
	size_t	n = 0;
	bool	quoted = false, was_quoted = false;

	*at += strspn(*at, " \t\r\n");
	if (**at == '\0' || **at == '#')
		return false;
	for (; **at != '\0' && (quoted ||
	    strchr(" \t\r\n,#", **at) == NULL); (*at)++) {
		if (**at == '"') {
			quoted = !quoted;
			was_quoted = true;
		} else if (n + 1 < sizeof buffer)
			buffer[n++] = **at;
	}
	token->text = mem_string_n(buffer, n);
	token->is_quoted = was_quoted;
	token->ends_field = **at != ',';
	if (**at == ',')
		(*at)++;
	return true;
}

static size_t
hba_tokens(char *line, struct hba_token *tokens)
{
	size_t	n = 0;

	while (n < HBA_TOKENS_MAX && hba_token(&line, &tokens[n]))
		n++;
	return n;
}

/* The tokens of one field, moved out. */
static void
hba_take_names(struct hba_token *tokens, size_t n, size_t *at,
    struct hba_names *names)
{
	do {
		names->list = mem_resize(names->list,
		    (names->count + 1) * sizeof names->list[0]);
		names->list[names->count++] = tokens[*at];
		tokens[*at].text = NULL;
	} while (!tokens[(*at)++].ends_field && *at < n);
}

static void
hba_free_names(struct hba_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->list[i].text);
	free(names->list);
}

/*
 * Lines.
 */

static bool
hba_parse_type(const char *text, int *types)
{
	static const struct {
		const char	*word;
		int		 types;
	} words[] = {
		{ "local", HBA_LOCAL },
		{ "host", HBA_PLAIN | HBA_TLS },
		{ "hostssl", HBA_TLS },
		{ "hostnossl", HBA_PLAIN },
		{ "hostnogssenc", HBA_PLAIN | HBA_TLS },
		{ "hostgssenc", 0 },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
		if (strcmp(text, words[i].word) == 0) {
			*types = words[i].types;
			return true;
		}
	return false;
}

static bool
hba_parse_method(const char *text, enum hba_method *method)
{
	static const struct {
		const char	*word;
		enum hba_method	 method;
	} words[] = {
		{ "reject", HBA_REJECT },
		{ "trust", HBA_TRUST },
		{ "password", HBA_PASSWORD },
		{ "md5", HBA_MD5 },
		{ "scram-sha-256", HBA_SCRAM },
		{ "cert", HBA_CERT },
		{ "peer", HBA_PEER },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
		if (strcmp(text, words[i].word) == 0) {
			*method = words[i].method;
			return true;
		}
	return false;
}

static bool
hba_parse_ip(const char *text, int *family, uint8_t address[16])
{
	*family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	return inet_pton(*family, text, address) == 1;
}

static bool
hba_parse_address(struct hba_line *line, char *text)
{
	char	*slash = strchr(text, '/');
	int64_t	 bits = 0;
	int	 all;

	if (strcmp(text, "all") == 0) {
		line->is_any_host = true;
		return true;
	}
	if (slash == NULL)
		return hba_parse_ip(text, &line->family, line->address) &&
		    (memset(line->mask, 0, sizeof line->mask), true);
	*slash = '\0';
	if (!hba_parse_ip(text, &line->family, line->address) ||
	    !text_to_integer(slash + 1, &bits))
		return false;
	all = line->family == AF_INET6 ? 128 : 32;
	if (bits < 0 || bits > all)
		return false;
	for (int i = 0; i < all; i++)
		if (i < bits)
			line->mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
	return true;
}

static bool
hba_parse_options(struct hba_line *line, struct hba_token *tokens, size_t at,
    size_t n, char *error, size_t size)
{
	for (; at < n; at++) {
		if (strncmp(tokens[at].text, "map=", 4) == 0) {
			free(line->map);
			line->map = mem_string(tokens[at].text + 4);
		} else {
			snprintf(error, size, "option \"%s\" is not "
			    "supported", tokens[at].text);
			return false;
		}
	}
	return true;
}

static bool
hba_check_names(const struct hba_names *names, char *error, size_t size)
{
	for (size_t i = 0; i < names->count; i++)
		if (!names->list[i].is_quoted &&
		    strchr("+@/", names->list[i].text[0]) != NULL) {
			snprintf(error, size, "\"%s\": groups, files and "
			    "regular expressions are not supported",
			    names->list[i].text);
			return false;
		}
	return true;
}

static bool
hba_parse_host(struct hba_line *line, struct hba_token *tokens, size_t *at,
    size_t n)
{
	int	family;

	if (line->types == HBA_LOCAL)
		return true;
	if (*at >= n)
		return false;
	if (strchr(tokens[*at].text, '/') != NULL ||
	    strcmp(tokens[*at].text, "all") == 0)
		return hba_parse_address(line, tokens[(*at)++].text);
	/* An address and its mask as two fields. */
	if (*at + 1 >= n ||
	    !hba_parse_address(line, tokens[*at].text) ||
	    !hba_parse_ip(tokens[*at + 1].text, &family, line->mask) ||
	    family != line->family)
		return false;
	*at += 2;
	return true;
}

static bool
hba_parse_fields(struct hba_line *line, struct hba_token *tokens, size_t n,
    char *error, size_t size)
{
	size_t	at = 1;

	snprintf(error, size, "the fields are type, databases, users, "
	    "address (not for local), method");
	if (n < 4 || !tokens[0].ends_field)
		return false;
	if (!hba_parse_type(tokens[0].text, &line->types)) {
		snprintf(error, size, "\"%s\" is not local, host, hostssl or "
		    "hostnossl", tokens[0].text);
		return false;
	}
	hba_take_names(tokens, n, &at, &line->databases);
	if (at >= n)
		return false;
	hba_take_names(tokens, n, &at, &line->users);
	if (at >= n)
		return false;
	if (!hba_parse_host(line, tokens, &at, n)) {
		snprintf(error, size, "the address is not all, a number/bits "
		    "or a number and a mask (names are not supported)");
		return false;
	}
	if (at >= n || !hba_parse_method(tokens[at].text, &line->method)) {
		snprintf(error, size, "method \"%s\" is not reject, trust, "
		    "password, md5, scram-sha-256, cert or peer",
		    at < n ? tokens[at].text : "");
		return false;
	}
	return hba_check_names(&line->databases, error, size) &&
	    hba_check_names(&line->users, error, size) &&
	    hba_parse_options(line, tokens, at + 1, n, error, size);
}

static void
hba_free_line(struct hba_line *line)
{
	hba_free_names(&line->databases);
	hba_free_names(&line->users);
	free(line->map);
}

/* Call each() for the tokens of every line of a file. */
static bool
hba_each_line(struct hba *hba, const char *path, const char *option,
    bool (*each)(struct hba *, int, struct hba_token *, size_t, char *,
    size_t), char *error, size_t size)
{
	struct hba_token tokens[HBA_TOKENS_MAX];
	char		*line = NULL, fault[400];
	size_t		 room = 0, n;
	FILE		*file = fopen(path, "re");
	bool		 good = file != NULL;

	if (file == NULL) {
		snprintf(error, size, "%s: cannot read \"%s\": %s", option,
		    path, strerror(errno));
		return false;
	}
	for (int number = 1; good && getline(&line, &room, file) >= 0;
	    number++) {
		if ((n = hba_tokens(line, tokens)) == 0)
			continue;
		good = each(hba, number, tokens, n, fault, sizeof fault);
		for (size_t i = 0; i < n; i++)
			free(tokens[i].text);
		if (!good)
			snprintf(error, size, "%s:%d: %s", path, number,
			    fault);
	}
	free(line);
	fclose(file);
	return good;
}

static bool
hba_add_line(struct hba *hba, int number, struct hba_token *tokens, size_t n,
    char *error, size_t size)
{
	struct hba_line	line = { .number = number };

	if (!hba_parse_fields(&line, tokens, n, error, size)) {
		hba_free_line(&line);
		return false;
	}
	hba->lines = mem_resize(hba->lines,
	    (hba->count + 1) * sizeof hba->lines[0]);
	hba->lines[hba->count++] = line;
	return true;
}

static bool
hba_add_map(struct hba *hba, int number, struct hba_token *tokens, size_t n,
    char *error, size_t size)
{
	struct hba_map	*map;

	(void)number;
	if (n != 3 || tokens[1].text[0] == '/') {
		snprintf(error, size, "the fields are map, system user and "
		    "user; regular expressions are not supported");
		return false;
	}
	hba->maps = mem_resize(hba->maps,
	    (hba->map_count + 1) * sizeof hba->maps[0]);
	map = &hba->maps[hba->map_count++];
	map->name = mem_string(tokens[0].text);
	map->system_user = mem_string(tokens[1].text);
	map->user = mem_string(tokens[2].text);
	return true;
}

struct hba *
hba_read(const char *path, const char *ident_path, char *error, size_t size)
{
	struct hba	*hba = mem_new(sizeof *hba);

	if (hba_each_line(hba, path, "auth_hba_file", hba_add_line, error,
	    size) && (ident_path[0] == '\0' || hba_each_line(hba, ident_path,
	    "auth_ident_file", hba_add_map, error, size)))
		return hba;
	hba_free(hba);
	return NULL;
}

void
hba_free(struct hba *hba)
{
	if (hba == NULL)
		return;
	for (size_t i = 0; i < hba->count; i++)
		hba_free_line(&hba->lines[i]);
	for (size_t i = 0; i < hba->map_count; i++) {
		free(hba->maps[i].name);
		free(hba->maps[i].system_user);
		free(hba->maps[i].user);
	}
	free(hba->lines);
	free(hba->maps);
	free(hba);
}

/*
 * Finding.
 */

static bool
hba_is_word(const struct hba_token *token, const char *word)
{
	return !token->is_quoted && strcmp(token->text, word) == 0;
}

static bool
hba_database_fits(const struct hba_names *names, const char *database,
    const char *user)
{
	for (size_t i = 0; i < names->count; i++) {
		const struct hba_token	*token = &names->list[i];

		if (hba_is_word(token, "replication")) {
			if (database == NULL)
				return true;
		} else if (database != NULL &&
		    (hba_is_word(token, "all") ||
		    (hba_is_word(token, "sameuser") &&
		    strcmp(database, user) == 0) ||
		    strcmp(token->text, database) == 0))
			return true;
	}
	return false;
}

static bool
hba_user_fits(const struct hba_names *names, const char *user)
{
	for (size_t i = 0; i < names->count; i++)
		if (hba_is_word(&names->list[i], "all") ||
		    strcmp(names->list[i].text, user) == 0)
			return true;
	return false;
}

/* The bytes that count; IPv4 in IPv6 counts as IPv4. */
static const uint8_t *
hba_bytes(const struct sockaddr *peer, int *family)
{
	const struct sockaddr_in6	*v6 = (const void *)peer;
	const struct sockaddr_in	*v4 = (const void *)peer;

	*family = AF_INET;
	if (peer->sa_family == AF_INET)
		return (const uint8_t *)&v4->sin_addr;
	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		return v6->sin6_addr.s6_addr + 12;
	*family = AF_INET6;
	return v6->sin6_addr.s6_addr;
}

static bool
hba_host_fits(const struct hba_line *line, const struct sockaddr *peer,
    bool is_tls)
{
	const uint8_t	*bytes;
	int		 family;

	if (peer->sa_family == AF_UNIX)
		return line->types & HBA_LOCAL;
	if ((line->types & (is_tls ? HBA_TLS : HBA_PLAIN)) == 0)
		return false;
	if (line->is_any_host)
		return true;
	bytes = hba_bytes(peer, &family);
	if (family != line->family)
		return false;
	for (int i = 0; i < (family == AF_INET6 ? 16 : 4); i++)
		if ((bytes[i] ^ line->address[i]) & line->mask[i])
			return false;
	return true;
}

enum hba_method
hba_find(const struct hba *hba, const struct sockaddr *peer, bool is_tls,
    const char *database, const char *user, int *number)
{
	*number = 0;
	for (size_t i = 0; i < hba->count; i++) {
		const struct hba_line	*line = &hba->lines[i];

		if (hba_host_fits(line, peer, is_tls) &&
		    hba_database_fits(&line->databases, database, user) &&
		    hba_user_fits(&line->users, user)) {
			*number = line->number;
			return line->method;
		}
	}
	return HBA_NO_MATCH;
}

bool
hba_map_allows(const struct hba *hba, int number, const char *system_user,
    const char *user)
{
	const char	*map = NULL;

	for (size_t i = 0; i < hba->count; i++)
		if (hba->lines[i].number == number)
			map = hba->lines[i].map;
	if (map == NULL)
		return strcmp(system_user, user) == 0;
	for (size_t i = 0; i < hba->map_count; i++)
		if (strcmp(hba->maps[i].name, map) == 0 &&
		    strcmp(hba->maps[i].system_user, system_user) == 0 &&
		    strcmp(hba->maps[i].user, user) == 0)
			return true;
	return false;
}
