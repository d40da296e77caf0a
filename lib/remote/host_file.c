/* Runs in: program.
 *
 * Files of hosts, as batch systems write them and as people do for mpirun:
 *
 *   # a comment
 *   a                 without a number
 *   b:8               as in options.nodes
 *   c slots=8         of Open MPI; other words NAME=VALUE mean nothing here
 *   d 8 all.q UNDEF   of Grid Engine: what follows the number means nothing here
 *
 * The numbers of a host that stands on several lines are added up. A line without a number counts
 * one if a host stands on several lines, as in the file of $PBS_NODEFILE, and else `places`.
 */
#include "remote/hosts.h"
#include "posse.h"
#include "base/tuning.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char blanks[] = " \t\r\n\v\f";

static bool ends_word(char c) { return c == '\0' || strchr(blanks, c); }

/* The number of a host, in the word that follows its name; 0: the word has none; -1: it is not
 * valid. */
static long read_word(const char *word, size_t length)
{
    const char *at = word;
    if (strncmp(word, "slots=", 6) == 0)
        at += 6;
    else if (memchr(word, '=', length))
        return 0;
    long number = pi_hosts_number(&at, POSSE_MAX_WORKERS);
    return number && ends_word(*at) ? number : -1;
}

/* What follows the name, up to the end of the line. */
static int read_words(const char *at, long *number)
{
    bool grid_engine = false;
    while (*(at += strspn(at, blanks)) && !grid_engine) {
        size_t length = strcspn(at, blanks);
        long one = read_word(at, length);
        grid_engine = one > 0 && *at != 's';
        if (one < 0 || (one > 0 && *number))
            return EINVAL;
        *number = one ? one : *number;
        at += length;
    }
    return 0;
}

static int read_line(struct pi_hosts *hosts, char *line)
{
    line[strcspn(line, "#")] = '\0';
    const char *name = line + strspn(line, blanks), *at;
    size_t length = strcspn(name, " \t\r\n\v\f:");
    struct pi_host *host;
    long number = 0;
    if (*name == '\0')
        return 0;
    at = name + length;
    if (*at == ':') {
        at++;
        number = pi_hosts_number(&at, POSSE_MAX_WORKERS);
        if (number == 0 || !ends_word(*at))
            return EINVAL;
    }
    int error = read_words(at, &number);
    if (!error)
        error = pi_hosts_find(hosts, name, length, &host);
    if (error)
        return error;
    host->places += number ? number : 1;
    host->lines++;
    host->numbered |= number != 0;
    return host->places > POSSE_MAX_WORKERS ? E2BIG : 0;
}

static int read_lines(struct pi_hosts *hosts, FILE *file)
{
    char line[PI_HOST_LINE];
    int error = 0;
    for (long lines = 0; !error && fgets(line, sizeof line, file); lines++) {
        bool whole = strchr(line, '\n') || feof(file); /* neither too long nor with a zero byte */
        error = lines == PI_HOST_LINES ? E2BIG : whole ? read_line(hosts, line) : EINVAL;
    }
    return !error && ferror(file) ? errno : error;
}

int pi_hosts_read_file(struct pi_hosts *hosts, const char *path, long places)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return errno;
    int error = read_lines(hosts, file);
    (void)fclose(file);
    bool repeats = false;
    for (size_t i = 0; i < hosts->n; i++)
        repeats |= hosts->at[i].lines > 1;
    for (size_t i = 0; i < hosts->n && !repeats; i++)
        if (!hosts->at[i].numbered)
            hosts->at[i].places = places;
    return error;
}
