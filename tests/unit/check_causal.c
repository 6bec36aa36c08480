/*
 * route/causal and route/heal: whose reads wait for which position, and which
 * refusals the primary heals.
 */

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "route/causal.h"
#include "route/heal.h"
#include "wire/error_fields.h"

#include "check_main.h"

static struct tide	tide;

static void
setup(void)
{
	tide_init(&tide);
}

static void
teardown(void)
{
	causals_done();
	tide_done(&tide);
}

static struct causal *
join(enum causal_scope scope, const char *user, const char *address)
{
	return causal_join(scope, &tide, "app", user, address);
}

START_TEST(who_has_not_written_reads_anywhere)
{
	struct causal	*causal;

	setup();
	causal = join(CAUSAL_APPLICATION, "u", "10.0.0.1");
	tide_answer(&tide, tide_ask(), 1, 100);
	ck_assert(causal_allows(causal, 1, 0));
	ck_assert(causal_allows(NULL, 1, 0));
	causal_write(NULL);
	causal_leave(causal);
	causal_leave(NULL);
	teardown();
}
END_TEST

START_TEST(after_a_write_only_an_answer_to_a_later_question_counts)
{
	struct causal	*causal;
	uint64_t	 early, late;

	setup();
	causal = join(CAUSAL_SESSION, "u", "");
	early = tide_ask();
	causal_write(causal);
	ck_assert(!causal_allows(causal, 1, 1000000));
	tide_answer(&tide, early, 1, 100);
	ck_assert(!causal_allows(causal, 1, 1000000));
	late = tide_ask();
	tide_answer(&tide, late, 1, 200);
	ck_assert(!causal_allows(causal, 1, 199));
	ck_assert(causal_allows(causal, 1, 200));
	/* Later answers do not ask for more. */
	tide_answer(&tide, tide_ask(), 1, 300);
	ck_assert(causal_allows(causal, 1, 200));
	causal_leave(causal);
	teardown();
}
END_TEST

START_TEST(an_answer_that_is_overtaken_says_nothing)
{
	struct causal	*causal;
	uint64_t	 first, second;

	setup();
	causal = join(CAUSAL_SESSION, "u", "");
	first = tide_ask();
	causal_write(causal);
	second = tide_ask();
	tide_answer(&tide, second, 1, 200);
	tide_answer(&tide, first, 1, 100);
	ck_assert(!causal_allows(causal, 1, 150));
	causal_leave(causal);
	teardown();
}
END_TEST

START_TEST(one_application_is_database_user_and_address_together)
{
	struct causal	*here, *same, *user, *address;

	setup();
	here = join(CAUSAL_APPLICATION, "u", "10.0.0.1");
	same = join(CAUSAL_APPLICATION, "u", "10.0.0.1");
	user = join(CAUSAL_APPLICATION, "u1", "0.0.0.1");
	address = join(CAUSAL_APPLICATION, "u", "10.0.0.2");
	causal_write(here);
	ck_assert(!causal_allows(same, 1, 1));
	ck_assert(causal_allows(user, 1, 1));
	ck_assert(causal_allows(address, 1, 1));
	causal_leave(here);
	causal_leave(same);
	causal_leave(user);
	causal_leave(address);
	teardown();
}
END_TEST

START_TEST(a_scope_of_the_database_is_shared_by_all_a_session_by_nobody)
{
	struct causal	*a, *b, *c, *d;

	setup();
	a = join(CAUSAL_DATABASE, "u", "10.0.0.1");
	b = join(CAUSAL_DATABASE, "v", "10.0.0.2");
	c = join(CAUSAL_SESSION, "u", "10.0.0.1");
	d = join(CAUSAL_SESSION, "u", "10.0.0.1");
	causal_write(a);
	causal_write(c);
	ck_assert(!causal_allows(b, 1, 1));
	ck_assert(causal_allows(d, 1, 1));
	ck_assert_ptr_null(join(CAUSAL_OFF, "u", "10.0.0.1"));
	causal_leave(a);
	causal_leave(b);
	causal_leave(c);
	causal_leave(d);
	teardown();
}
END_TEST

START_TEST(a_connection_for_each_request_reads_what_the_one_before_wrote)
{
	struct causal	*causal;

	setup();
	causal = join(CAUSAL_APPLICATION, "u", "10.0.0.1");
	causal_write(causal);
	causal_leave(causal);
	causal = join(CAUSAL_APPLICATION, "u", "10.0.0.1");
	ck_assert(!causal_allows(causal, 1, 1));
	causal_leave(causal);
	teardown();
}
END_TEST

START_TEST(of_those_who_are_forgotten_everybody_new_may_be_one)
{
	struct causal	*causal;
	char		 address[32];

	setup();
	causal = join(CAUSAL_APPLICATION, "u", "new");
	ck_assert(causal_allows(causal, 1, 1));
	causal_leave(causal);
	for (int i = 0; i < CAUSAL_KEPT_MAX + 1; i++) {
		snprintf(address, sizeof address, "%d", i);
		causal_leave(join(CAUSAL_APPLICATION, "u", address));
	}
	causal = join(CAUSAL_APPLICATION, "u", "newer");
	ck_assert(!causal_allows(causal, 1, 1));
	tide_answer(&tide, tide_ask(), 1, 100);
	ck_assert(causal_allows(causal, 1, 100));
	causal_leave(causal);
	teardown();
}
END_TEST

