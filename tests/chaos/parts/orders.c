/* orders.c - what the tasks do, and the bytes that they pass. */
#include "burdens.h"
#include "chaos.h"
#include "tales.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t mix(uint64_t value)
{
    value += 0x9e3779b97f4a7c15u;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

uint32_t below(uint64_t *random, uint32_t end)
{
    *random += 0x9e3779b97f4a7c15u;
    return end == 0 ? 0 : (uint32_t)(mix(*random) >> 32) % end;
}

void fill(void *bytes, size_t size, uint64_t seed)
{
    unsigned char *to = bytes;
    for (size_t at = 0; at < size; at += sizeof seed) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        memcpy(to + at, &seed, size - at < sizeof seed ? size - at : sizeof seed);
    }
}

bool is_filled(const void *bytes, size_t size, uint64_t seed)
{
    const unsigned char *from = bytes;
    for (size_t at = 0; at < size; at += sizeof seed) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        if (memcmp(from + at, &seed, size - at < sizeof seed ? size - at : sizeof seed) != 0)
            return false;
    }
    return true;
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void work_for(uint32_t us)
{
    for (int64_t end = now_us() + us; now_us() < end;) {
    }
}

static int give(posse_task *task, uint64_t value)
{
    return posse_task_return(task, &value, sizeof value) == POSSE_OK ? 0 : NO_ROOM;
}

static int plain(posse_task *task, const struct order *order)
{
    if (!tell_messages(task, order))
        return WRONG_END;
    return give(task, mix(order->value));
}

static int failing(posse_task *task, const struct order *order)
{
    return posse_task_fail(task, FAILS_SO, "%llx", (unsigned long long)order->value);
}

/* ---- a tree of tasks ---- */

uint32_t nodes_of(uint64_t n)
{
    uint32_t nodes[2] = {1, 1};
    for (uint64_t i = 2; i <= n; i++) {
        uint32_t next = 1 + nodes[0] + nodes[1];
        nodes[0] = nodes[1];
        nodes[1] = next;
    }
    return nodes[1];
}

static posse_fn obey_node;

/* Tells which worker was lost further in; what else may be wrong there is a fault. */
static int pass_on(posse_task *task, const posse_error *error)
{
    if (error->status == POSSE_WORKER_LOST)
        return posse_task_fail(task, LOST_INSIDE, "%ld", error->pid);
    if (error->status == POSSE_TASK_FAILED)
        return posse_task_fail(task, error->code, "%s", error->message);
    return posse_task_fail(task, WRONG_END, "inner: %s", posse_status_name(error->status));
}

static int nested(posse_task *task, const struct order *order)
{
    posse_future half[2];
    posse_error error = {.struct_size = sizeof error};
    uint64_t sum = order->value, value;
    atomic_fetch_add(&order->entry->nodes, 1);
    for (unsigned i = 0; order->value >= 2 && i < 2; i++) {
        struct order smaller = *order;
        smaller.value = order->value - 1 - i;
        posse_status status =
            posse_submit(posse_task_executor(task), obey_node, &smaller, sizeof smaller, &half[i]);
        if (status != POSSE_OK)
            return posse_task_fail(task, WRONG_END, "submit: %s", posse_status_name(status));
    }
    sum = order->value >= 2 ? 0 : sum;
    for (int i = 0; order->value >= 2 && i < 2; i++) {
        posse_status status = posse_result_into(half[i], -1, &value, sizeof value, NULL);
        sum += status == POSSE_OK ? value : 0;
        if (status != POSSE_OK && error.status == POSSE_OK) {
            (void)posse_exception(half[i], 0, &error);
            error.status = status;
        }
        posse_release(half[i]);
    }
    return error.status == POSSE_OK ? give(task, sum) : pass_on(task, &error);
}

static int obey_node(posse_task *task, const void *arg, size_t size)
{
    const struct order *order = arg;
    meet(order->roster, order->die_after_us);
    work_for(order->work_us / 8);
    return nested(task, order);
}

/* ---- the others ---- */

/* Whether the bytes are right, also of a copy in memory of the pool. */
static int look_at_bytes(posse_task *task, const struct order *order)
{
    void *scratch = NULL;
    posse_executor *pool = posse_task_executor(task);
    if (order->fresh)
        return is_filled(order + 1, order->payload, order->value) ? 0 : WRONG_BYTES;
    if (posse_alloc(pool, order->payload, &scratch) != POSSE_OK)
        return NO_ROOM;
    memcpy(scratch, order + 1, order->payload);
    bool right = is_filled(scratch, order->payload, order->value);
    return posse_free(pool, scratch) == POSSE_OK && right ? 0 : WRONG_BYTES;
}

static int big(posse_task *task, const struct order *order)
{
    int wrong = look_at_bytes(task, order);
    if (wrong)
        return wrong;
    void *reply = posse_task_reserve(task, order->reply);
    if (reply == NULL)
        return NO_ROOM;
    fill(reply, order->reply, ~order->value);
    return 0;
}

static int slow(posse_task *task, const struct order *order)
{
    for (long end = now_ms() + HANG_MS; now_ms() < end;) {
        if (order->heeds && posse_task_cancelled(task))
            return 0;
        pause_ms(1);
    }
    return WRONG_END;
}

/* Two are never inside together; a death inside is told to the next. */
static int locked(posse_task *task, const struct order *order)
{
    struct locked *shared = order->locked;
    posse_status status = posse_lock_acquire(shared->lock, HANG_MS);
    if (status != POSSE_OK && status != POSSE_OWNER_DIED)
        return posse_task_fail(task, WRONG_LOCK, "acquire: %s", posse_status_name(status));
    long inside = shared->guard;
    shared->guard = (long)order->value | 1;
    shared->count++;
    work_for(order->work_us / 8);
    bool alone = shared->guard == ((long)order->value | 1);
    shared->guard = 0;
    posse_status released = posse_lock_release(shared->lock);
    if (!alone || (status == POSSE_OK && inside != 0) || released != POSSE_OK) {
        return posse_task_fail(task, WRONG_LOCK, "alone %d, inside %ld, %s, release: %s", alone,
                               inside, posse_status_name(status), posse_status_name(released));
    }
    return give(task, mix(order->value));
}

/* Memory that outlives its worker, which leaves on purpose. */
static int gift(posse_task *task, const struct order *order)
{
    void *memory = NULL;
    if (posse_alloc(posse_task_executor(task), GIFT_SIZE, &memory) != POSSE_OK)
        return NO_ROOM;
    fill(memory, GIFT_SIZE, order->value);
    return give(task, (uintptr_t)memory);
}

int obey_order(posse_task *task, const void *arg, size_t size)
{
    static int (*const deeds[])(posse_task *, const struct order *) = {
        [PLAIN] = plain, [FAILING] = failing, [NESTED] = nested, [BIG] = big,
        [SLOW] = slow,   [LOCKED] = locked,   [GIFT] = gift,
    };
    const struct order *order = arg;
    if (size != sizeof *order + order->payload)
        return WRONG_BYTES;
    atomic_fetch_add(&order->entry->runs, 1);
    meet(order->roster, order->die_after_us);
    note_order(task, order);
    work_for(order->work_us);
    if (!has_its_file(task, order))
        return WRONG_FILE;
    return deeds[order->kind](task, order);
}
