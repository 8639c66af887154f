#ifndef MIXED_ENGINE_H
#define MIXED_ENGINE_H

/* An auction in C. The Rust half of the program replicates it and gives it the one Aeron client that both share. */

#include <stddef.h>
#include <stdint.h>

#include "aeronc.h"

typedef struct engine_stct engine_t;

/* What the auction answers to a bid, and what a snapshot of it is. Little-endian, as everything that goes over the wire here. */
typedef struct engine_state_stct
{
    int64_t best;
    int64_t bids;
}
engine_state_t;

/* An auction without bids, which publishes its best bid on `channel` and `stream_id` through `aeron`. The client must outlive it.
 * NULL if there is no memory, or Aeron refuses (see aeron_errmsg). */
engine_t *engine_create(aeron_t *aeron, const char *channel, int32_t stream_id);

/* Closes the publication and frees the auction. */
void engine_destroy(engine_t *engine);

/* Goes on from a snapshot. */
void engine_load(engine_t *engine, const engine_state_t *state);

/* Takes a bid: part of the replicated state machine, so it does nothing but change the state. */
engine_state_t engine_bid(engine_t *engine, int64_t amount);

engine_state_t engine_state(const engine_t *engine);

/* Publishes the best bid if it is a new one and somebody listens. Not replicated: every member publishes to its own listeners.
 * The work done, or -1 if Aeron refuses (see aeron_errmsg). */
int engine_poll(engine_t *engine);

#endif
