/* Runs in: anywhere.
 *
 * The structs of posse.h that begin with their own size. A program that was built with an older or
 * a later posse.h gives fewer or more bytes than this library knows. What it lacks is zero; what it
 * has beyond must be zero.
 *
 * Therefore a new version of posse.h adds fields at the end of a struct only, never where an older
 * one has padding, and leaves no padding behind them, because padding need not be zero.
 */
#include "internal.h"

#include <string.h>

#define MIN_SIZE (2 * sizeof(size_t)) /* the size, and something behind it */
#define MAX_SIZE ((size_t)4096)       /* more is no size: the field was not set */

posse_status pi_sized_check(const void *given)
{
    if (!given)
        return pi_refuse(POSSE_INVALID, "the struct is NULL");
    size_t size = pi_size_of(given);
    return size >= MIN_SIZE && size <= MAX_SIZE
               ? POSSE_OK
               : pi_refuse(POSSE_INVALID, "struct_size is not the size of the struct");
}

const void *pi_sized_copy(const void *given, void *copy, size_t known)
{
    if (pi_sized_check(given) != POSSE_OK)
        return NULL;
    size_t size = pi_size_of(given);
    for (size_t i = known; i < size; i++)
        if (((const char *)given)[i] != 0) {
            (void)pi_refuse(POSSE_INVALID, "the struct has fields that this version does not know");
            return NULL;
        }
    memset(copy, 0, known);
    memcpy(copy, given, size < known ? size : known);
    memcpy(copy, &known, sizeof known);
    return copy;
}

void pi_sized_write(void *to, const void *from, size_t known)
{
    size_t size = pi_size_of(to), both = size < known ? size : known;
    memcpy((char *)to + sizeof size, (const char *)from + sizeof size, both - sizeof size);
    memset((char *)to + both, 0, size - both);
}
