#include "remote/mpi/ranks.h"
#include "base/tuning.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TAG 7
#define SENDS 8u
#define RECEIVES 4u

struct message {
    MPI_Request request;
    unsigned char bytes[PI_RELAY_HEAD + PI_RELAY_CHUNK];
};

struct link {
    int rank;
    struct message sends[SENDS]; /* a ring: `sending` of them, from `oldest` */
    unsigned oldest, sending;
    struct message receives[RECEIVES]; /* a ring, in the order in which they were posted */
    unsigned next;
};

static struct {
    size_t n;
    struct link *links;
    /* Of each link the receive that completes next; where the last call has found some. */
    MPI_Request *heads;
    MPI_Status *statuses;
    int *found;
} ranks;

void pi_ranks_begin(int *rank, int *count)
{
    int level;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_SINGLE, &level);
    MPI_Comm_rank(MPI_COMM_WORLD, rank);
    MPI_Comm_size(MPI_COMM_WORLD, count);
}

void pi_ranks_share(void *bytes, size_t size)
{
    MPI_Bcast(bytes, (int)size, MPI_BYTE, 0, MPI_COMM_WORLD);
}

static void receive(struct link *l, unsigned i)
{
    MPI_Irecv(l->receives[i].bytes, sizeof l->receives[i].bytes, MPI_BYTE, l->rank, TAG,
              MPI_COMM_WORLD, &l->receives[i].request);
}

bool pi_ranks_link(size_t n)
{
    int own;
    MPI_Comm_rank(MPI_COMM_WORLD, &own);
    ranks.links = calloc(n, sizeof *ranks.links);
    ranks.heads = calloc(n, sizeof(MPI_Request));
    ranks.statuses = calloc(n, sizeof *ranks.statuses);
    ranks.found = calloc(n, sizeof *ranks.found);
    if (!ranks.links || !ranks.heads || !ranks.statuses || !ranks.found)
        return false;
    for (ranks.n = 0; ranks.n < n; ranks.n++) {
        struct link *l = &ranks.links[ranks.n];
        l->rank = own == 0 ? (int)ranks.n + 1 : 0;
        for (unsigned i = 0; i < RECEIVES; i++)
            receive(l, i);
        ranks.heads[ranks.n] = l->receives[0].request;
    }
    return true;
}

/* ---- what goes ---- */

unsigned pi_ranks_room(size_t link) { return SENDS - ranks.links[link].sending; }

static struct message *next_send(size_t link)
{
    struct link *l = &ranks.links[link];
    return &l->sends[(l->oldest + l->sending) % SENDS];
}

unsigned char *pi_ranks_payload(size_t link) { return next_send(link)->bytes + PI_RELAY_HEAD; }

void pi_ranks_send(size_t link, const struct pi_relay_frame *frame)
{
    struct message *m = next_send(link);
    size_t tail = frame->kind == PI_RELAY_DATA ? frame->count : 0;
    pi_relay_write(m->bytes, frame);
    MPI_Isend(m->bytes, (int)(PI_RELAY_HEAD + tail), MPI_BYTE, ranks.links[link].rank, TAG,
              MPI_COMM_WORLD, &m->request);
    ranks.links[link].sending++;
}

static bool see_sent(struct link *l)
{
    int done = 1;
    bool moved = false;
    while (l->sending && done) {
        MPI_Test(&l->sends[l->oldest].request, &done, MPI_STATUS_IGNORE);
        if (!done)
            break;
        l->oldest = (l->oldest + 1) % SENDS;
        l->sending--;
        moved = true;
    }
    return moved;
}

bool pi_ranks_sent(void)
{
    for (size_t i = 0; i < ranks.n; i++)
        if (ranks.links[i].sending)
            return false;
    return true;
}

/* ---- what comes ---- */

static void take(size_t link, MPI_Status *status, pi_ranks_fn *hear)
{
    struct link *l = &ranks.links[link];
    int size;
    MPI_Get_count(status, MPI_BYTE, &size);
    hear(link, l->receives[l->next].bytes, size > 0 ? (size_t)size : 0);
    receive(l, l->next);
    l->next = (l->next + 1) % RECEIVES;
    ranks.heads[link] = l->receives[l->next].request;
}

bool pi_ranks_move(pi_ranks_fn *hear)
{
    int n = 0;
    bool moved = false;
    for (size_t i = 0; i < ranks.n; i++)
        moved |= see_sent(&ranks.links[i]);
    MPI_Testsome((int)ranks.n, ranks.heads, &n, ranks.found, ranks.statuses);
    for (int i = 0; n != MPI_UNDEFINED && i < n; i++)
        take((size_t)ranks.found[i], &ranks.statuses[i], hear);
    return moved || (n != MPI_UNDEFINED && n > 0);
}

/* ---- the end ---- */

void pi_ranks_end(void)
{
    for (size_t i = 0; i < ranks.n; i++)
        for (unsigned k = 0; k < RECEIVES; k++) {
            MPI_Request *request = &ranks.links[i].receives[k].request;
            MPI_Cancel(request);
            MPI_Wait(request, MPI_STATUS_IGNORE);
        }
    MPI_Finalize();
    free(ranks.links);
    free(ranks.heads);
    free(ranks.statuses);
    free(ranks.found);
}

_Noreturn void pi_ranks_abort(const char *why)
{
    fprintf(stderr, "posse-relay: %s\n", why);
    MPI_Abort(MPI_COMM_WORLD, 1);
    _exit(1);
}
