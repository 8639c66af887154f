#include "engine.h"

#include <stdlib.h>

struct engine_stct
{
    engine_state_t state;
    int64_t published;
    aeron_t *aeron;
    /* The publication is being added as long as `adding` is there, and then is in `publication`. */
    aeron_async_add_publication_t *adding;
    aeron_publication_t *publication;
};

engine_t *engine_create(aeron_t *aeron, const char *channel, int32_t stream_id)
{
    engine_t *engine = calloc(1, sizeof(engine_t));
    if (NULL == engine)
    {
        return NULL;
    }
    engine->aeron = aeron;
    if (aeron_async_add_publication(&engine->adding, aeron, channel, stream_id) < 0)
    {
        free(engine);
        return NULL;
    }
    return engine;
}

void engine_destroy(engine_t *engine)
{
    if (NULL != engine->adding)
    {
        aeron_async_add_publication_cancel(engine->aeron, engine->adding);
    }
    if (NULL != engine->publication)
    {
        aeron_publication_close(engine->publication, NULL, NULL);
    }
    free(engine);
}

void engine_load(engine_t *engine, const engine_state_t *state)
{
    engine->state = *state;
}

engine_state_t engine_bid(engine_t *engine, int64_t amount)
{
    engine->state.bids++;
    if (amount > engine->state.best)
    {
        engine->state.best = amount;
    }
    return engine->state;
}

engine_state_t engine_state(const engine_t *engine)
{
    return engine->state;
}

int engine_poll(engine_t *engine)
{
    if (NULL != engine->adding)
    {
        int added = aeron_async_add_publication_poll(&engine->publication, engine->adding);
        if (0 != added)
        {
            /* Answered, in whichever way: it is the client's again. */
            engine->adding = NULL;
        }
        return added;
    }
    if (NULL == engine->publication || engine->published == engine->state.best)
    {
        return 0;
    }
    int64_t result = aeron_publication_offer(
        engine->publication, (const uint8_t *)&engine->state, sizeof(engine->state), NULL, NULL);
    if (result > 0)
    {
        engine->published = engine->state.best;
        return 1;
    }
    /* Nobody listens, or they are behind: later. */
    return AERON_PUBLICATION_ERROR == result ? -1 : 0;
}
