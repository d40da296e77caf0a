/* Runs in: program.
 *
 * What the environment of a batch job says of its nodes. It is read only where the caller asks for
 * POSSE_NODES_BATCH, or for srun without nodes.
 *
 *   Slurm        SLURM_JOB_NODELIST       "n[01-03,7],gpu[1-2]-ib"
 *                SLURM_TASKS_PER_NODE     "8(x3),4": one number for each node
 *                SLURM_JOB_CPUS_PER_NODE  the same, if the other is of a step and not of the job
 *   PBS, Torque  PBS_NODEFILE             a file with a line for each place
 *   LSF          LSB_MCPU_HOSTS           "a 8 b 4"
 *                LSB_HOSTS                "a a b": a word for each place
 *   Grid Engine  PE_HOSTFILE              a file: "a 8 all.q UNDEF"
 */
#include "remote/hosts.h"
#include "posse.h"
#include "base/tuning.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Slurm ---- */

#define MAX_DIGITS ((size_t)18)
#define NUMBERS "0123456789"

static int expand(struct pi_hosts *hosts, const char *head, const char *rest);

/* "7" or "01-12". False: it is neither. */
static bool read_range(const char **at, unsigned long long *low, unsigned long long *high)
{
    size_t digits = strspn(*at, NUMBERS), more = digits;
    if (digits == 0 || digits > MAX_DIGITS)
        return false;
    *low = *high = strtoull(*at, NULL, 10);
    *at += digits;
    if (**at == '-') {
        more = strspn(*at + 1, NUMBERS);
        *high = strtoull(*at + 1, NULL, 10);
        *at += 1 + more;
    }
    return more > 0 && more <= MAX_DIGITS && *low <= *high;
}

/* All numbers have at least as many digits as the first. */
static int expand_range(struct pi_hosts *hosts, const char *head, const char **at, const char *rest)
{
    int digits = (int)strspn(*at, NUMBERS), error = 0;
    unsigned long long low, high;
    if (!read_range(at, &low, &high))
        return EINVAL;
    if (high - low >= PI_MAX_NODES)
        return E2BIG;
    for (; !error && low <= high; low++) {
        char longer[PI_HOST_SIZE];
        int length = snprintf(longer, sizeof longer, "%s%0*llu", head, digits, low);
        error = (size_t)length < sizeof longer ? expand(hosts, longer, rest) : EINVAL;
    }
    return error;
}

/* Adds all that begin with `head` and go on as `rest` says. Each number of a bracket gives a host
 * or an error, so PI_MAX_NODES bounds the time, and PI_HOST_SIZE the depth. */
static int expand(struct pi_hosts *hosts, const char *head, const char *rest)
{
    char longer[PI_HOST_SIZE];
    size_t plain = strcspn(rest, "[");
    const char *at = rest + plain, *behind = strchr(at, ']');
    int length = snprintf(longer, sizeof longer, "%s%.*s", head, (int)plain, rest), error = 0;
    if (plain >= PI_HOST_SIZE || (size_t)length >= sizeof longer)
        return EINVAL;
    if (*at == '\0')
        return pi_hosts_add(hosts, longer, (size_t)length);
    if (!behind)
        return EINVAL;
    do {
        at++;
        error = expand_range(hosts, longer, &at, behind + 1);
    } while (!error && *at == ',');
    return error || at == behind ? error : EINVAL;
}

/* Where the first entry of the list ends: at a comma that is in no bracket. */
static size_t entry_length(const char *list)
{
    bool inside = false;
    size_t i = 0;
    for (; list[i] && (inside || list[i] != ','); i++)
        inside = list[i] == '[' || (inside && list[i] != ']');
    return i;
}

static int expand_list(struct pi_hosts *hosts, char *list)
{
    int error = 0;
    for (bool more = true; !error && more;) {
        size_t length = entry_length(list);
        more = list[length] == ',';
        list[length] = '\0';
        error = expand(hosts, "", list);
        list += length + 1;
    }
    return error;
}

/* "8(x3),4". False: it has not one number for each host. */
static bool read_counts(struct pi_hosts *hosts, const char *at)
{
    size_t n = 0;
    for (bool more = at != NULL; more; at++) {
        long number = pi_hosts_number(&at, POSSE_MAX_WORKERS), times = 1;
        if (strncmp(at, "(x", 2) == 0) {
            at += 2;
            times = pi_hosts_number(&at, PI_MAX_NODES);
            if (*at++ != ')')
                return false;
        }
        if (number == 0 || times == 0 || (size_t)times > hosts->n - n)
            return false;
        while (times--)
            hosts->at[n++].places = number;
        more = *at == ',';
        if (!more && *at)
            return false;
    }
    return n > 0 && n == hosts->n;
}

static int read_slurm(struct pi_hosts *hosts, const char *list)
{
    char *copy = strdup(list);
    int error = copy ? expand_list(hosts, copy) : ENOMEM;
    free(copy);
    if (error || read_counts(hosts, getenv("SLURM_TASKS_PER_NODE")) ||
        read_counts(hosts, getenv("SLURM_JOB_CPUS_PER_NODE")))
        return error;
    return EINVAL;
}

/* ---- LSF ---- */

/* "a 8 b 4", or without numbers "a a b". */
static int read_words(struct pi_hosts *hosts, const char *at, bool numbers)
{
    int error = 0;
    while (!error && *(at += strspn(at, " "))) {
        struct pi_host *host;
        size_t length = strcspn(at, " ");
        long number = 1;
        error = pi_hosts_find(hosts, at, length, &host);
        at += length;
        if (numbers) {
            at += strspn(at, " ");
            number = pi_hosts_number(&at, POSSE_MAX_WORKERS);
        }
        if (number == 0 || (*at && *at != ' '))
            return EINVAL;
        if (!error)
            host->places += number;
        if (!error && host->places > POSSE_MAX_WORKERS)
            return E2BIG;
    }
    return error;
}

/* ---- which one ---- */

int pi_hosts_read_batch(struct pi_hosts *hosts)
{
    const char *value;
    if ((value = getenv("SLURM_JOB_NODELIST")))
        return read_slurm(hosts, value);
    if ((value = getenv("PBS_NODEFILE")))
        return pi_hosts_read_file(hosts, value, 1);
    if ((value = getenv("LSB_MCPU_HOSTS")))
        return read_words(hosts, value, true);
    if ((value = getenv("LSB_HOSTS")))
        return read_words(hosts, value, false);
    if ((value = getenv("PE_HOSTFILE")))
        return pi_hosts_read_file(hosts, value, 1);
    return EINVAL;
}
