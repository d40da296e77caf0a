/* agent.c - a program of tests that is started as an agent is one, and runs no tests. Not every C
 * library gives the arguments of main to constructors. */
#include <posse_remote.h>

#include <stdio.h>
#include <string.h>

__attribute__((constructor)) static void become_agent(void)
{
    static char words[4096], *argv[32];
    int argc = 0;
    FILE *file = fopen("/proc/self/cmdline", "re");
    size_t size = file ? fread(words, 1, sizeof words - 1, file) : 0;
    for (size_t at = 0; at < size && argc < 31; at += strlen(words + at) + 1)
        argv[argc++] = words + at;
    if (file)
        fclose(file);
    posse_remote_main(argc, argv);
}
