/*
 * Write conf/pgweir.ini or conf/pgweir.ini.5 from the table of options:
 * print_options sample | manual.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/options.h"

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "sample") == 0)
		options_print_sample(stdout);
	else if (argc == 2 && strcmp(argv[1], "manual") == 0)
		options_print_manual(stdout);
	else
		return EXIT_FAILURE;
	return EXIT_SUCCESS;
}
