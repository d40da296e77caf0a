/* common.h - what the demos share: their options, ending with a message, and sleeping. */
#ifndef DEMO_COMMON_H
#define DEMO_COMMON_H

#include <posse.h>

struct demo {
    posse_backend backend;
    const char *backend_name;
    long workers; /* 0: the default of the pool */
};

#define DEMO_PROCESS ((struct demo){.backend_name = "process"})

/* What a program takes besides --backend process, --backend thread and --help. */
#define DEMO_TAKES_INLINE 1u
#define DEMO_TAKES_WORKERS 2u

/* Reads the command line of a program that has no other options. Ends the program after --help, or
 * after one line on stderr (by getopt_long or from here). Each program has its help in a string of
 * that name, which demo/run.sh shows without building the program. */
struct demo demo_parse(int argc, char **argv, const char *help, unsigned takes);

/* The values of the options, for programs that have more of them. End the program as above. */
void demo_set_backend(struct demo *demo, const char *name, unsigned takes);
long demo_number(const char *flag, const char *text, long least, long most);

/* Ends the program with what was tried and the status in words, unless the status is POSSE_OK. */
void demo_check(posse_status status, const char *what);

posse_executor *demo_create(const struct demo *demo);

/* Destroys the pool and sees to it that all output was written. Returns main's exit status. */
int demo_end(posse_executor *pool);

void demo_sleep(long milliseconds);

#endif
