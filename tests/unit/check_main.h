/*
 * The main() of every unit test: one suite, one case, the tests named.
 */

#ifndef CHECK_MAIN_H
#define CHECK_MAIN_H

#include <check.h>
#include <stdlib.h>

static inline int
check_run(const char *name, const TTest *const *tests, size_t n)
{
	Suite	*suite = suite_create(name);
	TCase	*tcase = tcase_create(name);
	SRunner	*runner;
	int	 failed;

	for (size_t i = 0; i < n; i++)
		tcase_add_test(tcase, tests[i]);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define CHECK_MAIN(name, ...)						\
	int								\
	main(void)							\
	{								\
		const TTest	*const tests[] = { __VA_ARGS__ };	\
									\
		return check_run(name, tests,				\
		    sizeof tests / sizeof tests[0]);			\
	}

#endif
