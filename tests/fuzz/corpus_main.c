/*
 * A main() for a fuzz entry without a fuzzer: run it over every file of the
 * directories given.  So what a fuzzer once found stays tested where there is
 * no libFuzzer.
 *
 * Each input is copied to memory of exactly its size, so that a sanitizer
 * sees a read behind the end.  Exits with 1 when a directory cannot be read
 * or is empty: a corpus that went missing must not look like one that passed.
 */

#include <dirent.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { CORPUS_FILE_BYTES_MAX = 1 << 20 };

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
corpus_run_file(const char *path)
{
	static uint8_t	 bytes[CORPUS_FILE_BYTES_MAX];
	uint8_t		*input;
	FILE		*file;
	size_t		 n;

	if ((file = fopen(path, "rb")) == NULL)
		err(1, "%s", path);
	n = fread(bytes, 1, sizeof bytes, file);
	if (ferror(file))
		err(1, "%s", path);
	fclose(file);
	if ((input = malloc(n != 0 ? n : 1)) == NULL)
		err(1, NULL);
	for (size_t i = 0; i < n; i++)
		input[i] = bytes[i];
	LLVMFuzzerTestOneInput(input, n);
	free(input);
}

static int
corpus_run_directory(const char *directory)
{
	struct dirent	*entry;
	char		 path[4096];
	DIR		*dir;
	int		 count = 0;

	if ((dir = opendir(directory)) == NULL)
		err(1, "%s", directory);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
		corpus_run_file(path);
		count++;
	}
	closedir(dir);
	if (count == 0)
		errx(1, "%s: no files", directory);
	return count;
}

int
main(int argc, char **argv)
{
	int	count = 0;

	if (argc < 2)
		errx(1, "usage: %s directory ...", argv[0]);
	for (int i = 1; i < argc; i++)
		count += corpus_run_directory(argv[i]);
	printf("%d inputs\n", count);
	return 0;
}
