/* relay_frame.h - what ranks of the relay say to each other: the head of a message, and its check.
 *
 * Runs in: posse-relay. The table of messages is in relay.c.
 *
 *   bytes 0-3    the kind
 *   bytes 4-7    the number of the connection; 0 if the message is of none
 *   bytes 8-11   DATA: how many bytes follow; CREDIT: how many the receiver has passed on
 *
 * All numbers are little-endian.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pi_relay_kind {
    PI_RELAY_OPEN = 1,
    PI_RELAY_DATA,
    PI_RELAY_CREDIT,
    PI_RELAY_END,
    PI_RELAY_GONE,
    PI_RELAY_STOP,
    PI_RELAY_BYE,
    PI_RELAY_KINDS
};
#define PI_RELAY_HEAD ((size_t)12)

struct pi_relay_frame {
    uint32_t kind, number, count;
};

void pi_relay_write(unsigned char head[PI_RELAY_HEAD], const struct pi_relay_frame *frame);

/* Reads a message of that size. accepts: a bit for each kind; connections: the numbers are below
 * it. False: no rank sends that. */
bool pi_relay_read(const unsigned char *message, size_t size, unsigned accepts,
                   uint32_t connections, struct pi_relay_frame *frame);
