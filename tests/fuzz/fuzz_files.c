/*
 * Fuzz entry: the files that an operator writes.  The first byte says which
 * reader gets the rest: a configuration, hba lines, a list of users, the
 * value of a database or of a user.
 */

#include <sys/mman.h>

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"
#include "config/databases.h"
#include "config/hba.h"
#include "config/userlist.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
fuzz_on_fault(void *arg, bool is_error, const char *sentence)
{
	(void)is_error;
	assert(sentence[0] != '\0');
	++*(int *)arg;
}

static void
fuzz_config(const char *path)
{
	int			 faults = 0;
	struct config_report	 report = { fuzz_on_fault, &faults };
	char			*none[] = { NULL };
	struct config		*config = config_read(path, none, &report);

	assert(config != NULL || faults > 0);
	if (config != NULL)
		config_release(config);
}

static void
fuzz_hba(const char *path)
{
	struct sockaddr_in	 peer = { .sin_family = AF_INET };
	char			 error[512] = "";
	struct hba		*hba = hba_read(path, "", error, sizeof error);
	int			 line;

	assert(hba != NULL || error[0] != '\0');
	if (hba == NULL)
		return;
	peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (hba_find(hba, (struct sockaddr *)&peer, true, "d", "u", &line) ==
	    HBA_NO_MATCH)
		assert(line == 0);
	else
		(void)hba_map_allows(hba, line, "u", "u");
	(void)hba_find(hba, (struct sockaddr *)&peer, false, NULL, "u",
	    &line);
	hba_free(hba);
}

static void
fuzz_users(const char *path)
{
	char		 error[512] = "";
	struct userlist	*list = userlist_read(path, error, sizeof error);

	assert(list != NULL || error[0] != '\0');
	if (list == NULL)
		return;
	for (size_t i = 0; i < userlist_count(list); i++)
		assert(userlist_secret(list, userlist_name(list, i)) != NULL);
	userlist_free(list);
}

static void
fuzz_values(const char *text)
{
	char		 error[512] = "";
	struct database	*database = database_parse("d", text, error,
			    sizeof error);
	struct user	*user;

	assert(database != NULL || error[0] != '\0');
	if (database != NULL)
		database_free(database);
	error[0] = '\0';
	user = user_parse("u", text, error, sizeof error);
	assert(user != NULL || error[0] != '\0');
	if (user != NULL)
		user_free(user);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char	 path[64], *text;
	int	 fd;

	if (n < 1)
		return 0;
	if ((fd = memfd_create("fuzz", MFD_CLOEXEC)) < 0)
		abort();
	if (write(fd, data + 1, n - 1) != (ssize_t)(n - 1))
		abort();
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	switch (data[0]) {
	case 'c':
		fuzz_config(path);
		break;
	case 'h':
		fuzz_hba(path);
		break;
	case 'u':
		fuzz_users(path);
		break;
	default:
		text = mem_new(n);
		memcpy(text, data + 1, n - 1);
		fuzz_values(text);
		free(text);
	}
	close(fd);
	return 0;
}
