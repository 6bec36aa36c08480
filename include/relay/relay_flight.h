/*
 * What is in flight: sent for the client and not answered yet, and what
 * becomes of it if its server is gone.
 */

#ifndef RELAY_RELAY_FLIGHT_H
#define RELAY_RELAY_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct expectation;
struct relay;
struct relay_io;

/* Kept where the server is one of a set: else nobody asks. */
struct relay_flight {
	bool	may_commit;		/* something in it */
	bool	may_be_over;		/* a ROLLBACK is in it: what comes
					 * behind need not be undone */
	bool	binds_rollback;		/* the last Bind did */
	bool	has_rolled_back;	/* that has said so; ReadyForQuery is
					 * missing */
};

/* Before it is sent: may this commit something? */
void	relay_note_commit(struct relay *, uint8_t first, bool is_several);
/* A ROLLBACK without a savepoint or a chain, and nothing else. */
bool	relay_rolls_back(uint8_t first, const char *text, size_t);
/* A statement of this request has ended. */
void	relay_note_end(struct relay *, const struct expectation *);
/* All of it is answered, or none will be. */
void	relay_forget_flight(struct relay *);
/*
 * The server is gone: every batch and query gets this error once, but for a
 * ROLLBACK at the end, which is simply done if the transaction_status is
 * FAILED.
 */
void	relay_refuse_expected(struct relay *, struct relay_io *,
	    const char *sqlstate, const char *text);

#endif
