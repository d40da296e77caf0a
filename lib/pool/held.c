#include "pool/held.h"

#include "base/tuning.h"
#include "os/pages.h"

#include <errno.h>
#include <string.h>

#define BUCKETS 1024u

/* In the list of its bucket, or of the free ones. `next` and the heads: 1 + an index, 0: none. */
struct held {
    struct pi_life life;
    uint32_t next;
    struct pi_os_fds fds;
};

struct pi_held_table {
    uint32_t heads[BUCKETS];
    uint32_t free;
    uint32_t used;  /* places that are or were in use */
    uint32_t count; /* places that are in use */
    struct held at[PI_MAX_HELD];
};

void pi_holder_init(struct pi_holder *holder)
{
    pthread_mutex_init(&holder->lock, NULL);
    holder->table = NULL;
}

/* The link that leads to the task's place, or the end of its list. */
static uint32_t *find(struct pi_held_table *table, const struct pi_life *life)
{
    uint32_t *link = &table->heads[life->slot % BUCKETS];
    while (*link) {
        struct held *held = &table->at[*link - 1];
        if (held->life.slot == life->slot && held->life.generation == life->generation)
            break;
        link = &held->next;
    }
    return link;
}

/* Frees the place that a link leads to. */
static void remove_at(struct pi_held_table *table, uint32_t *link)
{
    uint32_t place = *link;
    struct held *held = &table->at[place - 1];
    *link = held->next;
    held->fds.n = 0;
    held->next = table->free;
    table->free = place;
    table->count--;
}

/* 0: there is none. */
static uint32_t take_place(struct pi_held_table *table)
{
    uint32_t place = table->free;
    if (place)
        table->free = table->at[place - 1].next;
    else if (table->used < PI_MAX_HELD)
        place = ++table->used;
    return place;
}

static int add(struct pi_holder *holder, const struct pi_life *life, const struct pi_os_fds *fds)
{
    if (!holder->table)
        holder->table = pi_os_pages_get(sizeof *holder->table);
    if (!holder->table)
        return ENOMEM;
    struct pi_held_table *table = holder->table;
    uint32_t *link = find(table, life);
    if (*link)
        return EEXIST;
    uint32_t place = take_place(table);
    if (!place)
        return EMFILE;
    table->at[place - 1] = (struct held){.life = *life, .fds = *fds};
    *link = place; /* at the end of its list */
    table->count++;
    return 0;
}

int pi_held_add(struct pi_holder *holder, const struct pi_life *life, const struct pi_os_fds *fds)
{
    pthread_mutex_lock(&holder->lock);
    int error = add(holder, life, fds);
    pthread_mutex_unlock(&holder->lock);
    return error;
}

int pi_held_take(struct pi_holder *holder, const struct pi_life *life, struct pi_os_fds *fds)
{
    fds->n = 0;
    pthread_mutex_lock(&holder->lock);
    uint32_t *link = holder->table ? find(holder->table, life) : NULL;
    bool found = link && *link;
    if (found) {
        *fds = holder->table->at[*link - 1].fds;
        remove_at(holder->table, link);
    }
    pthread_mutex_unlock(&holder->lock);
    return found ? 0 : ENOENT;
}

int pi_held_copy(struct pi_holder *holder, const struct pi_life *life, struct pi_os_fds *fds)
{
    int error = ENOENT;
    fds->n = 0;
    pthread_mutex_lock(&holder->lock);
    const uint32_t *link = holder->table ? find(holder->table, life) : NULL;
    if (link && *link) {
        const struct pi_os_fds *from = &holder->table->at[*link - 1].fds;
        error = pi_os_fds_copy(fds, from->at, from->n);
    }
    pthread_mutex_unlock(&holder->lock);
    return error;
}

void pi_held_drop(struct pi_holder *holder, const struct pi_life *life)
{
    struct pi_os_fds fds;
    (void)pi_held_take(holder, life, &fds);
    pi_os_fds_close(&fds);
}

/* Whether the task may still need them. The caller has been told of its end, or will be, after the
 * word changes. */
static bool is_over(struct pi_slots *slots, const struct pi_life *life)
{
    uint64_t word = pi_slots_word(slots, life->slot);
    return pi_generation(word) != life->generation || !pi_in_use(word) || pi_final(word);
}

void pi_held_sweep(struct pi_holder *holder, struct pi_slots *slots)
{
    struct pi_held_table *table = holder->table;
    for (uint32_t i = 0; table && table->count > 0 && i < table->used; i++) {
        struct pi_life life = table->at[i].life;
        if (table->at[i].fds.n > 0 && is_over(slots, &life))
            pi_held_drop(holder, &life);
    }
}

void pi_holder_fini(struct pi_holder *holder)
{
    struct pi_held_table *table = holder->table;
    for (uint32_t i = 0; table && i < table->used; i++)
        pi_os_fds_close(&table->at[i].fds);
    pi_os_pages_free(table, sizeof *table);
    holder->table = NULL;
    pthread_mutex_destroy(&holder->lock);
}
