/*
 * Where catalogues come from: one source a database, read from its primary
 * over a libpq connection of our own on the main loop, which is closed again
 * after each reading.
 *
 * It is read when somebody first asks for it, every catalogue_interval, and
 * after DDL has passed; then nothing is known until it has been read anew.
 * Most readings end with the fingerprint, which has not changed.  A reading
 * that fails leaves what is known, and is tried again.
 *
 * Sources live until the process ends.  Any thread, but for init and done.
 */

#ifndef ROUTE_CATALOGUE_SOURCE_H
#define ROUTE_CATALOGUE_SOURCE_H

#include <stdatomic.h>
#include <stdint.h>

struct catalogue;
struct config;
struct database;
struct loop;

struct catalogue_source {
	_Atomic uint64_t	number;	/* of the catalogue; 0: none */
};

void	catalogues_init(struct loop *main_loop);

/* dbname: the database there, where the entry leaves it to the client. */
struct catalogue_source	*catalogue_source_find(const struct database *,
			    const char *dbname);
/* *held, which may be NULL, becomes what is known now. */
void			 catalogue_source_take(struct catalogue_source *,
			    const struct catalogue **held);
/* DDL was committed. */
void			 catalogue_source_drop(struct catalogue_source *);

#endif
