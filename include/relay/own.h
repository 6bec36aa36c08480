/*
 * A first look at a text: whether it may be a statement that is answered here
 * (relay_own.c).  It costs next to nothing, as most are not.
 */

#ifndef RELAY_OWN_H
#define RELAY_OWN_H

/*
 * What such a text may be, by its first letters: SET and SHOW of what is ours
 * and SET TRANSACTION, the begin or the end of a block.  Right about no.
 */
enum {
	OWN_MAYBE_NOT,
	OWN_MAYBE_BLOCK,
	OWN_MAYBE_ANY,
};

static inline int
relay_may_own(const char *text)
{
	while (*text != '\0' && *text <= ' ')
		text++;
	if ((text[0] | 0x20) == 's' && (text[1] | 0x20) == 'e' &&
	    (text[2] | 0x20) == 'l')
		return OWN_MAYBE_NOT;
	switch (text[0] | 0x20) {
	case 'b':
	case 'c':
	case 'a':
		return OWN_MAYBE_BLOCK;
	case 'e':
		return (text[1] | 0x20) == 'n' ? OWN_MAYBE_BLOCK :
		    OWN_MAYBE_NOT;
	case 'r':
		return (text[1] | 0x20) == 'o' ? OWN_MAYBE_BLOCK :
		    OWN_MAYBE_ANY;
	case 's':
		return (text[1] | 0x20) == 't' ? OWN_MAYBE_BLOCK :
		    OWN_MAYBE_ANY;
	default:
		return OWN_MAYBE_NOT;
	}
}

#endif
