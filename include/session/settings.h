/*
 * Settings: what a client has SET for its session, as an interned set.
 *
 * A set is a sorted list of names and values that differ from what the
 * server had at login.  Equal sets are one object, so that comparing what a
 * client wants with what a server has is comparing two pointers.  Names are
 * compared without regard to case, values exactly.  Immutable, reference
 * counted, usable from every thread; the table of all sets has a mutex.
 */

#ifndef SESSION_SETTINGS_H
#define SESSION_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct pool;
struct settings;

/* The set with nothing in it: never freed, may be held and released. */
const struct settings	*settings_none(void);
const struct settings	*settings_hold(const struct settings *);
void			 settings_release(const struct settings *);

/*
 * Building: a draft belongs to its maker.  A name that is there already is
 * replaced.  settings_draft_intern() gives a reference and frees the draft.
 */
struct settings_draft;
struct settings_draft	*settings_draft_new(const struct settings *base);
void	settings_draft_set(struct settings_draft *, const char *name,
	    const char *value);
/* Only where the draft has no such name yet: a client's startup values. */
void	settings_draft_add_missing(struct settings_draft *,
	    const struct settings *);
const struct settings	*settings_draft_intern(struct settings_draft *);
void	settings_draft_free(struct settings_draft *);	/* NULL is allowed */

size_t		 settings_count(const struct settings *);
const char	*settings_name(const struct settings *, size_t);
const char	*settings_value(const struct settings *, size_t);
/* Custom names, which have a dot; see relay_custom.c. */
bool		 settings_have_customs(const struct settings *);
bool		 settings_have_others(const struct settings *);
/* Transactions are SERIALIZABLE that do not say otherwise. */
bool		 settings_are_serializable(const struct settings *);
/* What is created without a schema is temporary: search_path begins so. */
bool		 settings_create_temporary(const struct settings *);
/* The value for a name, or NULL. */
const char	*settings_get(const struct settings *, const char *name);

/*
 * The same set without what cannot change the meaning of a statement
 * (application_name, time-outs, log and cost settings): the key under which
 * statements are shared.  Lives as long as the set.
 */
const struct settings	*settings_meaning(const struct settings *);

/*
 * How well a server suits who has `to` on which the custom names in `from`
 * were ever set: not, when `to` lacks one, since PostgreSQL keeps such a name
 * as an empty string even after RESET; fairly, when it will have more names
 * afterwards.
 */
enum settings_fit {
	SETTINGS_UNFIT,
	SETTINGS_FIT_FAIRLY,
	SETTINGS_FIT_WELL,
};
enum settings_fit	settings_fit(const struct settings *from,
			    const struct settings *to);

/*
 * What was read back can be told to another server: it is ASCII, or UTF-8
 * that was asked for as such.
 */
bool	settings_are_portable(const struct settings *);

/*
 * Append the SQL that brings a server from one set to the other, as one
 * simple query that works wholly or not at all: RESET for what goes,
 * pg_catalog.set_config() with quoted literals for what comes; session
 * authorization last, and then role, or both first (is_person_first), as
 * which the rest may be allowed or not; a role in `from` is reset before
 * anything else.
 */
enum settings_scope {
	SETTINGS_FOR_SESSION,		/* between two transactions */
	/* In an open one, which ends by itself who one is for its time. */
	SETTINGS_IN_TRANSACTION,
	SETTINGS_FOR_TRANSACTION,	/* the same; what comes ends with it */
};
void	settings_switch_query(struct buf *, const struct settings *from,
	    const struct settings *to, bool is_person_first,
	    enum settings_scope);

/*
 * The switch cannot fail, as far as anybody can know: every value in `to`
 * was accepted before by this pool, neither set has role or
 * session_authorization, `from` has no time-out that could end it, and
 * temp_buffers stays as it is.
 */
bool	settings_switch_is_sure(const struct settings *from,
	    const struct settings *to, const struct pool *);

/*
 * This pool's server accepted the set, and so each of its parts.  reported:
 * the ParameterStatus messages that it caused on a server that had none, in
 * the wire's form; copied.  NULL: they are not known.
 */
void	settings_accepted(const struct settings *, const struct pool *,
	    const uint8_t *reported, size_t length);
bool	settings_are_accepted(const struct settings *, const struct pool *);
/* And it is known what a client with this set has to be told. */
bool	settings_are_reported(const struct settings *, const struct pool *);
/* Append a greeting: the welcome's messages, with the reported ones in their
 * place (PostgreSQL documentation 55.2.7). */
void	settings_greeting(struct buf *, const struct settings *,
	    const struct pool *, const uint8_t *welcome, size_t length);

/*
 * Append what a client has to be told again whose startup values have come
 * back: of its defaults those that it has now.
 */
void	settings_report_back(struct buf *, const struct settings *defaults,
	    const struct settings *now, const struct pool *);

/* Append to that query what asks for the custom names in the set. */
void	settings_ask_customs(struct buf *, const struct settings *);

/*
 * Reading back: the query that asks a server for all settings of its
 * session, one DataRow of name and value each; qualified so that no
 * search_path can bend it.
 */
extern const char	settings_read_back_query[];
/*
 * Goes behind it where what was said does not tell what it did: rows for what
 * else of a session the server has.
 */
extern const char	settings_inventory_query[];
/*
 * Whatever the draft has of custom names that are empty, while these defaults
 * say otherwise, was RESET.
 */
void	settings_draft_restore_customs(struct settings_draft *,
	    const struct settings *defaults);
/*
 * Take one DataRow's body; false: it is not what the query returns.  A row of
 * the inventory is added to *inventory, as sqlscan's touches.
 */
bool	settings_draft_take_row(struct settings_draft *, const uint8_t *,
	    size_t, const char *login_user, uint32_t *inventory);

/* Numbers for SHOW MEM. */
void	settings_memory(size_t *sets, size_t *bytes);

#endif
