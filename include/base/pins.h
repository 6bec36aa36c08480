/*
 * What ties a client to its server until it is provably over, the client
 * leaves or says DISCARD ALL: one list makes the bits, the words in
 * SHOW CLIENTS and in errors, and the labels in the metrics.
 */

#ifndef BASE_PINS_H
#define BASE_PINS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/*	name		words			label */
#define PIN_LIST(X)							\
	X(PIN_MODE,	"session mode",		"session_mode")		\
	X(PIN_TEMP,	"temporary table",	"temporary_table")	\
	X(PIN_LISTEN,	"listen",		"listen")		\
	X(PIN_HOLD,	"cursor",		"cursor")		\
	X(PIN_LOAD,	"load",			"load")			\
	X(PIN_PREPARE,	"prepare",		"prepare")		\
	X(PIN_LOCK,	"advisory lock",	"advisory_lock")	\
	X(PIN_SEQUENCE,	"sequence",		"sequence")		\
	/* For a moment, if its client asks what it was. */		\
	X(PIN_DRAWN,	"drawn number",		"drawn_number")		\
	/* An unnamed one that is too long to keep. */			\
	X(PIN_STATEMENT, "long statement",	"long_statement")	\
	/* They could not be read back. */				\
	X(PIN_SETTINGS,	"settings",		"settings")		\
	/* PostgreSQL keeps its name, and does not list it. */		\
	X(PIN_CUSTOM,	"custom setting",	"custom_setting")	\
	/* A server of its own, beside the pool. */			\
	X(PIN_REPLICATION, "replication",	"replication")

enum pin_number {
#define PIN_NUMBER(name, words, label)	name##_NUMBER,
	PIN_LIST(PIN_NUMBER)
#undef PIN_NUMBER
	PIN_COUNT
};

enum {
#define PIN_BIT(name, words, label)	name = 1 << name##_NUMBER,
	PIN_LIST(PIN_BIT)
#undef PIN_BIT
};

/* How often each of them has tied a client, and how often it was refused. */
struct pin_counters {
	_Atomic uint64_t	tied[PIN_COUNT];
	_Atomic uint64_t	refused[PIN_COUNT];
};

const char	*pin_label(enum pin_number);
/* The pins as words, "temporary table, listen"; "" for none. */
void		 pins_text(uint32_t pins, char *, size_t);

#endif
