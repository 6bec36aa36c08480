/*
 * What the tests of SCRAM share: the exchange of RFC 7677, and a client that
 * begins it.
 */

#ifndef CHECK_SCRAM_H
#define CHECK_SCRAM_H

#include <string.h>

#include "wire/get.h"
#include "wire/put.h"
#include "wire/scram.h"

#include "check_main.h"

/* RFC 7677 section 3 */
#define RFC_VERIFIER	"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"	\
	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"		\
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define RFC_NONCE	"rOprNGfwEbeRWgbNEkqO"
#define RFC_NONCE_ADDED	"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define RFC_FIRST	"n,,n=user,r=" RFC_NONCE
#define RFC_ANSWER	"r=" RFC_NONCE RFC_NONCE_ADDED			\
	",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define RFC_BARE	"c=biws,r=" RFC_NONCE RFC_NONCE_ADDED
#define RFC_PROOF	",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define RFC_SIGNATURE	"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

/* The body of the only message in the buf. */
static inline struct get
body(struct buf *buf, uint8_t type)
{
	struct msg_head	head;
	struct get	get;

	ck_assert_int_eq(msg_peek(buf_bytes(buf), buf_length(buf), &head),
	    MSG_OK);
	ck_assert_uint_eq(head.type, type);
	ck_assert_uint_eq(buf_length(buf), MSG_HEAD_BYTES + head.length);
	get_init(&get, buf_bytes(buf) + MSG_HEAD_BYTES, head.length);
	return get;
}

/* A client with the RFC's nonce that has sent its first message. */
static inline struct scram_client *
rfc_client(struct buf *out)
{
	struct scram_client	*client;
	static const char	 mechanisms[] = "SCRAM-SHA-256\0";

	client = scram_client_new("pencil", NULL, SCRAM_BINDING_PREFER, NULL,
	    0);
	scram_client_set_nonce(client, "user", RFC_NONCE);
	ck_assert_int_eq(scram_client_step(client, MSG_AUTH_SASL,
	    (const uint8_t *)mechanisms, sizeof mechanisms, out),
	    SCRAM_CONTINUE);
	return client;
}

static inline enum scram_result
client_step(struct scram_client *client, uint32_t code, const char *text,
    struct buf *out)
{
	return scram_client_step(client, code, (const uint8_t *)text,
	    strlen(text), out);
}

#endif
