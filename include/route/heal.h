/*
 * Which refusals of a replica mean only that the primary should have been
 * asked, so that the statement can be run there.
 *
 * The replica must have refused before anything happened: it cannot write, so
 * nothing has.  A time-out or a cancel (57014) is what was asked for, and is
 * never one of them.
 */

#ifndef ROUTE_HEAL_H
#define ROUTE_HEAL_H

struct error_fields;

enum heal {
	HEAL_NOT,		/* the client's own error */
	HEAL_ONCE,		/* run it on the primary, this time */
	HEAL_ALWAYS,		/* and the next times too */
};

enum heal	heal_of(const struct error_fields *);

#endif
