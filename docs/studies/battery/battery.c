/* Run a battery of TestU01 on the 32-bit words that come from standard input; one line a test: name, tab, p-value.

   Usage: battery smallcrush | rabbit BITS | alphabit BITS
   TestU01: P. L'Ecuyer and R. Simard, ACM Transactions on Mathematical Software 33 (2007), article 22. */

#include <TestU01.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK 65536

static unsigned int words[CHUNK];
static size_t next = CHUNK;

static unsigned int word(void)
{
    if (next == CHUNK) {
        if (fread(words, sizeof words[0], CHUNK, stdin) != CHUNK) {
            fprintf(stderr, "battery: standard input ended\n");
            exit(2);
        }
        next = 0;
    }
    return words[next++];
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    double bits = argc > 2 ? atof(argv[2]) : 0.0;
    unif01_Gen *generator = unif01_CreateExternGenBits("standard input", word);

    /* TestU01 writes its reports to standard output; ours are the lines below. */
    FILE *lines = fdopen(dup(1), "w");
    if (lines == NULL || freopen("/dev/null", "w", stdout) == NULL)
        return 2;
    if (strcmp(name, "smallcrush") == 0)
        bbattery_SmallCrush(generator);
    else if (strcmp(name, "rabbit") == 0 && bits > 0.0)
        bbattery_Rabbit(generator, bits);
    else if (strcmp(name, "alphabit") == 0 && bits > 0.0)
        bbattery_Alphabit(generator, bits, 0, 32);
    else {
        fprintf(stderr, "usage: battery smallcrush | rabbit BITS | alphabit BITS\n");
        return 2;
    }
    for (int i = 0; i < bbattery_NTests; i++)
        fprintf(lines, "%s\t%.17g\n", bbattery_TestNames[i], bbattery_pVal[i]);
    unif01_DeleteExternGenBits(generator);
    return fclose(lines) == 0 ? 0 : 2;
}