START_TEST(after_a_failover_a_position_of_the_new_primary_counts)
{
	struct causal	*causal;

	setup();
	causal = join(CAUSAL_SESSION, "u", "");
	causal_write(causal);
	tide_answer(&tide, tide_ask(), 1, 500);
	ck_assert(causal_allows(causal, 1, 500));
	ck_assert(!causal_allows(causal, 2, 1000));
	tide_answer(&tide, tide_ask(), 2, 400);
	ck_assert(!causal_allows(causal, 1, 500));
	ck_assert(!causal_allows(causal, 2, 399));
	ck_assert(causal_allows(causal, 2, 400));
	causal_leave(causal);
	teardown();
}
END_TEST

/* A counter stands for the table, and the tide for what was replayed. */
static _Atomic int64_t	written;
static _Atomic bool	is_over;

static void *
ask_on(void *arg)
{
	uint64_t	number;

	(void)arg;
	while (!atomic_load(&is_over)) {
		number = tide_ask();
		tide_answer(&tide, number, 1, atomic_load(&written));
	}
	return NULL;
}

static void *
write_and_read(void *arg)
{
	struct causal	*causal = join(CAUSAL_APPLICATION, arg, "");
	uint32_t	 timeline;
	int64_t		 mine, lsn;

	for (int i = 0; i < 20000; i++) {
		mine = atomic_fetch_add(&written, 1) + 1;
		causal_write(causal);
		if (causal_state(causal, &timeline, &lsn) == CAUSAL_AT)
			ck_assert_int_ge(lsn, mine);
	}
	causal_leave(causal);
	return NULL;
}

START_TEST(no_thread_ever_reads_before_its_own_write)
{
	pthread_t	threads[4], asker;
	char		names[4][2] = { "a", "a", "b", "b" };

	setup();
	ck_assert_int_eq(pthread_create(&asker, NULL, ask_on, NULL), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL,
		    write_and_read, names[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&is_over, true);
	pthread_join(asker, NULL);
	teardown();
}
END_TEST

static enum heal
heal_in(const char *sqlstate, const char *message, const char *file)
{
	struct error_fields	error = { .severity = "ERROR",
				    .sqlstate = sqlstate, .message = message,
				    .file = file };

	return heal_of(&error);
}

static enum heal
heal(const char *sqlstate, const char *message)
{
	return heal_in(sqlstate, message, NULL);
}

START_TEST(the_primary_heals_what_only_a_replica_refuses)
{
	static const char	*const once[] = { "42P01", "42703", "42883",
				    "42704", "3F000" };

	for (size_t i = 0; i < sizeof once / sizeof *once; i++)
		ck_assert_int_eq(heal(once[i], "x"), HEAL_ONCE);
	ck_assert_int_eq(heal("25006", "x"), HEAL_ALWAYS);
	ck_assert_int_eq(heal("0A000", "x"), HEAL_ALWAYS);
	ck_assert_int_eq(heal("0A000", "cannot use serializable mode in a hot "
	    "standby"), HEAL_ONCE);
	ck_assert_int_eq(heal("40001", "canceling statement due to conflict "
	    "with recovery"), HEAL_ONCE);
	ck_assert_int_eq(heal("40001", "could not serialize access"),
	    HEAL_NOT);
	/* As a server says it that speaks German. */
	ck_assert_int_eq(heal_in("40001", "storniere Anfrage wegen Konflikt "
	    "mit der Wiederherstellung", "postgres.c"), HEAL_ONCE);
	ck_assert_int_eq(heal_in("40001", "once more", "pl_exec.c"),
	    HEAL_NOT);
	ck_assert_int_eq(heal_in("57014", "storniere Anfrage", "postgres.c"),
	    HEAL_NOT);
	ck_assert_int_eq(heal("57014", "canceling statement due to conflict "
	    "with recovery"), HEAL_NOT);
	ck_assert_int_eq(heal("22012", "division by zero"), HEAL_NOT);
	ck_assert_int_eq(heal("XX000", ""), HEAL_NOT);
}
END_TEST

CHECK_MAIN("causal",
    who_has_not_written_reads_anywhere,
    after_a_write_only_an_answer_to_a_later_question_counts,
    an_answer_that_is_overtaken_says_nothing,
    one_application_is_database_user_and_address_together,
    a_scope_of_the_database_is_shared_by_all_a_session_by_nobody,
    a_connection_for_each_request_reads_what_the_one_before_wrote,
    of_those_who_are_forgotten_everybody_new_may_be_one,
    after_a_failover_a_position_of_the_new_primary_counts,
    no_thread_ever_reads_before_its_own_write,
    the_primary_heals_what_only_a_replica_refuses)
